//! Incidents and their timelines.

use async_trait::async_trait;
use opsorch::capability::{IncidentReader, IncidentWriter, TimelineReader, TimelineWriter};
use opsorch::gate::Approved;
use opsorch::{
    Context, CreateIncident, Fields, Incident, IncidentId, IncidentQuery, IncidentStatus, IncidentStatusLevel,
    Operation, Page, Result, SeverityLevel, Time, TimelineAppend, TimelineEntry, UpdateIncident,
};
use serde_json::json;

use super::{LONGEST_TIMELINE, Tracker};
use crate::local::database::{Attempt, Edit, Entry, Part, Record};
use crate::local::input::{described, refuse_deep, require, set, set_or_empty};
use crate::local::query::{Text, among, is_or_any, is_within, refuse_metadata, refuse_team_and_environment};

impl Record for Incident {
    const KIND: &'static str = "incident";
    const PREFIX: &'static str = "INC";

    fn at(&self) -> Option<Time> {
        self.created_at
    }
}

impl Entry for TimelineEntry {
    const KIND: &'static str = "timeline entry";
}

#[async_trait]
impl IncidentReader for Tracker {
    async fn query(&self, cx: &Context, query: &IncidentQuery) -> Result<Page<Incident>> {
        refuse_metadata(&query.metadata)?;
        refuse_team_and_environment(&query.scope)?;
        let part = Part::new(query.page_size(), query.cursor.as_ref())?.within(query.since, query.until);
        let (query, text) = (query.clone(), Text::new(&query.query));
        let matches = move |incident: &Incident| {
            text.occurs_in([Some(incident.title.as_str()), incident.description.as_deref()])
                && among(&query.statuses, &incident.status)
                && among(&query.severities, &incident.severity)
                && is_or_any(&query.scope.service, &incident.service)
                && is_within(incident.created_at, query.since, query.until)
        };
        self.database.read(cx, move |view| view.page(part, |incident| Some(incident).filter(&matches))).await
    }

    async fn get(&self, cx: &Context, id: &IncidentId) -> Result<Incident> {
        let id = id.to_string();
        self.database.read(cx, move |view| view.get(&id)).await
    }
}

#[async_trait]
impl TimelineReader for Tracker {
    async fn timeline(&self, cx: &Context, id: &IncidentId) -> Result<Page<TimelineEntry>> {
        let id = id.to_string();
        let read = self.database.read(cx, move |view| {
            view.get::<Incident>(&id)?;
            view.entries::<TimelineEntry>(&id, LONGEST_TIMELINE + 1)
        });
        let mut entries = read.await?;
        let older = entries.len().saturating_sub(LONGEST_TIMELINE as usize);
        entries.drain(..older);
        entries.sort_by_key(|entry| entry.at);
        let page = Page::new(entries);
        Ok(if older > 0 { page.truncated(format!("only the last {LONGEST_TIMELINE} entries are read")) } else { page })
    }
}

#[async_trait]
impl IncidentWriter for Tracker {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateIncident>) -> Result<Incident> {
        require("title", Some(&input.title))?;
        require("status", input.status.as_ref())?;
        require("severity", input.severity.as_ref())?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::IncidentCreate, &input)?;
        let (input, actor) = (CreateIncident::clone(&input), described(cx.actor()));
        let work = move |edit: &Edit<'_>| {
            let now = edit.now();
            let status = input.status.clone().unwrap_or_else(|| IncidentStatusLevel::Open.into());
            let body = format!("opened with status {status}");
            let id = edit.add(|id| opened(id, status, input).created_at(now).updated_at(now))?;
            note(edit, &id, Note { kind: "created".into(), body, at: now, actor, metadata: Fields::new() })?;
            Ok(id)
        };
        self.database.change(cx, attempt, work, |view, id| view.get(id)).await
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateIncident>) -> Result<Incident> {
        require("title", input.title.as_ref())?;
        require("status", input.status.as_ref())?;
        require("severity", input.severity.as_ref())?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::IncidentUpdate, &input)?;
        let (input, actor) = (UpdateIncident::clone(&input), described(cx.actor()));
        let work = move |edit: &Edit<'_>| {
            let (id, now) = (input.id.to_string(), edit.now());
            let before: Incident = edit.get(&id)?;
            let mut incident = before.clone();
            update(&mut incident, input);
            if incident != before {
                incident.updated_at = Some(now);
                edit.put(&id, &incident)?;
            }
            let (from, to) = (before.status, incident.status);
            if from != to {
                let body = format!("status changed from {from} to {to}");
                let metadata = Fields::from([("from".to_owned(), json!(from)), ("to".to_owned(), json!(to))]);
                note(edit, &id, Note { kind: "status".into(), body, at: now, actor, metadata })?;
            }
            Ok(id)
        };
        self.database.change(cx, attempt, work, |view, id| view.get(id)).await
    }
}

#[async_trait]
impl TimelineWriter for Tracker {
    async fn append(&self, cx: &Context, input: Approved<'_, TimelineAppend>) -> Result<()> {
        require("kind", Some(&input.kind))?;
        require("body", Some(&input.body))?;
        refuse_deep(&[("actor", &input.actor), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::IncidentTimelineAppend, &input)?;
        let (input, mut actor) = (TimelineAppend::clone(&input), described(cx.actor()));
        let work = move |edit: &Edit<'_>| {
            let TimelineAppend { id, at, kind, body, actor: remark, metadata, .. } = input;
            if !remark.is_empty() {
                actor.insert("remark".into(), json!(remark));
            }
            let id = edit.get::<Incident>(id.as_str())?.id.to_string();
            note(edit, &id, Note { kind, body, at: at.unwrap_or_else(|| edit.now()), actor, metadata })?;
            Ok(id)
        };
        self.database.change(cx, attempt, work, |_, _| Ok(())).await
    }
}

fn opened(id: &str, status: IncidentStatus, input: CreateIncident) -> Incident {
    let CreateIncident { title, description, severity, service, fields, metadata, .. } = input;
    let severity = severity.unwrap_or_else(|| SeverityLevel::Unknown.into());
    let mut incident = Incident::new(id, title, status, severity);
    (incident.description, incident.service) = (description, service);
    (incident.fields, incident.metadata) = (fields, metadata);
    incident
}

fn update(incident: &mut Incident, input: UpdateIncident) {
    let UpdateIncident { title, description, status, severity, service, fields, metadata, .. } = input;
    set(&mut incident.title, title);
    set(&mut incident.status, status);
    set(&mut incident.severity, severity);
    set_or_empty(&mut incident.description, description);
    set_or_empty(&mut incident.service, service);
    incident.fields.extend(fields);
    incident.metadata.extend(metadata);
}

/// What an entry of a timeline says.
struct Note {
    kind: String,
    body: String,
    at: Time,
    actor: Fields,
    metadata: Fields,
}

/// Adds an entry to the timeline of an incident.
fn note(edit: &Edit<'_>, incident: &str, note: Note) -> Result<String> {
    edit.append(incident, |id| {
        let mut entry = TimelineEntry::new(id, incident, note.kind, note.body).at(note.at);
        (entry.actor, entry.metadata) = (note.actor, note.metadata);
        entry
    })
}
