//! The readers.

pub(super) mod alert;
pub(super) mod metric;
