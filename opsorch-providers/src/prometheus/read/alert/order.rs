//! The one order of alerts, and pages cut from it.

use std::cmp::Reverse;

use chrono::SecondsFormat;
use opsorch::{Alert, AlertQuery, Cursor, Error, Page, Result, Time};

use crate::query::page_size;

/// The page of these alerts that a query asks for. It begins after the position that its cursor names, so that alerts
/// which come and go meanwhile neither repeat others nor hide them.
pub(in crate::prometheus) fn page(mut alerts: Vec<Alert>, part: &Part) -> Page<Alert> {
    if let Some(after) = &part.after {
        alerts.retain(|alert| Position::of(alert) > *after);
    }
    alerts.sort_by_cached_key(Position::of);
    let has_more = alerts.len() > part.size;
    alerts.truncate(part.size);
    let next = alerts.last().filter(|_| has_more).map(|last| Position::of(last).to_cursor());
    Page::new(alerts).next(next)
}

/// The part of the alerts that a query wants.
#[derive(Debug)]
pub(in crate::prometheus) struct Part {
    size: usize,
    after: Option<Position>,
}

impl Part {
    /// # Errors
    /// `Invalid` for a limit of 0, or a cursor that no page has returned.
    pub(in crate::prometheus) fn of(query: &AlertQuery) -> Result<Self> {
        let after = query.cursor.as_ref().map(Position::parse).transpose()?;
        Ok(Self { size: page_size(query.page_size())?, after })
    }
}

/// Where an alert stands: newest first, those without a beginning last; then by fingerprint.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position(Reverse<Option<Time>>, String);

impl Position {
    fn of(alert: &Alert) -> Self {
        Self(Reverse(alert.created_at), alert.id.to_string())
    }

    /// `TIME,FINGERPRINT`.
    fn to_cursor(&self) -> Cursor {
        let Self(Reverse(time), id) = self;
        let time = time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        Cursor::new(format!("{},{id}", time.unwrap_or_default()))
    }

    fn parse(cursor: &Cursor) -> Result<Self> {
        let parse = || {
            let (time, id) = cursor.as_str().split_once(',')?;
            let time = match time {
                "" => None,
                time => Some(time.parse().ok()?),
            };
            Some(Self(Reverse(time), id.to_owned()))
        };
        parse().ok_or_else(|| Error::invalid("cursor", "expected a cursor that an earlier page of this query returned"))
    }
}
