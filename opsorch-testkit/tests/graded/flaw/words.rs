//! Faults of words for statuses and severities.

use opsorch::{Action, Alert, AlertId, AlertStatusLevel, Query, Response, Result, SeverityLevel, Time};
use opsorch_testkit::MemoryProvider;

use super::Fault::{Read, Write};
use super::{Flaw, Properly};
use crate::tampered::ask;

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "leaves a severity empty", caught_by: &["TK-030"], fault: Read(leaves_a_severity_empty) },
    Flaw { name: "does not know a word of the table", caught_by: &["TK-030"], fault: Read(does_not_know_a_word) },
    Flaw { name: "guesses an unknown severity", caught_by: &["TK-031"], fault: Write(guesses_a_severity) },
    Flaw { name: "calls sev1 low", caught_by: &["TK-034"], fault: Read(calls_sev1_low) },
];

/// Answers from a world with one more alert.
fn beside(memory: &MemoryProvider, query: Query, alert: Alert) -> Result<Response> {
    if ask(memory, Query::AlertGet(AlertId::new(alert.id.as_str()))).is_err() {
        let at: Time = "2025-12-31T12:00:00Z".parse().unwrap();
        memory.seed_alert(alert.created_at(at).updated_at(at));
    }
    ask(memory, query)
}

fn leaves_a_severity_empty(memory: &MemoryProvider, query: Query) -> Result<Response> {
    beside(memory, query, Alert::new("alert-empty", "disk full", AlertStatusLevel::Firing, ""))
}

fn does_not_know_a_word(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let alert = Alert::new("alert-unknown", "disk full", AlertStatusLevel::Firing, "unknown");
    beside(memory, query, alert.severity_raw("critical"))
}

fn calls_sev1_low(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let alert = Alert::new("alert-low", "disk full", AlertStatusLevel::Firing, SeverityLevel::Low);
    beside(memory, query, alert.severity_raw("sev1"))
}

/// Takes a severity that it does not know for `medium`.
fn guesses_a_severity(memory: &MemoryProvider, _: &Action, properly: Properly<'_>) -> Result<Response> {
    let mut response = properly()?;
    if let Response::Incident(incident) = &mut response
        && incident.severity.level() == SeverityLevel::Unknown
    {
        incident.severity = SeverityLevel::Medium.into();
        memory.seed_incident(incident.clone());
    }
    Ok(response)
}
