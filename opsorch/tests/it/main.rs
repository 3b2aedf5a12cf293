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
mod fan_out;
mod faulty_store;
mod forged_grants;
mod gate;
mod layers;
mod notify;
mod rules;
mod store;
mod properties;
mod recovery;
mod support;
mod tracker;
mod traces;
mod transport;
