//! How fields are read that Go writes in its own way.

use opsorch::Time;
use serde::{Deserialize, Deserializer};

/// Reads `null`, which Go writes for a list or a map that was never made, as if the field were absent.
pub(in crate::prometheus) fn lenient<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a time; `0001-01-01T00:00:00Z`, which Go writes for a time that was never set, is none.
pub(in crate::prometheus) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    /// The first second of the year 1, in seconds since 1970.
    const NEVER: i64 = -62_135_596_800;
    let time = Option::<Time>::deserialize(deserializer)?;
    Ok(time.filter(|time| time.timestamp() != NEVER))
}
