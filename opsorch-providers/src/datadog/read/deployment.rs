//! Reads deployments: from DORA Metrics, or from events.
//!
//! Neither list has a cursor that outlives a page, so a list is cut by time: each part ends where the next one begins, and
//! what is at the seam is read twice and kept once. DORA Metrics orders by the end of deployments and we by their
//! beginning: what is not read yet has begun no later than it ended, which is what tells how much must be read.

use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{SecondsFormat, TimeDelta};
use opsorch::capability::DeploymentReader;
use opsorch::{Context, Cursor, Deployment, DeploymentId, DeploymentQuery, Error, Page, Result, Time};
use serde_json::{Value, json};

use crate::datadog::KIND;
use crate::datadog::api::{Datadog, known_id};
use crate::datadog::deployments::DeploymentSource;
use crate::datadog::list::{Place, foreign};
use crate::datadog::map::deployment::{Found, of_dora, of_event};
use crate::datadog::search::literal;
use crate::datadog::wire::deployment::{Dora, Event, Events};
use crate::datadog::wire::resource::Document;
use crate::query::{Text, among, is_within, page_size, refuse_metadata_but};

/// The largest part of either list that Datadog gives.
const LARGEST_PAGE: usize = 1_000;

/// How far a clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// The deployments of an organization.
#[derive(Debug)]
pub(in crate::datadog) struct Deployments {
    datadog: Datadog,
    source: DeploymentSource,
}

/// A part of the list, and why something is missing in it.
struct Part {
    found: Vec<Found>,
    is_full: bool,
    problem: Option<&'static str>,
}

impl Deployments {
    pub(in crate::datadog) fn new(datadog: Datadog, source: DeploymentSource) -> Self {
        Self { datadog, source }
    }

    /// The newest of those that are listed at or before a time.
    async fn part(&self, cx: &Context, query: &DeploymentQuery, to: Time) -> Result<Part> {
        let from = query.since.unwrap_or(Time::UNIX_EPOCH);
        let written = |time: Time| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        // What is cut off when it is written must not be cut off the list.
        let to = to.checked_add_signed(TimeDelta::milliseconds(1)).unwrap_or(to);
        match &self.source {
            DeploymentSource::Dora => {
                let mut attributes = json!({
                    "from": written(from), "to": written(to), "sort": "-finished_at", "limit": LARGEST_PAGE,
                });
                if let (Some(search), Some(attributes)) = (self.search(query), attributes.as_object_mut()) {
                    attributes.insert("query".to_owned(), Value::String(search));
                }
                let body = json!({ "data": { "type": "dora_deployments_list_request", "attributes": attributes } });
                let found: Document<Vec<Dora>> =
                    self.datadog.post(cx, ["api", "v2", "dora", "deployments"], &body).await?;
                let is_full = found.data.len() >= LARGEST_PAGE;
                let found = found.data.into_iter().map(|one| of_dora(&self.datadog, one)).collect();
                Ok(Part { found, is_full, problem: None })
            }
            DeploymentSource::Events(source) => {
                let body = json!({
                    "filter": { "query": source.query, "from": written(from), "to": written(to) },
                    "sort": "-timestamp",
                    "page": { "limit": LARGEST_PAGE },
                });
                let found: Events = self.datadog.post(cx, ["api", "v2", "events", "search"], &body).await?;
                let problem = (found.meta.status.as_deref() == Some("timeout"))
                    .then_some("Datadog gave the search for events up before its end; narrow the span of time");
                let is_full = found.meta.page.after.is_some() && !found.data.is_empty();
                let found = found.data.into_iter().map(|one| of_event(&self.datadog, one, source)).collect();
                Ok(Part { found, is_full, problem })
            }
        }
    }

