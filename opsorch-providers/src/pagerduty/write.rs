//! The writers.

pub(super) mod event;
mod fields;
pub(super) mod incident;
pub(super) mod note;
pub(super) mod sender;
