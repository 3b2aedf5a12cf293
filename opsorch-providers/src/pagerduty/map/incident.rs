//! Incidents.

use opsorch::{Error, Fields, Incident, IncidentStatus, IncidentStatusLevel, Result};
use serde_json::Value;

use super::{Map, all_named, named, page, put};
use crate::pagerduty::wire;

/// PagerDuty's words for statuses.
const STATUSES: [(IncidentStatusLevel, &str); 3] = [
    (IncidentStatusLevel::Open, "triggered"),
    (IncidentStatusLevel::Acknowledged, "acknowledged"),
    (IncidentStatusLevel::Resolved, "resolved"),
];

impl Map {
    pub(in crate::pagerduty) fn incident(&self, incident: wire::Incident) -> Incident {
        let priority = incident.priority.as_ref().and_then(|priority| priority.label());
        let (severity, severity_raw) = self.severities.of(priority, incident.urgency.as_deref());
        let title = incident.title.as_deref().or(incident.summary.as_deref()).unwrap_or_default();
        let raw = incident.status.as_deref().unwrap_or_default();
        let mut mapped = Incident::new(&*incident.id, title, status(raw), severity);
        mapped.status_raw = incident.status.clone();
        mapped.severity_raw = severity_raw;
        mapped.description = incident.body.as_ref().and_then(|body| text(&body.details));
        mapped.service = incident.service.as_ref().and_then(|service| service.label()).map(str::to_owned);
        mapped.created_at = incident.created_at;
        mapped.updated_at = incident.updated_at.or(incident.last_status_change_at);
        mapped.fields = fields(&incident);
        mapped.metadata = self.incident_metadata(&incident);
        mapped.url = page(incident.html_url);
        mapped
    }

    /// What OpsOrch keeps there.
    fn incident_metadata(&self, incident: &wire::Incident) -> Fields {
        let mut metadata = self.metadata();
        put(&mut metadata, "incident_key", &incident.incident_key);
        put(&mut metadata, "html_url", &incident.html_url);
        put(&mut metadata, "last_status_change_at", incident.last_status_change_at);
        if let Some(service) = &incident.service {
            put(&mut metadata, "service_id", &service.id);
            put(&mut metadata, "service_url", &service.html_url);
        }
        let assigned = incident.assignments.iter().filter_map(|assignment| assignment.assignee.as_ref());
        put(&mut metadata, "assignments", all_named(assigned.chain(&incident.assignees)));
        metadata
    }
}

fn fields(incident: &wire::Incident) -> Fields {
    let mut fields = Fields::new();
    put(&mut fields, "incident_number", incident.incident_number.or(incident.number));
    put(&mut fields, "urgency", &incident.urgency);
    put(&mut fields, "priority", incident.priority.as_ref().and_then(|priority| priority.label()));
    put(&mut fields, "escalation_policy", incident.escalation_policy.as_ref().and_then(named));
    put(&mut fields, "teams", all_named(&incident.teams));
    put(&mut fields, "resolved_at", incident.resolved_at);
    put(&mut fields, "alert_counts", incident.alert_counts);
    put(&mut fields, "incident_type", incident.incident_type.as_ref().and_then(|kind| kind.label()));
    fields
}

/// The word of the closed set, or PagerDuty's own where it is in no table.
pub(in crate::pagerduty) fn status(raw: &str) -> IncidentStatus {
    let own = IncidentStatus::new(raw);
    match own.level() {
        IncidentStatusLevel::Unknown if !raw.is_empty() => own,
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
pub(super) fn text(details: &Value) -> Option<String> {
    match details {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
