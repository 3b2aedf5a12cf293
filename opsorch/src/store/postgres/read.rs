//! What is read, each in one statement and so in one snapshot.

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::ClientWrapper;
use opsorch_schema::{GrantId, GrantState, Time};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::failure::Failure;
use super::rows::{self, GRANT, KEY, column};
use crate::audit::Hash;
use crate::store::{GrantRecord, KeyUse, OpenIntent, StoredEntry};

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) async fn grant(client: &ClientWrapper, id: &GrantId) -> Result<Option<GrantRecord>, Failure> {
    one(client, &format!("SELECT {GRANT} FROM grants WHERE id = $1"), &[&id.as_str()], rows::grant).await
}

/// Each state by itself, so that the index gives the newest of those that wait first. Its word is part of the statement,
/// because PostgreSQL must know it to choose that index.
pub(super) async fn grants(
    client: &ClientWrapper,
    states: &[GrantState],
    limit: u32,
) -> Result<Vec<GrantRecord>, Failure> {
    const ORDER: &str = "ORDER BY requested_at DESC, id DESC LIMIT $1";
    if states.is_empty() {
        return Ok(Vec::new());
    }
    let words: BTreeSet<_> = states.iter().map(|state| state.word()).collect();
    let parts: Vec<_> =
        words.iter().map(|word| format!("(SELECT {GRANT} FROM grants WHERE state = '{word}' {ORDER})")).collect();
    all(
        client,
        &format!("SELECT * FROM ({}) AS listed {ORDER}", parts.join(" UNION ALL ")),
        &[&i64::from(limit)],
        rows::grant,
    )
    .await
}

pub(super) async fn key(client: &ClientWrapper, key: &str, now: Time) -> Result<Option<KeyUse>, Failure> {
    let sql = format!("SELECT {KEY} FROM keys WHERE key = $1 AND expires_at > $2");
    one(client, &sql, &[&key, &rows::time_text(now)?], rows::key_use).await
}

pub(super) async fn lapsed(client: &ClientWrapper, now: Time) -> Result<Vec<OpenIntent>, Failure> {
    let sql = "SELECT leases.grant_id, leaf, instance, until FROM leases JOIN entries USING (sequence)
        WHERE until < $1 ORDER BY sequence";
    all(client, sql, &[&rows::time_text(now)?], rows::open_intent).await
}

pub(super) async fn outcome(client: &ClientWrapper, grant: &GrantId) -> Result<Option<String>, Failure> {
    let sql = "SELECT sequence, result FROM entries WHERE grant_id = $1 AND event = 'outcome' AND result IS NOT NULL
        UNION ALL SELECT sequence, result FROM entries WHERE grant_id = $1 AND event = 'addendum' AND result IS NOT NULL
        ORDER BY sequence DESC LIMIT 1";
    one(client, sql, &[&grant.as_str()], |row| column(row, 1)).await
}

pub(super) async fn entries(client: &ClientWrapper, from: u64, limit: u32) -> Result<Vec<StoredEntry>, Failure> {
    let sql =
        "SELECT sequence, leaf, substr(nodes, 1, 32) FROM entries WHERE sequence >= $1 ORDER BY sequence LIMIT $2";
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    all(client, sql, &[&from, &i64::from(limit)], rows::stored_entry).await
}

pub(super) async fn checkpoint(client: &ClientWrapper) -> Result<Option<String>, Failure> {
    Ok(one(client, "SELECT head FROM tree", &[], |row| column(row, 0)).await?.flatten())
}

/// Every n-th, counted from the newest, which is with the tree while the others are in the log.
pub(super) async fn checkpoints(client: &ClientWrapper, limit: u32) -> Result<Vec<String>, Failure> {
    let sql = "WITH heads AS (
            SELECT sequence, head FROM entries WHERE head IS NOT NULL
            UNION ALL SELECT NULL, head FROM tree WHERE head IS NOT NULL),
        places AS (
            SELECT head, row_number() OVER (ORDER BY sequence DESC NULLS FIRST) - 1 AS place, count(*) OVER () AS number
            FROM heads)
        SELECT head FROM places WHERE place % ((number + $1 - 1) / $1) = 0 ORDER BY place DESC";
    all(client, sql, &[&i64::from(limit.max(1))], |row| column(row, 0)).await
}

pub(super) async fn nodes(client: &ClientWrapper, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>, Failure> {
    let sequences: Vec<i64> = wanted.iter().filter_map(|(level, place)| rows::last_below(*level, *place)).collect();
    let sql = "SELECT sequence, nodes FROM entries WHERE sequence = ANY($1)";
    let found = all(client, sql, &[&sequences], |row| Ok((column::<i64>(row, 0)?, column::<Vec<u8>>(row, 1)?))).await?;
    let found: HashMap<_, _> = found.into_iter().collect();
    let node = |(level, place): &(u32, u64)| rows::node_of(*level, found.get(&rows::last_below(*level, *place)?)?);
    Ok(wanted.iter().filter_map(|place| Some((*place, node(place)?))).collect())
}

async fn one<T>(
    client: &ClientWrapper,
    sql: &str,
    values: Values<'_>,
    read: impl Fn(&Row) -> crate::Result<T>,
) -> Result<Option<T>, Failure> {
    Ok(all(client, sql, values, read).await?.into_iter().next())
}

async fn all<T>(
    client: &ClientWrapper,
    sql: &str,
    values: Values<'_>,
    read: impl Fn(&Row) -> crate::Result<T>,
) -> Result<Vec<T>, Failure> {
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, values).await?;
    Ok(rows.iter().map(read).collect::<crate::Result<_>>()?)
}
