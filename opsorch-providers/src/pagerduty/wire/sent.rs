//! What is sent.

use opsorch::Fields;
use serde::Serialize;

/// A reference in something that is sent.
#[derive(Clone, Debug, Serialize)]
pub(in crate::pagerduty) struct Link {
    pub(in crate::pagerduty) id: String,
    #[serde(rename = "type")]
    pub(in crate::pagerduty) kind: &'static str,
}

impl Link {
    pub(in crate::pagerduty) fn new(kind: &'static str, id: impl Into<String>) -> Self {
        Self { id: id.into(), kind }
    }
}

/// What an incident is opened with, or what is changed in it.
#[derive(Debug, Default, Serialize)]
pub(in crate::pagerduty) struct IncidentChange {
    #[serde(rename = "type")]
    pub(in crate::pagerduty) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) service: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) priority: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) urgency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) incident_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) body: Option<IncidentBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) escalation_policy: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) escalation_level: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::pagerduty) assignments: Vec<Assign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) resolution: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in crate::pagerduty) struct IncidentBody {
    #[serde(rename = "type")]
    pub(in crate::pagerduty) kind: &'static str,
    pub(in crate::pagerduty) details: String,
}

#[derive(Debug, Serialize)]
pub(in crate::pagerduty) struct Assign {
    pub(in crate::pagerduty) assignee: Link,
}

/// What is sent to `/v2/enqueue`.
#[derive(Serialize)]
pub(in crate::pagerduty) struct Event<'a> {
    pub(in crate::pagerduty) routing_key: &'a str,
    pub(in crate::pagerduty) event_action: &'static str,
    pub(in crate::pagerduty) dedup_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::pagerduty) payload: Option<Payload<'a>>,
    #[serde(flatten)]
    pub(in crate::pagerduty) more: Fields,
}

#[derive(Debug, Serialize)]
pub(in crate::pagerduty) struct Payload<'a> {
    pub(in crate::pagerduty) summary: &'a str,
    pub(in crate::pagerduty) source: &'a str,
    pub(in crate::pagerduty) severity: &'static str,
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub(in crate::pagerduty) custom_details: Fields,
    #[serde(flatten)]
    pub(in crate::pagerduty) more: Fields,
}
