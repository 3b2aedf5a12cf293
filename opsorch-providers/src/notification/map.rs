//! What the labels and annotations of an alert say, in the convention that Prometheus and Grafana share.

use opsorch::signal::labels::Labels;
use opsorch::{Alert, AlertStatus, AlertStatusLevel, Severity, SeverityLevel};

use crate::fields::put;

/// The label with the name of the rule.
const ALERT_NAME: &str = "alertname";

/// The label with the severity.
const SEVERITY: &str = "severity";

/// The annotations that say what is wrong at length, the best first.
const DESCRIPTIONS: [&str; 3] = ["description", "message", "summary"];

/// The annotations that hold a runbook.
const RUNBOOKS: [&str; 2] = ["runbook_url", "runbook"];

/// An alert: who it is, what is wrong, and how bad. `service` is the label that holds its service.
pub(crate) fn alert(id: String, labels: &Labels, annotations: &Labels, state: &str, service: &str) -> Alert {
    let text = |names: &[&str]| names.iter().find_map(|name| given(annotations, name));
    let title = given(labels, ALERT_NAME).or_else(|| text(&["summary"])).map_or_else(|| id.clone(), str::to_owned);
    let mut alert = Alert::new(id, title, status(state), severity(given(labels, SEVERITY)));
    alert.status_raw = (!state.is_empty()).then(|| state.to_owned());
    alert.severity_raw = given(labels, SEVERITY).map(str::to_owned);
    alert.description = text(&DESCRIPTIONS).map(str::to_owned);
    alert.service = given(labels, service).map(str::to_owned);
    put(&mut alert.fields, "labels", labels);
    put(&mut alert.fields, "annotations", annotations);
    put(&mut alert.fields, "runbook", text(&RUNBOOKS));
    alert
}

/// A value that is there and not empty.
fn given<'a>(values: &'a Labels, name: &str) -> Option<&'a str> {
    values.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// The word of the closed set, or the vendor's own where it is in no table.
fn status(state: &str) -> AlertStatus {
    let own = AlertStatus::new(state);
    match own.level() {
        AlertStatusLevel::Unknown if !state.is_empty() => own,
        level => level.into(),
    }
}

/// As [`status`]; an alert without the label has a severity that nobody knows.
fn severity(label: Option<&str>) -> Severity {
    let Some(word) = label else { return SeverityLevel::Unknown.into() };
    let own = Severity::new(word);
    match own.level() {
        SeverityLevel::Unknown => own,
        level => level.into(),
    }
}
