//! Points in time.

/// A point in time: always UTC, RFC 3339 with `Z` on the wire.
///
/// Input with another offset is accepted and converted. A time that a vendor did not give is an absent
/// `Option<Time>`, never a made-up one.
pub type Time = chrono::DateTime<chrono::Utc>;
