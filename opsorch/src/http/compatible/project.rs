//! OpsOrch's fields of what operations answer, in OpsOrch's order, straight from the items into the bytes of the body.
//!
//! An optional text that is empty counts as absent, as Go's `omitempty` has it; times are never left out. Lists are long, and
//! the names of their fields are known when this is compiled: they are copied, where a serializer escapes each of them anew.

use std::collections::BTreeMap;

use opsorch_schema::*;
use serde_json::Value;
use url::Url;

use super::time::Written;
use crate::http::json;
use crate::{Error, Result};

/// The body of an answer.
///
/// # Errors
/// `Unexpected` for an answer that no operation of OpsOrch has.
pub(super) fn body(response: &Response) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(size(response));
    write(response, &mut out)?;
    out.push(b'\n');
    Ok(out)
}

/// About how many bytes it takes.
fn size(response: &Response) -> usize {
    const ITEM: usize = 512;
    let items = match response {
        Response::Incidents(page) => page.items.len(),
        Response::Alerts(page) => page.items.len(),
        Response::Logs(page) => page.items.len(),
        Response::Tickets(page) => page.items.len(),
        Response::Metrics(page) => page.items.iter().map(|series| series.points.len() / 4 + 1).sum(),
        _ => 1,
    };
    items.saturating_mul(ITEM)
}

fn write(response: &Response, out: &mut Vec<u8>) -> Result<()> {
    match response {
        Response::Incidents(page) => page.items.write(out),
        Response::Incident(incident) => incident.write(out),
        Response::Timeline(page) => page.items.write(out),
        Response::Alerts(page) => page.items.write(out),
        Response::Alert(alert) => alert.write(out),
        Response::Logs(page) => page.write(out),
        Response::Metrics(page) => page.items.write(out),
        Response::MetricDescriptors(page) => page.write(out),
        Response::Tickets(page) => page.items.write(out),
        Response::Ticket(ticket) => ticket.write(out),
        Response::Comment(comment) => comment.write(out),
        Response::Message(message) => message.write(out),
        Response::Services(page) => page.items.write(out),
        Response::Service(service) => service.write(out),
        Response::Deployments(page) => page.items.write(out),
        Response::Deployment(deployment) => deployment.write(out),
        Response::Teams(page) => page.items.write(out),
        Response::Team(team) => team.write(out),
        Response::Members(page) => page.items.write(out),
        Response::Plans(page) => page.items.write(out),
        Response::Plan(plan) => plan.write(out),
        Response::Runs(page) => page.items.write(out),
        Response::Run(run) => run.write(out),
        Response::Done(()) => {
            out.extend_from_slice(br#"{"status":"ok"}"#);
            Ok(())
        }
        other => Err(Error::unexpected(format!("{} has no compatible form", other.name()))),
    }
}

/// Something that has a form in OpsOrch's JSON.
trait Wire {
    /// Whether a field that may be left out is.
    fn is_absent(&self) -> bool {
        false
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<()>;

    /// What stands for it where it is absent and cannot be left out.
    const ZERO: &'static str = "\"\"";
}

/// Types with fields: which are always there, and which only where there is something in them.
macro_rules! objects {
    ($($type:ty { $($presence:ident $name:literal $field:ident;)+ })+) => {$(
        impl Wire for $type {
            fn write(&self, out: &mut Vec<u8>) -> Result<()> {
                let start = out.len();
                $(objects!(@$presence out $name self.$field);)+
                close(out, start, *b"{}");
                Ok(())
            }
        }
    )+};
    (@always $out:ident $name:literal $field:expr) => {
        $out.extend_from_slice(concat!(",\"", $name, "\":").as_bytes());
        $field.write($out)?;
    };
    (@omit $out:ident $name:literal $field:expr) => {
        if !$field.is_absent() {
            objects!(@always $out $name $field);
        }
    };
}

/// Puts brackets around what was written from `start` on: parts with a comma before each. The first comma gives its place.
fn close(out: &mut Vec<u8>, start: usize, [open, end]: [u8; 2]) {
    match out.get_mut(start) {
        Some(comma) => *comma = open,
        None => out.push(open),
    }
    out.push(end);
}

objects! {
    Page<LogEntry> { always "entries" items; omit "url" url; }
    Page<MetricDescriptor> { always "metrics" items; }
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

            fn write(&self, out: &mut Vec<u8>) -> Result<()> {
                json::write_text(out, self.as_ref())
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

    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Some(value) => value.write(out),
            None => {
                out.extend_from_slice(T::ZERO.as_bytes());
                Ok(())
            }
        }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        T::write(self, out)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        for item in self {
            out.push(b',');
            item.write(out)?;
        }
        close(out, start, *b"[]");
        Ok(())
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        write_entries(self, out)
    }
}

fn write_entries<'a, T: Wire + 'a>(
    entries: impl IntoIterator<Item = (&'a String, &'a T)>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let start = out.len();
    for (key, value) in entries {
        out.push(b',');
        json::write_text(out, key)?;
        out.push(b':');
        value.write(out)?;
    }
    close(out, start, *b"{}");
    Ok(())
}

/// Keys are sorted here, so that no cargo feature of a dependency changes a body.
impl Wire for Value {
    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Value::String(text) => text.write(out),
            Value::Array(items) => items.write(out),
            Value::Object(object) => {
                let mut entries: Vec<_> = object.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                write_entries(entries, out)
            }
            scalar => json::write(out, scalar),
        }
    }
}

impl Wire for MetricPoint {
    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(br#"{"timestamp":"#);
        self.timestamp().write(out)?;
        out.extend_from_slice(br#","value":"#);
        json::write(out, &self.value())?;
        out.push(b'}');
        Ok(())
    }
}

impl Wire for Time {
    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        match Written::new(*self) {
            Some(written) => json::write_text(out, written.as_str()),
            // Go refuses such a year; here it is written all the same.
            None => json::write_text(out, &self.format("%+").to_string()),
        }
    }

    const ZERO: &'static str = "\"0001-01-01T00:00:00Z\"";
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(response: impl Into<Response>) -> String {
        let response = response.into();
        String::from_utf8(super::body(&response).unwrap()).unwrap()
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
