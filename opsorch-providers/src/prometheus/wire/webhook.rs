//! What Alertmanager posts to webhooks: version 4 of its message.

use std::fmt;

use opsorch::Time;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::alertmanager::Labels;
use super::field::{lenient, moment};

/// How many alerts of a message are read.
pub(in crate::prometheus) const MOST_ALERTS: usize = 10_000;

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
    pub(in crate::prometheus) alerts: Alerts,
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

/// The first alerts of a message. Those beyond the limit are counted and take no memory.
#[derive(Debug, Default)]
pub(in crate::prometheus) struct Alerts {
    pub(in crate::prometheus) first: Vec<Alert>,
    pub(in crate::prometheus) beyond: usize,
}

impl<'de> Deserialize<'de> for Alerts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstAlerts)
    }
}

struct FirstAlerts;

impl<'de> Visitor<'de> for FirstAlerts {
    type Value = Alerts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of alerts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Alerts, A::Error> {
        let mut alerts = Alerts::default();
        while alerts.first.len() < MOST_ALERTS {
            match list.next_element()? {
                Some(alert) => alerts.first.push(alert),
                None => return Ok(alerts),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            alerts.beyond += 1;
        }
        Ok(alerts)
    }
}
