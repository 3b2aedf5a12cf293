//! What the rows of a database stand for, whichever it is.

use chrono::SecondsFormat;
use opsorch_schema::{Entry, GrantState, Time};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};

use crate::audit::Hash;
use crate::{Error, Result};

/// A row that the store did not write like this.
pub(super) fn malformed(what: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = format!("the store holds a {what} that cannot be read; it was altered, or the database is damaged");
    Error::unexpected(message).with_context("reason", why.into())
}

pub(super) fn state(word: &str) -> Result<GrantState> {
    let deserializer: StrDeserializer<'_, WordError> = word.into_deserializer();
    GrantState::deserialize(deserializer).map_err(|error| malformed("grant", error))
}

pub(super) fn entry(leaf: &str) -> Result<Entry> {
    serde_json::from_str(leaf).map_err(|error| malformed("log entry", error))
}

/// A hash from exactly its bytes.
pub(super) fn hash(bytes: &[u8]) -> Result<Hash> {
    let length = bytes.len();
    let bytes = <[u8; 32]>::try_from(bytes);
    bytes.map(Hash::from_bytes).map_err(|_| malformed("hash", format!("it has {length} bytes")))
}

pub(super) fn time(what: &str, text: &str) -> Result<Time> {
    text.parse().map_err(|error| malformed(what, format!("{text:?}: {error}")))
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

pub(super) fn unsigned(what: &str, number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|error| malformed(what, error))
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
            assert_eq!(super::time("test", &text).unwrap(), *time);
        }
        assert!(time_text(Time::MAX_UTC).is_err());
        assert!(time_text(Time::MIN_UTC).is_err());
    }
}
