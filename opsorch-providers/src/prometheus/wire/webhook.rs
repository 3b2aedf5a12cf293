//! What Alertmanager posts to webhooks: version 4 of its message.

use opsorch::Time;
use serde::Deserialize;
use serde_json::Value;

use super::alertmanager::Labels;
use super::field::{lenient, moment};
use crate::notification::Alerts;

/// What every version has.
#[derive(Debug, Deserialize)]
pub(in crate::prometheus) struct Version {
    #[serde(default)]
    pub(in crate::prometheus) version: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct Message {
    #[serde(default)]
    pub(in crate::prometheus) status: String,
    #[serde(default)]
    pub(in crate::prometheus) receiver: String,
    #[serde(default)]
    pub(in crate::prometheus) group_key: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) group_labels: Labels,
    #[serde(default, rename = "externalURL")]
    pub(in crate::prometheus) external_url: String,
    /// How many alerts were left out, because of `max_alerts`.
    #[serde(default)]
    pub(in crate::prometheus) truncated_alerts: u64,
    /// Since 0.33.
    #[serde(default, rename = "notification_reason")]
    pub(in crate::prometheus) notification_reason: Option<String>,
    pub(in crate::prometheus) alerts: Alerts<Alert>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct Alert {
    #[serde(default)]
    pub(in crate::prometheus) status: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) labels: Labels,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) annotations: Labels,
    #[serde(default, deserialize_with = "moment")]
    pub(in crate::prometheus) starts_at: Option<Time>,
    #[serde(default, deserialize_with = "moment")]
    pub(in crate::prometheus) ends_at: Option<Time>,
    #[serde(default, rename = "generatorURL")]
    pub(in crate::prometheus) generator_url: Option<String>,
    #[serde(default)]
    pub(in crate::prometheus) fingerprint: String,
}
