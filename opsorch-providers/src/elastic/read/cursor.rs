//! Where a page ended.

use opsorch::{Cursor, Error, LogEntry, LogQuery, Result, Time};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::elastic::map;

/// The last entry of a page: its time, and its index and id, by which entries of one time are ordered.
///
/// It does not hold the point in time of the page: the next page has one of its own, so that a cursor does not expire and
/// names nothing in the cluster that its bearer could not ask for anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) time: Time,
    pub(super) index: String,
    pub(super) id: String,
}

const PREFIX: &str = "log/";

impl Position {
    pub(super) fn of(entry: &LogEntry) -> Self {
        let (index, id) = map::key(entry);
        Self { time: entry.timestamp, index: index.to_owned(), id: id.to_owned() }
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// `Invalid` for what no page of this query gave.
    pub(super) fn parse(cursor: &Cursor, query: &LogQuery) -> Result<Self> {
        let wrong = || Error::invalid("cursor", "expected a cursor that an earlier page of this query returned");
        let json = cursor.as_str().strip_prefix(PREFIX).ok_or_else(wrong)?;
        let (digest, time, index, id): (String, Time, String, String) =
            serde_json::from_str(json).map_err(|_| wrong())?;
        match digest == digest_of(query)? && (query.start..query.end).contains(&time) {
            true => Ok(Self { time, index, id }),
            false => Err(wrong()),
        }
    }

    pub(super) fn to_cursor(&self, query: &LogQuery) -> Result<Cursor> {
        let position = json!([digest_of(query)?, self.time, self.index, self.id]);
        Ok(Cursor::new(format!("{PREFIX}{position}")))
    }

    /// Whether an entry comes after it.
    pub(super) fn is_before(&self, entry: &LogEntry) -> bool {
        let time = entry.timestamp;
        time < self.time || time == self.time && map::key(entry) > (&*self.index, &*self.id)
    }
}

/// What tells a query from others; its pages may be of any size.
fn digest_of(query: &LogQuery) -> Result<String> {
    let mut query = query.clone();
    (query.limit, query.cursor) = (None, None);
    let json = serde_json::to_vec(&query)
        .map_err(|error| Error::invalid("query", "it cannot be written as JSON").with_source(error))?;
    Ok(Sha256::digest(json).iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
