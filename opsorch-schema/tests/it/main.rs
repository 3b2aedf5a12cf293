//! The schema, through its public API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod call;
mod golden;
mod metric;
mod sample;
mod word;
