//! Reads incidents: by the search, the newest first.

use std::cmp::Reverse;
use std::collections::HashSet;

use async_trait::async_trait;
use opsorch::capability::IncidentReader;
use opsorch::{
    Context, Cursor, Error, ErrorKind, Incident, IncidentId, IncidentQuery, Item as _, Page, Result, Scope, Time,
};

use crate::datadog::KIND;
use crate::datadog::api::{Datadog, Parameters};
use crate::datadog::list::{Place, foreign};
use crate::datadog::map::incident::{self as map, SERVICES, is_state, severities, states};
use crate::datadog::wire::incident::{Attributes, Found, OneIncident, Search};
use crate::query::{Text, among, is_within, page_size, refuse_metadata_but};

/// How many are read at once.
const LARGEST_PAGE: usize = 100;

/// The most parts in which an incident is looked for by its number.
const MOST_PARTS: usize = 1_000;

/// How often one page goes back, or begins anew, because what is found changes while it is read.
const RETURNS: usize = 20;

/// The organization's own fields that hold what a scope names, beside the services.
const TEAMS: [&str; 1] = ["teams"];
const ENVIRONMENTS: [&str; 2] = ["environment", "env"];

/// The incidents of an organization.
#[derive(Clone, Debug)]
pub(in crate::datadog) struct Incidents {
    pub(in crate::datadog) datadog: Datadog,
}

/// An incident, and whether it is in the scope.
struct Entry {
    incident: Incident,
    is_in_scope: bool,
}

/// A part of what is found.
struct Part {
    entries: Vec<Entry>,
    is_last: bool,
    /// The states that incidents have, by Datadog's account.
    states: Vec<String>,
}

impl Incidents {
    pub(in crate::datadog) fn new(datadog: Datadog) -> Self {
        Self { datadog }
    }

    async fn part(&self, cx: &Context, search: &str, scope: &Scope, offset: usize) -> Result<Part> {
        let parameters: Parameters = vec![
            ("query", search.to_owned()),
            ("sort", "-created".to_owned()),
            ("include", "users".to_owned()),
            ("page[size]", LARGEST_PAGE.to_string()),
            ("page[offset]", offset.to_string()),
        ];
        let found: Search = self.datadog.get(cx, ["api", "v2", "incidents", "search"], &parameters).await?;
        let Found { incidents, people, total, states } = found.into_found();
        let count = incidents.len();
        let is_last = match total {
            Some(total) => offset + count >= total,
            None => count < LARGEST_PAGE,
        };
        let entry = |incident: crate::datadog::wire::incident::Incident| Entry {
            is_in_scope: is_in(&incident.attributes, scope),
            incident: map::incident(&self.datadog, incident, &people),
        };
        Ok(Part { is_last: is_last || count == 0, entries: incidents.into_iter().map(entry).collect(), states })
    }

    /// The incident of an id: Datadog's own, or the number that people call it by.
    pub(in crate::datadog) async fn find(&self, cx: &Context, id: &IncidentId) -> Result<Incident> {
        let id = id.as_str();
        if is_uuid(id) {
            let path = ["api", "v2", "incidents", id];
            let found: OneIncident = self.datadog.get(cx, path, &[("include", "users".to_owned())]).await?;
            return Ok(map::incident(&self.datadog, found.data, &found.included));
        }
        let unknown = || {
            let id = opsorch::visible(id);
            let message = format!("Datadog has no incident `{id}`; an id is a UUID, or the number of the incident");
            Error::not_found(message).not_applied()
        };
        let is_number = !id.is_empty() && !id.starts_with('0') && id.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = id.parse().ok().filter(|_| is_number).ok_or_else(unknown)?;
        self.of_number(cx, number).await?.ok_or_else(unknown)
    }

    /// Datadog reads an incident by its UUID only, so the number is looked for among all, the newest first.
    async fn of_number(&self, cx: &Context, number: u64) -> Result<Option<Incident>> {
        let Some(mut wanted) = Wanted::of(&IncidentQuery::new()) else { return Ok(None) };
        let is_it = |entry: &Entry| entry.incident.metadata.get("public_id").and_then(|id| id.as_u64()) == Some(number);
        let (mut offset, mut last) = (0, None::<IncidentId>);
        for _ in 0..MOST_PARTS {
            let mut part = self.part(cx, &wanted.search(), &Scope::default(), offset).await?;
            let first = part.entries.first().map(|entry| &entry.incident.id);
            // Each part begins with the last of the one before, unless something has moved.
            if wanted.widen(&part.states) || (last.is_some() && first != last.as_ref()) {
                (offset, last) = (0, None);
                continue;
            }
            if let Some(index) = part.entries.iter().position(is_it) {
                return Ok(Some(part.entries.swap_remove(index).incident));
            }
            if part.is_last {
                return Ok(None);
            }
            offset += part.entries.len() - 1;
            last = part.entries.pop().map(|entry| entry.incident.id);
        }
        let message = format!("the incident {number} was not found in the first {MOST_PARTS} parts of the list");
        Err(Error::unexpected(message))
    }
}

