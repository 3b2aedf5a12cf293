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

/// Each state by itself, so that the index gives the newest of those that wait first. Its word is part of the statement,
/// because SQLite must know it to choose that index.
pub(super) fn grants(
    connection: &Connection,
    mut states: Vec<GrantState>,
    limit: u32,
) -> Result<Vec<GrantRecord>, Failure> {
    let snapshot = connection.unchecked_transaction()?;
    states.sort_unstable();
    states.dedup();
    let mut grants = Vec::new();
    for state in states.iter().map(|state| state.word()) {
        let sql =
            format!("SELECT {GRANT} FROM grants WHERE state = '{state}' ORDER BY requested_at DESC, id DESC LIMIT ?1");
        grants.extend(all(&snapshot, &sql, [limit], rows::grant)?);
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
    let sql = "SELECT leases.grant_id, leaf, instance, until FROM leases JOIN entries USING (sequence)
        WHERE until < ?1 ORDER BY sequence";
    all(connection, sql, [rows::time_text(now)?], rows::open_intent)
}

pub(super) fn outcome(connection: &Connection, grant: &GrantId) -> Result<Option<String>, Failure> {
    let sql = "SELECT sequence, result FROM entries WHERE grant_id = ?1 AND event = 'outcome' AND result IS NOT NULL
        UNION ALL SELECT sequence, result FROM entries WHERE grant_id = ?1 AND event = 'addendum' AND result IS NOT NULL
        ORDER BY sequence DESC LIMIT 1";
    one(connection, sql, [grant.as_str()], |row| Ok(row.get(1)?))
}

pub(super) fn entries(connection: &Connection, from: u64, limit: u32) -> Result<Vec<StoredEntry>, Failure> {
    let sql =
        "SELECT sequence, leaf, substr(nodes, 1, 32) FROM entries WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2";
    all(connection, sql, params![i64::try_from(from).unwrap_or(i64::MAX), limit], rows::stored_entry)
}

pub(super) fn checkpoint(connection: &Connection) -> Result<Option<String>, Failure> {
    Ok(one(connection, "SELECT head FROM tree", [], |row| Ok(row.get(0)?))?.flatten())
}

/// Every n-th, counted from the newest, which is with the tree while the others are in the log.
pub(super) fn checkpoints(connection: &Connection, limit: u32) -> Result<Vec<String>, Failure> {
    let snapshot = connection.unchecked_transaction()?;
    let Some(newest) = checkpoint(&snapshot)? else { return Ok(Vec::new()) };
    let sql = "WITH places AS (
            SELECT sequence, row_number() OVER (ORDER BY sequence DESC) AS place, 1 + count(*) OVER () AS number
            FROM entries WHERE head IS NOT NULL)
        SELECT head FROM places JOIN entries USING (sequence) WHERE place % ((number + ?1 - 1) / ?1) = 0 ORDER BY sequence";
    let mut heads = all(&snapshot, sql, [limit.max(1)], |row| Ok(row.get(0)?))?;
    heads.push(newest);
    Ok(heads)
}

pub(super) fn nodes(connection: &Connection, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>, Failure> {
    let snapshot = connection.unchecked_transaction()?;
    let mut found = HashMap::new();
    for (level, place) in wanted {
        found.extend(node(&snapshot, *level, *place)?.map(|hash| ((*level, *place), hash)));
    }
    Ok(found)
}

/// A full node: it is with the last entry below it.
pub(super) fn node(connection: &Connection, level: u32, place: u64) -> Result<Option<Hash>, Failure> {
    let width = 1_u64.checked_shl(level).unwrap_or(0);
    let last = place.checked_add(1).and_then(|places| places.checked_mul(width)?.checked_sub(1));
    let Some(last) = last.and_then(|last| i64::try_from(last).ok()) else { return Ok(None) };
    let sql = "SELECT substr(nodes, 32 * ?2 + 1, 32) FROM entries WHERE sequence = ?1";
    one(connection, sql, params![last, level], |row| Ok(rows::hash(&row.get::<_, Vec<u8>>(0)?)?))
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
