//! The provable log: its tree, its checkpoints, and what verifying a bundle finds.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

mod checkpoint;
mod tree;
mod verify;