#[async_trait]
impl IncidentReader for Incidents {
    async fn query(&self, cx: &Context, query: &IncidentQuery) -> Result<Page<Incident>> {
        let size = page_size(query.page_size())?;
        check(query)?;
        self.datadog.tags.wanted(&query.scope)?;
        let position = query.cursor.as_ref().map(Position::parse).transpose()?;
        let Some(mut wanted) = Wanted::of(query) else { return Ok(Page::new(Vec::new())) };
        let page = Walk::new(self, query, size, position).page(cx, &mut wanted).await?;
        Ok(page.url(Some(self.datadog.page(&["incidents"], &[("query", &wanted.search())]))))
    }

    async fn get(&self, cx: &Context, id: &IncidentId) -> Result<Incident> {
        self.find(cx, id).await
    }
}

/// Where a page ended: after an incident, and before what stood at an offset then.
#[derive(Clone, Debug)]
struct Position {
    place: Place,
    offset: usize,
}

impl Position {
    fn parse(cursor: &Cursor) -> Result<Self> {
        let (place, offset): (Place, usize) = serde_json::from_str(cursor.as_str()).map_err(|_| foreign())?;
        match place.at() {
            Some(_) => Ok(Self { place, offset }),
            None => Err(foreign()),
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(serde_json::json!((&self.place, self.offset)).to_string())
    }
}

/// One reading of what is found, from a position on.
///
/// Each part begins with the last incident of the one before, which shows that nothing has left what was read: else others
/// would have moved up into it unseen.
struct Walk<'a> {
    incidents: &'a Incidents,
    query: &'a IncidentQuery,
    text: Text,
    size: usize,
    position: Option<Position>,
    /// Where the reading began.
    start: usize,
    offset: usize,
    /// How far to go back when something has moved, and how often that may still happen.
    back: usize,
    returns: usize,
    /// The places of what was read, and the offsets they were at.
    read: Vec<(Place, usize)>,
    known: HashSet<IncidentId>,
    found: Vec<Incident>,
}

impl<'a> Walk<'a> {
    fn new(incidents: &'a Incidents, query: &'a IncidentQuery, size: usize, position: Option<Position>) -> Self {
        let start = position.as_ref().map_or(0, |position| position.offset.saturating_sub(1));
        Self {
            incidents,
            query,
            text: Text::new(&query.query),
            size,
            position,
            start,
            offset: start,
            back: LARGEST_PAGE,
            returns: RETURNS,
            read: Vec::new(),
            known: HashSet::new(),
            found: Vec::new(),
        }
    }

    async fn page(mut self, cx: &Context, wanted: &mut Wanted) -> Result<Page<Incident>> {
        loop {
            let part = match self.incidents.part(cx, &wanted.search(), &self.query.scope, self.offset).await {
                Err(error) if error.is_retryable() => return self.broken_off(error),
                part => part?,
            };
            let is_wider = wanted.widen(&part.states);
            if is_wider || self.has_moved(part.entries.first()) {
                if self.returns == 0 {
                    let message = "what is found changed each time while it was read; ask again";
                    return self.broken_off(Error::new(ErrorKind::Unavailable, message));
                }
                self.returns -= 1;
                self.offset = if is_wider { self.start } else { self.offset.saturating_sub(self.back) };
                self.back = self.back.saturating_mul(2);
                continue;
            }
            self.back = LARGEST_PAGE;
            // A part that holds nothing but the last of the one before leads nowhere.
            let is_last = part.is_last || part.entries.len() < 2;
            let is_over = self.take(part.entries);
            if is_last || is_over || self.is_enough() {
                return Ok(self.cut());
            }
            self.offset -= 1;
        }
    }

    /// Whether a part begins behind what was read last. What is newer has come meanwhile, and hides nothing.
    fn has_moved(&self, first: Option<&Entry>) -> bool {
        let seam = self.read.last().map(|(place, _)| place).or(self.position.as_ref().map(|position| &position.place));
        let Some(seam) = seam.filter(|_| self.offset > 0) else { return false };
        first.is_none_or(|entry| {
            let place = Place::in_time(&entry.incident);
            !self.known.contains(&entry.incident.id) && place != *seam && place.at() <= seam.at()
        })
    }

    /// Keeps what is meant. Whether everything that follows is too old.
    fn take(&mut self, entries: Vec<Entry>) -> bool {
        let mut is_over = false;
        self.read.retain(|(_, offset)| *offset < self.offset);
        for Entry { incident, is_in_scope } in entries {
            let place = Place::in_time(&incident);
            let is_new = self.position.as_ref().is_none_or(|position| place > position.place);
            is_over = self.query.since.is_some_and(|since| place.at().is_some_and(|at| at < since));
            self.read.push((place, self.offset));
            self.offset += 1;
            if self.known.insert(incident.id.clone()) && is_new && is_in_scope && self.is_meant(&incident) {
                self.found.push(incident);
            }
        }
        is_over
    }

