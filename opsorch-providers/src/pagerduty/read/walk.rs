//! Walks through incidents from the newest to the oldest.
//!
//! PagerDuty pages by offset, in which an incident that leaves the list hides another one; gives no more than 10 000 at
//! all; and looks back six months at most. So every part begins at the time of the last incident that was seen, and what
//! comes again in that second is known by its id.

use chrono::{SecondsFormat, TimeDelta};
use opsorch::{Context, Cursor, Error, Incident, Page, Result, Time};

use super::conditions::Conditions;
use crate::pagerduty::KIND;
use crate::pagerduty::api::{Api, LARGEST_PAGE, Parameters, Rest, is_id};
use crate::pagerduty::map::Map;
use crate::pagerduty::wire;
use crate::pagerduty::wire::IncidentList;

/// The longest span that is asked for at once: PagerDuty takes six months.
const LONGEST_SPAN: TimeDelta = TimeDelta::days(180);

/// PagerDuty keeps whole seconds.
const SECOND: TimeDelta = TimeDelta::seconds(1);

/// How far its clock may be ahead.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// The most requests for one page: an eighth of what an account may send in a minute.
const MOST_REQUESTS: usize = 120;

/// The place after an incident: its time, and who of that second was seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Position {
    at: Time,
    seen: Vec<String>,
}

impl Position {
    /// # Errors
    /// `Invalid` for a cursor that is none.
    pub(super) fn parse(cursor: &Cursor) -> Result<Self> {
        let foreign = || Error::invalid("cursor", "expected the `next` of a page of this provider, got something else");
        let (at, seen) = cursor.as_str().split_once(',').ok_or_else(foreign)?;
        let at = at.parse().map_err(|_| foreign())?;
        let seen: Vec<String> = seen.split(',').map(str::to_owned).collect();
        if seen.iter().all(|id| is_id(id)) { Ok(Self { at, seen }) } else { Err(foreign()) }
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(format!("{},{}", self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true), self.seen.join(",")))
    }

    fn is_before(&self, at: Time, id: &str) -> bool {
        at < self.at || (at == self.at && !self.seen.iter().any(|seen| seen == id))
    }
}

/// A walk through the incidents that meet some conditions.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) api: &'a Api,
    pub(super) map: &'a Map,
    pub(super) conditions: &'a Conditions<'a>,
    pub(super) since: Option<Time>,
    pub(super) until: Option<Time>,
    pub(super) now: Time,
    pub(super) position: Option<Position>,
    pub(super) size: usize,
}

/// The part of time that is asked for.
#[derive(Clone, Copy, Debug)]
enum Span {
    /// All of it.
    All,
    /// From one moment up to another.
    Between(Time, Time),
}

/// What became of a part.
enum Seen {
    /// The page is full, and there is more.
    Full,
    /// So many incidents were new.
    New(usize),
}

