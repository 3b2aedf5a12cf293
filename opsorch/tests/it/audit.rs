//! The provable log: its tree, its checkpoints, and what verifying a bundle finds.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

mod anchor;
mod checkpoint;
mod export;
mod keys;
mod tampered;
mod tree;
mod verify;
mod writer;
