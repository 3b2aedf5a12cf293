//! The desk itself, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use opsorch::transport::{Method, Reply, Request, StatusCode};
use opsorch::{Clock, Time};
use opsorch_testkit::double::{Double, SECRET, json};
use serde_json::{Value, json};

use super::{AT_ONCE, STATES, WireComment, WirePage, WireTicket};

/// How many tickets there are at the beginning: more than the desk gives at once.
const TICKETS: usize = 8;

/// A desk that behaves: what is made through it is there.
pub struct DeskDouble {
    clock: Arc<dyn Clock>,
    /// The newest at the end.
    tickets: Vec<WireTicket>,
    comments: Vec<WireComment>,
    /// What was answered under an idempotency key, and to which request.
    answered: BTreeMap<String, (String, Reply)>,
    lets_everyone_in: bool,
}

impl DeskDouble {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let tickets = (1..=TICKETS).map(|id| seeded(id, clock.now())).collect();
        Self { clock, tickets, comments: Vec::new(), answered: BTreeMap::new(), lets_everyone_in: false }
    }

    /// One that does not look at the credential.
    pub fn open(clock: Arc<dyn Clock>) -> Self {
        Self { lets_everyone_in: true, ..Self::new(clock) }
    }

    fn dispatch(&mut self, request: &Request) -> Result<Reply, Refusal> {
        let path: Vec<_> = request.url.path_segments().into_iter().flatten().map(decoded).collect();
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["tickets"]) => self.find(request),
            ("GET", ["tickets", id]) => Ok(json(StatusCode::OK, self.ticket(id)?)),
            ("POST", ["tickets"]) => self.open_ticket(&body(request)?),
            ("PATCH", ["tickets", id]) => self.change(id, &body(request)?),
            ("POST", ["tickets", id, "comments"]) => self.comment(id, &body(request)?),
            _ => Err(Refusal(StatusCode::NOT_FOUND, "no such page")),
        }
    }

    /// The tickets below a number, in any of some states, the newest first.
    fn find(&self, request: &Request) -> Result<Reply, Refusal> {
        let all = |wanted: &str| {
            let pairs = request.url.query_pairs().filter(|(name, _)| name == wanted);
            pairs.map(|(_, value)| value.into_owned()).collect::<Vec<_>>()
        };
        let number = |name: &str| match all(name).first() {
            Some(text) => text.parse().map(Some).map_err(|_| Refusal(StatusCode::BAD_REQUEST, "expected a number")),
            None => Ok(None),
        };
        let (states, before) = (all("state"), number("before")?.unwrap_or(usize::MAX));
        let reference = all("reference").into_iter().next();
        let is_wanted = |ticket: &&WireTicket| {
            ticket.id < before
                && (states.is_empty() || states.contains(&ticket.state))
                && (reference.is_none() || ticket.reference == reference)
        };
        let mut found: Vec<_> = self.tickets.iter().rev().filter(is_wanted).cloned().collect();
        let count = number("count")?.map_or(AT_ONCE, |count| AT_ONCE.min(count)).max(1);
        let has_more = found.len() > count;
        found.truncate(count);
        let next = found.last().filter(|_| has_more).map(|last| last.id);
        Ok(json(StatusCode::OK, &WirePage { tickets: found, next }))
    }

    fn ticket(&self, id: &str) -> Result<&WireTicket, Refusal> {
        let found = self.tickets.iter().find(|ticket| ticket.id.to_string() == id);
        found.ok_or(Refusal(StatusCode::NOT_FOUND, "no such ticket"))
    }

    fn open_ticket(&mut self, body: &Value) -> Result<Reply, Refusal> {
        let (id, now) = (self.tickets.len() + 1, self.clock.now());
        let mut ticket = WireTicket { subject: subject(body)?, text: text(body, "text"), ..seeded(id, now) };
        (ticket.state, ticket.workers, ticket.opened_by) = ("open".to_owned(), Vec::new(), None);
        (ticket.opened_at, ticket.changed_at) = (now, now);
        ticket.reference = text(body, "reference");
        self.tickets.push(ticket.clone());
        Ok(json(StatusCode::CREATED, &ticket))
    }

    fn change(&mut self, id: &str, body: &Value) -> Result<Reply, Refusal> {
        let mut ticket = self.ticket(id)?.clone();
        if body.get("subject").is_some() {
            ticket.subject = subject(body)?;
        }
        if body.get("text").is_some() {
            ticket.text = text(body, "text");
        }
        if let Some(state) = text(body, "state") {
            let is_known = STATES.iter().any(|(known, _)| *known == state);
            ticket.state =
                is_known.then_some(state).ok_or(Refusal(StatusCode::UNPROCESSABLE_ENTITY, "no such state"))?;
        }
        if let Some(workers) = body.get("workers") {
            ticket.workers = serde_json::from_value(workers.clone()).map_err(|_| NONSENSE)?;
        }
        ticket.changed_at = self.clock.now();
        let place = self.tickets.iter().position(|other| other.id == ticket.id).unwrap();
        self.tickets[place] = ticket.clone();
        Ok(json(StatusCode::OK, &ticket))
    }

    fn comment(&mut self, id: &str, body: &Value) -> Result<Reply, Refusal> {
        let (ticket, text) = (self.ticket(id)?.id, text(body, "text").ok_or(NONSENSE)?);
        let id = self.comments.len() + 1;
        let comment = WireComment { id, ticket, text, written_at: self.clock.now() };
        self.comments.push(comment.clone());
        Ok(json(StatusCode::CREATED, &comment))
    }
}

