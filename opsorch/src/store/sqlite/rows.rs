//! Rows and what they stand for.

use opsorch_schema::{GrantId, Identity};
use rusqlite::Row;

use super::failure::Failure;
use crate::store::{GrantRecord, KeyUse, OpenIntent, StoredEntry};

pub(super) use crate::store::rows::*;

/// What [`grant`] reads.
pub(super) const GRANT: &str = "id, version, state, requested_at, body, seal";

/// What [`key_use`] reads.
pub(super) const KEY: &str = "key, issuer, subject, digest, grant_id, expires_at";

pub(super) fn grant(row: &Row<'_>) -> Result<GrantRecord, Failure> {
    Ok(GrantRecord::new(
        GrantId::new(row.get::<_, String>(0)?),
        unsigned("grant", row.get(1)?)?,
        state(row.get_ref(2)?.as_str().map_err(|error| malformed("grant", error))?)?,
        time("grant", &row.get::<_, String>(3)?)?,
        row.get(4)?,
        row.get(5)?,
    ))
}

pub(super) fn key_use(row: &Row<'_>) -> Result<KeyUse, Failure> {
    let digest = row.get::<_, String>(3)?.parse().map_err(|error: String| malformed("key", error))?;
    let owner = Identity::new(row.get::<_, String>(1)?, row.get::<_, String>(2)?);
    let grant = GrantId::new(row.get::<_, String>(4)?);
    Ok(KeyUse::new(row.get::<_, String>(0)?, owner, digest, grant, time("key", &row.get::<_, String>(5)?)?))
}

/// Reads `sequence, leaf, hash`.
pub(super) fn stored_entry(row: &Row<'_>) -> Result<StoredEntry, Failure> {
    Ok(StoredEntry::new(unsigned("log entry", row.get(0)?)?, row.get(1)?, hash(&row.get::<_, Vec<u8>>(2)?)?))
}

/// Reads `grant_id, leaf, instance, lease_until`.
pub(super) fn open_intent(row: &Row<'_>) -> Result<OpenIntent, Failure> {
    let grant = GrantId::new(row.get::<_, String>(0)?);
    let (entry, until) = (entry(&row.get::<_, String>(1)?)?, time("lease", &row.get::<_, String>(3)?)?);
    Ok(OpenIntent::new(grant, entry, row.get::<_, String>(2)?, until))
}
