//! Finds and reads tickets.

mod cursor;
mod filter;

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::TicketReader;
use opsorch::{Context, Error, ErrorKind, Page, Result, Ticket, TicketId, TicketQuery};
use serde_json::{Value, json};

use self::cursor::Place;
use self::filter::Search;
use super::api::{Server, read};
use super::jql::Jql;
use super::map::TicketMap;
use super::people::People;
use super::recent::Recent;
use super::wire::{self, Failure, Found, Issue};

/// The most issues that one request asks for.
const PAGE: usize = 100;

/// The most requests that one query sends.
const MOST_REQUESTS: usize = 100;

/// The tickets of a project.
#[derive(Clone, Debug)]
pub(super) struct Tickets {
    pub(super) server: Server,
    pub(super) people: People,
    pub(super) map: TicketMap,
    pub(super) recent: Arc<Recent>,
    pub(super) project: String,
    /// What is read of an issue.
    fields: Vec<String>,
}

#[async_trait]
impl TicketReader for Tickets {
    async fn query(&self, cx: &Context, query: &TicketQuery) -> Result<Page<Ticket>> {
        let Some(search) = Search::of(cx, &self.people, &self.project, query).await? else {
            return Ok(Page::new(Vec::new()));
        };
        let mut jql = search.jql.clone();
        let bound = jql.render();
        let mut place = match &query.cursor {
            Some(cursor) => Place::parse(cursor, &bound, self.server.is_cloud())?,
            None => Place::first(self.recent.ids(), self.server.is_cloud()),
        };
        let size = usize::try_from(query.page_size()).unwrap_or(usize::MAX);
        let mut tickets = Vec::new();
        for _ in 0..MOST_REQUESTS {
            let wanted = (size - tickets.len()).min(PAGE);
            let (found, next) = self.part(cx, &mut jql, &place, wanted).await?;
            let is_past = found.iter().any(|ticket| search.filter.is_past(ticket));
            tickets.extend(found.into_iter().filter(|ticket| search.filter.matches(ticket)));
            match next {
                Some(next) if !is_past => place = next,
                _ => return Ok(Page::new(tickets)),
            }
            if tickets.len() >= size {
                break;
            }
        }
        Ok(Page::new(tickets).next(Some(place.cursor(&bound))))
    }

    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        self.read(cx, id.as_str()).await
    }
}

impl Tickets {
    pub(super) fn new(
        server: Server,
        people: People,
        map: TicketMap,
        recent: Arc<Recent>,
        project: String,
        others: Vec<String>,
    ) -> Self {
        let fields = wire::FIELDS.into_iter().map(str::to_owned).chain(others).collect();
        Self { server, people, map, recent, project, fields }
    }

    /// An issue by its id or key.
    pub(super) async fn read(&self, cx: &Context, id: &str) -> Result<Ticket> {
        self.read_with(cx, id, wire::DESCRIPTION).await.map(|(ticket, _)| ticket)
    }

    /// An issue by its id or key, with these properties.
    pub(super) async fn read_with(&self, cx: &Context, id: &str, properties: &str) -> Result<(Ticket, Option<Value>)> {
        let fields = self.fields.join(",");
        let request = self.server.get(&["issue", id]).query(&[("fields", fields.as_str()), ("properties", properties)]);
        let reply = self.server.ask(cx, request).await?;
        let mut issue: Issue<'_> = read(&reply)?;
        let change = issue.properties.remove(wire::CHANGE);
        Ok((self.map.ticket(issue), change))
    }

    /// Some of the issues that a query finds, from a place on, and where the next ones begin.
    async fn part(
        &self,
        cx: &Context,
        jql: &mut Jql,
        place: &Place,
        wanted: usize,
    ) -> Result<(Vec<Ticket>, Option<Place>)> {
        match place {
            Place::Token { token, recent } => {
                let mut body = json!({
                    "maxResults": wanted,
                    "fields": self.fields,
                    "properties": [wire::DESCRIPTION],
                });
                put(&mut body, "nextPageToken", token.as_ref());
                put(&mut body, "reconcileIssues", (!recent.is_empty()).then_some(recent));
                let Some(reply) = self.search(cx, jql, body, token.is_some()).await? else {
                    return Ok((Vec::new(), None));
                };
                let found: Found<'_> = read(&reply)?;
                let next = found.next_page_token.filter(|_| found.is_last != Some(true));
                if next.is_some() && next.as_deref() == token.as_deref() {
                    return Err(Error::unexpected("the token of the next page is that of this one"));
                }
                let next = next.map(|next| Place::Token { token: Some(next.into_owned()), recent: recent.clone() });
                Ok((found.issues.into_iter().map(|issue| self.map.ticket(issue)).collect(), next))
            }
            Place::Offset { start, last } => self.counted(cx, jql, *start, last.as_deref(), wanted).await,
        }
    }

