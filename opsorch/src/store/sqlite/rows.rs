//! Rows and what they stand for.

use chrono::SecondsFormat;
use opsorch_schema::{Entry, GrantId, GrantState, Identity, Time};
use rusqlite::Row;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};

use super::failure::Failure;
use crate::audit::Hash;
use crate::store::{GrantRecord, KeyUse, OpenIntent, StoredEntry};
use crate::{Error, Result};

/// What [`grant`] reads.
pub(super) const GRANT: &str = "id, version, state, requested_at, body, seal";

/// What [`key_use`] reads.
pub(super) const KEY: &str = "key, issuer, subject, digest, grant_id, expires_at";

pub(super) fn grant(row: &Row<'_>) -> Result<GrantRecord, Failure> {
    let word: String = row.get(2)?;
    let deserializer: StrDeserializer<'_, WordError> = word.as_str().into_deserializer();
    let state = GrantState::deserialize(deserializer).map_err(|error| Failure::malformed("grant", error))?;
    Ok(GrantRecord::new(
        GrantId::new(row.get::<_, String>(0)?),
        unsigned("grant", row.get(1)?)?,
        state,
        time("grant", row.get(3)?)?,
        row.get(4)?,
        row.get(5)?,
    ))
}

pub(super) fn key_use(row: &Row<'_>) -> Result<KeyUse, Failure> {
    let digest = row.get::<_, String>(3)?.parse().map_err(|error: String| Failure::malformed("key", error))?;
    let owner = Identity::new(row.get::<_, String>(1)?, row.get::<_, String>(2)?);
    let grant = GrantId::new(row.get::<_, String>(4)?);
    Ok(KeyUse::new(row.get::<_, String>(0)?, owner, digest, grant, time("key", row.get(5)?)?))
}

/// Reads `sequence, leaf, hash`.
pub(super) fn entry(row: &Row<'_>) -> Result<StoredEntry, Failure> {
    Ok(StoredEntry::new(unsigned("log entry", row.get(0)?)?, row.get(1)?, hash(row.get(2)?)?))
}

/// Reads `grant_id, leaf, instance, lease_until`.
pub(super) fn open_intent(row: &Row<'_>) -> Result<OpenIntent, Failure> {
    let entry: Entry =
        serde_json::from_str(&row.get::<_, String>(1)?).map_err(|error| Failure::malformed("log entry", error))?;
    let grant = GrantId::new(row.get::<_, String>(0)?);
    Ok(OpenIntent::new(grant, entry, row.get::<_, String>(2)?, time("lease", row.get(3)?)?))
}

pub(super) fn hash(bytes: Vec<u8>) -> Result<Hash, Failure> {
    let bytes = <[u8; 32]>::try_from(bytes);
    bytes.map(Hash::from_bytes).map_err(|bytes| Failure::malformed("hash", format!("it has {} bytes", bytes.len())))
}

pub(super) fn time(what: &str, text: String) -> Result<Time, Failure> {
    text.parse().map_err(|error| Failure::malformed(what, format!("{text:?}: {error}")))
}

/// A time as text that sorts like the time.
pub(super) fn time_text(time: Time) -> Result<String> {
    let text = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
    // Beyond the year 9999 the text begins with a sign.
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(text);
    }
    Err(Error::invalid("time", format!("expected a year from 0 to 9999, got {text}")))
}

pub(super) fn unsigned(what: &str, number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|error| Failure::malformed(what, error))
}

/// A number for a column, which is signed.
pub(super) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|error| Error::invalid("number", "expected at most 2^63 - 1").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_to_the_nanosecond_and_sort_as_text() {
        let times: Vec<Time> = [
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999999Z",
            "2026-01-01T00:00:00.1Z",
            "9999-12-31T23:59:59Z",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        let texts: Vec<_> = times.iter().map(|time| time_text(*time).unwrap()).collect();
        assert!(texts.is_sorted());
        for (time, text) in times.iter().zip(texts) {
            assert_eq!(super::time("test", text).unwrap(), *time);
        }
        assert!(time_text(Time::MAX_UTC).is_err());
        assert!(time_text(Time::MIN_UTC).is_err());
    }
}
