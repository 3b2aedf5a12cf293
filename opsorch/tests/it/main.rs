//! Tests of the public API, in one binary.
#![allow(missing_docs)]

mod audit;
mod transport;
