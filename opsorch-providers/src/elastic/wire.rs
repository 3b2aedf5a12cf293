//! The JSON of Elasticsearch and OpenSearch, as they send it. Nothing here leaves the folder.

use std::collections::BTreeMap;
use std::fmt;

use opsorch::visible;
use serde::Deserialize;
use serde_json::Value;

use super::api::Distribution;
use super::fields::OneOrMany;

mod entry;
mod hits;
mod names;

pub(super) use self::hits::{Answer, read};
pub(super) use self::names::Names;

/// `GET /`.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    version: Version,
    #[serde(default)]
    tagline: String,
}

#[derive(Debug, Deserialize)]
struct Version {
    number: String,
    distribution: Option<String>,
}

impl Info {
    /// Elasticsearch does not name itself here; both have a tagline, OpenSearch also where it claims to be 7.10.
    pub(super) fn distribution(&self) -> Option<Distribution> {
        match self.version.distribution.as_deref() {
            Some("opensearch") => Some(Distribution::OpenSearch),
            _ if self.tagline.contains("OpenSearch") => Some(Distribution::OpenSearch),
            None if self.tagline.contains("You Know, for Search") => Some(Distribution::Elasticsearch),
            _ => None,
        }
    }

    pub(super) fn version(&self) -> &str {
        &self.version.number
    }
}

/// `_field_caps`: which fields there are, and of which types.
#[derive(Debug, Deserialize)]
pub(super) struct FieldCaps {
    #[serde(default, deserialize_with = "OneOrMany::read")]
    pub(super) indices: Vec<String>,
    pub(super) fields: BTreeMap<String, BTreeMap<String, Capability>>,
}

/// What can be done with a field of one type.
#[derive(Debug, Deserialize)]
pub(super) struct Capability {
    #[serde(default)]
    pub(super) searchable: bool,
    /// The indices in which it has this type, where it has others elsewhere.
    #[serde(default)]
    indices: Option<OneOrMany<String>>,
}

impl Capability {
    pub(super) fn indices(&self) -> Option<Vec<String>> {
        self.indices.as_ref().map(|indices| match indices {
            OneOrMany::One(index) => vec![index.clone()],
            OneOrMany::Many(indices) => indices.clone(),
        })
    }
}

/// A point in time that was opened: `id` of Elasticsearch, `pit_id` of OpenSearch.
#[derive(Debug, Deserialize)]
pub(super) struct Opened {
    #[serde(alias = "pit_id")]
    pub(super) id: String,
    #[serde(default, rename = "_shards")]
    pub(super) shards: Shards,
}

/// How many shards answered.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Shards {
    pub(super) failed: u64,
    pub(super) failures: Vec<ShardFailure>,
}

/// A shard that did not answer.
#[derive(Debug, Deserialize)]
pub(super) struct ShardFailure {
    #[serde(default)]
    pub(super) index: Option<String>,
    #[serde(default)]
    pub(super) shard: Option<i64>,
    #[serde(default)]
    reason: Value,
}

impl ShardFailure {
    pub(super) fn failure(&self) -> Failure {
        Failure::from_error(&self.reason)
    }
}

/// The clusters that a search across clusters asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Clusters {
    pub(super) skipped: u64,
    pub(super) details: BTreeMap<String, ClusterDetails>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ClusterDetails {
    /// `successful`, `partial`, `skipped`, `failed` or `running`.
    #[serde(default)]
    pub(super) status: String,
}

/// What a refusal says.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// The types of the error and of its causes, the innermost last.
    pub(super) types: Vec<String>,
    /// What they say, as far as it is about the request.
    reasons: Vec<String>,
}

/// How many causes are followed.
const DEEPEST: usize = 8;

/// The error that only says that there is one.
const WRAPPER: &str = "search_phase_execution_exception";

impl Failure {
    /// Reads the body of a refusal: `error` is an object, or a text. What is neither says nothing.
    pub(super) fn of(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Value,
        }
        serde_json::from_slice(body).map_or_else(|_| Self::default(), |Body { error }| Self::from_error(&error))
    }

    fn from_error(error: &Value) -> Self {
        if let Some(reason) = error.as_str() {
            return Self { types: Vec::new(), reasons: vec![reason.to_owned()] };
        }
        let mut found = Self::default();
        let mut next = Some(error);
        for _ in 0..DEEPEST {
            let Some(error) = next else { break };
            let kind = text(error, "type");
            if kind.as_deref() != Some(WRAPPER) {
                found.reasons.extend(text(error, "reason"));
            }
            found.types.extend(kind);
            let first = |list: &str| error.get(list).and_then(|causes| causes.get(0));
            let shard = first("failed_shards").and_then(|shard| shard.get("reason"));
            let is_cause =
                |cause: &&Value| text(cause, "type") != text(error, "type") || cause.get("caused_by").is_some();
            next = shard.or_else(|| error.get("caused_by")).or_else(|| first("root_cause").filter(is_cause));
        }
        found
    }

    /// What it says, where it says anything.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reasons.first().map(String::as_str)
    }
}

fn text(error: &Value, name: &str) -> Option<String> {
    error.get(name)?.as_str().map(str::to_owned)
}

/// The error, and its innermost cause where that says more.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(kind) = self.types.iter().find(|kind| *kind != WRAPPER) {
            write!(f, "{}: ", visible(kind))?;
        }
        let outer = self.reason().unwrap_or_default();
        f.write_str(&visible(outer))?;
        match self.reasons.last() {
            Some(inner) if !outer.contains(inner.as_str()) => write!(f, ": {}", visible(inner)),
            _ => Ok(()),
        }
    }
}
