//! Deployments of DORA Metrics, and events.

use opsorch::Time;
use serde::Deserialize;

use super::resource::lenient;

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Dora {
    pub(in crate::datadog) id: String,
    pub(in crate::datadog) attributes: DoraAttributes,
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct DoraAttributes {
    pub(in crate::datadog) service: String,
    #[serde(default)]
    pub(in crate::datadog) env: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) team: Option<String>,
    #[serde(default)]
    pub(in crate::datadog) version: Option<String>,
    pub(in crate::datadog) started_at: Time,
    #[serde(default)]
    pub(in crate::datadog) finished_at: Option<Time>,
    #[serde(default)]
    pub(in crate::datadog) git: Option<Git>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) custom_tags: Vec<String>,
    /// Whether it did harm, where somebody has judged that.
    #[serde(default)]
    pub(in crate::datadog) change_failure: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Git {
    pub(in crate::datadog) commit_sha: Option<String>,
    pub(in crate::datadog) repository_id: Option<String>,
}

/// `POST /api/v2/events/search`
#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Events {
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) data: Vec<Event>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) meta: EventsMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct EventsMeta {
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) page: After,
    /// `timeout` where the search was given up.
    pub(in crate::datadog) status: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct After {
    pub(in crate::datadog) after: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::datadog) struct Event {
    pub(in crate::datadog) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::datadog) attributes: EventAttributes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct EventAttributes {
    pub(in crate::datadog) message: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) tags: Vec<String>,
    pub(in crate::datadog) timestamp: Option<Time>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) attributes: EventDetails,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct EventDetails {
    pub(in crate::datadog) title: Option<String>,
    pub(in crate::datadog) status: Option<String>,
    pub(in crate::datadog) service: Option<String>,
    pub(in crate::datadog) source_type_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) tags: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::datadog) evt: Evt,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::datadog) struct Evt {
    /// The number that the page of an event has.
    pub(in crate::datadog) id: Option<String>,
}
