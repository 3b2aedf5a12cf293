//! Tests of the public API, in one binary.
#![allow(missing_docs, unreachable_pub)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod audit;
mod chain;
mod config;
mod digest;
mod doors;
mod fan_out;
mod gate;
mod layers;
mod notify;
mod rules;
mod store;
mod properties;
mod recovery;
mod support;
mod traces;
mod transport;