    /// What DORA Metrics is asked to search for: it has attributes of its own for what a scope names.
    fn search(&self, query: &DeploymentQuery) -> Option<String> {
        let scope = &query.scope;
        let parts = [("service", &scope.service), ("team", &scope.team), ("env", &scope.environment)];
        let terms =
            parts.into_iter().filter_map(|(name, value)| Some(format!("{name}:{}", literal(value.as_deref()?))));
        let terms: Vec<String> = terms.collect();
        (!terms.is_empty()).then(|| terms.join(" "))
    }
}

#[async_trait]
impl DeploymentReader for Deployments {
    async fn query(&self, cx: &Context, query: &DeploymentQuery) -> Result<Page<Deployment>> {
        let size = page_size(query.page_size())?;
        check(query)?;
        self.datadog.tags.wanted(&query.scope)?;
        let position = query.cursor.as_ref().map(Position::parse).transpose()?;
        Walk::new(self, query, size, position).page(cx).await
    }

    async fn get(&self, cx: &Context, id: &DeploymentId) -> Result<Deployment> {
        let id = known_id("deployment", id.as_str())?;
        match &self.source {
            DeploymentSource::Dora => {
                let path = ["api", "v2", "dora", "deployments", id];
                let found: Document<Dora> = self.datadog.get(cx, path, &[]).await?;
                Ok(of_dora(&self.datadog, found.data).deployment)
            }
            DeploymentSource::Events(source) => {
                let found: Document<Event> = self.datadog.get(cx, ["api", "v2", "events", id], &[]).await?;
                Ok(of_event(&self.datadog, found.data, source).deployment)
            }
        }
    }
}

/// Where a page ended: after a deployment, and at what time that is still to come is listed at the latest.
#[derive(Clone, Debug)]
struct Position {
    place: Place,
    listed_at: Time,
}

impl Position {
    fn parse(cursor: &Cursor) -> Result<Self> {
        let (place, listed_at): (Place, Time) = serde_json::from_str(cursor.as_str()).map_err(|_| foreign())?;
        Ok(Self { place, listed_at })
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(json!((&self.place, self.listed_at)).to_string())
    }
}

/// One reading of the list, from a position on.
struct Walk<'a> {
    deployments: &'a Deployments,
    query: &'a DeploymentQuery,
    text: Text,
    size: usize,
    position: Option<Position>,
    to: Time,
    seen: HashSet<String>,
    read: Vec<(Place, Time)>,
    found: Vec<Deployment>,
    problems: Vec<&'static str>,
}

impl<'a> Walk<'a> {
    fn new(deployments: &'a Deployments, query: &'a DeploymentQuery, size: usize, position: Option<Position>) -> Self {
        let now = deployments.datadog.clock.now();
        let to = position.as_ref().map_or_else(|| now.checked_add_signed(AHEAD).unwrap_or(now), |it| it.listed_at);
        let text = Text::new(&query.query);
        Self {
            deployments,
            query,
            text,
            size,
            position,
            to,
            seen: HashSet::new(),
            read: Vec::new(),
            found: Vec::new(),
            problems: Vec::new(),
        }
    }

    async fn page(mut self, cx: &Context) -> Result<Page<Deployment>> {
        loop {
            let part = match self.deployments.part(cx, self.query, self.to).await {
                Err(error) if error.is_retryable() && !self.read.is_empty() => return self.broken_off(error),
                part => part?,
            };
            let (is_full, before) = (part.is_full, self.read.len());
            self.problems.extend(part.problem);
            let oldest = self.take(part.found);
            if !is_full {
                return Ok(self.cut(None));
            }
            self.found.sort_by_cached_key(Place::in_time);
            let last = self.found.get(self.size.saturating_sub(1)).filter(|_| self.found.len() > self.size);
            if last.is_some_and(|last| last.started_at > oldest) {
                return Ok(self.cut(oldest));
            }
            match oldest {
                // The seam is read again. Where it is the whole part, nothing leads on.
                Some(oldest) if oldest < self.to || self.read.len() > before => self.to = oldest.min(self.to),
                _ => {
                    self.problems.push("Datadog lists more deployments of one moment than it gives at once");
                    return Ok(self.cut(None));
                }
            }
        }
    }

