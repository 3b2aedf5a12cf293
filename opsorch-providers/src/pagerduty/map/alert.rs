//! Alerts, which are known by the key that joins their events.

use opsorch::{Alert, AlertStatus, AlertStatusLevel, Severity, SeverityLevel};
use serde_json::Value;

use super::{Map, incident, named, page, put, put_value};
use crate::pagerduty::wire;

/// The detail that holds what is wrong at length.
pub(in crate::pagerduty) const DESCRIPTION: &str = "description";

impl Map {
    /// An alert of an incident. That somebody has seen it, PagerDuty keeps in the incident.
    pub(in crate::pagerduty) fn alert(&self, alert: wire::Alert, of: &wire::Incident) -> Alert {
        let raw = alert.status.clone().unwrap_or_default();
        let is_acknowledged = of.status.as_deref() == Some("acknowledged");
        let own = AlertStatus::new(&*raw);
        let status: AlertStatus = match own.level() {
            AlertStatusLevel::Firing if alert.suppressed == Some(true) => AlertStatusLevel::Suppressed.into(),
            AlertStatusLevel::Firing if is_acknowledged => AlertStatusLevel::Acknowledged.into(),
            AlertStatusLevel::Unknown if !raw.is_empty() => own,
            level => level.into(),
        };
        let severity = alert.severity.as_deref().map_or(SeverityLevel::Unknown.into(), severity);
        let title = alert.summary.as_deref().unwrap_or_default();
        let mut mapped = Alert::new(alert_id(&alert, &of.id), title, status, severity);
        mapped.status_raw = alert.status;
        mapped.severity_raw = alert.severity;
        mapped.service = alert.service.as_ref().or(of.service.as_ref()).and_then(|it| it.label()).map(str::to_owned);
        mapped.created_at = alert.created_at;
        mapped.updated_at = alert.updated_at.or(alert.resolved_at);
        mapped.url = page(alert.html_url.as_deref());
        match alert.body.map(|body| body.details) {
            Some(Value::Object(details)) => mapped.fields = details.into_iter().collect(),
            Some(details) => mapped.description = incident::text(details),
            None => {}
        }
        if let Some(Value::String(description)) = mapped.fields.get(DESCRIPTION) {
            mapped.description = Some(description.clone());
            mapped.fields.remove(DESCRIPTION);
        }
        mapped.metadata = self.metadata();
        put(&mut mapped.metadata, "alert_id", alert.id);
        put(&mut mapped.metadata, "alert_key", alert.alert_key);
        put(&mut mapped.metadata, "incident_id", &of.id);
        put(&mut mapped.metadata, "service_id", alert.service.and_then(|service| service.id));
        put_value(&mut mapped.metadata, "integration", alert.integration.and_then(named));
        mapped
    }
}

/// An alert is known by its key; one without, by the incident's id and its own.
fn alert_id(alert: &wire::Alert, incident: &str) -> String {
    match alert.alert_key.as_deref() {
        Some(key) if !key.is_empty() => key.to_owned(),
        _ => format!("{incident}/{}", alert.id),
    }
}

fn severity(raw: &str) -> Severity {
    let own = Severity::new(raw);
    match own.level() {
        SeverityLevel::Unknown if !raw.is_empty() => own,
        level => level.into(),
    }
}

/// PagerDuty's word for the severity of an event; `None` where it has none.
pub(in crate::pagerduty) fn event_severity(severity: &Severity) -> Option<&'static str> {
    match severity.level() {
        SeverityLevel::Critical => Some("critical"),
        SeverityLevel::High => Some("error"),
        SeverityLevel::Medium => Some("warning"),
        SeverityLevel::Info => Some("info"),
        _ => None,
    }
}
