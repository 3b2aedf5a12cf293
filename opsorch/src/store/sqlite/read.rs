//! What is read, each in one snapshot of the file.

use std::collections::HashMap;

use opsorch_schema::{GrantId, GrantState, Time};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::failure::Failure;
use super::rows::{self, GRANT, KEY};
use crate::audit::Hash;
use crate::store::{GrantRecord, KeyUse, OpenIntent, StoredEntry};

pub(super) fn grant(connection: &Connection, id: &GrantId) -> Result<Option<GrantRecord>, Failure> {
    one(connection, &format!("SELECT {GRANT} FROM grants WHERE id = ?1"), [id.as_str()], rows::grant)
}

/// Each state by itself, so that the index gives the newest first, however many there are.
pub(super) fn grants(
    connection: &Connection,
    mut states: Vec<GrantState>,
    limit: u32,
) -> Result<Vec<GrantRecord>, Failure> {
    let sql = format!("SELECT {GRANT} FROM grants WHERE state = ?1 ORDER BY requested_at DESC, id DESC LIMIT ?2");
    let snapshot = connection.unchecked_transaction()?;
    states.sort_unstable();
    states.dedup();
    let mut grants = Vec::new();
    for state in states {
        grants.extend(all(&snapshot, &sql, params![state.word(), limit], rows::grant)?);
    }
    grants.sort_by(|one, other| (other.requested_at, &other.id).cmp(&(one.requested_at, &one.id)));
    grants.truncate(limit as usize);
    Ok(grants)
}

pub(super) fn key(connection: &Connection, key: &str, now: Time) -> Result<Option<KeyUse>, Failure> {
    let sql = format!("SELECT {KEY} FROM keys WHERE key = ?1 AND expires_at > ?2");
    one(connection, &sql, [key, &rows::time_text(now)?], rows::key_use)
}

pub(super) fn lapsed(connection: &Connection, now: Time) -> Result<Vec<OpenIntent>, Failure> {
    let sql = "SELECT intents.grant_id, leaf, instance, lease_until FROM intents JOIN entries USING (sequence)
        WHERE open = 1 AND lease_until < ?1 ORDER BY sequence";
    all(connection, sql, [rows::time_text(now)?], rows::open_intent)
}

pub(super) fn outcome(connection: &Connection, grant: &GrantId) -> Result<Option<String>, Failure> {
    one(connection, "SELECT result FROM outcomes WHERE grant_id = ?1", [grant.as_str()], |row| Ok(row.get(0)?))
}

pub(super) fn entries(connection: &Connection, from: u64, limit: u32) -> Result<Vec<StoredEntry>, Failure> {
    let sql = "SELECT sequence, leaf, hash FROM entries WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2";
    all(connection, sql, params![i64::try_from(from).unwrap_or(i64::MAX), limit], rows::entry)
}

pub(super) fn checkpoint(connection: &Connection) -> Result<Option<String>, Failure> {
    one(connection, "SELECT signed FROM checkpoints ORDER BY size DESC LIMIT 1", [], |row| Ok(row.get(0)?))
}

/// Every n-th, counted from the newest.
pub(super) fn checkpoints(connection: &Connection, limit: u32) -> Result<Vec<String>, Failure> {
    let sql = "WITH places AS (
            SELECT size, row_number() OVER (ORDER BY size DESC) - 1 AS place, count(*) OVER () AS number FROM checkpoints)
        SELECT signed FROM places JOIN checkpoints USING (size) WHERE place % ((number + ?1 - 1) / ?1) = 0 ORDER BY size";
    all(connection, sql, [limit.max(1)], |row| Ok(row.get(0)?))
}

pub(super) fn nodes(connection: &Connection, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>, Failure> {
    let snapshot = connection.unchecked_transaction()?;
    let mut found = HashMap::new();
    for (level, place) in wanted {
        let values = params![level, i64::try_from(*place).unwrap_or(-1)];
        let sql = "SELECT hash FROM nodes WHERE level = ?1 AND place = ?2";
        let hash = one(&snapshot, sql, values, |row| rows::hash(row.get(0)?))?;
        found.extend(hash.map(|hash| ((*level, *place), hash)));
    }
    Ok(found)
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(values, |row| Ok(read(row))).optional()?.transpose()
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(values, |row| Ok(read(row)))?.map(|row| row?).collect()
}