    /// Keeps what is meant; the earliest time that one of them is listed at.
    fn take(&mut self, found: Vec<Found>) -> Option<Time> {
        let mut oldest = None;
        for Found { deployment, teams, listed_at } in found {
            let place = Place::in_time(&deployment);
            oldest = [oldest, listed_at].into_iter().flatten().min();
            if !self.seen.insert(deployment.id.to_string()) {
                continue;
            }
            self.read.push((place.clone(), listed_at.unwrap_or(self.to)));
            let is_new = self.position.as_ref().is_none_or(|position| place > position.place);
            if is_new && self.is_meant(&deployment, &teams) {
                self.found.push(deployment);
            }
        }
        oldest
    }

    fn is_meant(&self, deployment: &Deployment, teams: &[String]) -> bool {
        let (query, scope) = (self.query, &self.query.scope);
        let is_version = |version: &String| deployment.version.as_ref() == Some(version);
        let text = |name: &str| deployment.fields.get(name).and_then(Value::as_str);
        let texts = [deployment.service.as_deref(), deployment.version.as_deref(), text("title"), text("message")];
        among(&query.statuses, &deployment.status)
            && (query.versions.is_empty() || query.versions.iter().any(is_version))
            && is_within(deployment.started_at, query.since, query.until)
            && scope.service.as_ref().is_none_or(|name| deployment.service.as_ref() == Some(name))
            && scope.environment.as_ref().is_none_or(|name| deployment.environment.as_ref() == Some(name))
            && scope.team.as_ref().is_none_or(|name| teams.contains(name))
            && self.text.occurs_in(texts)
    }

    /// The page; what follows it is listed at `unread` at the latest, where not everything was read.
    fn cut(mut self, unread: Option<Time>) -> Page<Deployment> {
        self.found.sort_by_cached_key(Place::in_time);
        let has_more = self.found.len() > self.size || unread.is_some();
        self.found.truncate(self.size);
        let next = self.found.last().filter(|_| has_more).map(|last| self.after(last, unread));
        let page = Page::new(self.found).next(next);
        self.problems.into_iter().fold(page, Page::truncated)
    }

    /// What has begun later than anything unread can have is kept. The cursor leads on when Datadog answers again.
    fn broken_off(mut self, error: Error) -> Result<Page<Deployment>> {
        let unread = self.to;
        self.found.sort_by_cached_key(Place::in_time);
        self.found.retain(|deployment| deployment.started_at > Some(unread));
        self.found.truncate(self.size);
        let Some(last) = self.found.last() else { return Err(error) };
        let next = self.after(last, Some(unread));
        Ok(Page::new(self.found).next(Some(next)).failure(error.to_source_failure(KIND)))
    }

    fn after(&self, last: &Deployment, unread: Option<Time>) -> Cursor {
        let place = Place::in_time(last);
        let to_come = self.read.iter().filter(|(other, _)| *other > place).map(|(_, listed_at)| *listed_at);
        let listed_at = to_come.chain(unread).max().unwrap_or(self.to);
        Position { place, listed_at }.cursor()
    }
}

/// Refuses what is honoured nowhere, also what the schema gains later.
fn check(query: &DeploymentQuery) -> Result<()> {
    refuse_metadata_but(&[], &query.metadata)?;
    let mut honoured = DeploymentQuery::new();
    honoured.query.clone_from(&query.query);
    honoured.statuses.clone_from(&query.statuses);
    honoured.versions.clone_from(&query.versions);
    honoured.scope.clone_from(&query.scope);
    (honoured.since, honoured.until) = (query.since, query.until);
    (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
    if *query == honoured {
        Ok(())
    } else {
        Err(Error::unsupported("the query asks for more than deployments can tell"))
    }
}
