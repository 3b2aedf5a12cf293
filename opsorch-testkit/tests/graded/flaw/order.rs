//! Faults of the order of what is found.

use std::sync::atomic::{AtomicBool, Ordering};

use opsorch::{Query, Response, Result};
use opsorch_testkit::MemoryProvider;

use super::Fault::Read;
use super::Flaw;
use crate::tampered::ask;

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "lists the oldest first", caught_by: &["TK-022"], fault: Read(lists_the_oldest_first) },
    Flaw { name: "finds the oldest first", caught_by: &["TK-022"], fault: Read(finds_the_oldest_first) },
    Flaw { name: "lists in another order each time", caught_by: &["TK-023"], fault: Read(changes_the_order) },
    Flaw { name: "begins a timeline with the newest", caught_by: &["TK-027"], fault: Read(turns_timelines_around) },
];

/// Turns large pages around.
fn lists_the_oldest_first(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let is_large = matches!(&query, Query::IncidentQuery(query) if query.page_size() >= 100);
    let mut response = ask(memory, query)?;
    if let Response::Incidents(page) = &mut response
        && is_large
    {
        page.items.reverse();
    }
    Ok(response)
}

/// Turns around what a search finds.
fn finds_the_oldest_first(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let is_search = matches!(&query, Query::IncidentQuery(query) if !query.severities.is_empty());
    let mut response = ask(memory, query)?;
    if let Response::Incidents(page) = &mut response
        && is_search
        && page.next.is_none()
    {
        page.items.reverse();
    }
    Ok(response)
}

/// Turns every second large page around.
fn changes_the_order(memory: &MemoryProvider, query: Query) -> Result<Response> {
    static TURN: AtomicBool = AtomicBool::new(false);
    let is_large = matches!(&query, Query::ServiceQuery(query) if query.page_size() >= 100);
    let mut response = ask(memory, query)?;
    if let Response::Services(page) = &mut response
        && is_large
        && TURN.fetch_not(Ordering::Relaxed)
    {
        page.items.reverse();
    }
    Ok(response)
}

fn turns_timelines_around(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let mut response = ask(memory, query)?;
    if let Response::Timeline(page) = &mut response {
        page.items.reverse();
    }
    Ok(response)
}
