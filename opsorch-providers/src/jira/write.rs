//! Opens and changes tickets, and comments on them.

mod draft;
mod reconcile;
mod transition;

use async_trait::async_trait;
use opsorch::capability::{TicketCommenter, TicketWriter};
use opsorch::gate::Approved;
use opsorch::transport::Reply;
use opsorch::{
    Comment, CommentTicket, Context, CreateTicket, Error, ErrorKind, Fields, Result, Ticket, TicketStatusLevel,
    UpdateTicket,
};
use serde_json::{Value, json};

use self::draft::{Draft, RemoteLink};
use super::api::read;
use super::read::Tickets;
use super::wire::{self, Created};

/// The most characters of a title (Jira's `summary`), and of a description or a comment.
const TITLE: usize = 255;
const TEXT: usize = 32_767;

/// Opens and changes the tickets of a project. What Jira is sent is sent once: it honours no idempotency key.
#[derive(Debug)]
pub(super) struct Writer {
    tickets: Tickets,
    issue_type: String,
}

impl Writer {
    pub(super) fn new(tickets: Tickets, issue_type: String) -> Self {
        Self { tickets, issue_type }
    }
}

#[async_trait]
impl TicketWriter for Writer {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        no_metadata(&input.metadata, &[])?;
        let mut draft = Draft::new();
        draft.set("project", json!({ "key": self.tickets.project }));
        draft.set("issuetype", json!({ "name": self.issue_type }));
        draft.set("summary", json!(title(&input.title)?));
        if let Some(description) = &input.description {
            self.describe(&mut draft, description)?;
        }
        draft.property(wire::CHANGE, json!(input.idempotency_key()));
        draft.fields(cx, &self.tickets.people, &input.fields, false).await.map_err(Error::not_applied)?;

        let server = &self.tickets.server;
        let reply = server.ask(cx, server.post(&["issue"]).json(&draft.body())).await.map_err(missing_project)?;
        let created: Created = written(&reply)?;
        self.tickets.recent.note(&created.id);
        let done = format!("the ticket {} was opened, but not all of its links were made", created.key);
        self.link(cx, &created.key, &draft.remote_links).await.map_err(|error| told(error, Some(&done)))?;
        // The ticket is there. One that cannot be read is told of by what is known of it.
        Ok(self.tickets.read(cx, &created.id).await.unwrap_or_else(|error| {
            tracing::debug!(code = error.kind().code(), "a ticket that was opened could not be read");
            let ticket = Ticket::new(created.id, input.title.clone(), TicketStatusLevel::Unknown);
            ticket.url(self.tickets.map.page(&created.key)).key(created.key)
        }))
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        let id = input.id.as_str();
        let mut draft = self.changes(cx, &input).await.map_err(Error::not_applied)?;
        // What was done already, for the errors of what comes after.
        let mut done = None;
        if let Some(status) = &input.status
            && let Some(status) = self.transition(cx, id, status, &mut draft).await?
        {
            done = Some(format!("the status of {id} is {status} now, but the rest was not changed"));
        }
        if !draft.is_empty() {
            let server = &self.tickets.server;
            let edited = server.change(cx, server.put(&["issue", id]).json(&draft.body())).await;
            edited.map_err(|error| told(error, done.as_deref()))?;
            done = Some(format!("{id} was changed, but not all of its links were made"));
        }
        if !draft.remote_links.is_empty() {
            let linked = self.link(cx, id, &draft.remote_links).await;
            linked.map_err(|error| told(error, done.as_deref()))?;
            done = Some(String::new());
        }
        match self.tickets.read(cx, id).await {
            Ok(ticket) => {
                self.tickets.recent.note(ticket.id.as_str());
                Ok(ticket)
            }
            Err(error) if done.is_none() => Err(error.not_applied()),
            Err(error) => Err(told(error, Some(&format!("{id} was changed, but could not be read again")))),
        }
    }
}

