//! Tests of the public API, in one binary.
#![allow(missing_docs)]

mod audit;
mod chain;
mod config;
mod digest;
mod gate;
mod rules;
mod support;
mod transport;