impl Walk<'_> {
    /// The incidents that come next, up to the size of a page.
    pub(super) async fn page(mut self, cx: &Context) -> Result<Page<Incident>> {
        let (mut found, mut span, mut offset) = (Vec::new(), self.first_span(), 0);
        let (began, mut oldest) = (self.position.clone(), None);
        for _ in 0..MOST_REQUESTS {
            if span.is_empty() {
                return Ok(Page::new(found));
            }
            let (part, rest, behind) = match self.part(cx, span, offset).await {
                // What was read is kept. The cursor leads on when PagerDuty answers again.
                Err(error) if error.is_retryable() && self.position != began => {
                    return Ok(self.until_here(found).failure(error.to_source_failure(KIND)));
                }
                part => part?,
            };
            let fresh = match self.look_at(part, &mut found)? {
                Seen::Full => return Ok(self.until_here(found)),
                Seen::New(fresh) => fresh,
            };
            (span, offset) = match rest {
                Rest::Nothing if self.is_last(cx, span, &mut oldest).await? => return Ok(Page::new(found)),
                Rest::Nothing => (self.span_before(span), 0),
                _ if fresh > 0 => (self.rest_of(span), 0),
                Rest::More => (span, behind),
                Rest::Beyond => {
                    let reason = "more incidents were opened in one second than PagerDuty gives";
                    return Ok(Page::new(found).truncated(reason));
                }
            };
        }
        let warning = format!("the page ends early, after {MOST_REQUESTS} requests; its cursor leads on");
        Ok(self.until_here(found).warning(warning))
    }

    fn first_span(&self) -> Span {
        match (&self.position, self.since, self.until) {
            (None, None, None) => Span::All,
            (Some(_), _, _) => self.rest_of(Span::All),
            (None, _, until) => {
                let latest = later(self.now, AHEAD);
                self.span_until(until.map_or(latest, |until| until.min(latest)))
            }
        }
    }

    /// The span that begins at the last incident that was seen.
    fn rest_of(&self, span: Span) -> Span {
        let Some(position) = &self.position else { return span };
        let until = later(position.at, SECOND);
        self.span_until(self.until.map_or(until, |asked| asked.min(until)))
    }

    fn span_before(&self, span: Span) -> Span {
        match span {
            Span::All => span,
            Span::Between(since, _) => self.span_until(later(since, SECOND)),
        }
    }

    /// The longest span up to this moment.
    fn span_until(&self, until: Time) -> Span {
        let longest = earlier(until, LONGEST_SPAN);
        Span::Between(self.since.map_or(longest, |since| since.max(longest)), until)
    }

    /// Whether nothing can be before a span: what was asked for begins there, or nothing that PagerDuty has is older.
    async fn is_last(&self, cx: &Context, span: Span, oldest: &mut Option<Option<Time>>) -> Result<bool> {
        let Span::Between(since, _) = span else { return Ok(true) };
        if self.since.is_some_and(|asked| since <= asked) {
            return Ok(true);
        }
        let oldest = match oldest {
            Some(known) => *known,
            None => *oldest.insert(self.oldest(cx).await?),
        };
        Ok(oldest.is_none_or(|oldest| since <= oldest))
    }

    /// A part, what follows it, and the offset of that.
    async fn part(&self, cx: &Context, span: Span, offset: usize) -> Result<(Vec<wire::Incident>, Rest, usize)> {
        let mut parameters = self.conditions.parameters.clone();
        parameters.extend([("sort_by", "created_at:desc".to_owned()), ("include[]", "body".to_owned())]);
        parameters.extend(span.parameters());
        // One more than is wanted tells whether there is more; those of the second before come again.
        let again = self.position.as_ref().map_or(0, |position| position.seen.len());
        let size = if self.conditions.narrow_here() { LARGEST_PAGE } else { self.size.saturating_add(again + 1) };
        let mut list = self.api.list(&["incidents"], parameters).from(offset).page(size);
        let (part, rest) = list.next::<IncidentList>(cx).await?;
        Ok((part, rest, list.offset()))
    }

    fn look_at(&mut self, part: Vec<wire::Incident>, found: &mut Vec<Incident>) -> Result<Seen> {
        let mut fresh = 0;
        for incident in part {
            let Some(at) = incident.created_at else {
                return Err(Error::unexpected(format!("the incident {} has no `created_at`", incident.id)));
            };
            if self.position.as_ref().is_some_and(|position| !position.is_before(at, &incident.id)) {
                continue;
            }
            if found.len() == self.size {
                return Ok(Seen::Full);
            }
            fresh += 1;
            self.pass(at, &incident.id);
            found.extend(Some(self.map.incident(incident)).filter(|incident| self.conditions.hold_for(incident)));
        }
        Ok(Seen::New(fresh))
    }

    fn pass(&mut self, at: Time, id: &str) {
        match &mut self.position {
            Some(position) => {
                if position.at != at {
                    position.at = at;
                    position.seen.clear();
                }
                position.seen.push(id.to_owned());
            }
            position => *position = Some(Position { at, seen: vec![id.to_owned()] }),
        }
    }

    /// When the oldest incident was opened that PagerDuty has for these conditions.
    async fn oldest(&self, cx: &Context) -> Result<Option<Time>> {
        let mut parameters = self.conditions.parameters.clone();
        parameters.push(("sort_by", "created_at:asc".to_owned()));
        parameters.extend(Span::All.parameters());
        let (first, _) = self.api.list(&["incidents"], parameters).page(1).next::<IncidentList>(cx).await?;
        Ok(first.into_iter().next().and_then(|incident| incident.created_at))
    }

    fn until_here(&self, found: Vec<Incident>) -> Page<Incident> {
        Page::new(found).next(self.position.as_ref().map(Position::cursor))
    }
}

impl Span {
    /// A second more on both sides: whether PagerDuty counts a bound in is not documented.
    fn parameters(self) -> Parameters {
        let text = |time: Time| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        match self {
            Self::All => vec![("date_range", "all".to_owned())],
            Self::Between(since, until) => {
                vec![("since", text(earlier(since, SECOND))), ("until", text(later(until, SECOND)))]
            }
        }
    }

    fn is_empty(self) -> bool {
        matches!(self, Self::Between(since, until) if since > until)
    }
}

fn earlier(time: Time, by: TimeDelta) -> Time {
    time.checked_sub_signed(by).unwrap_or(Time::MIN_UTC)
}

fn later(time: Time, by: TimeDelta) -> Time {
    time.checked_add_signed(by).unwrap_or(Time::MAX_UTC)
}
