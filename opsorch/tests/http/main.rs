//! Tests of the control plane over HTTP, in one binary.
#![allow(missing_docs, unreachable_pub)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod approvals;
mod audit;
mod auth;
mod browser;
mod configure;
mod events;
mod health;
mod hooks;
mod jwt;
mod limits;
mod matrix;
mod metrics;
mod observed;
mod openapi;
mod server;
mod support;
mod v1;
mod wire;
mod wire_bodies;
mod wire_providers;
mod wire_routes;
