//! Changes that were made, so that a repetition is recognised.

use opsorch::gate::{Approved, canonical_json};
use opsorch::{Error, Operation, Result};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::failure::explain;
use super::{Edit, Position};

/// For how many changes their idempotency key is remembered.
const REMEMBERED: i64 = 10_000;

/// One attempt at a change.
#[derive(Debug)]
pub(in crate::local) struct Attempt {
    key: String,
    operation: Operation,
    input: String,
}

impl Attempt {
    pub(in crate::local) fn new<A: Serialize>(operation: Operation, approved: &Approved<'_, A>) -> Result<Self> {
        Self::of(operation, approved.idempotency_key(), &**approved)
    }

    pub(super) fn of(operation: Operation, key: &str, input: &impl Serialize) -> Result<Self> {
        let input = Sha256::digest(canonical_json(input)?);
        let input = input.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { key: key.to_owned(), operation, input })
    }

    /// The id of what the change made when it was made before.
    ///
    /// # Errors
    /// `Conflict` if the key was used for another change.
    pub(super) fn made_before(&self, edit: &Edit<'_>) -> Result<Option<String>> {
        let sql = "SELECT operation, input, id FROM changes WHERE key = ?1";
        let found = edit.connection.prepare_cached(sql).and_then(|mut statement| {
            statement.query_row([&self.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        });
        let Some((operation, input, id)): Option<(String, String, String)> = found.map_err(explain)? else {
            return Ok(None);
        };
        if operation == self.operation.name() && input == self.input {
            return Ok(Some(id));
        }
        let message = format!("the idempotency key was used for another {operation} before");
        Err(Error::conflict(message).with_context("key", &self.key))
    }

    /// Remembers the change by the id of what it made, and forgets the oldest when there are many.
    pub(super) fn remember(self, edit: &Edit<'_>, id: String) -> Result<String> {
        let Self { key, operation, input } = self;
        let sql = "INSERT INTO changes (key, operation, input, id, at) VALUES (?1, ?2, ?3, ?4, ?5)";
        edit.execute(sql, params![key, operation.name(), input, id, Position::at_time(Some(edit.now()))])?;
        let last = edit.connection.last_insert_rowid();
        edit.execute("DELETE FROM changes WHERE number <= ?1", [last.saturating_sub(REMEMBERED)])?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opsorch::{Actor, Context, ErrorKind, ManualClock};

    use super::*;
    use crate::local::database::Database;

    async fn make(database: &Database, key: String, input: &str) -> Result<String> {
        let attempt = Attempt::of(Operation::TicketCreate, &key, &input).unwrap();
        let made = key.clone();
        let cx = Context::new(Actor::agent("triage"));
        database.change(&cx, attempt, move |_| Ok(made), |_, id| Ok(id.to_owned())).await
    }

    #[tokio::test]
    async fn only_the_last_changes_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path().to_owned(), Arc::new(ManualClock::default())).await.unwrap();
        let many = database.write(|edit| {
            for number in 0..REMEMBERED {
                let attempt = Attempt::of(Operation::TicketCreate, &format!("key {number}"), &"one")?;
                attempt.remember(edit, format!("key {number}"))?;
            }
            Ok(())
        });
        many.await.unwrap();
        let again = make(&database, "key 0".into(), "another").await.unwrap_err();
        assert_eq!(*again.kind(), ErrorKind::Conflict, "it is remembered");
        make(&database, "one more".into(), "one").await.unwrap();
        make(&database, "key 0".into(), "another").await.unwrap();
        let again = make(&database, "key 2".into(), "another").await.unwrap_err();
        assert_eq!(*again.kind(), ErrorKind::Conflict, "two were forgotten");
        assert!(again.to_string().contains("key 2") && !again.may_have_applied(), "{again}");
    }
}