impl Double for DeskDouble {
    fn answer(&mut self, request: &Request) -> Reply {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        if !self.lets_everyone_in && header("authorization") != Some(&format!("Bearer {SECRET}")) {
            return self.refusal(StatusCode::UNAUTHORIZED);
        }
        let key = header("idempotency-key").filter(|_| request.method != Method::GET).map(str::to_owned);
        let asked = format!("{} {} {:?}", request.method, request.url.path(), request.body);
        match key.as_ref().and_then(|key| self.answered.get(key)) {
            Some((same, reply)) if *same == asked => return reply.clone(),
            Some(_) => return self.refusal(StatusCode::CONFLICT),
            None => {}
        }
        let reply = self
            .dispatch(request)
            .unwrap_or_else(|Refusal(status, message)| json(status, &json!({ "message": message })));
        self.answered.extend(key.map(|key| (key, (asked, reply.clone()))));
        reply
    }
}

/// Why the desk does not do what is asked.
struct Refusal(StatusCode, &'static str);

const NONSENSE: Refusal = Refusal(StatusCode::BAD_REQUEST, "the body makes no sense");

/// A ticket of the beginning, of an hour of its own.
fn seeded(id: usize, now: Time) -> WireTicket {
    let states: Vec<_> = STATES.iter().map(|(state, _)| *state).chain(["awaiting_vendor"]).collect();
    let at = now - Duration::from_secs(60 * 60) * u32::try_from(TICKETS.saturating_sub(id) + 1).unwrap();
    WireTicket {
        id,
        subject: format!("printer {id} is on fire"),
        text: id.is_multiple_of(2).then(|| format!("smoke on floor {id}")),
        state: states[id % states.len()].to_owned(),
        workers: ["alice", "bob"].iter().take(id % 3).map(|name| (*name).to_owned()).collect(),
        opened_by: Some("carol".to_owned()),
        opened_at: at,
        changed_at: at,
        page: format!("https://desk.example.com/t/{id}").parse().unwrap(),
        reference: None,
    }
}

fn body(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body).map_err(|_| NONSENSE)
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(str::to_owned)
}

fn subject(body: &Value) -> Result<String, Refusal> {
    let subject = text(body, "subject").filter(|subject| !subject.trim().is_empty());
    subject.ok_or(Refusal(StatusCode::UNPROCESSABLE_ENTITY, "expected a subject"))
}

/// A segment of a path without its percent-encoding.
fn decoded(segment: &str) -> String {
    let quoted = segment.replace('+', "%2B");
    let pairs = format!("x={quoted}");
    url::form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}
