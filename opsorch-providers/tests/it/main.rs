//! The providers, through the doors that callers use.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

#[cfg(feature = "local")]
mod local;
#[cfg(feature = "prometheus")]
mod prometheus;
