//! Tickets and the comments on them.

use async_trait::async_trait;
use opsorch::capability::{TicketCommenter, TicketReader, TicketWriter};
use opsorch::gate::Approved;
use opsorch::{
    Comment, CommentTicket, Context, CreateTicket, Operation, Page, Result, Ticket, TicketId, TicketQuery,
    TicketStatusLevel, Time, UpdateTicket,
};

use super::Tracker;
use crate::local::database::{Attempt, Edit, Entry, Part, Record};
use crate::local::input::{refuse_deep, require, set, set_or_empty};
use crate::local::query::{Text, among, is_or_any, is_within, refuse, refuse_metadata, refuse_team_and_environment};

impl Record for Ticket {
    const KIND: &'static str = "ticket";
    const PREFIX: &'static str = "TCK";

    fn at(&self) -> Option<Time> {
        self.created_at
    }
}

impl Entry for Comment {
    const KIND: &'static str = "comment";
}

#[async_trait]
impl TicketReader for Tracker {
    async fn query(&self, cx: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        refuse_metadata(&query.metadata)?;
        refuse_team_and_environment(&query.scope)?;
        refuse("scope.service", query.scope.service.is_some())?;
        let part = Part::new(query.page_size(), query.cursor.as_ref())?.within(query.since, query.until);
        let (query, text) = (query.clone(), Text::new(&query.query));
        let matches = move |ticket: &Ticket| {
            text.occurs_in([Some(ticket.title.as_str()), ticket.description.as_deref()])
                && among(&query.statuses, &ticket.status)
                && (query.assignees.is_empty() || query.assignees.iter().any(|it| ticket.assignees.contains(it)))
                && is_or_any(&query.reporter, &ticket.reporter)
                && is_within(ticket.created_at, query.since, query.until)
        };
        self.database.read(cx, move |view| view.page(part, |ticket| Some(ticket).filter(&matches))).await
    }

    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        let id = id.to_string();
        self.database.read(cx, move |view| view.get(&id)).await
    }
}

#[async_trait]
impl TicketWriter for Tracker {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        require("title", Some(&input.title))?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::TicketCreate, &input)?;
        let (input, reporter) = (CreateTicket::clone(&input), cx.actor().identity.to_string());
        let work = move |edit: &Edit<'_>| {
            edit.add(|id| {
                let CreateTicket { title, description, fields, metadata, .. } = input;
                let ticket = Ticket::new(id, title, TicketStatusLevel::Todo).key(id).reporter(reporter);
                let mut ticket = ticket.created_at(edit.now()).updated_at(edit.now());
                (ticket.description, ticket.fields, ticket.metadata) = (description, fields, metadata);
                ticket
            })
        };
        self.database.change(cx, attempt, work, |view, id| view.get(id)).await
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        require("title", input.title.as_ref())?;
        require("status", input.status.as_ref())?;
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::TicketUpdate, &input)?;
        let input = UpdateTicket::clone(&input);
        let work = move |edit: &Edit<'_>| {
            let id = input.id.to_string();
            let before: Ticket = edit.get(&id)?;
            let mut ticket = before.clone();
            update(&mut ticket, input);
            if ticket != before {
                ticket.updated_at = Some(edit.now());
                edit.put(&id, &ticket)?;
            }
            Ok(id)
        };
        self.database.change(cx, attempt, work, |view, id| view.get(id)).await
    }
}

#[async_trait]
impl TicketCommenter for Tracker {
    async fn comment(&self, cx: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        require("body", Some(&input.body))?;
        refuse_deep(&[("metadata", &input.metadata)])?;
        let attempt = Attempt::new(Operation::TicketComment, &input)?;
        let (input, author) = (CommentTicket::clone(&input), cx.actor().identity.to_string());
        let work = move |edit: &Edit<'_>| {
            let CommentTicket { id: ticket, body, metadata, .. } = input;
            edit.get::<Ticket>(ticket.as_str())?;
            edit.append(ticket.as_str(), |id| {
                let mut comment = Comment::new(id, &ticket, body).author(author).created_at(edit.now());
                comment.metadata = metadata;
                comment
            })
        };
        self.database.change(cx, attempt, work, |view, id| view.entry(id)).await
    }
}

fn update(ticket: &mut Ticket, input: UpdateTicket) {
    let UpdateTicket { title, description, status, assignees, fields, metadata, .. } = input;
    set(&mut ticket.title, title);
    set(&mut ticket.status, status);
    set(&mut ticket.assignees, assignees);
    set_or_empty(&mut ticket.description, description);
    ticket.fields.extend(fields);
    ticket.metadata.extend(metadata);
}
