//! What can be read, all of one moment.

use opsorch::{Error, ErrorKind, Page, Result, Time};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::failure::{damaged, explain};
use super::stop::Stopped;
use super::{Entry, Part, Position, Record};

/// Reads records and their entries.
#[derive(Debug)]
pub(in crate::local) struct View<'a> {
    pub(super) connection: &'a Connection,
    now: Time,
    stopped: Stopped,
}

impl<'a> View<'a> {
    pub(super) fn new(connection: &'a Connection, now: Time, stopped: Stopped) -> Self {
        Self { connection, now, stopped }
    }

    /// The time at which this is read.
    pub(in crate::local) fn now(&self) -> Time {
        self.now
    }

    /// Reads a record.
    ///
    /// # Errors
    /// `NotFound`, which names the id.
    pub(in crate::local) fn get<R: Record>(&self, id: &str) -> Result<R> {
        self.find_by("id", id)?.ok_or_else(|| Error::not_found(format!("there is no {} `{id}`", R::KIND)))
    }

    /// Reads the record that has a key, if one has.
    pub(in crate::local) fn with_key<R: Record>(&self, key: &str) -> Result<Option<R>> {
        self.find_by("key", key)
    }

    /// The newest records of which `select` makes something, with a cursor to the rest.
    pub(in crate::local) fn page<R: Record, T>(
        &self,
        part: Part,
        select: impl FnMut(R) -> Option<T>,
    ) -> Result<Page<T>> {
        // One more tells whether there is more.
        let mut found = self.newest(Part { size: part.size.saturating_add(1), ..part }, select)?;
        let more = found.len() > part.size;
        found.truncate(part.size);
        let last = found.last().filter(|_| more).map(|(position, _)| position.to_cursor());
        Ok(Page::new(found.into_iter().map(|(_, item)| item).collect()).next(last))
    }

    /// The newest records of which `select` makes something, each with its position.
    pub(in crate::local) fn newest<R: Record, T>(
        &self,
        part: Part,
        mut select: impl FnMut(R) -> Option<T>,
    ) -> Result<Vec<(Position, T)>> {
        let sql = "SELECT id, body, at, number FROM records
            WHERE kind = ?1 AND (at, number) < (?2, ?3) AND at >= ?4
            ORDER BY at DESC, number DESC";
        let mut statement = self.connection.prepare_cached(sql).map_err(explain)?;
        let Part { size, below, from } = part;
        let mut rows = statement.query(params![R::KIND, below.at, below.number, from]).map_err(explain)?;
        let mut found = Vec::new();
        while found.len() < size
            && let Some(row) = rows.next().map_err(explain)?
        {
            self.expect_somebody_waits()?;
            let position = position(row).map_err(explain)?;
            let (id, body) = id_and_body(row).map_err(explain)?;
            if let Some(item) = select(decode(R::KIND, &id, &body)?) {
                found.push((position, item));
            }
        }
        Ok(found)
    }

    /// The last entries of a record, at most so many, in the order in which they were added.
    pub(in crate::local) fn entries<E: Entry>(&self, parent: &str, most: u32) -> Result<Vec<E>> {
        let sql = "SELECT body FROM entries WHERE kind = ?1 AND parent = ?2 ORDER BY number DESC LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql).map_err(explain)?;
        let mut rows = statement.query(params![E::KIND, parent, most]).map_err(explain)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(explain)? {
            self.expect_somebody_waits()?;
            found.push(decode(E::KIND, parent, &row.get::<_, String>(0).map_err(explain)?)?);
        }
        found.reverse();
        Ok(found)
    }

    /// Reads an entry by the id that it was given.
    ///
    /// # Errors
    /// `NotFound`, which names the id.
    pub(in crate::local) fn entry<E: Entry>(&self, id: &str) -> Result<E> {
        let sql = "SELECT body FROM entries WHERE kind = ?1 AND parent = ?2 AND number = ?3";
        let place = id.rsplit_once('-').and_then(|(parent, number)| Some((parent, number.parse::<i64>().ok()?)));
        let body = place.map(|(parent, number)| {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row(params![E::KIND, parent, number], |row| row.get::<_, String>(0)).optional()
        });
        match body.transpose().map_err(explain)?.flatten() {
            Some(body) => decode(E::KIND, id, &body),
            None => Err(Error::not_found(format!("there is no {} `{id}`", E::KIND))),
        }
    }

    fn find_by<R: Record>(&self, column: &'static str, value: &str) -> Result<Option<R>> {
        let sql = format!("SELECT id, body FROM records WHERE kind = ?1 AND {column} = ?2");
        let found = self
            .connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_row([R::KIND, value], id_and_body).optional());
        let found = found.map_err(explain)?;
        found.map(|(id, body)| decode(R::KIND, &id, &body)).transpose()
    }

    fn expect_somebody_waits(&self) -> Result<()> {
        match self.stopped.is_stopped() {
            true => Err(Error::new(ErrorKind::Timeout, "nobody waits for the answer any more")),
            false => Ok(()),
        }
    }
}

fn id_and_body(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position { at: row.get(2)?, number: row.get(3)? })
}

fn decode<T: DeserializeOwned>(kind: &str, id: &str, body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| damaged(kind, id, error))
}