    /// As [`Tickets::part`], by counting. The issue before the place is asked for too: where it is not the one that it was,
    /// something came or went meanwhile.
    async fn counted(
        &self,
        cx: &Context,
        jql: &mut Jql,
        start: u64,
        last: Option<&str>,
        wanted: usize,
    ) -> Result<(Vec<Ticket>, Option<Place>)> {
        let Some(last) = last else { return self.window(cx, jql, start, wanted).await };
        let before = start.saturating_sub(1);
        for (from, size) in [(before, wanted + 1), (before.saturating_sub(PAGE as u64), PAGE)] {
            let (mut found, next) = self.window(cx, jql, from, size).await?;
            if let Some(index) = found.iter().position(|ticket| ticket.id.as_str() == last) {
                found.drain(..=index);
                let has_more = next.is_some() || found.len() > wanted;
                found.truncate(wanted);
                let start = from + index as u64 + 1 + found.len() as u64;
                let last = found.last().map_or(last, |ticket| ticket.id.as_str()).to_owned();
                let next = has_more.then_some(Place::Offset { start, last: Some(last) });
                return Ok((found, next));
            }
        }
        // It is gone, so that those after it moved up by one.
        self.window(cx, jql, before, wanted).await
    }

    async fn window(
        &self,
        cx: &Context,
        jql: &mut Jql,
        start: u64,
        size: usize,
    ) -> Result<(Vec<Ticket>, Option<Place>)> {
        let body = json!({ "startAt": start, "maxResults": size, "fields": self.fields });
        let Some(reply) = self.search(cx, jql, body, false).await? else { return Ok((Vec::new(), None)) };
        let found: Found<'_> = read(&reply)?;
        let end = start + found.issues.len() as u64;
        let last = found.issues.last().map(|issue| issue.id.clone().into_owned());
        let has_more = found.total.is_some_and(|total| end < total);
        let next = last.filter(|_| has_more).map(|last| Place::Offset { start: end, last: Some(last) });
        Ok((found.issues.into_iter().map(|issue| self.map.ticket(issue)).collect(), next))
    }

    /// Asks for issues. `None` if Jira says that the query names what does not exist, so that nothing can be found.
    ///
    /// # Errors
    /// `Invalid` for what Jira does not understand; about the cursor where a token was sent, which lives for 7 days.
    async fn search(
        &self,
        cx: &Context,
        jql: &mut Jql,
        mut body: Value,
        with_token: bool,
    ) -> Result<Option<opsorch::transport::Reply>> {
        let path: &[&str] = if self.server.is_cloud() { &["search", "jql"] } else { &["search"] };
        loop {
            if jql.finds_nothing() {
                return Ok(None);
            }
            put(&mut body, "jql", Some(jql.render()));
            let reply = self.server.ask_any(cx, self.server.post(path).json(&body)).await?;
            if reply.status.is_success() {
                return Ok(Some(reply));
            }
            if reply.status.as_u16() == 400 && jql.forget_unknown(&Failure::of(&reply)) {
                continue;
            }
            let error = self.server.refusal(&reply);
            return Err(match error.kind() {
                ErrorKind::Invalid { .. } if with_token => about("cursor", &error),
                ErrorKind::Invalid { .. } => about("query", &error),
                ErrorKind::NotFound => {
                    let hint = "there is no Jira at this address; check `url`, which ends before `/rest/api`, and `deployment`";
                    reply.error(ErrorKind::Unexpected).with_context("hint", hint)
                }
                _ => error,
            });
        }
    }

    /// The newest issues of the project, as far as a page goes.
    pub(super) async fn newest(&self, cx: &Context) -> Result<Vec<Ticket>> {
        let (mut jql, place) = (Jql::new(&self.project), Place::first(Vec::new(), self.server.is_cloud()));
        self.part(cx, &mut jql, &place, PAGE).await.map(|(tickets, _)| tickets)
    }
}

/// The same error, about another field.
fn about(field: &str, error: &Error) -> Error {
    let about = Error::invalid(field, error.message().to_owned());
    error.context().fold(about, |about, (name, value)| about.with_context(name, value))
}

fn put(body: &mut Value, name: &str, value: Option<impl serde::Serialize>) {
    if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
        body.insert(name.to_owned(), json!(value));
    }
}
