//! Faults of reads as such.

use std::time::Duration;

use opsorch::{Error, Page, Query, Response, Result, TimelineEntry};
use opsorch_testkit::MemoryProvider;

use super::Fault::Read;
use super::Flaw;
use crate::tampered::ask;

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "touches what it reads", caught_by: &["TK-024"], fault: Read(touches_what_it_reads) },
    Flaw { name: "offers who is on call, and lacks it", caught_by: &["TK-025"], fault: Read(lacks_who_is_on_call) },
    Flaw { name: "has a timeline for any id", caught_by: &["TK-026"], fault: Read(has_any_timeline) },
];

/// Notes on a ticket that somebody has read it.
fn touches_what_it_reads(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let response = ask(memory, query)?;
    if let Response::Ticket(ticket) = &response {
        let mut touched = ticket.clone();
        touched.updated_at = ticket.updated_at.map(|at| at + Duration::from_secs(1));
        memory.seed_ticket(touched);
    }
    Ok(response)
}

fn lacks_who_is_on_call(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let is_on_call = matches!(query, Query::TeamOncall(_));
    let response = ask(memory, query)?;
    match is_on_call {
        true => Err(Error::unsupported("there are no schedules")),
        false => Ok(response),
    }
}

fn has_any_timeline(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let is_timeline = matches!(query, Query::IncidentTimelineGet(_));
    match ask(memory, query) {
        Err(_) if is_timeline => Ok(Page::<TimelineEntry>::new(Vec::new()).into()),
        answer => answer,
    }
}
