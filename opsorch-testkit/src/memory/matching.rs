//! Whether an item passes the conditions of a query, and what an update does to a text.

use std::collections::BTreeMap;

use opsorch::{
    AlertStatus, AlertStatusLevel, DeploymentStatus, DeploymentStatusLevel, Error, IncidentStatus, IncidentStatusLevel,
    LogOperator, LogOperatorLevel, LogSeverity, LogSeverityLevel, MetricOperator, MetricOperatorLevel, Result,
    RunStatus, RunStatusLevel, Severity, SeverityLevel, TicketStatus, TicketStatusLevel, Time,
};
use serde_json::Value;

/// A word of the schema, such as a status.
pub(super) trait Word {
    /// Whether two words mean the same: by their level, or by their spelling where the level is unknown.
    fn means(&self, other: &Self) -> bool;
}

macro_rules! words {
    ($($word:ident $level:ident,)+) => {$(
        impl Word for $word {
            fn means(&self, other: &Self) -> bool {
                self == other || (self.level() == other.level() && self.level() != $level::Unknown)
            }
        }
    )+};
}
words! {
    Severity SeverityLevel,
    LogSeverity LogSeverityLevel,
    IncidentStatus IncidentStatusLevel,
    AlertStatus AlertStatusLevel,
    TicketStatus TicketStatusLevel,
    DeploymentStatus DeploymentStatusLevel,
    RunStatus RunStatusLevel,
}

/// Whether a word is among those wanted; none wanted means all.
pub(super) fn among<W: Word>(wanted: &[W], word: &W) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one.means(word))
}

/// Whether a value is one of those wanted; none wanted means all.
pub(super) fn any_of<T: PartialEq>(wanted: &[T], value: Option<&T>) -> bool {
    wanted.is_empty() || value.is_some_and(|value| wanted.contains(value))
}

/// Whether any of the texts has the wanted one in it, in whatever case.
pub(super) fn mentions<const N: usize>(wanted: &Option<String>, texts: [Option<&str>; N]) -> bool {
    let has = |wanted: &str| texts.into_iter().flatten().any(|text| text.to_lowercase().contains(wanted));
    wanted.as_ref().is_none_or(|wanted| has(&wanted.to_lowercase()))
}

/// Whether a time is in `[since, until)`. A time that is not known is in no span.
pub(super) fn within(time: Option<Time>, since: Option<Time>, until: Option<Time>) -> bool {
    since.is_none_or(|since| time.is_some_and(|time| time >= since))
        && until.is_none_or(|until| time.is_some_and(|time| time < until))
}

/// Whether all wanted tags are there.
pub(super) fn has_tags(tags: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| tags.get(name) == Some(value))
}

/// Compares what a field has, if it has something, with the value of a filter.
pub(super) type Comparison = fn(Option<&str>, &str) -> bool;

pub(super) fn log_comparison(operator: &LogOperator) -> Result<Comparison> {
    match operator.level() {
        LogOperatorLevel::Equals => Ok(equals),
        LogOperatorLevel::NotEquals => Ok(differs),
        LogOperatorLevel::Contains => Ok(contains),
        _ => Err(unsupported_operator(operator, "=, !=, contains")),
    }
}

pub(super) fn metric_comparison(operator: &MetricOperator) -> Result<Comparison> {
    match operator.level() {
        MetricOperatorLevel::Equals => Ok(equals),
        MetricOperatorLevel::NotEquals => Ok(differs),
        _ => Err(unsupported_operator(operator, "=, !=")),
    }
}

fn unsupported_operator(operator: impl std::fmt::Display, known: &str) -> Error {
    Error::unsupported(format!("this provider does not compare with `{operator}`, only with: {known}"))
}

fn equals(has: Option<&str>, wanted: &str) -> bool {
    has == Some(wanted)
}

fn differs(has: Option<&str>, wanted: &str) -> bool {
    has != Some(wanted)
}

fn contains(has: Option<&str>, wanted: &str) -> bool {
    has.is_some_and(|has| has.contains(wanted))
}

/// A value as text: a string as it is, everything else as JSON.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Refuses an empty title.
pub(super) fn check_title(title: &str) -> Result<()> {
    match title.trim() {
        "" => Err(Error::invalid("title", "expected a title, got an empty text")),
        _ => Ok(()),
    }
}

/// Puts a new text, if there is one, in the place of the old one; an empty text leaves none.
pub(super) fn replace(text: &mut Option<String>, new: &Option<String>) {
    if let Some(new) = new {
        *text = Some(new.clone()).filter(|new| !new.is_empty());
    }
}
