//! Faults of changes.

use opsorch::{Action, IncidentStatusLevel, Page, Query, Response, Result, SeverityLevel, Ticket, TicketStatusLevel};
use opsorch_testkit::MemoryProvider;

use super::Fault::{Read, Write};
use super::{Flaw, Properly};
use crate::tampered::ask;

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "ignores a severity", caught_by: &["TK-050"], fault: Write(ignores_a_severity) },
    Flaw { name: "does not list what it made", caught_by: &["TK-051"], fault: Read(does_not_list_what_it_made) },
    Flaw {
        name: "clears what an update does not name",
        caught_by: &["TK-052"],
        fault: Write(clears_what_an_update_does_not_name),
    },
    Flaw { name: "changes the status alone", caught_by: &["TK-052"], fault: Write(changes_the_status_alone) },
    Flaw { name: "makes what it cannot find", caught_by: &["TK-053"], fault: Write(makes_what_it_cannot_find) },
    Flaw { name: "comments on nothing", caught_by: &["TK-053"], fault: Write(comments_on_nothing) },
    Flaw { name: "loses the kind of an entry", caught_by: &["TK-054"], fault: Read(loses_the_kind_of_an_entry) },
    Flaw { name: "finds a title of its own", caught_by: &["TK-055"], fault: Write(finds_a_title_of_its_own) },
    Flaw { name: "drops metadata", caught_by: &["TK-056"], fault: Write(drops_metadata) },
    Flaw { name: "answers what was before", caught_by: &["TK-057"], fault: Write(answers_what_was_before) },
    Flaw { name: "answers what was asked for", caught_by: &["TK-057"], fault: Write(answers_what_was_asked_for) },
];

/// Makes every change properly, and then alters the ticket that came of it.
pub fn ticket(memory: &MemoryProvider, properly: Properly<'_>, alter: impl FnOnce(&mut Ticket)) -> Result<Response> {
    let mut response = properly()?;
    if let Response::Ticket(ticket) = &mut response {
        alter(ticket);
        memory.seed_ticket(ticket.clone());
    }
    Ok(response)
}

fn ignores_a_severity(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let mut response = properly()?;
    if let (Action::IncidentCreate(_), Response::Incident(incident)) = (action, &mut response) {
        incident.severity = SeverityLevel::Medium.into();
        memory.seed_incident(incident.clone());
    }
    Ok(response)
}

fn does_not_list_what_it_made(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let mut response = ask(memory, query)?;
    if let Response::Tickets(page) = &mut response {
        page.items.retain(|ticket| !ticket.title.starts_with("conformance found"));
    }
    Ok(response)
}

fn clears_what_an_update_does_not_name(
    memory: &MemoryProvider,
    action: &Action,
    properly: Properly<'_>,
) -> Result<Response> {
    let Action::TicketUpdate(input) = action else { return properly() };
    ticket(memory, properly, |ticket| ticket.description.clone_from(&input.description))
}

/// Moves a ticket on, and forgets the title that came with it.
fn changes_the_status_alone(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    match action {
        Action::TicketUpdate(input) if input.status.is_some() && input.title.is_some() => {
            let before: Ticket = ask(memory, Query::TicketGet(input.id.clone()))?.try_into()?;
            ticket(memory, properly, |ticket| ticket.title = before.title)
        }
        _ => properly(),
    }
}

fn makes_what_it_cannot_find(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    match (action, properly()) {
        (Action::TicketUpdate(input), Err(_)) => {
            let title = input.title.clone().unwrap_or_default();
            let ticket = Ticket::new(&input.id, title, TicketStatusLevel::Todo);
            memory.seed_ticket(ticket.clone());
            Ok(ticket.into())
        }
        (_, answer) => answer,
    }
}

/// Says that a comment was added, to a ticket that nobody knows.
fn comments_on_nothing(_: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    match (action, properly()) {
        (Action::TicketComment(input), Err(_)) => Ok(opsorch::Comment::new("comment-1", &input.id, &input.body).into()),
        (_, answer) => answer,
    }
}

fn loses_the_kind_of_an_entry(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let mut response = ask(memory, query)?;
    if let Response::Timeline(Page { items, .. }) = &mut response {
        items.iter_mut().for_each(|entry| entry.kind = "event".to_owned());
    }
    Ok(response)
}

fn finds_a_title_of_its_own(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    match (action, properly()) {
        (Action::TicketCreate(input), Err(_)) if input.title.trim().is_empty() => {
            let ticket = Ticket::new("tkt-untitled", "untitled", TicketStatusLevel::Todo);
            memory.seed_ticket(ticket.clone());
            Ok(ticket.into())
        }
        (_, answer) => answer,
    }
}

fn drops_metadata(memory: &MemoryProvider, _: &Action, properly: Properly<'_>) -> Result<Response> {
    ticket(memory, properly, |ticket| ticket.metadata.clear())
}

fn answers_what_was_before(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let Action::TicketUpdate(input) = action else { return properly() };
    let before = ask(memory, Query::TicketGet(input.id.clone()));
    properly().and(before)
}

/// Answers the status that an incident was to have, and leaves it as it was.
fn answers_what_was_asked_for(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let mut response = properly()?;
    if let (Action::IncidentCreate(_), Response::Incident(incident)) = (action, &mut response) {
        memory.seed_incident(incident.clone());
        incident.status = IncidentStatusLevel::Mitigated.into();
    }
    Ok(response)
}
