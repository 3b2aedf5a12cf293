//! What priorities and urgencies mean, and which of them stand for a severity.

use std::collections::BTreeMap;

use opsorch::{Error, Result, Severity, SeverityLevel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pagerduty::wire::Reference;

/// What the two urgencies mean where an incident has no priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Urgencies {
    /// What `high` means: `high` by default.
    pub high: Severity,
    /// What `low` means: `low` by default.
    pub low: Severity,
}

impl Default for Urgencies {
    fn default() -> Self {
        Self { high: SeverityLevel::High.into(), low: SeverityLevel::Low.into() }
    }
}

impl Urgencies {
    pub(in crate::pagerduty) fn check(&self) -> Result<()> {
        let parts = [("high", &self.high), ("low", &self.low)];
        match parts.into_iter().find(|(_, severity)| severity.level() == SeverityLevel::Unknown) {
            Some((name, severity)) => {
                Err(Error::invalid(format!("urgencies.{name}"), format!("expected a severity, got `{severity}`")))
            }
            None => Ok(()),
        }
    }
}

/// What the words of an account mean.
#[derive(Clone, Debug)]
pub(in crate::pagerduty) struct Severities {
    priorities: BTreeMap<String, Severity>,
    urgencies: Urgencies,
}

/// What stands for a severity at PagerDuty.
#[derive(Debug)]
pub(in crate::pagerduty) struct Standing {
    /// The id of a priority.
    pub(in crate::pagerduty) priority: Option<String>,
    /// `high` or `low`.
    pub(in crate::pagerduty) urgency: Option<&'static str>,
}

impl Severities {
    pub(super) fn new(priorities: BTreeMap<String, Severity>, urgencies: Urgencies) -> Self {
        Self { priorities, urgencies }
    }

    /// The severity of an incident, and PagerDuty's own word for it: its priority's name, else its urgency.
    pub(in crate::pagerduty) fn of(&self, priority: Option<&str>, urgency: Option<&str>) -> (Severity, Option<String>) {
        let severity = match (priority, urgency) {
            (Some(name), _) => self.of_priority(name),
            (None, Some("high")) => closed(self.urgencies.high.as_str()),
            (None, Some("low")) => closed(self.urgencies.low.as_str()),
            (None, Some(other)) => closed(other),
            (None, None) => SeverityLevel::Unknown.into(),
        };
        (severity, priority.or(urgency).map(str::to_owned))
    }

    fn of_priority(&self, name: &str) -> Severity {
        closed(self.priorities.get(name).map_or(name, Severity::as_str))
    }

    /// What stands for a severity in an account with these priorities: the one of that name; else the only one of that
    /// level; else the urgency of that level.
    ///
    /// # Errors
    /// `Invalid` where several priorities have the level, and `Unsupported` where nothing has it: an incident would read
    /// as another severity than was asked for.
    pub(in crate::pagerduty) fn standing_for(&self, wanted: &Severity, priorities: &[Reference]) -> Result<Standing> {
        let named = |priority: &&Reference| priority.label() == Some(wanted.as_str());
        if let Some(priority) = priorities.iter().find(named) {
            let level = self.of_priority(wanted.as_str()).level();
            return Ok(Standing { priority: priority.id.clone(), urgency: urgency_beside(level) });
        }
        let level = wanted.level();
        let has_level = |priority: &&Reference| {
            level != SeverityLevel::Unknown
                && priority.label().is_some_and(|name| self.of_priority(name).level() == level)
        };
        let candidates: Vec<&Reference> = priorities.iter().filter(has_level).collect();
        match candidates.as_slice() {
            [priority] => Ok(Standing { priority: priority.id.clone(), urgency: urgency_beside(level) }),
            [] => self.urgency_for(wanted).ok_or_else(|| {
                Error::unsupported(format!(
                    "nothing in this account stands for the severity `{wanted}`; its priorities are: {}; its urgencies mean: \
                     {}, {}",
                    names(priorities),
                    self.urgencies.high,
                    self.urgencies.low
                ))
            }),
            several => Err(Error::invalid(
                "severity",
                format!("`{wanted}` may be any of these priorities; name one of them: {}", names(several.iter().copied())),
            )),
        }
    }

    fn urgency_for(&self, wanted: &Severity) -> Option<Standing> {
        let levels = [("high", self.urgencies.high.level()), ("low", self.urgencies.low.level())];
        let (urgency, _) = levels.into_iter().find(|(_, level)| *level == wanted.level())?;
        Some(Standing { priority: None, urgency: Some(urgency) })
    }
}

/// Who is woken: what OpsOrch sends beside every severity.
fn urgency_beside(level: SeverityLevel) -> Option<&'static str> {
    match level {
        SeverityLevel::Critical | SeverityLevel::High => Some("high"),
        SeverityLevel::Medium | SeverityLevel::Low | SeverityLevel::Info => Some("low"),
        _ => None,
    }
}

/// The word of the closed set, or the account's own where it is in no table.
fn closed(word: &str) -> Severity {
    match SeverityLevel::of(word) {
        SeverityLevel::Unknown => word.into(),
        level => level.into(),
    }
}

fn names<'a>(priorities: impl IntoIterator<Item = &'a Reference>) -> String {
    let names: Vec<&str> = priorities.into_iter().filter_map(Reference::label).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
