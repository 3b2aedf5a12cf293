//! What tells an item again, on a page that is asked for a second time.

use opsorch_schema::{
    Alert, Deployment, Incident, Item, LogEntry, MetricDescriptor, MetricSeries, Plan, Run, Service, Team, Ticket,
};

/// An item of which is known what tells it from others of its provider.
pub(super) trait Marked: Item {
    /// What does so beside its key and its time, where its key is no id.
    fn mark(&self) -> Vec<u8> {
        Vec::new()
    }
}

macro_rules! told_by_their_key {
    ($($item:ty),+ $(,)?) => { $(impl Marked for $item {})+ };
}
told_by_their_key!(Alert, Deployment, Incident, MetricDescriptor, Plan, Run, Service, Team, Ticket);

/// All series of a metric have its name. Their points change with the span of the query.
impl Marked for MetricSeries {
    fn mark(&self) -> Vec<u8> {
        serde_json::to_vec(&(&self.service, &self.labels)).unwrap_or_default()
    }
}

/// One text is often written by many at the same time.
impl Marked for LogEntry {
    fn mark(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
