//! The readers.

pub(super) mod alert;
mod conditions;
mod directory;
pub(super) mod incident;
pub(super) mod service;
pub(super) mod team;
pub(super) mod timeline;
mod walk;
