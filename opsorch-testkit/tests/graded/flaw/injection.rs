//! Faults of texts that mean something to somebody.

use opsorch::{Action, Query, Response, Result, ServiceQuery};
use opsorch_testkit::MemoryProvider;

use super::Fault::{Read, Write};
use super::writes::ticket;
use super::{Flaw, Properly};
use crate::tampered::{ask, tickets, tickets_of};

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "doubles quotes", caught_by: &["TK-085"], fault: Write(doubles_quotes) },
    Flaw { name: "escapes markup", caught_by: &["TK-085"], fault: Write(escapes_markup) },
    Flaw { name: "keeps the basic plane only", caught_by: &["TK-085"], fault: Write(keeps_the_basic_plane_only) },
    Flaw { name: "lets a per cent sign find everything", caught_by: &["TK-086"], fault: Read(per_cent_finds_all) },
    Flaw { name: "lets a quote end its query", caught_by: &["TK-086"], fault: Read(a_quote_ends_the_query) },
];

fn doubles_quotes(memory: &MemoryProvider, _: &Action, properly: Properly<'_>) -> Result<Response> {
    ticket(memory, properly, |ticket| ticket.title = ticket.title.replace('\'', "''"))
}

fn escapes_markup(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let Action::IncidentCreate(_) = action else { return properly() };
    let mut response = properly()?;
    if let Response::Incident(incident) = &mut response {
        incident.description = incident.description.take().map(|text| text.replace('<', "&lt;"));
        memory.seed_incident(incident.clone());
    }
    Ok(response)
}

/// Cuts a text at the first letter that has four bytes, as `utf8` of MySQL does.
fn keeps_the_basic_plane_only(memory: &MemoryProvider, _: &Action, properly: Properly<'_>) -> Result<Response> {
    ticket(memory, properly, |ticket| {
        ticket.title = ticket.title.chars().take_while(|letter| letter.len_utf8() < 4).collect();
    })
}

fn per_cent_finds_all(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        query.query = query.query.filter(|text| text != "%");
        tickets_of(memory, query)
    })
}

/// A value that closes the quotes around it adds a condition that always holds.
fn a_quote_ends_the_query(memory: &MemoryProvider, query: Query) -> Result<Response> {
    match query {
        Query::ServiceQuery(query) if query.name.as_ref().is_some_and(|name| name.contains("' OR '1'='1")) => {
            ask(memory, ServiceQuery::new())
        }
        query => ask(memory, query),
    }
}
