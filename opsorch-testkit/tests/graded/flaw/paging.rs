//! Faults of pages and ids.

use opsorch::{Cursor, Error, IncidentId, Page, Query, Response, Result, TicketQuery};
use opsorch_testkit::MemoryProvider;

use super::Fault::Read;
use super::Flaw;
use crate::tampered::{ask, tickets, tickets_of};

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "ignores the limit", caught_by: &["TK-001"], fault: Read(ignores_the_limit) },
    Flaw { name: "drops page two", caught_by: &["TK-002"], fault: Read(drops_page_two) },
    Flaw { name: "repeats an item", caught_by: &["TK-003"], fault: Read(repeats_an_item) },
    Flaw {
        name: "says that it is complete when it is not",
        caught_by: &["TK-004"],
        fault: Read(claims_to_be_complete),
    },
    Flaw { name: "takes any cursor for the first page", caught_by: &["TK-005"], fault: Read(takes_any_cursor) },
    Flaw { name: "counts its cursors from the newest", caught_by: &["TK-006"], fault: Read(counts_from_the_newest) },
    Flaw { name: "ends a page where its vendor does", caught_by: &["TK-007"], fault: Read(ends_pages_early) },
    Flaw { name: "reads another title than it lists", caught_by: &["TK-020"], fault: Read(reads_another_title) },
    Flaw { name: "swallows a 404", caught_by: &["TK-021"], fault: Read(swallows_a_404) },
];

/// Gives one item more than it was asked for, and goes on properly after it.
fn ignores_the_limit(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        query.limit = query.limit.map(|limit| limit + 1);
        tickets_of(memory, query)
    })
}

/// Follows a cursor one item too far.
fn drops_page_two(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |query| {
        let mut page = tickets_of(memory, query.clone())?;
        if query.cursor.is_some() && !page.items.is_empty() {
            page.items.remove(0);
        }
        Ok(page)
    })
}

/// Begins each page but the first with the item that ended the one before, and has one new item less.
fn repeats_an_item(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        let repeats = query.cursor.is_some() && query.limit.is_some_and(|limit| limit > 1);
        if !repeats {
            return tickets_of(memory, query);
        }
        query.limit = query.limit.map(|limit| limit - 1);
        let all = tickets_of(memory, TicketQuery::new().limit(1_000))?.items;
        let mut page = tickets_of(memory, query)?;
        let first = all.iter().position(|ticket| ticket.id == page.items[0].id).unwrap();
        page.items.insert(0, all[first - 1].clone());
        Ok(page)
    })
}

/// Leaves the cursor out of a page that is not the last.
fn claims_to_be_complete(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |query| {
        let page = tickets_of(memory, query.clone())?;
        let is_small = query.limit.is_some_and(|limit| (3..100).contains(&limit));
        Ok(if is_small { Page::new(page.items) } else { page })
    })
}

/// Begins at the beginning where a cursor makes no sense.
fn takes_any_cursor(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        tickets_of(memory, query.clone()).or_else(|_| {
            query.cursor = None;
            tickets_of(memory, query)
        })
    })
}

/// Has the number of tickets that were passed as its cursor, which is another place when there is a new one.
fn counts_from_the_newest(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        let invalid = |_| Error::invalid("cursor", "expected a number");
        let passed = query.cursor.take().map_or(Ok(0), |cursor| cursor.as_str().parse().map_err(invalid))?;
        let size = query.page_size() as usize;
        query.limit = None;
        let mut page = tickets_of(memory, query)?;
        let is_more = page.items.len() > passed + size;
        page.items = page.items.into_iter().skip(passed).take(size).collect();
        Ok(page.next(is_more.then(|| Cursor::new((passed + size).to_string()))))
    })
}

/// Never gives more than four at once, which is all that its vendor gives.
fn ends_pages_early(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        query.limit = Some(query.page_size().min(4));
        tickets_of(memory, query)
    })
}

/// Reads other titles of the tickets that have a key, which are those of before.
fn reads_another_title(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let mut response = ask(memory, query)?;
    if let Response::Ticket(ticket) = &mut response
        && ticket.key.is_some()
    {
        ticket.title.push_str(" (archived)");
    }
    Ok(response)
}

/// Gives some incident where there is none of that id.
fn swallows_a_404(memory: &MemoryProvider, query: Query) -> Result<Response> {
    match ask(memory, query.clone()) {
        Err(_) if matches!(query, Query::IncidentGet(_)) => ask(memory, Query::IncidentGet(IncidentId::new("inc-1"))),
        answer => answer,
    }
}
