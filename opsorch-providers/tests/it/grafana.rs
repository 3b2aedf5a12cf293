//! The kind `grafana`.
#![allow(clippy::indexing_slicing)]

mod desk;
mod message;
mod proof;
