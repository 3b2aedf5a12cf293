//! Tests of the control plane over the Model Context Protocol, in one binary.
#![allow(missing_docs, unreachable_pub)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod access;
mod approvals;
mod budget;
mod hostile;
mod official;
mod protocol;
mod resources;
mod same;
mod samples;
mod support;
mod tools;
