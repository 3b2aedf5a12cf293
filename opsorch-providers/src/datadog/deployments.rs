//! Where deployments are read from: Datadog has them in two places, and neither unless an organization puts them there.

use opsorch::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where deployments are read from.
///
/// ```
/// use opsorch_providers::datadog::DeploymentSource;
///
/// let source: DeploymentSource = serde_json::from_str(r#"{ "events": { "query": "source:argocd" } }"#)?;
/// assert_eq!(source, DeploymentSource::events("source:argocd"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeploymentSource {
    /// From DORA Metrics.
    Dora,
    /// From events: each event that a search finds is a deployment.
    Events(DeploymentEvents),
}

/// Which events are deployments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DeploymentEvents {
    /// The search that finds them, in Datadog's syntax, such as `source:argocd`.
    pub query: String,
    /// The tag that holds what is deployed: `version` by default.
    #[serde(default = "version")]
    pub version_tag: String,
}

fn version() -> String {
    "version".to_owned()
}

impl DeploymentSource {
    /// Each event that this search finds is a deployment; its tag `version` says what is deployed.
    pub fn events(query: impl Into<String>) -> Self {
        Self::Events(DeploymentEvents { query: query.into(), version_tag: version() })
    }

    pub(super) fn check(&self) -> Result<()> {
        let Self::Events(events) = self else { return Ok(()) };
        if events.query.trim().is_empty() {
            let message = "expected a search, such as `source:argocd`; every event would be a deployment";
            return Err(Error::invalid("deployments.events.query", message));
        }
        match super::tags::is_tag_name(&events.version_tag) {
            true => Ok(()),
            false => {
                Err(Error::invalid("deployments.events.version_tag", "expected the name of a tag, such as `version`"))
            }
        }
    }
}
