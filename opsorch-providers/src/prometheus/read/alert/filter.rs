//! Which alerts a query means. Every condition is checked here; what is also sent to the server only spares traffic.

use opsorch::{Alert, AlertQuery, AlertStatusLevel, Result};
use serde_json::Value;

use crate::prometheus::labels::ScopeLabels;
use crate::query::{Text, among, is_within};

/// The conditions of a query.
#[derive(Debug)]
pub(in crate::prometheus) struct Filter<'a> {
    query: &'a AlertQuery,
    /// The labels that the scope asks for, each with the value it must have.
    pub(super) labels: Vec<(&'a str, &'a str)>,
    text: Text,
}

impl<'a> Filter<'a> {
    /// # Errors
    /// `Invalid` for an empty name in the scope.
    pub(in crate::prometheus) fn of(query: &'a AlertQuery, names: &'a ScopeLabels) -> Result<Self> {
        Ok(Self { query, labels: names.wanted(&query.scope)?, text: Text::new(&query.query) })
    }

    /// Whether the query means this alert.
    pub(in crate::prometheus) fn matches(&self, alert: &Alert) -> bool {
        self.labels.iter().all(|(name, value)| label(alert, name) == Some(value))
            && among(&self.query.statuses, &alert.status)
            && among(&self.query.severities, &alert.severity)
            && is_within(alert.created_at, self.query.since, self.query.until)
            && mentions(alert, &self.text)
    }

    /// Whether alerts in this state of Alertmanager are wanted.
    pub(in crate::prometheus) fn wants(&self, state: AlertStatusLevel) -> bool {
        self.query.statuses.is_empty() || self.query.statuses.iter().any(|wanted| wanted.level() == state)
    }
}

/// Whether a text occurs in the title, the description or a label's value.
fn mentions(alert: &Alert, text: &Text) -> bool {
    let labels = alert.fields.get("labels").and_then(Value::as_object).into_iter().flatten();
    let texts = [Some(alert.title.as_str()), alert.description.as_deref()];
    text.occurs_in(texts.into_iter().chain(labels.map(|(_, value)| value.as_str())))
}

fn label<'a>(alert: &'a Alert, name: &str) -> Option<&'a str> {
    alert.fields.get("labels")?.get(name)?.as_str()
}
