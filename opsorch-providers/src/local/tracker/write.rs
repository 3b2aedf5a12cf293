//! Opens and changes incidents and tickets.

use async_trait::async_trait;
use opsorch::capability::{IncidentWriter, TicketCommenter, TicketWriter, TimelineWriter};
use opsorch::gate::Approved;
use opsorch::{
    Actor, Comment, CommentTicket, Context, CreateIncident, CreateTicket, Error, Fields, Incident, IncidentStatusLevel,
    Operation, Result, SeverityLevel, Ticket, TicketStatusLevel, Time, TimelineAppend, TimelineEntry, UpdateIncident,
    UpdateTicket,
};
use serde_json::{Value, json};

use super::Tracker;
use crate::local::document::{IncidentRecord, TicketRecord};
use crate::local::store::Attempt;

/// How deep the values of an input may be nested: far below what a JSON reader accepts for the whole file.
const DEEPEST_VALUE: u32 = 64;

#[async_trait]
impl IncidentWriter for Tracker {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateIncident>) -> Result<Incident> {
        require("title", Some(&input.title))?;
        require("status", input.status.as_ref())?;
        require("severity", input.severity.as_ref())?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::IncidentCreate, &input)?;
        let (input, actor) = (CreateIncident::clone(&input), described(cx.actor()));
        let work = self.store.change(attempt, move |document, now| {
            document.incidents.add(|id| {
                let incident = opened(id, input).created_at(now).updated_at(now);
                let body = format!("opened with status {}", incident.status);
                let mut record = IncidentRecord { incident, timeline: Vec::new() };
                record.note("created", body, now, actor, Fields::new());
                record
            })
        });
        let (document, id) = work.await?;
        Ok(document.incidents.get(&id)?.incident.clone())
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateIncident>) -> Result<Incident> {
        require("title", input.title.as_ref())?;
        require("status", input.status.as_ref())?;
        require("severity", input.severity.as_ref())?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::IncidentUpdate, &input)?;
        let (input, actor) = (UpdateIncident::clone(&input), described(cx.actor()));
        let work = self.store.change(attempt, move |document, now| {
            let id = input.id.to_string();
            let record = document.incidents.get_mut(&id)?;
            let before = record.incident.clone();
            update_incident(&mut record.incident, input);
            if record.incident != before {
                record.incident.updated_at = Some(now);
            }
            let (from, to) = (before.status, record.incident.status.clone());
            if from != to {
                let body = format!("status changed from {from} to {to}");
                let words = [("from".to_owned(), json!(from)), ("to".to_owned(), json!(to))];
                record.note("status", body, now, actor, Fields::from(words));
            }
            Ok(id)
        });
        let (document, id) = work.await?;
        Ok(document.incidents.get(&id)?.incident.clone())
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
        let work = self.store.change(attempt, move |document, now| {
            let TimelineAppend { id, at, kind, body, actor: remark, metadata, .. } = input;
            if !remark.is_empty() {
                actor.insert("remark".into(), json!(remark));
            }
            let record = document.incidents.get_mut(id.as_str())?;
            record.note(kind, body, at.unwrap_or(now), actor, metadata);
            Ok(id.to_string())
        });
        work.await.map(drop)
    }
}

#[async_trait]
impl TicketWriter for Tracker {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        require("title", Some(&input.title))?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::TicketCreate, &input)?;
        let (input, reporter) = (CreateTicket::clone(&input), cx.actor().identity.to_string());
        let work = self.store.change(attempt, move |document, now| {
            document.tickets.add(|id| {
                let CreateTicket { title, description, fields, metadata, .. } = input;
                let ticket = Ticket::new(id, title, TicketStatusLevel::Todo).key(id).reporter(reporter);
                let mut ticket = ticket.created_at(now).updated_at(now);
                (ticket.description, ticket.fields, ticket.metadata) = (description, fields, metadata);
                TicketRecord { ticket, comments: Vec::new() }
            })
        });
        let (document, id) = work.await?;
        Ok(document.tickets.get(&id)?.ticket.clone())
    }

    async fn update(&self, _cx: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        require("title", input.title.as_ref())?;
        require("status", input.status.as_ref())?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::TicketUpdate, &input)?;
        let input = UpdateTicket::clone(&input);
        let work = self.store.change(attempt, move |document, now| {
            let id = input.id.to_string();
            let ticket = &mut document.tickets.get_mut(&id)?.ticket;
            let before = ticket.clone();
            update_ticket(ticket, input);
            if *ticket != before {
                ticket.updated_at = Some(now);
            }
            Ok(id)
        });
        let (document, id) = work.await?;
        Ok(document.tickets.get(&id)?.ticket.clone())
    }
}

