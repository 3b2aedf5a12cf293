//! What there is: names, their meaning, and the server's own version.

use std::collections::HashMap;

use serde::Deserialize;

/// `/api/v1/label/__name__/values`.
pub(in crate::prometheus) type Names = Vec<String>;

/// `/api/v1/metadata`: what the targets say of a metric, by the name of its family. Targets may disagree.
pub(in crate::prometheus) type Metadata = HashMap<String, Vec<Meaning>>;

#[derive(Debug, PartialEq, Deserialize)]
pub(in crate::prometheus) struct Meaning {
    #[serde(rename = "type", default)]
    pub(in crate::prometheus) kind: String,
    #[serde(default)]
    pub(in crate::prometheus) help: String,
    #[serde(default)]
    pub(in crate::prometheus) unit: String,
}

/// `/api/v1/status/buildinfo`, and `versionInfo` of Alertmanager's status.
#[derive(Debug, Default, Deserialize)]
pub(in crate::prometheus) struct BuildInfo {
    pub(in crate::prometheus) version: String,
}
