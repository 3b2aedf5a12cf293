//! Alertmanager's API v2.

use opsorch::Time;
pub(in crate::prometheus) use opsorch::signal::labels::Labels;
use serde::{Deserialize, Serialize};

use super::discovery::BuildInfo;
use super::field::{at_most, lenient, moment};

/// The most alerts that are read.
const MOST_ALERTS: usize = 50_000;

/// What `GET /api/v2/alerts` answers.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::prometheus) struct Alerts(
    #[serde(deserialize_with = "at_most::<_, _, MOST_ALERTS>")] pub(in crate::prometheus) Vec<Alert>,
);

/// An alert of `GET /api/v2/alerts`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct Alert {
    pub(in crate::prometheus) fingerprint: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) labels: Labels,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) annotations: Labels,
    #[serde(default, deserialize_with = "moment")]
    pub(in crate::prometheus) starts_at: Option<Time>,
    #[serde(default, deserialize_with = "moment")]
    pub(in crate::prometheus) ends_at: Option<Time>,
    #[serde(default, deserialize_with = "moment")]
    pub(in crate::prometheus) updated_at: Option<Time>,
    #[serde(default, rename = "generatorURL")]
    pub(in crate::prometheus) generator_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) receivers: Vec<Receiver>,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) status: AlertStatus,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::prometheus) struct Receiver {
    pub(in crate::prometheus) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::prometheus) struct AlertStatus {
    pub(in crate::prometheus) state: String,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::prometheus) silenced_by: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::prometheus) inhibited_by: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(in crate::prometheus) muted_by: Vec<String>,
}

/// What `POST /api/v2/silences` takes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct PostableSilence {
    pub(in crate::prometheus) matchers: Vec<Matcher>,
    pub(in crate::prometheus) starts_at: Time,
    pub(in crate::prometheus) ends_at: Time,
    pub(in crate::prometheus) created_by: String,
    pub(in crate::prometheus) comment: String,
}

/// What `POST /api/v2/silences` answers.
#[derive(Debug, Deserialize)]
pub(in crate::prometheus) struct PostedSilence {
    #[serde(rename = "silenceID")]
    pub(in crate::prometheus) id: String,
}

/// A silence of `GET /api/v2/silences`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct Silence {
    pub(in crate::prometheus) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::prometheus) matchers: Vec<Matcher>,
    #[serde(default, deserialize_with = "moment")]
    pub(in crate::prometheus) ends_at: Option<Time>,
    #[serde(default)]
    pub(in crate::prometheus) comment: String,
}

impl Silence {
    /// The values that it names for labels.
    pub(in crate::prometheus) fn labels(&self) -> Labels {
        let exact = self.matchers.iter().filter(|matcher| matcher.is_exact());
        exact.map(|matcher| (matcher.name.clone(), matcher.value.clone())).collect()
    }
}

/// `GET /api/v2/status`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct Status {
    pub(in crate::prometheus) version_info: BuildInfo,
}

/// Which value a label must have.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::prometheus) struct Matcher {
    pub(in crate::prometheus) name: String,
    pub(in crate::prometheus) value: String,
    pub(in crate::prometheus) is_regex: bool,
    /// Versions before 0.22 know no other.
    #[serde(default = "yes")]
    pub(in crate::prometheus) is_equal: bool,
}

fn yes() -> bool {
    true
}

impl Matcher {
    /// The label must have exactly this value.
    pub(in crate::prometheus) fn equal(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), is_regex: false, is_equal: true }
    }

    /// Whether it names one value.
    pub(in crate::prometheus) fn is_exact(&self) -> bool {
        self.is_equal && !self.is_regex
    }
}
