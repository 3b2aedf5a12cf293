//! Tickets and their comments.

use async_trait::async_trait;
use opsorch::capability::{TicketCommenter, TicketReader, TicketWriter};
use opsorch::gate::Approved;
use opsorch::{
    Comment, CommentTicket, Context, CreateTicket, Operation, Page, Result, Ticket, TicketId, TicketQuery,
    TicketStatusLevel, UpdateTicket,
};

use super::MemoryProvider;
use super::matching::{among, any_of, check_title, mentions, replace, within};
use super::table::{newest, page_of, wanted};
use super::world::{Place, World};

impl MemoryProvider {
    /// The comments under a ticket, the oldest first; no operation reads them.
    pub fn comments(&self, ticket: &TicketId) -> Vec<Comment> {
        self.world().comments.rows().iter().filter(|comment| comment.ticket_id == *ticket).cloned().collect()
    }
}

#[async_trait]
impl TicketReader for MemoryProvider {
    async fn query(&self, _: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        self.page(Operation::TicketQuery, |world| {
            page_of(world.tickets.rows(), wanted!(query), newest, |ticket| matches(world, query, ticket))
        })
        .await
    }

    async fn get(&self, _: &Context, id: &TicketId) -> Result<Ticket> {
        self.read(Operation::TicketGet, |world| world.tickets.get(id).cloned()).await
    }
}

fn matches(world: &World, query: &TicketQuery, ticket: &Ticket) -> bool {
    mentions(&query.query, [Some(&ticket.title), ticket.description.as_deref(), ticket.key.as_deref()])
        && among(&query.statuses, &ticket.status)
        && (query.assignees.is_empty() || ticket.assignees.iter().any(|one| query.assignees.contains(one)))
        && any_of(query.reporter.as_slice(), ticket.reporter.as_ref())
        && within(ticket.created_at, query.since, query.until)
        && world.in_scope(&query.scope, Place::in_fields(&ticket.fields))
}

#[async_trait]
impl TicketWriter for MemoryProvider {
    /// A ticket starts as `todo`.
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        self.change(input, |world, input| {
            check_title(&input.title)?;
            let now = world.now();
            Ok(world.tickets.add(|id| {
                let mut ticket = Ticket::new(id, &input.title, TicketStatusLevel::Todo).created_at(now).updated_at(now);
                ticket.description = input.description.clone();
                ticket.fields = input.fields.clone();
                ticket.metadata = input.metadata.clone();
                ticket
            }))
        })
        .await
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        self.change(input, |world, input| {
            input.title.as_deref().map_or(Ok(()), check_title)?;
            let now = world.now();
            let ticket = world.tickets.get_mut(&input.id)?;
            ticket.title = input.title.clone().unwrap_or_else(|| ticket.title.clone());
            replace(&mut ticket.description, &input.description);
            ticket.status = input.status.clone().unwrap_or_else(|| ticket.status.clone());
            ticket.assignees = input.assignees.clone().unwrap_or_else(|| ticket.assignees.clone());
            ticket.fields.extend(input.fields.clone());
            ticket.metadata.extend(input.metadata.clone());
            ticket.updated_at = Some(now);
            Ok(ticket.clone())
        })
        .await
    }
}

#[async_trait]
impl TicketCommenter for MemoryProvider {
    async fn comment(&self, _: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment> {
        self.change(input, |world, input| {
            let now = world.now();
            world.tickets.get_mut(&input.id)?.updated_at = Some(now);
            Ok(world.comments.add(|id| {
                let mut comment = Comment::new(id, &input.id, &input.body).created_at(now);
                comment.metadata = input.metadata.clone();
                comment
            }))
        })
        .await
    }
}
