//! The JSON of PagerDuty, as it sends and takes it. Nothing here leaves the folder.
//!
//! Everything may be `null` there, and a reference may be the whole thing, so that little is required.

mod sent;

use opsorch::Time;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub(super) use self::sent::{Assign, Event, IncidentBody, IncidentChange, Link, Payload};
use super::time;

/// What PagerDuty answers with when it refuses.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    #[serde(default)]
    pub(super) code: Option<u32>,
    /// A list; an object of lists where a v3 endpoint answers.
    #[serde(default)]
    errors: Value,
}

impl Failure {
    /// What a body says; nothing where it is a proxy's page, or empty.
    pub(super) fn of(body: &[u8]) -> Self {
        /// `{"error": {…}}`
        #[derive(Deserialize)]
        struct Envelope {
            error: Failure,
        }
        serde_json::from_slice(body).map(|Envelope { error }| error).unwrap_or_default()
    }

    /// Whether one of the errors says this, in any case.
    pub(super) fn says(&self, text: &str) -> bool {
        self.errors.to_string().to_lowercase().contains(text)
    }
}

/// What a part of a list says about the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Found {
    pub(super) more: Option<bool>,
    pub(super) limit: Option<usize>,
}

/// A part of a list.
pub(super) trait Part: DeserializeOwned {
    type Item;
    fn into_parts(self) -> (Vec<Self::Item>, Found);

    /// For lists that have no pages.
    fn into_items(self) -> Vec<Self::Item> {
        self.into_parts().0
    }
}

/// Answers that hold a list: the type, and the member that is the list.
macro_rules! parts {
    ($($part:ident $member:ident: $item:ty;)+) => {$(
        #[derive(Debug, Deserialize)]
        pub(super) struct $part {
            $member: Vec<$item>,
            #[serde(default)]
            more: Option<bool>,
            #[serde(default)]
            limit: Option<usize>,
        }

        impl Part for $part {
            type Item = $item;
            fn into_parts(self) -> (Vec<$item>, Found) {
                (self.$member, Found { more: self.more, limit: self.limit })
            }
        }
    )+};
}
parts! {
    IncidentList incidents: Incident;
    AlertList alerts: Alert;
    LogEntryList log_entries: LogEntry;
    NoteList notes: Note;
    ServiceList services: Service;
    TeamList teams: Reference;
    MemberList members: Member;
    PolicyList escalation_policies: Reference;
    OnCallList oncalls: OnCall;
    PriorityList priorities: Reference;
    UserList users: Reference;
}

/// `{"incident": {…}}`
#[derive(Debug, Deserialize)]
pub(super) struct OneIncident {
    pub(super) incident: Incident,
}

/// `{"alert": {…}}`
#[derive(Debug, Deserialize)]
pub(super) struct OneAlert {
    pub(super) alert: Alert,
}

/// `{"service": {…}}`
#[derive(Debug, Deserialize)]
pub(super) struct OneService {
    pub(super) service: Service,
}

/// `{"team": {…}}`
#[derive(Debug, Deserialize)]
pub(super) struct OneTeam {
    pub(super) team: Reference,
}

/// `{"note": {…}}`
#[derive(Debug, Deserialize)]
pub(super) struct OneNote {
    #[serde(rename = "note")]
    _note: Note,
}

/// A thing by its id; where it was included, with more about it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) email: Option<String>,
    pub(super) html_url: Option<String>,
}

impl Reference {
    /// What people call it.
    pub(super) fn label(&self) -> Option<&str> {
        self.name.as_deref().or(self.summary.as_deref()).filter(|name| !name.is_empty())
    }
}

/// A thing that something belongs to: only what it is called and where it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) id: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) name: Option<String>,
    pub(super) html_url: Option<String>,
}

impl Named {
    /// What people call it.
    pub(super) fn label(&self) -> Option<&str> {
        self.name.as_deref().or(self.summary.as_deref()).filter(|name| !name.is_empty())
    }

    /// As [`label`](Self::label), without a copy.
    pub(super) fn into_label(self) -> Option<String> {
        self.name.or(self.summary).filter(|name| !name.is_empty())
    }
}

/// A thing of which only what it is called is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Label {
    summary: Option<String>,
    name: Option<String>,
}

