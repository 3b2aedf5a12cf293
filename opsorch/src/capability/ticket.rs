//! Tickets and their comments.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::gate::Approved;
use crate::{Comment, CommentTicket, Context, CreateTicket, Page, Result, Ticket, TicketId, TicketQuery, UpdateTicket};

/// Finds and reads tickets.
#[async_trait]
pub trait TicketReader: Debug + Send + Sync + 'static {
    /// Finds tickets, newest first: at most [`TicketQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &TicketQuery) -> Result<Page<Ticket>>;
    /// Reads one ticket; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket>;
}

/// Opens and changes tickets.
#[async_trait]
pub trait TicketWriter: Debug + Send + Sync + 'static {
    /// Opens a ticket and returns it as the vendor now has it.
    async fn create(&self, cx: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket>;
    /// Changes the fields that are given and no others; an unknown id is `NotFound`.
    async fn update(&self, cx: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket>;
}

/// Comments on tickets.
#[async_trait]
pub trait TicketCommenter: Debug + Send + Sync + 'static {
    /// Adds a comment; an unknown id is `NotFound`.
    async fn comment(&self, cx: &Context, input: Approved<'_, CommentTicket>) -> Result<Comment>;
}
