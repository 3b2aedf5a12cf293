//! Alerts that Alertmanager has.

use opsorch::{Alert, AlertId, AlertQuery, AlertStatusLevel, Context, Error, ErrorKind, Page, Result};

use super::filter::Filter;
use super::order::{self, Part};
use crate::prometheus::api::{self, Server};
use crate::prometheus::map::alert::AlertMap;
use crate::prometheus::map::matcher::equals;
use crate::prometheus::map::page;

/// An Alertmanager, and what its labels mean.
#[derive(Clone, Debug)]
pub(in crate::prometheus) struct Alertmanager {
    server: Server,
    map: AlertMap,
}

impl Alertmanager {
    pub(in crate::prometheus) fn new(server: Server, map: AlertMap) -> Self {
        Self { server, map }
    }

    pub(super) async fn query(&self, cx: &Context, query: &AlertQuery, matchers: &[String]) -> Result<Page<Alert>> {
        let (filter, part) = (Filter::of(query, &self.map.labels)?, Part::of(query)?);
        let scope = filter.labels.iter().map(|(name, value)| equals(name, value));
        let sent: Vec<String> = scope.chain(matchers.iter().cloned()).collect();
        let mut parameters: Vec<(&str, &str)> = sent.iter().map(|matcher| ("filter", matcher.as_str())).collect();
        if !filter.wants(AlertStatusLevel::Firing) {
            parameters.push(("active", "false"));
        }
        if !filter.wants(AlertStatusLevel::Suppressed) {
            parameters.extend([("silenced", "false"), ("inhibited", "false")]);
        }
        let found = api::alertmanager::alerts(cx, &self.server, &parameters).await;
        let found = found.map_err(|error| blame(error, matchers))?;
        let mapped = found.into_iter().map(|alert| self.map.of_alertmanager(alert, &self.server.page));
        let alerts = mapped.filter(|alert| filter.matches(alert)).collect();
        Ok(order::page(alerts, &part).url(Some(page::alertmanager(&self.server.page, &sent))))
    }

    pub(super) async fn get(&self, cx: &Context, id: &AlertId) -> Result<Alert> {
        let alert = api::alertmanager::alert(cx, &self.server, id).await?;
        Ok(self.map.of_alertmanager(alert, &self.server.page))
    }
}

/// What a matcher of the caller's own is refused for is the caller's to mend.
fn blame(error: Error, matchers: &[String]) -> Error {
    match error.kind() {
        ErrorKind::Invalid { .. } if !matchers.is_empty() => {
            let message = "Alertmanager refused the query; is each matcher one that it can read?";
            Error::invalid("metadata.filter", message).with_context("cause", error)
        }
        _ => error,
    }
}
