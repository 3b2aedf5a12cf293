//! Faults of idempotency keys.

use opsorch::{Action, Query, Response, Result, Ticket, TicketQuery};
use opsorch_testkit::MemoryProvider;

use super::Fault::Write;
use super::{Flaw, Properly};
use crate::tampered::{ask, tickets_of};

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "forgets idempotency keys", caught_by: &["TK-080"], fault: Write(forgets_keys) },
    Flaw { name: "makes an entry for each request", caught_by: &["TK-080"], fault: Write(adds_an_entry_again) },
    Flaw { name: "takes the content for the key", caught_by: &["TK-082"], fault: Write(takes_the_content_for_the_key) },
];

/// The ticket with this title.
fn titled(memory: &MemoryProvider, title: &str) -> Result<Option<Ticket>> {
    let all = tickets_of(memory, TicketQuery::new().limit(1_000))?.items;
    Ok(all.into_iter().find(|ticket| ticket.title == title))
}

/// Makes another ticket where the key says that this one was made.
fn forgets_keys(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let Action::TicketCreate(input) = action else { return properly() };
    let before = titled(memory, &input.title)?;
    match (before, properly()?) {
        (Some(before), Response::Ticket(mut ticket)) if before.id == ticket.id => {
            ticket.id = format!("{}-again", ticket.id).into();
            memory.seed_ticket(ticket.clone());
            Ok(ticket.into())
        }
        (_, response) => Ok(response),
    }
}

/// Appends an entry again where the key says that it was.
fn adds_an_entry_again(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let Action::IncidentTimelineAppend(input) = action else { return properly() };
    let entries = || match ask(memory, Query::IncidentTimelineGet(input.id.clone())) {
        Ok(Response::Timeline(page)) => page.items,
        _ => Vec::new(),
    };
    let before = entries();
    let response = properly()?;
    if let (Some(last), true) = (before.last(), entries().len() == before.len()) {
        let mut again = last.clone();
        again.id = format!("{}-again", last.id).into();
        memory.seed_timeline_entry(again);
    }
    Ok(response)
}

/// Answers a ticket that says the same instead of making another.
fn takes_the_content_for_the_key(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let known = match action {
        Action::TicketCreate(input) => titled(memory, &input.title)?,
        _ => None,
    };
    known.map_or_else(properly, |ticket| Ok(ticket.into()))
}
