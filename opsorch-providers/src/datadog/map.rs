//! From the words of Datadog to those of the schema, and back.

pub(super) mod alert;
pub(super) mod deployment;
pub(super) mod incident;
pub(super) mod log;
pub(super) mod metric;
pub(super) mod service;
pub(super) mod team;
pub(super) mod webhook;
