//! The rules of Prometheus, with the alerts that they raise.

use opsorch::Time;
use serde::Deserialize;
use serde_json::Value;

use super::alertmanager::Labels;
use super::field::{lenient, moment};

/// The data of `GET /api/v1/rules`.
#[derive(Debug, Default, Deserialize)]
pub(in crate::prometheus) struct Rules {
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
pub(in crate::prometheus) struct Group {
    pub(in crate::prometheus) name: String,
    #[serde(default)]
    pub(in crate::prometheus) file: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) rules: Vec<Rule>,
}

/// A rule. One that records a series has no alerts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct Rule {
    pub(in crate::prometheus) name: String,
    #[serde(default)]
    pub(in crate::prometheus) query: Option<String>,
    /// For how many seconds the condition must hold: `for` in the rule.
    #[serde(default)]
    pub(in crate::prometheus) duration: Option<f64>,
    #[serde(default)]
    pub(in crate::prometheus) keep_firing_for: Option<f64>,
    /// `ok`, `err`, or `unknown` before the first evaluation.
    #[serde(default)]
    pub(in crate::prometheus) health: Option<String>,
    #[serde(default)]
    pub(in crate::prometheus) last_error: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) alerts: Vec<ActiveAlert>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct ActiveAlert {
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) labels: Labels,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) annotations: Labels,
    #[serde(default)]
    pub(in crate::prometheus) state: String,
    #[serde(default, deserialize_with = "moment")]
    pub(in crate::prometheus) active_at: Option<Time>,
    /// Text such as `1e+00`.
    #[serde(default)]
    pub(in crate::prometheus) value: Value,
}
