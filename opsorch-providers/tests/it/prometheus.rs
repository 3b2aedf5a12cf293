//! The kind `prometheus`, against servers that answer as Prometheus and Alertmanager do.

// Answers are read by index; one that is not there fails the test.
#![allow(clippy::indexing_slicing)]

mod alertmanager;
mod alerts;
mod config;
mod describe;
mod errors;
mod expressions;
mod health;
mod rules;
mod series;
mod server;
mod silences;
mod spans;
mod webhook;

#[path = "../simulated"]
mod simulated {
    pub(super) mod prometheus;
}

use opsorch::{ErrorKind, Result};

/// Asserts that a query was refused because a filter cannot be honoured, and that the refusal names it.
#[track_caller]
fn assert_unsupported<T>(result: Result<T>, field: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{field}` was ignored"));
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(field), "{error}");
}

#[track_caller]
fn assert_invalid<T>(result: Result<T>, field: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{field}` was accepted"));
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
}