#[async_trait]
impl TicketCommenter for Writer {
    async fn comment(&self, cx: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        no_metadata(&input.metadata, &["internal"])?;
        if input.body.trim().is_empty() {
            return Err(Error::invalid("body", "expected a text, got a blank one"));
        }
        let text = fitting("body", &input.body)?;
        let mut properties = vec![json!({ "key": wire::CHANGE, "value": input.idempotency_key() })];
        match input.metadata.get("internal") {
            None | Some(Value::Bool(false)) => {}
            // Jira Service Management shows it to those who work on it only.
            Some(Value::Bool(true)) => {
                properties.push(json!({ "key": "sd.public.comment", "value": { "internal": true } }));
            }
            Some(other) => {
                return Err(Error::invalid("metadata.internal", format!("expected true or false, got {other}")));
            }
        }
        let body = json!({ "body": self.tickets.map.text(text), "properties": properties });
        let (server, id) = (&self.tickets.server, input.id.as_str());
        let reply = server.ask(cx, server.post(&["issue", id, "comment"]).json(&body)).await?;
        let comment: wire::Comment<'_> = written(&reply)?;
        Ok(self.tickets.map.comment(id, id, comment))
    }
}

impl Writer {
    /// The fields that an update sets, the status aside.
    async fn changes(&self, cx: &Context, input: &UpdateTicket) -> Result<Draft> {
        no_metadata(&input.metadata, &[])?;
        let mut draft = Draft::new();
        if let Some(text) = &input.title {
            draft.set("summary", json!(title(text)?));
        }
        match input.description.as_deref() {
            None => {}
            Some("") => draft.set("description", Value::Null),
            Some(description) => self.describe(&mut draft, description)?,
        }
        draft.fields(cx, &self.tickets.people, &input.fields, true).await?;
        if let Some(assignees) = &input.assignees {
            draft.set("assignee", self.assignee(cx, assignees).await?);
        }
        Ok(draft)
    }

    fn describe(&self, draft: &mut Draft, description: &str) -> Result<()> {
        draft.set("description", self.tickets.map.text(fitting("description", description)?));
        if let Some(kept) = self.tickets.map.kept_description(description) {
            draft.property(wire::DESCRIPTION, kept);
        }
        Ok(())
    }

    /// The one who works on it from now on, or nobody.
    async fn assignee(&self, cx: &Context, assignees: &[String]) -> Result<Value> {
        match assignees {
            [] => Ok(Value::Null),
            [person] => draft::person(cx, &self.tickets.people, "assignees", person).await,
            several => {
                let message =
                    format!("expected at most one person, got {}: a ticket in Jira has one assignee", several.len());
                Err(Error::invalid("assignees", message))
            }
        }
    }

    /// Makes links to other pages. Each has an id by which Jira knows it again, so that it is made once.
    async fn link(&self, cx: &Context, id: &str, links: &[RemoteLink]) -> Result<()> {
        let server = &self.tickets.server;
        for (index, link) in links.iter().enumerate() {
            let request = server.post(&["issue", id, "remotelink"]).json(&link.body());
            server.ask(cx, request).await.map_err(|error| match index {
                0 => error,
                _ => error.maybe_applied(),
            })?;
        }
        Ok(())
    }
}

/// What Jira answered to a write: if that cannot be read, it was made all the same.
fn written<'a, T: serde::Deserialize<'a>>(reply: &'a Reply) -> Result<T> {
    read(reply).map_err(Error::maybe_applied)
}

/// Jira says 404 of nothing that a ticket is opened with.
fn missing_project(error: Error) -> Error {
    let hint = "check `url`, which ends before `/rest/api`, and `deployment`";
    if *error.kind() == ErrorKind::NotFound { error.with_context("hint", hint) } else { error }
}

/// The error of a step that comes after others: it says what they did.
fn told(error: Error, done: Option<&str>) -> Error {
    let Some(done) = done else { return error };
    let told = Error::new(error.kind().clone(), format!("{done}: {}", error.message())).maybe_applied();
    error.context().fold(told, |told, (name, value)| told.with_context(name, value))
}

fn title(title: &str) -> Result<&str> {
    let problem = match title.chars().count() {
        _ if title.trim().is_empty() => "expected a text, got a blank one".to_owned(),
        _ if title.contains(['\n', '\r']) => "expected one line, got several".to_owned(),
        length if length > TITLE => format!("expected at most {TITLE} characters, got {length}"),
        _ => return Ok(title),
    };
    Err(Error::invalid("title", problem))
}

fn fitting<'a>(field: &str, text: &'a str) -> Result<&'a str> {
    match text.chars().count() {
        length if length > TEXT => {
            Err(Error::invalid(field, format!("expected at most {TEXT} characters, got {length}")))
        }
        _ => Ok(text),
    }
}

fn no_metadata(metadata: &Fields, known: &[&str]) -> Result<()> {
    match metadata.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("`metadata.{unknown}` cannot be kept in Jira; known are: {known}");
            Err(Error::unsupported(message))
        }
        None => Ok(()),
    }
}
