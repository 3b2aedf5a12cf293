//! The writers.

mod fields;
pub(super) mod incident;
pub(super) mod silence;
