//! The checks, by what they look at.

pub(super) mod alerts;
pub(super) mod config;
pub(super) mod deadlines;
pub(super) mod filters;
pub(super) mod idempotency;
pub(super) mod ids;
pub(super) mod injection;
pub(super) mod logs;
pub(super) mod messages;
pub(super) mod metrics;
pub(super) mod network;
pub(super) mod order;
pub(super) mod paging;
pub(super) mod reads;
pub(super) mod runs;
pub(super) mod secrets;
pub(super) mod statuses;
pub(super) mod times;
pub(super) mod words;
pub(super) mod writes;