    fn is_meant(&self, incident: &Incident) -> bool {
        among(&self.query.statuses, &incident.status)
            && among(&self.query.severities, &incident.severity)
            && is_within(incident.created_at, self.query.since, self.query.until)
            && self.text.occurs_in([Some(incident.title.as_str()), incident.description.as_deref()])
    }

    /// Whether nothing that is still to be read can come before the last of the page.
    fn is_enough(&mut self) -> bool {
        self.found.sort_by_cached_key(Place::in_time);
        let last_read = self.last_read();
        let last = self.found.get(self.size.saturating_sub(1)).filter(|_| self.found.len() > self.size);
        last.is_some_and(|last| last.created_at > last_read)
    }

    fn last_read(&self) -> Option<Time> {
        self.read.last().and_then(|(place, _)| place.at())
    }

    fn cut(mut self) -> Page<Incident> {
        self.found.sort_by_cached_key(Place::in_time);
        let has_more = self.found.len() > self.size;
        self.found.truncate(self.size);
        let next = self.found.last().filter(|_| has_more).map(|last| self.after(last));
        Page::new(self.found).next(next)
    }

    /// What was read up to the last moment is kept. The cursor leads on when Datadog answers again.
    fn broken_off(mut self, error: Error) -> Result<Page<Incident>> {
        let last_read = Reverse(self.last_read());
        self.found.sort_by_cached_key(Place::in_time);
        self.found.retain(|incident| Reverse(incident.time()) < last_read);
        self.found.truncate(self.size);
        let Some(last) = self.found.last() else { return Err(error) };
        let next = self.after(last);
        let failure = error.to_source_failure(KIND);
        Ok(Page::new(self.found).next(Some(next)).failure(failure))
    }

    /// The position after an incident: before the first that comes after it, wherever Datadog has put that.
    fn after(&self, last: &Incident) -> Cursor {
        let place = Place::in_time(last);
        let first = self.read.iter().find(|(other, _)| *other > place).map(|(_, offset)| *offset);
        Position { offset: first.unwrap_or(self.offset), place }.cursor()
    }
}

/// What Datadog is asked to search for.
struct Wanted {
    states: Vec<String>,
    /// Whether a state is meant that is not among them.
    is_any_state: bool,
    severities: Vec<String>,
}

impl Wanted {
    /// `None` where nothing can be found.
    fn of(query: &IncidentQuery) -> Option<Self> {
        let (states, severities) = (states(&query.statuses), severities(&query.severities));
        let is_possible = !states.is_empty() && (query.severities.is_empty() || !severities.is_empty());
        is_possible.then_some(Self { states, is_any_state: query.statuses.is_empty(), severities })
    }

    /// Adds states that incidents have. A search must name its states; Datadog documents four, and says beside what it
    /// found which there are. Whether that made it wider.
    fn widen(&mut self, told: &[String]) -> bool {
        let is_new = |word: &&String| is_state(word) && !self.states.contains(word);
        let new: Vec<String> = told.iter().filter(|_| self.is_any_state).filter(is_new).cloned().collect();
        self.states.extend_from_slice(&new);
        !new.is_empty()
    }

    fn search(&self) -> String {
        let states = format!("state:({})", self.states.join(" OR "));
        match self.severities.is_empty() {
            true => states,
            false => format!("{states} AND severity:({})", self.severities.join(" OR ")),
        }
    }
}

fn is_in(attributes: &Attributes, scope: &Scope) -> bool {
    let names = |fields: &[&str], name: &Option<String>| {
        name.as_deref()
            .map(str::trim)
            .is_none_or(|name| fields.iter().any(|field| attributes.field_values(field).any(|value| value == name)))
    };
    names(&[SERVICES], &scope.service) && names(&TEAMS, &scope.team) && names(&ENVIRONMENTS, &scope.environment)
}

/// Whether a text is an id as Datadog makes them.
pub(in crate::datadog) fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Refuses what is honoured nowhere, also what the schema gains later.
fn check(query: &IncidentQuery) -> Result<()> {
    refuse_metadata_but(&[], &query.metadata)?;
    let mut honoured = IncidentQuery::new();
    honoured.query.clone_from(&query.query);
    honoured.statuses.clone_from(&query.statuses);
    honoured.severities.clone_from(&query.severities);
    honoured.scope.clone_from(&query.scope);
    (honoured.since, honoured.until) = (query.since, query.until);
    (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
    if *query == honoured { Ok(()) } else { Err(Error::unsupported("the query asks for more than incidents can tell")) }
}
