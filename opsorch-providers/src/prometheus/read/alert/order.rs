//! The one order of alerts, and pages cut from it.

use std::cmp::Reverse;

use chrono::SecondsFormat;
use opsorch::{Alert, AlertQuery, Cursor, Error, Page, Result, Time};

/// The place of an alert: newest first, those without a beginning last; then by fingerprint.
type Place = (Reverse<Option<Time>>, String);

fn place(alert: &Alert) -> Place {
    (Reverse(alert.created_at), alert.id.to_string())
}

/// The page of these alerts that a query asks for. It begins after the place that its cursor names, so that alerts which
/// come and go meanwhile neither repeat others nor hide them.
///
/// # Errors
/// `Invalid` for a cursor that is none.
pub(in crate::prometheus) fn page(mut alerts: Vec<Alert>, query: &AlertQuery) -> Result<Page<Alert>> {
    if let Some(cursor) = &query.cursor {
        let last = parse(cursor)?;
        alerts.retain(|alert| place(alert) > last);
    }
    alerts.sort_by_cached_key(place);
    let size = usize::try_from(query.page_size()).unwrap_or(usize::MAX);
    let has_more = alerts.len() > size;
    alerts.truncate(size);
    let next = alerts.last().filter(|_| has_more).map(cursor);
    Ok(Page::new(alerts).next(next))
}

/// `TIME,FINGERPRINT`.
fn cursor(alert: &Alert) -> Cursor {
    let time = alert.created_at.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    Cursor::new(format!("{},{}", time.unwrap_or_default(), alert.id))
}

fn parse(cursor: &Cursor) -> Result<Place> {
    let foreign = || Error::invalid("cursor", "expected the `next` of a page of this provider, got something else");
    let (time, id) = cursor.as_str().split_once(',').ok_or_else(foreign)?;
    let time = match time {
        "" => None,
        time => Some(time.parse::<Time>().map_err(|_| foreign())?),
    };
    Ok((Reverse(time), id.to_owned()))
}
