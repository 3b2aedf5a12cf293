//! The providers, through the doors that callers use.

#[cfg(feature = "local")]
mod local;