impl Label {
    /// What people call it.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref().or(self.summary.as_deref()).filter(|name| !name.is_empty())
    }

    /// As [`name`](Self::name), without a copy.
    pub(super) fn into_name(self) -> Option<String> {
        self.name.or(self.summary).filter(|name| !name.is_empty())
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Incident {
    pub(super) id: String,
    #[serde(default)]
    pub(super) incident_number: Option<u64>,
    /// The webhook's word for it.
    #[serde(default)]
    pub(super) number: Option<u64>,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) summary: Option<String>,
    #[serde(default)]
    pub(super) html_url: Option<String>,
    #[serde(default, deserialize_with = "time::optional")]
    pub(super) created_at: Option<Time>,
    #[serde(default, deserialize_with = "time::optional")]
    pub(super) updated_at: Option<Time>,
    #[serde(default, deserialize_with = "time::optional")]
    pub(super) last_status_change_at: Option<Time>,
    #[serde(default, deserialize_with = "time::optional")]
    pub(super) resolved_at: Option<Time>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) urgency: Option<String>,
    #[serde(default)]
    pub(super) incident_key: Option<String>,
    #[serde(default)]
    pub(super) service: Option<Named>,
    #[serde(default)]
    pub(super) priority: Option<Label>,
    #[serde(default)]
    pub(super) escalation_policy: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) teams: Vec<Named>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) assignments: Vec<Assignment>,
    /// The webhook's word for it.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) assignees: Vec<Named>,
    #[serde(default)]
    pub(super) alert_counts: Option<AlertCounts>,
    #[serde(default)]
    pub(super) incident_type: Option<Label>,
    /// Only where it was asked for.
    #[serde(default)]
    pub(super) body: Option<Body>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Assignment {
    #[serde(default)]
    pub(super) assignee: Option<Named>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct AlertCounts {
    #[serde(default)]
    pub(super) all: u64,
    #[serde(default)]
    pub(super) triggered: u64,
    #[serde(default)]
    pub(super) resolved: u64,
}

/// The body of an incident or of an alert.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Body {
    /// A text, or an object.
    #[serde(default)]
    pub(super) details: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Alert {
    pub(super) id: String,
    #[serde(default)]
    pub(super) alert_key: Option<String>,
    #[serde(default)]
    pub(super) summary: Option<String>,
    #[serde(default)]
    pub(super) html_url: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<Time>,
    #[serde(default)]
    pub(super) updated_at: Option<Time>,
    #[serde(default)]
    pub(super) resolved_at: Option<Time>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) severity: Option<String>,
    #[serde(default)]
    pub(super) suppressed: Option<bool>,
    #[serde(default)]
    pub(super) service: Option<Named>,
    #[serde(default)]
    pub(super) integration: Option<Named>,
    #[serde(default)]
    pub(super) body: Option<Body>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LogEntry {
    pub(super) id: String,
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) summary: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<Time>,
    #[serde(default)]
    pub(super) agent: Option<Reference>,
    #[serde(default)]
    pub(super) note: Option<String>,
    #[serde(default)]
    pub(super) html_url: Option<String>,
    #[serde(default)]
    pub(super) event_details: Option<Reference>,
    #[serde(default)]
    pub(super) channel: Option<Reference>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Note {
    pub(super) id: String,
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<Time>,
    #[serde(default)]
    pub(super) updated_at: Option<Time>,
    #[serde(default)]
    pub(super) user: Option<Reference>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Service {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) summary: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) html_url: Option<String>,
    #[serde(default)]
    pub(super) alert_creation: Option<String>,
    #[serde(default)]
    pub(super) escalation_policy: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) teams: Vec<Named>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Member {
    #[serde(default)]
    pub(super) user: Option<Reference>,
    #[serde(default)]
    pub(super) role: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OnCall {
    #[serde(default)]
    pub(super) user: Option<Reference>,
    #[serde(default)]
    pub(super) escalation_policy: Option<Named>,
    /// A schedule of either version; none where the user is named in the policy itself.
    #[serde(default)]
    pub(super) schedule: Option<Named>,
    #[serde(default)]
    pub(super) escalation_level: Option<u64>,
    /// None where it is for ever.
    #[serde(default)]
    pub(super) start: Option<Time>,
    #[serde(default)]
    pub(super) end: Option<Time>,
}

/// What `/v2/enqueue` answers.
#[derive(Debug, Deserialize)]
pub(super) struct Enqueued {
    #[serde(default)]
    pub(super) dedup_key: Option<String>,
    pub(super) status: String,
}

/// Reads `null` as if the field were absent.
fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
