//! The kind `datadog`, against an organization in memory that answers as Datadog does.

// Answers are read by index; one that is not there fails the test. Tables of cases hold functions.
#![allow(clippy::indexing_slicing, clippy::type_complexity)]

mod alerts;
mod config;
mod contract;
mod deployments;
mod described;
mod desk;
mod errors;
mod health;
mod incidents;
mod logs;
mod metrics;
mod services;
mod silences;
mod teams;
mod webhook;

#[path = "../simulated"]
mod simulated {
    pub(super) mod datadog;
}

use opsorch::{ErrorKind, Result};

/// Asserts that something was refused because it cannot be honoured, and that the refusal names it.
#[track_caller]
fn assert_unsupported<T>(result: Result<T>, names: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{names}` was ignored"));
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(names), "{error}");
    assert!(!error.may_have_applied(), "{error}");
}

#[track_caller]
fn assert_invalid<T>(result: Result<T>, field: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{field}` was accepted"));
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
    assert!(!error.may_have_applied(), "{error}");
}
