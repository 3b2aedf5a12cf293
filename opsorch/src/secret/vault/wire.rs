//! Vault's JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The newest version of an entry.
#[derive(Deserialize)]
#[serde(from = "Entry")]
pub(super) struct Version {
    /// Absent where there is no such entry, or where the version was deleted.
    pub(super) data: Option<Map<String, Value>>,
    /// 0 where there is no such entry.
    pub(super) version: u64,
}

impl Version {
    pub(super) fn gone(described: Option<Versioned>) -> Self {
        Self { data: None, version: described.map_or(0, |described| described.metadata.version) }
    }
}

impl From<Entry> for Version {
    fn from(entry: Entry) -> Self {
        Self { data: entry.data.data, version: entry.data.metadata.version }
    }
}

#[derive(Deserialize)]
struct Entry {
    data: Versioned,
}

#[derive(Deserialize)]
pub(super) struct Versioned {
    data: Option<Map<String, Value>>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

#[derive(Serialize)]
pub(super) struct Put {
    pub(super) options: Options,
    pub(super) data: Map<String, Value>,
}

#[derive(Serialize)]
pub(super) struct Options {
    pub(super) cas: u64,
}

#[derive(Deserialize)]
pub(super) struct Listing {
    pub(super) data: Keys,
}

#[derive(Deserialize)]
pub(super) struct Keys {
    pub(super) keys: Vec<String>,
}

/// A refusal; one of an entry whose newest version was deleted says which that is.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    pub(super) errors: Vec<String>,
    pub(super) data: Option<Versioned>,
}

/// What a login and a renewal answer.
#[derive(Deserialize)]
pub(super) struct Granted {
    pub(super) auth: Grant,
}

#[derive(Deserialize)]
pub(super) struct Grant {
    pub(super) client_token: String,
    /// In seconds; 0 for a token that does not end.
    pub(super) lease_duration: u64,
    pub(super) renewable: bool,
}

/// What a token says of itself.
#[derive(Deserialize)]
pub(super) struct Looked {
    pub(super) data: Token,
}

#[derive(Deserialize)]
pub(super) struct Token {
    /// In seconds; 0 for a token that does not end.
    pub(super) ttl: u64,
    #[serde(default)]
    pub(super) renewable: bool,
}
