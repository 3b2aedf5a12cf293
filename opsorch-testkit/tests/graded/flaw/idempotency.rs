//! Faults of idempotency keys.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use opsorch::capability::Reconciled;
use opsorch::transport::{HeaderValue, Reply, Request, Transport};
use opsorch::{Action, Error, Query, Response, Result, Ticket, TicketQuery};
use opsorch_testkit::MemoryProvider;

use super::Fault::{Desk, Write};
use super::{Flaw, Properly};
use crate::desk::DeskFlaw;
use crate::tampered::{ask, tickets_of};

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "forgets idempotency keys", caught_by: &["TK-080"], fault: Write(forgets_keys) },
    Flaw { name: "makes an entry for each request", caught_by: &["TK-080"], fault: Write(adds_an_entry_again) },
    Flaw {
        name: "does not tell its vendor the key",
        caught_by: &["TK-080", "TK-083"],
        fault: Desk(DeskFlaw::Request(without_key)),
    },
    Flaw {
        name: "declares that it finds what it made, and does not look",
        caught_by: &["TK-081"],
        fault: Desk(DeskFlaw::Search(|_, _, _| Reconciled::NotApplied)),
    },
    Flaw {
        name: "takes the newest ticket of the title for the marked one",
        caught_by: &["TK-087"],
        fault: Desk(DeskFlaw::Search(|all, _, wanted| {
            let titled = all.iter().find(|ticket| ticket.title == wanted.title);
            titled.map_or(Reconciled::NotApplied, |ticket| Reconciled::Applied(ticket.clone().into()))
        })),
    },
    Flaw { name: "takes the content for the key", caught_by: &["TK-082"], fault: Write(takes_the_content_for_the_key) },
    Flaw {
        name: "remembers keys by itself",
        caught_by: &["TK-083"],
        fault: Desk(DeskFlaw::Send(remembers_keys_by_itself)),
    },
    Flaw {
        name: "sends again without the key",
        caught_by: &["TK-083", "TK-084"],
        fault: Desk(DeskFlaw::Send(sends_again_without_the_key)),
    },
    Flaw {
        name: "denies what was lost",
        caught_by: &["TK-084"],
        fault: Desk(DeskFlaw::Error(|error| if is_lost(&error) { error.not_applied() } else { error })),
    },
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

/// The header of the desk.
const KEY: &str = "idempotency-key";

fn without_key(mut request: Request) -> Request {
    request.headers.remove(KEY);
    request
}

/// What was answered under a key.
struct Answered {
    /// The way to the vendor: each world has its own.
    way: Arc<dyn Transport>,
    key: HeaderValue,
    reply: Reply,
}

static ANSWERED: Mutex<Vec<Answered>> = Mutex::new(Vec::new());

/// Keeps keys and answers to itself. Of an answer that was lost it knows nothing.
fn remembers_keys_by_itself(inner: Arc<dyn Transport>, request: Request) -> BoxFuture<'static, Result<Reply>> {
    async move {
        let Some(key) = request.headers.get(KEY).cloned() else { return inner.send(request).await };
        let is_it = |answered: &&Answered| Arc::ptr_eq(&answered.way, &inner) && answered.key == key;
        let known = ANSWERED.lock().unwrap().iter().find(is_it).map(|answered| answered.reply.clone());
        if let Some(reply) = known {
            return Ok(reply);
        }
        let reply = inner.send(without_key(request)).await?;
        ANSWERED.lock().unwrap().push(Answered { way: inner, key, reply: reply.clone() });
        Ok(reply)
    }
    .boxed()
}

fn sends_again_without_the_key(inner: Arc<dyn Transport>, request: Request) -> BoxFuture<'static, Result<Reply>> {
    async move {
        let again = without_key(request.clone());
        match inner.send(request).await {
            Err(error) if is_lost(&error) => inner.send(again).await.and(Err(error)),
            answer => answer,
        }
    }
    .boxed()
}

fn is_lost(error: &Error) -> bool {
    error.message().contains("the answer was lost")
}
