//! Secret stores through the public API, in one binary.
#![allow(missing_docs, unreachable_pub)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[cfg(feature = "reqwest")]
mod aws_kms;
mod contract;
mod damage;
mod encrypted;
mod files;
mod kms;
mod planes;
#[cfg(feature = "reqwest")]
mod vault;

use std::error::Error as _;

use opsorch::Error;

/// A secret that must never show.
pub const CANARY: &str = "canary-7c4e-hunter2";

/// Everything an error can print, its sources included.
pub fn printed(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    text
}

/// Fails if an error shows the canary, in clear or in base64.
#[track_caller]
pub fn assert_hidden(text: &str) {
    for sign in ["canary", "hunter2", "Y2FuYXJ5"] {
        assert!(!text.contains(sign), "{sign} is seen: {text}");
    }
}
