//! Which alerts a query means. Every condition is checked here; what is also sent to the server only spares traffic.

use opsorch::{Alert, AlertQuery, AlertStatus, AlertStatusLevel, Error, Result, Severity, SeverityLevel, Time};
use serde_json::Value;

use crate::prometheus::labels::ScopeLabels;

/// The conditions of a query.
#[derive(Debug)]
pub(in crate::prometheus) struct Filter<'a> {
    query: &'a AlertQuery,
    /// The labels that the scope asks for, each with the value it must have.
    pub(super) labels: Vec<(&'a str, &'a str)>,
    /// The text to look for, in lower case.
    text: Option<String>,
}

impl<'a> Filter<'a> {
    /// # Errors
    /// `Invalid` for what cannot be meant.
    pub(in crate::prometheus) fn of(query: &'a AlertQuery, names: &'a ScopeLabels) -> Result<Self> {
        if query.limit == Some(0) {
            return Err(Error::invalid("limit", "expected at least 1, got 0"));
        }
        let labels = names.wanted(&query.scope)?;
        Ok(Self { query, labels, text: query.query.as_ref().map(|text| text.to_lowercase()) })
    }

    /// Whether the query means this alert.
    pub(in crate::prometheus) fn matches(&self, alert: &Alert) -> bool {
        self.labels.iter().all(|(name, value)| label(alert, name) == Some(value))
            && any(&self.query.statuses, |wanted| same_status(wanted, alert))
            && any(&self.query.severities, |wanted| same_severity(wanted, alert))
            && is_within(alert.created_at, self.query.since, self.query.until)
            && self.text.as_deref().is_none_or(|text| mentions(alert, text))
    }

    /// Whether alerts in this state of Alertmanager are wanted.
    pub(in crate::prometheus) fn wants(&self, state: AlertStatusLevel) -> bool {
        any(&self.query.statuses, |wanted| wanted.level() == state)
    }
}

/// Whether one of the wanted things is there; all are wanted where none is named.
fn any<T>(wanted: &[T], is: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}

// A known word stands for all words of its level; an unknown one for itself.

fn same_status(wanted: &AlertStatus, alert: &Alert) -> bool {
    match wanted.level() {
        AlertStatusLevel::Unknown => same_word(wanted.as_str(), alert.status.as_str()),
        level => level == alert.status.level(),
    }
}

fn same_severity(wanted: &Severity, alert: &Alert) -> bool {
    match wanted.level() {
        SeverityLevel::Unknown => same_word(wanted.as_str(), alert.severity.as_str()),
        level => level == alert.severity.level(),
    }
}

fn same_word(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

fn is_within(at: Option<Time>, since: Option<Time>, until: Option<Time>) -> bool {
    since.is_none_or(|since| at.is_some_and(|at| since <= at))
        && until.is_none_or(|until| at.is_some_and(|at| at < until))
}

/// Whether a text in lower case occurs in the title, the description or a label's value.
fn mentions(alert: &Alert, text: &str) -> bool {
    let labels = alert.fields.get("labels").and_then(Value::as_object).into_iter().flat_map(|labels| labels.values());
    let texts = [alert.title.as_str()].into_iter().chain(alert.description.as_deref());
    texts.chain(labels.filter_map(Value::as_str)).any(|it| it.to_lowercase().contains(text))
}

fn label<'a>(alert: &'a Alert, name: &str) -> Option<&'a str> {
    alert.fields.get("labels")?.get(name)?.as_str()
}
