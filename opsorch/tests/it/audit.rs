//! The provable log: its tree, its checkpoints, and what verifying a bundle finds.

mod checkpoint;
mod tree;
mod verify;
