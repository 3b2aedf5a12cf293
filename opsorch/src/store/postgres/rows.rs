//! Rows and what they stand for.

use opsorch_schema::{GrantId, Identity};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::Result;
use crate::audit::Hash;
use crate::store::{GrantRecord, KeyUse, OpenIntent, StoredEntry};

pub(super) use crate::store::rows::*;

/// What [`grant`] reads.
pub(super) const GRANT: &str = "id, version, state, requested_at, body, seal";

/// What [`key_use`] reads.
pub(super) const KEY: &str = "key, issuer, subject, digest, grant_id, expires_at";

/// A column of a row.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, place: usize) -> Result<T> {
    row.try_get(place).map_err(|error| malformed("row", error))
}

pub(super) fn grant(row: &Row) -> Result<GrantRecord> {
    Ok(GrantRecord::new(
        GrantId::new(column::<String>(row, 0)?),
        unsigned("grant", column(row, 1)?)?,
        state(column(row, 2)?)?,
        time("grant", column(row, 3)?)?,
        column(row, 4)?,
        column(row, 5)?,
    ))
}

pub(super) fn key_use(row: &Row) -> Result<KeyUse> {
    let digest = column::<&str>(row, 3)?.parse().map_err(|error: String| malformed("key", error))?;
    let owner = Identity::new(column::<String>(row, 1)?, column::<String>(row, 2)?);
    let grant = GrantId::new(column::<String>(row, 4)?);
    Ok(KeyUse::new(column::<String>(row, 0)?, owner, digest, grant, time("key", column(row, 5)?)?))
}

/// Reads `sequence, leaf, hash`.
pub(super) fn stored_entry(row: &Row) -> Result<StoredEntry> {
    Ok(StoredEntry::new(unsigned("log entry", column(row, 0)?)?, column(row, 1)?, hash(column(row, 2)?)?))
}

/// Reads `grant_id, leaf, instance, until`.
pub(super) fn open_intent(row: &Row) -> Result<OpenIntent> {
    let (entry, until) = (entry(column(row, 1)?)?, time("lease", column(row, 3)?)?);
    Ok(OpenIntent::new(GrantId::new(column::<String>(row, 0)?), entry, column::<String>(row, 2)?, until))
}

/// The entry with which a node became full.
pub(super) fn last_below(level: u32, place: u64) -> Option<i64> {
    let width = 1_u64.checked_shl(level)?;
    i64::try_from(place.checked_add(1)?.checked_mul(width)?.checked_sub(1)?).ok()
}

/// The node of this level among those that became full with one entry.
pub(super) fn node_of(level: u32, nodes: &[u8]) -> Option<Hash> {
    let start = usize::try_from(level).ok()?.checked_mul(32)?;
    hash(nodes.get(start..start.checked_add(32)?)?).ok()
}