#[async_trait]
impl TicketCommenter for Tracker {
    async fn comment(&self, cx: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        require("body", Some(&input.body))?;
        refuse_deep(&[("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::TicketComment, &input)?;
        let ticket_id = input.id.to_string();
        let (input, author) = (CommentTicket::clone(&input), cx.actor().identity.to_string());
        let work = self.store.change(attempt, move |document, now| {
            let CommentTicket { id, body, metadata, .. } = input;
            let comments = &mut document.tickets.get_mut(id.as_str())?.comments;
            let comment_id = format!("{id}-{}", comments.len() + 1);
            let mut comment = Comment::new(comment_id.as_str(), &id, body).author(author).created_at(now);
            comment.metadata = metadata;
            comments.push(comment);
            Ok(comment_id)
        });
        let (document, id) = work.await?;
        let comments = &document.tickets.get(&ticket_id)?.comments;
        let comment = comments.iter().find(|comment| comment.id.as_str() == id);
        comment.cloned().ok_or_else(|| Error::unexpected("the comment was written but is not there"))
    }
}

fn opened(id: &str, input: CreateIncident) -> Incident {
    let CreateIncident { title, description, status, severity, service, fields, metadata, .. } = input;
    let status = status.unwrap_or_else(|| IncidentStatusLevel::Open.into());
    let severity = severity.unwrap_or_else(|| SeverityLevel::Unknown.into());
    let mut incident = Incident::new(id, title, status, severity);
    (incident.description, incident.service) = (description, service);
    (incident.fields, incident.metadata) = (fields, metadata);
    incident
}

fn update_incident(incident: &mut Incident, input: UpdateIncident) {
    let UpdateIncident { title, description, status, severity, service, fields, metadata, .. } = input;
    set(&mut incident.title, title);
    set(&mut incident.status, status);
    set(&mut incident.severity, severity);
    set_or_empty(&mut incident.description, description);
    set_or_empty(&mut incident.service, service);
    incident.fields.extend(fields);
    incident.metadata.extend(metadata);
}

fn update_ticket(ticket: &mut Ticket, input: UpdateTicket) {
    let UpdateTicket { title, description, status, assignees, fields, metadata, .. } = input;
    set(&mut ticket.title, title);
    set(&mut ticket.status, status);
    set(&mut ticket.assignees, assignees);
    set_or_empty(&mut ticket.description, description);
    ticket.fields.extend(fields);
    ticket.metadata.extend(metadata);
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Sets a text that may be absent; an empty text makes it absent.
fn set_or_empty(field: &mut Option<String>, value: Option<String>) {
    if let Some(value) = value {
        *field = Some(value).filter(|value| !value.is_empty());
    }
}

impl IncidentRecord {
    /// Adds an entry to the timeline.
    fn note(&mut self, kind: impl Into<String>, body: String, at: Time, actor: Fields, metadata: Fields) {
        let id = format!("{}-{}", self.incident.id, self.timeline.len() + 1);
        let mut entry = TimelineEntry::new(id, &self.incident.id, kind, body).at(at);
        (entry.actor, entry.metadata) = (actor, metadata);
        self.timeline.push(entry);
    }
}

/// Who did it, as the gate knows it.
fn described(actor: &Actor) -> Fields {
    let mut fields = Fields::from([
        ("kind".to_owned(), json!(actor.kind)),
        ("subject".to_owned(), json!(actor.identity.subject)),
        ("issuer".to_owned(), json!(actor.identity.issuer)),
    ]);
    if let Some(principal) = &actor.on_behalf_of {
        fields.insert("onBehalfOf".to_owned(), json!(principal.to_string()));
    }
    fields
}

/// Refuses a text or a word that is given and blank.
fn require(field: &'static str, given: Option<&impl AsRef<str>>) -> Result<()> {
    match given {
        Some(text) if text.as_ref().trim().is_empty() => Err(Error::invalid(field, "expected a text, got a blank one")),
        _ => Ok(()),
    }
}

/// Refuses values that are nested so deep that the file could not be read again.
fn refuse_deep(parts: &[(&'static str, &Fields)]) -> Result<()> {
    for (field, values) in parts {
        if values.values().any(|value| is_deeper_than(value, DEEPEST_VALUE)) {
            let message = format!("expected values of at most {DEEPEST_VALUE} levels, got one that is nested deeper");
            return Err(Error::invalid(*field, message));
        }
    }
    Ok(())
}

fn is_deeper_than(value: &Value, levels: u32) -> bool {
    let Some(below) = levels.checked_sub(1) else { return true };
    match value {
        Value::Array(values) => values.iter().any(|value| is_deeper_than(value, below)),
        Value::Object(members) => members.values().any(|value| is_deeper_than(value, below)),
        _ => false,
    }
}
