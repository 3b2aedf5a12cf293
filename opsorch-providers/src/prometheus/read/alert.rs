//! Reads alerts, from Alertmanager and from the rules of Prometheus.
//!
//! Both servers answer with everything they have, so pages are cut here: a cursor is the place of the last alert in the
//! one order that there is.

use async_trait::async_trait;
use opsorch::capability::AlertReader;
use opsorch::{Alert, AlertId, AlertQuery, Context, Error, ErrorKind, Fields, Page, Result};
use serde_json::Value;

pub(in crate::prometheus) use self::alertmanager::Alertmanager;
pub(in crate::prometheus) use self::rules::Rules;
use crate::query::refuse_metadata_but;

mod alertmanager;
mod filter;
mod order;
mod rules;

/// The names in [`AlertQuery::metadata`] that are understood.
const SOURCE: &str = "source";
const FILTER: &str = "filter";

/// The alerts of a provider.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one for each provider
pub(in crate::prometheus) enum Alerts {
    /// Those that Alertmanager has.
    Alertmanager(Alertmanager),
    /// Those that rules raise.
    Rules(Rules),
    /// Those that Alertmanager has; those that rules raise where they are asked for.
    Both(Alertmanager, Rules),
}

impl Alerts {
    /// The alerts of these servers; `None` if there are none.
    pub(in crate::prometheus) fn new(alertmanager: Option<Alertmanager>, rules: Option<Rules>) -> Option<Self> {
        match (alertmanager, rules) {
            (Some(alertmanager), Some(rules)) => Some(Self::Both(alertmanager, rules)),
            (Some(alertmanager), None) => Some(Self::Alertmanager(alertmanager)),
            (None, Some(rules)) => Some(Self::Rules(rules)),
            (None, None) => None,
        }
    }

    /// Whom a query asks: the one that `metadata.source` names, else Alertmanager if there is one.
    fn source(&self, metadata: &Fields) -> Result<Source<'_>> {
        let named = match metadata.get(SOURCE) {
            None => None,
            Some(Value::String(name)) if name == "alertmanager" || name == "rules" => Some(name.as_str()),
            Some(other) => {
                let message = format!("expected `alertmanager` or `rules`, got {other}");
                return Err(Error::invalid("metadata.source", message));
            }
        };
        match (self, named) {
            (Self::Alertmanager(_), Some("rules")) => {
                Err(Error::unsupported("rules are asked at Prometheus, and this provider has no `url` of one"))
            }
            (Self::Rules(_), Some("alertmanager")) => {
                Err(Error::unsupported("this provider has no `alertmanager_url`, so there is no Alertmanager to ask"))
            }
            (Self::Rules(rules), _) | (Self::Both(_, rules), Some("rules")) => Ok(Source::Rules(rules)),
            (Self::Alertmanager(alertmanager) | Self::Both(alertmanager, _), _) => {
                Ok(Source::Alertmanager(alertmanager))
            }
        }
    }
}

enum Source<'a> {
    Alertmanager(&'a Alertmanager),
    Rules(&'a Rules),
}

#[async_trait]
impl AlertReader for Alerts {
    async fn query(&self, cx: &Context, query: &AlertQuery) -> Result<Page<Alert>> {
        let matchers = matchers(&query.metadata)?;
        match self.source(&query.metadata)? {
            Source::Alertmanager(alertmanager) => alertmanager.query(cx, query, &matchers).await,
            Source::Rules(rules) if matchers.is_empty() => rules.query(cx, query).await,
            Source::Rules(_) => {
                Err(Error::unsupported("`metadata.filter` is for Alertmanager; rules are filtered by scope and text"))
            }
        }
    }

    /// Whatever a query finds can be read again, also what only the rules have.
    async fn get(&self, cx: &Context, id: &AlertId) -> Result<Alert> {
        match self {
            Self::Alertmanager(alertmanager) => alertmanager.get(cx, id).await,
            Self::Rules(rules) => rules.get(cx, id).await,
            Self::Both(alertmanager, rules) => match alertmanager.get(cx, id).await {
                Err(error) if *error.kind() == ErrorKind::NotFound => rules.get(cx, id).await,
                found => found,
            },
        }
    }
}

/// The matchers of `metadata.filter`, as the caller wrote them. Any other name is refused.
fn matchers(metadata: &Fields) -> Result<Vec<String>> {
    refuse_metadata_but(&[FILTER, SOURCE], metadata)?;
    let Some(filter) = metadata.get(FILTER) else { return Ok(Vec::new()) };
    serde_json::from_value(filter.clone()).map_err(|_| {
        Error::invalid("metadata.filter", "expected a list of matchers, such as [\"alertname=~\\\"Disk.*\\\"\"]")
    })
}
