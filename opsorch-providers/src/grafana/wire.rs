//! What Grafana posts to the webhook of a contact point.
//! (<https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/>)

use opsorch::signal::labels::Labels;
use opsorch::{Fields, Time};
use serde::Deserialize;

use crate::notification::{Alerts, lenient, moment};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(default)]
    pub(super) receiver: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) org_id: Option<i64>,
    /// Absent where the contact point has a payload of its own.
    pub(super) alerts: Option<Alerts<Alert>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) group_labels: Labels,
    #[serde(default, rename = "externalURL")]
    pub(super) external_url: String,
    #[serde(default)]
    pub(super) group_key: String,
    /// How many alerts were left out, because of the contact point's maximum.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) truncated_alerts: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    #[serde(default)]
    pub(super) status: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) labels: Labels,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) annotations: Labels,
    #[serde(default, deserialize_with = "moment")]
    pub(super) starts_at: Option<Time>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) ends_at: Option<Time>,
    /// What the expressions of the rule had as values, by their letters.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) values: Fields,
    #[serde(default)]
    pub(super) value_string: Option<String>,
    #[serde(default)]
    pub(super) fingerprint: String,
    #[serde(default, rename = "generatorURL")]
    pub(super) generator_url: Option<String>,
    #[serde(default, rename = "silenceURL")]
    pub(super) silence_url: Option<String>,
    #[serde(default, rename = "dashboardURL")]
    pub(super) dashboard_url: Option<String>,
    #[serde(default, rename = "panelURL")]
    pub(super) panel_url: Option<String>,
    #[serde(default, rename = "imageURL")]
    pub(super) image_url: Option<String>,
}
