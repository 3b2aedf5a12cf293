//! Incidents.

use opsorch::{Error, Fields, Incident, IncidentStatus, IncidentStatusLevel, Result};
use serde_json::Value;

use super::{Map, all_named, named, page, put, put_value, time};
use crate::pagerduty::wire;

/// PagerDuty's words for statuses.
const STATUSES: [(IncidentStatusLevel, &str); 3] = [
    (IncidentStatusLevel::Open, "triggered"),
    (IncidentStatusLevel::Acknowledged, "acknowledged"),
    (IncidentStatusLevel::Resolved, "resolved"),
];

impl Map {
    pub(in crate::pagerduty) fn incident(&self, mut incident: wire::Incident) -> Incident {
        let priority = incident.priority.take().and_then(wire::Label::into_name);
        let (severity, severity_raw) = self.severities.of(priority.as_deref(), incident.urgency.as_deref());
        let title = incident.title.take().or_else(|| incident.summary.take()).unwrap_or_default();
        let status = status(incident.status.as_deref().unwrap_or_default());
        let mut mapped = Incident::new(std::mem::take(&mut incident.id), title, status, severity);
        mapped.status_raw = incident.status.take();
        mapped.severity_raw = severity_raw;
        mapped.description = incident.body.take().and_then(|body| text(body.details));
        mapped.created_at = incident.created_at;
        mapped.updated_at = incident.updated_at.or(incident.last_status_change_at);
        mapped.url = page(incident.html_url.as_deref());
        mapped.fields = fields(&mut incident, priority);
        mapped.metadata = self.incident_metadata(&mut incident);
        mapped.service = incident.service.and_then(wire::Named::into_label);
        mapped
    }

    /// What OpsOrch keeps there.
    fn incident_metadata(&self, incident: &mut wire::Incident) -> Fields {
        let mut metadata = self.metadata();
        put_value(&mut metadata, "incident_key", incident.incident_key.take());
        put_value(&mut metadata, "html_url", incident.html_url.take());
        put_value(&mut metadata, "last_status_change_at", time(incident.last_status_change_at));
        if let Some(service) = &mut incident.service {
            put_value(&mut metadata, "service_id", service.id.take());
            put_value(&mut metadata, "service_url", service.html_url.take());
        }
        let assigned = incident.assignments.drain(..).filter_map(|assignment| assignment.assignee);
        put_value(&mut metadata, "assignments", all_named(assigned.chain(incident.assignees.drain(..))));
        metadata
    }
}

fn fields(incident: &mut wire::Incident, priority: Option<String>) -> Fields {
    let mut fields = Fields::new();
    put_value(&mut fields, "incident_number", incident.incident_number.or(incident.number));
    put_value(&mut fields, "urgency", incident.urgency.take());
    put_value(&mut fields, "priority", priority);
    put_value(&mut fields, "escalation_policy", incident.escalation_policy.take().and_then(named));
    put_value(&mut fields, "teams", all_named(incident.teams.drain(..)));
    put_value(&mut fields, "resolved_at", time(incident.resolved_at));
    put(&mut fields, "alert_counts", incident.alert_counts);
    put_value(&mut fields, "incident_type", incident.incident_type.take().and_then(wire::Label::into_name));
    fields
}

/// The word of the closed set, or PagerDuty's own where it is in no table.
pub(in crate::pagerduty) fn status(raw: &str) -> IncidentStatus {
    match IncidentStatusLevel::of(raw) {
        IncidentStatusLevel::Unknown if !raw.is_empty() => raw.into(),
        level => level.into(),
    }
}

/// PagerDuty's word for a status; `None` for one that no incident there has.
///
/// # Errors
/// `Unsupported` for a word that is in no table.
pub(in crate::pagerduty) fn vendor_status(status: &IncidentStatus) -> Result<Option<&'static str>> {
    let level = status.level();
    if level == IncidentStatusLevel::Unknown {
        let message = format!("PagerDuty knows no status `{status}`; it knows: open, acknowledged, resolved");
        return Err(Error::unsupported(message));
    }
    Ok(STATUSES.into_iter().find(|(known, _)| *known == level).map(|(_, word)| word))
}

/// Details are a text, by the API, and an object in incidents that integrations opened.
pub(super) fn text(details: Value) -> Option<String> {
    match details {
        Value::Null => None,
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}
