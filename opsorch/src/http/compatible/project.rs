//! OpsOrch's fields of what operations answer, in OpsOrch's order, straight from the items.
//!
//! An optional text that is empty counts as absent, as Go's `omitempty` has it; times are never left out.

use std::collections::BTreeMap;

use opsorch_schema::*;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use url::Url;

use super::time::Written;

/// The body of an answer.
pub(super) struct Body<'a>(pub(super) &'a Response);

impl Body<'_> {
    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        const ITEM: usize = 384;
        let items = match self.0 {
            Response::Incidents(page) => page.items.len(),
            Response::Alerts(page) => page.items.len(),
            Response::Logs(page) => page.items.len(),
            Response::Tickets(page) => page.items.len(),
            Response::Metrics(page) => page.items.iter().map(|series| series.points.len() / 4 + 1).sum(),
            _ => 1,
        };
        items.saturating_mul(ITEM)
    }
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Response::Incidents(page) => page.items.write(serializer),
            Response::Incident(incident) => incident.write(serializer),
            Response::Timeline(page) => page.items.write(serializer),
            Response::Alerts(page) => page.items.write(serializer),
            Response::Alert(alert) => alert.write(serializer),
            Response::Logs(page) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("entries", &As(&page.items))?;
                if let Some(url) = &page.url {
                    map.serialize_entry("url", url.as_str())?;
                }
                map.end()
            }
            Response::Metrics(page) => page.items.write(serializer),
            Response::MetricDescriptors(page) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("metrics", &As(&page.items))?;
                map.end()
            }
            Response::Tickets(page) => page.items.write(serializer),
            Response::Ticket(ticket) => ticket.write(serializer),
            Response::Comment(comment) => comment.write(serializer),
            Response::Message(message) => message.write(serializer),
            Response::Services(page) => page.items.write(serializer),
            Response::Service(service) => service.write(serializer),
            Response::Deployments(page) => page.items.write(serializer),
            Response::Deployment(deployment) => deployment.write(serializer),
            Response::Teams(page) => page.items.write(serializer),
            Response::Team(team) => team.write(serializer),
            Response::Members(page) => page.items.write(serializer),
            Response::Plans(page) => page.items.write(serializer),
            Response::Plan(plan) => plan.write(serializer),
            Response::Runs(page) => page.items.write(serializer),
            Response::Run(run) => run.write(serializer),
            Response::Done(()) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("status", "ok")?;
                map.end()
            }
            other => Err(serde::ser::Error::custom(format!("{} has no compatible form", other.name()))),
        }
    }
}

/// Something that has a form in OpsOrch's JSON.
trait Wire {
    /// Whether a field that may be left out is.
    fn is_absent(&self) -> bool {
        false
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// What stands for it where it is absent and cannot be left out.
    fn write_zero<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("")
    }
}

struct As<'a, T: ?Sized>(&'a T);

impl<T: Wire + ?Sized> Serialize for As<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// Types with fields: which are always there, and which only where there is something in them.
macro_rules! objects {
    ($($type:ty { $($presence:ident $name:literal $field:ident;)+ })+) => {$(
        impl Wire for $type {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(objects!(@$presence map $name self $field);)+
                map.end()
            }
        }
    )+};
    (@always $map:ident $name:literal $self:ident $field:ident) => {
        $map.serialize_entry($name, &As(&$self.$field))?
    };
    (@omit $map:ident $name:literal $self:ident $field:ident) => {
        if !$self.$field.is_absent() {
            $map.serialize_entry($name, &As(&$self.$field))?;
        }
    };
}

objects! {
    Scope { omit "service" service; omit "team" team; omit "environment" environment; }
    Incident {
        always "id" id; always "title" title; omit "description" description; always "status" status;
        always "severity" severity; omit "service" service; omit "url" url; always "createdAt" created_at;
        always "updatedAt" updated_at; omit "fields" fields; omit "metadata" metadata;
    }
    Alert {
        always "id" id; always "title" title; omit "description" description; always "status" status;
        always "severity" severity; omit "service" service; omit "url" url; always "createdAt" created_at;
        always "updatedAt" updated_at; omit "fields" fields; omit "metadata" metadata;
    }
    TimelineEntry {
        always "id" id; always "incidentId" incident_id; always "at" at; always "kind" kind; always "body" body;
        omit "actor" actor; omit "metadata" metadata;
    }
    LogEntry {
        always "timestamp" timestamp; always "message" message; omit "severity" severity; omit "service" service;
        omit "labels" labels; omit "fields" fields; omit "metadata" metadata;
    }
    MetricSeries {
        always "name" name; omit "service" service; omit "labels" labels; always "points" points; omit "url" url;
        omit "metadata" metadata;
    }
    MetricDescriptor {
        always "name" name; always "type" kind; always "description" description; always "labels" labels;
        omit "unit" unit; omit "url" url; omit "metadata" metadata;
    }
    Ticket {
        always "id" id; omit "key" key; always "title" title; omit "description" description; always "status" status;
        omit "assignees" assignees; omit "reporter" reporter; omit "url" url; always "createdAt" created_at;
        always "updatedAt" updated_at; omit "fields" fields; omit "metadata" metadata;
    }
    Comment {
        always "id" id; always "ticketId" ticket_id; always "body" body; omit "author" author;
        always "createdAt" created_at; omit "url" url; omit "metadata" metadata;
    }
    MessageResult {
        always "id" id; always "channel" channel; always "sentAt" sent_at; omit "url" url; omit "metadata" metadata;
    }
    Service { always "id" id; always "name" name; omit "url" url; omit "tags" tags; omit "metadata" metadata; }
    Deployment {
        always "id" id; omit "service" service; omit "environment" environment; omit "version" version;
        always "status" status; always "startedAt" started_at; always "finishedAt" finished_at; omit "url" url;
        omit "actor" actor; omit "fields" fields; omit "metadata" metadata;
    }
    Team {
        always "id" id; always "name" name; omit "parent" parent; omit "url" url; omit "tags" tags;
        omit "metadata" metadata;
    }
    TeamMember {
        always "id" id; omit "name" name; omit "email" email; omit "handle" handle; omit "role" role;
        omit "metadata" metadata;
    }
    Plan {
        always "id" id; always "title" title; omit "description" description; always "steps" steps; omit "url" url;
        omit "version" version; omit "tags" tags; omit "fields" fields; omit "metadata" metadata;
    }
    Step {
        always "id" id; always "title" title; omit "type" kind; omit "description" description;
        omit "dependsOn" depends_on; omit "fields" fields; omit "metadata" metadata;
    }
    Run {
        always "id" id; always "planId" plan_id; omit "plan" plan; always "status" status; always "scope" scope;
        always "steps" steps; always "createdAt" created_at; always "updatedAt" updated_at; omit "url" url;
        omit "fields" fields; omit "metadata" metadata;
    }
    StepState {
        always "stepId" step_id; always "status" status; omit "actor" actor; omit "note" note;
        omit "startedAt" started_at; omit "finishedAt" finished_at; omit "updatedAt" updated_at; omit "fields" fields;
        omit "metadata" metadata;
    }
}

