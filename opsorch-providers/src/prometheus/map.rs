//! From the servers' words to the schema's, and back.

pub(super) mod alert;
pub(super) mod matcher;
pub(super) mod metric;
pub(super) mod page;
