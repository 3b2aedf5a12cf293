//! Monitors, the states of their groups, and downtimes.

use std::collections::BTreeMap;

use opsorch::{Fields, Time};
use serde::{Deserialize, Serialize};

use super::resource::lenient;
use crate::datadog::list::Part;

/// `GET /api/v1/monitor`
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::datadog) struct Monitors(Vec<Monitor>);

impl Part for Monitors {
    type Item = Monitor;

    fn items(&self) -> &[Monitor] {
        &self.0
    }

    fn into_items(self) -> Vec<Monitor> {
        self.0
    }
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Monitor {
    pub(in crate::datadog) id: u64,
    #[serde(default)]
    pub(in crate::datadog) name: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) message: Option<String>,
    #[serde(rename = "type", default)]
    pub(in crate::datadog) kind: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) query: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) tags: Vec<String>,
    #[serde(default)]
    pub(in crate::datadog) priority: Option<u8>,
    /// Whether it is split into groups.
    #[serde(default)]
    pub(in crate::datadog) multi: Option<bool>,
    #[serde(default)]
    pub(in crate::datadog) overall_state: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) overall_state_modified: Option<Time>,
    #[serde(default)]
    pub(in crate::datadog) draft_status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) options: Options,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) state: State,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Options {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) thresholds: Fields,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct State {
    /// By the tags of the group, put together with commas.
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) groups: BTreeMap<String, Group>,
}

/// Times are in seconds, and 0 where it never happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Group {
    pub(in crate::datadog) status: Option<String>,
    pub(in crate::datadog) last_triggered_ts: Option<i64>,
    pub(in crate::datadog) last_resolved_ts: Option<i64>,
    pub(in crate::datadog) last_nodata_ts: Option<i64>,
    pub(in crate::datadog) last_notified_ts: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Downtime {
    pub(in crate::datadog) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) attributes: DowntimeAttributes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct DowntimeAttributes {
    pub(in crate::datadog) status: Option<String>,
    pub(in crate::datadog) message: Option<String>,
    pub(in crate::datadog) scope: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) monitor_identifier: MonitorIdentifier,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) schedule: Schedule,
}

/// One of the two.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(in crate::datadog) struct MonitorIdentifier {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::datadog) monitor_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::datadog) monitor_tags: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Schedule {
    pub(in crate::datadog) end: Option<Time>,
}
