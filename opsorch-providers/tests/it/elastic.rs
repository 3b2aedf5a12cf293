//! The kind `elastic`, against a cluster in memory that answers as Elasticsearch and OpenSearch do.

// Answers are read by index; one that is not there fails the test.
#![allow(clippy::indexing_slicing, clippy::cast_possible_wrap)]

mod conditions;
mod config;
mod contract;
mod desk;
mod errors;
mod health;
mod layouts;
mod links;
mod nodes;
mod paging;
mod partial;
mod texts;

#[path = "../simulated"]
mod simulated {
    pub(super) mod elastic;
}

use opsorch::{ErrorKind, Result};

#[track_caller]
fn assert_unsupported<T>(result: Result<T>, what: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{what}` was ignored"));
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains(what), "{error}");
}

#[track_caller]
fn assert_invalid<T>(result: Result<T>, field: &str) {
    let error = result.err().unwrap_or_else(|| panic!("`{field}` was accepted"));
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
}
