//! Faults of pages and ids.

use opsorch::{Clock, Cursor, Error, IncidentId, LogEntry, Page, Query, Response, Result, TicketQuery};
use opsorch_testkit::{Conformance, MemoryProvider};

use super::Fault::{Desk, Read, Suite};
use super::Flaw;
use crate::desk::DeskFlaw;
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
    Flaw { name: "takes an address for a cursor", caught_by: &["TK-005"], fault: Read(takes_addresses) },
    Flaw { name: "gives addresses as cursors", caught_by: &["TK-005"], fault: Read(gives_addresses) },
    Flaw { name: "asks at the address in a cursor", caught_by: &["TK-005"], fault: Desk(DeskFlaw::FollowsCursors) },
    Flaw { name: "forgets the conditions on page two", caught_by: &["TK-002"], fault: Read(forgets_conditions) },
    Flaw { name: "cuts its largest page in silence", caught_by: &["TK-002"], fault: Read(cuts_in_silence) },
    // These two are sound: a vendor can be like this.
    Flaw { name: "gives the newest page and says so", caught_by: &[], fault: Read(gives_the_newest_page) },
    Flaw { name: "has the same line twice", caught_by: &[], fault: Suite(has_a_line_twice) },
    Flaw { name: "counts its cursors from the newest", caught_by: &["TK-006"], fault: Read(counts_from_the_newest) },
    Flaw { name: "ends a page where its vendor does", caught_by: &["TK-007"], fault: Read(ends_pages_early) },
    Flaw { name: "reads another title than it lists", caught_by: &["TK-020"], fault: Read(reads_another_title) },
    Flaw { name: "reads another text than it lists", caught_by: &["TK-020"], fault: Read(reads_another_text) },
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

/// What a cursor looks like to an adapter that gives the vendor's `next` away as it is.
const NEXT: &str = "https://desk.example.com/tickets?after=";

/// Begins at the beginning where a cursor is an address, whosever it is.
fn takes_addresses(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        query.cursor.take_if(|cursor| cursor.as_str().starts_with("http"));
        tickets_of(memory, query)
    })
}

/// Refuses the addresses of others.
fn gives_addresses(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        if let Some(cursor) = &query.cursor {
            let number = cursor.as_str().strip_prefix(NEXT);
            query.cursor = Some(Cursor::new(number.unwrap_or("no number")));
        }
        let mut page = tickets_of(memory, query)?;
        page.next = page.next.map(|next| Cursor::new(format!("{NEXT}{next}")));
        Ok(page)
    })
}

fn forgets_conditions(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |mut query| {
        if query.cursor.is_some() {
            query.statuses.clear();
            query.assignees.clear();
            query.reporter = None;
        }
        tickets_of(memory, query)
    })
}

/// Reads one page of its vendor, which is smaller than what was asked for.
fn cuts_in_silence(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let is_large = match &query {
        Query::ServiceQuery(query) => {
            query.page_size() >= 100 && query.ids.is_empty() && query.name.is_none() && query.tags.is_empty()
        }
        _ => false,
    };
    let mut response = ask(memory, query)?;
    if let Response::Services(page) = &mut response
        && is_large
    {
        page.items.pop();
    }
    Ok(response)
}

/// Has no cursors, and says where there is more.
fn gives_the_newest_page(memory: &MemoryProvider, query: Query) -> Result<Response> {
    tickets(memory, query, |query| {
        if query.cursor.is_some() {
            return Err(Error::invalid("cursor", "there are no cursors"));
        }
        let page = tickets_of(memory, query)?;
        Ok(match page.next {
            Some(_) => Page::new(page.items).truncated("there are more; narrow the query"),
            None => page,
        })
    })
}

/// Writes a line twice at one instant, as services do that try again.
fn has_a_line_twice() -> Conformance {
    Conformance::provider("memory", |place| {
        let memory = MemoryProvider::seeded(7, place.clock());
        for _ in 0..2 {
            memory.seed_log(LogEntry::new(place.clock().now(), "cannot reach the database"));
        }
        Ok(memory.provider("memory"))
    })
    .channel("#ops")
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

/// Reads more of the text of the tickets that have a key than it lists.
fn reads_another_text(memory: &MemoryProvider, query: Query) -> Result<Response> {
    let mut response = ask(memory, query)?;
    if let Response::Ticket(ticket) = &mut response
        && ticket.key.is_some()
    {
        ticket.description.get_or_insert_default().push_str(" (more)");
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
