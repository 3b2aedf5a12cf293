//! The kind `jira`, against a server that answers as Jira does.

// Answers are read by index; one that is not there fails the test.
#![allow(clippy::indexing_slicing)]

mod config;
mod contract;
mod desk;
mod errors;
mod health;
mod search;
mod statuses;
mod texts;
mod webhook;
mod writes;

#[path = "../simulated"]
mod simulated {
    pub(super) mod jira;
}

use opsorch::{ErrorKind, Result};

/// Asserts that something was refused because of a field, and answers what was said.
#[track_caller]
fn assert_invalid<T>(result: Result<T>, field: &str) -> String {
    let error = result.err().unwrap_or_else(|| panic!("`{field}` was accepted"));
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
    assert!(!error.may_have_applied());
    error.to_string()
}