macro_rules! texts {
    ($($type:ty),+) => {$(
        impl Wire for $type {
            fn is_absent(&self) -> bool {
                let text: &str = self.as_ref();
                text.is_empty()
            }

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_ref())
            }
        }
    )+};
}

texts! {
    String, Url, IncidentId, TimelineEntryId, AlertId, TicketId, CommentId, MessageId, ServiceId, DeploymentId, TeamId,
    MemberId, PlanId, RunId, StepId, IncidentStatus, Severity, AlertStatus, LogSeverity, MetricKind, TicketStatus,
    DeploymentStatus, RunStatus, StepStatus, StepKind
}

impl<T: Wire> Wire for Option<T> {
    fn is_absent(&self) -> bool {
        self.as_ref().is_none_or(Wire::is_absent)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => value.write(serializer),
            None => T::write_zero(serializer),
        }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::write(self, serializer)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|item| list.serialize_element(&As(item)))?;
        list.end()
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        self.iter().try_for_each(|(key, value)| map.serialize_entry(key, &As(value)))?;
        map.end()
    }
}

/// Keys are sorted here, so that no cargo feature of a dependency changes a body.
impl Wire for Value {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Array(items) => items.write(serializer),
            Value::Object(object) => {
                let mut entries: Vec<_> = object.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.into_iter().try_for_each(|(key, value)| map.serialize_entry(key, &As(value)))?;
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

impl Wire for MetricPoint {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("timestamp", &As(&self.timestamp()))?;
        map.serialize_entry("value", &self.value())?;
        map.end()
    }
}

impl Wire for Time {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Written::new(*self) {
            Some(written) => serializer.serialize_str(written.as_str()),
            // Go refuses such a year; here it is written all the same.
            None => serializer.collect_str(&self.format("%+")),
        }
    }

    fn write_zero<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("0001-01-01T00:00:00Z")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::json;

    fn body(response: impl Into<Response>) -> String {
        let response = response.into();
        String::from_utf8(json::to_vec(&Body(&response), 0).unwrap()).unwrap()
    }

    #[test]
    fn an_incident_has_opsorchs_fields_in_its_order_and_no_others() {
        let time = "2026-01-01T00:00:00.120Z".parse::<Time>().unwrap();
        let incident = Incident::new("i-1", "<b>", "open", "high")
            .description("")
            .created_at(time)
            .field("zulu", json!({ "b": 1, "a": [1.0] }))
            .field("alpha", true)
            .status_raw("triggered")
            .severity_raw("P1");
        assert_eq!(
            body(incident),
            "{\"id\":\"i-1\",\"title\":\"\\u003cb\\u003e\",\"status\":\"open\",\"severity\":\"high\",\
             \"createdAt\":\"2026-01-01T00:00:00.12Z\",\"updatedAt\":\"0001-01-01T00:00:00Z\",\
             \"fields\":{\"alpha\":true,\"zulu\":{\"a\":[1],\"b\":1}}}\n"
        );
    }

    #[test]
    fn a_run_has_its_scope_always_and_the_times_of_steps_only_where_there_are_any() {
        let run = Run::new("r-1", "p-1", "running").step(StepState::new("s-1", "ready"));
        assert_eq!(
            body(run),
            "{\"id\":\"r-1\",\"planId\":\"p-1\",\"status\":\"running\",\"scope\":{},\
             \"steps\":[{\"stepId\":\"s-1\",\"status\":\"ready\"}],\
             \"createdAt\":\"0001-01-01T00:00:00Z\",\"updatedAt\":\"0001-01-01T00:00:00Z\"}\n"
        );
    }

    #[test]
    fn lists_that_opsorch_wraps_are_wrapped() {
        assert_eq!(body(Page::<LogEntry>::new(Vec::new())), "{\"entries\":[]}\n");
        let descriptor = MetricDescriptor::new("up", "gauge");
        let expected = "{\"metrics\":[{\"name\":\"up\",\"type\":\"gauge\",\"description\":\"\",\"labels\":[]}]}\n";
        assert_eq!(body(Page::new(vec![descriptor])), expected);
        assert_eq!(body(()), "{\"status\":\"ok\"}\n");
        assert_eq!(body(Page::<Incident>::new(Vec::new())), "[]\n");
    }
}
