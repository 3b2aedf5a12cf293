//! Looks up what became of a change whose answer was lost, by the key that was put beside it.

use async_trait::async_trait;
use opsorch::capability::{Reconciled, Reconciler};
use opsorch::{Action, CommentTicket, Context, CreateTicket, Response, Result};
use serde_json::Value;

use super::Writer;
use crate::jira::api::read;
use crate::jira::wire::{self, Comments};

/// The most comments that are looked at, the newest first.
const COMMENTS: &str = "100";

#[async_trait]
impl Reconciler for Writer {
    /// A ticket or a comment that is found with the key was made by this change. One that is not found may still come, and
    /// an update leaves no mark, so that nothing is certain then.
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let found = match action {
            Action::TicketCreate(input) => self.made_ticket(cx, input, idempotency_key).await?,
            Action::TicketComment(input) => self.made_comment(cx, input, idempotency_key).await?,
            _ => None,
        };
        Ok(found.map_or(Reconciled::Unknown, Reconciled::Applied))
    }
}

impl Writer {
    /// Looks among the newest tickets of this title.
    async fn made_ticket(&self, cx: &Context, input: &CreateTicket, key: &str) -> Result<Option<Response>> {
        let properties = [wire::DESCRIPTION, wire::CHANGE].join(",");
        let newest = self.tickets.newest(cx).await?;
        for candidate in newest.iter().filter(|ticket| ticket.title.trim() == input.title.trim()) {
            let (ticket, change) = self.tickets.read_with(cx, candidate.id.as_str(), &properties).await?;
            if change.as_ref().and_then(Value::as_str) == Some(key) {
                return Ok(Some(Response::from(ticket)));
            }
        }
        Ok(None)
    }

    async fn made_comment(&self, cx: &Context, input: &CommentTicket, key: &str) -> Result<Option<Response>> {
        let (server, id) = (&self.tickets.server, input.id.as_str());
        let query = [("orderBy", "-created"), ("maxResults", COMMENTS), ("expand", "properties")];
        let reply = server.ask(cx, server.get(&["issue", id, "comment"]).query(&query)).await?;
        let found: Comments<'_> = read(&reply)?;
        let is_it = |comment: &wire::Comment<'_>| {
            comment.properties.iter().any(|it| it.key == wire::CHANGE && it.value.as_str() == Some(key))
        };
        let comment = found.comments.into_iter().find(is_it);
        Ok(comment.map(|comment| Response::from(self.tickets.map.comment(id, id, comment))))
    }
}
