//! The kind `github`, against a GitHub that answers as the real one does.

// Answers are read by index; one that is not there fails the test.
#![allow(clippy::indexing_slicing)]

mod app;
mod cache;
mod catalog;
mod changes;
mod config;
mod contract;
mod deployments;
mod desk;
mod health;
mod lost;
mod refusals;
mod runs;
mod search;
mod tickets;
mod walks;
mod webhook;

#[path = "../simulated"]
mod simulated {
    pub(super) mod github;
}

use opsorch::{ErrorKind, Result};

#[track_caller]
fn assert_kind<T>(result: Result<T>, kind: ErrorKind, says: &str) {
    let error = result.err().unwrap_or_else(|| panic!("expected {kind:?}"));
    assert_eq!(*error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[track_caller]
fn assert_invalid<T>(result: Result<T>, field: &str) {
    assert_kind(result, ErrorKind::Invalid { field: field.into() }, "");
}

#[track_caller]
fn assert_unsupported<T>(result: Result<T>, says: &str) {
    assert_kind(result, ErrorKind::Unsupported, says);
}
