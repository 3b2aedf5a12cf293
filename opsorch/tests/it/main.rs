//! Tests of the public API, in one binary.
#![allow(missing_docs, unreachable_pub)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod audit;
mod bad_input;
mod broken_store;
mod canary;
mod chain;
mod config;
mod digest;
mod doors;
mod duplicates;
mod fan_out;
mod faulty_store;
mod forged_grants;
mod fuzz;
mod gate;
mod idempotency;
mod inbound;
mod investigate;
mod layers;
mod moved_pages;
mod notify;
mod properties;
mod recovery;
mod routing;
mod rules;
mod store;
mod support;
mod traces;
mod tracker;
mod transport;
