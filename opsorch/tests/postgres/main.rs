//! Tests of the store in PostgreSQL. They need one: run them under `.ci/postgres`.
#![allow(missing_docs, unreachable_pub)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod attack;
mod place;
mod processes;
mod proxy;
mod store;
mod suite;
#[allow(dead_code)]
#[path = "../it/support.rs"]
mod support;
