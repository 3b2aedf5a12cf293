//! What can be written, all of it or nothing.

use std::ops::Deref;

use opsorch::{Error, Result, Time};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::failure::explain;
use super::stop::Stopped;
use super::{Entry, Position, Record, View};

/// The largest record or entry, in bytes of JSON.
const LARGEST_BODY: usize = 1 << 20;

/// Changes records and adds entries; reads what was changed so far.
#[derive(Debug)]
pub(in crate::local) struct Edit<'a>(View<'a>);

impl<'a> Deref for Edit<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'a> Edit<'a> {
    pub(super) fn new(connection: &'a Connection, now: Time) -> Self {
        Self(View::new(connection, now, Stopped::default()))
    }

    /// Adds a record, made from its id, and returns the id.
    ///
    /// # Errors
    /// `Conflict` if it is larger than 1 MiB, or if another one has its key.
    pub(in crate::local) fn add<R: Record>(&self, make: impl FnOnce(&str) -> R) -> Result<String> {
        let number = self.next("SELECT max(number) FROM records WHERE kind = ?1", &[R::KIND])?;
        let id = format!("{}-{number}", R::PREFIX);
        let record = make(&id);
        let body = encode(R::KIND, &id, &record)?;
        let sql = "INSERT INTO records (kind, number, id, at, key, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.execute(sql, params![R::KIND, number, id, Position::at_time(record.at()), record.key(), body])?;
        Ok(id)
    }

    /// Puts a record in the place of the one with this id.
    ///
    /// # Errors
    /// `NotFound` if there is none; `Conflict` if it is larger than 1 MiB, or if another one has its key.
    pub(in crate::local) fn put<R: Record>(&self, id: &str, record: &R) -> Result<()> {
        let body = encode(R::KIND, id, record)?;
        let sql = "UPDATE records SET at = ?3, key = ?4, body = ?5 WHERE kind = ?1 AND id = ?2";
        match self.execute(sql, params![R::KIND, id, Position::at_time(record.at()), record.key(), body])? {
            0 => Err(Error::not_found(format!("there is no {} `{id}`", R::KIND))),
            _ => Ok(()),
        }
    }

    /// Adds an entry, made from its id, to a record, and returns the id.
    ///
    /// # Errors
    /// `Conflict` if it is larger than 1 MiB.
    pub(in crate::local) fn append<E: Entry>(&self, parent: &str, make: impl FnOnce(&str) -> E) -> Result<String> {
        let number =
            self.next("SELECT max(number) FROM entries WHERE kind = ?1 AND parent = ?2", &[E::KIND, parent])?;
        let id = format!("{parent}-{number}");
        let body = encode(E::KIND, &id, &make(&id))?;
        let sql = "INSERT INTO entries (kind, parent, number, body) VALUES (?1, ?2, ?3, ?4)";
        self.execute(sql, params![E::KIND, parent, number, body])?;
        Ok(id)
    }

    pub(super) fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        let done = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
        done.map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => {
                Error::conflict("another one with the same key is there").with_source(error)
            }
            _ => explain(error),
        })
    }

    /// The number after the last one.
    fn next(&self, sql: &str, place: &[&str]) -> Result<i64> {
        let last = self.connection.prepare_cached(sql).and_then(|mut statement| {
            statement.query_row(rusqlite::params_from_iter(place), |row| row.get::<_, Option<i64>>(0))
        });
        let next = last.map_err(explain)?.unwrap_or(0).checked_add(1);
        next.ok_or_else(|| Error::conflict("there are no more numbers"))
    }
}

fn encode(kind: &str, id: &str, value: &impl Serialize) -> Result<String> {
    let body = serde_json::to_string(value)
        .map_err(|error| Error::unexpected(format!("the {kind} cannot be written as JSON")).with_source(error))?;
    if body.len() > LARGEST_BODY {
        let message = format!("{kind} `{id}` would have {} bytes; expected at most {LARGEST_BODY}", body.len());
        return Err(Error::conflict(message));
    }
    Ok(body)
}
