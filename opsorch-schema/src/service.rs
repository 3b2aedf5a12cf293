//! The catalogue of services.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{null_as_default, optional_url};
use crate::{Cursor, Fields, ProviderName, Scope, ServiceId};

/// Something that runs and that somebody is responsible for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// What it is tagged with.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What the provider says about the item itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl Service {
    /// A service with a name.
    pub fn new(id: impl Into<ServiceId>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            url: None,
            tags: BTreeMap::new(),
            metadata: Fields::new(),
            provider: None,
        }
    }

    setters! {
        some url: Url;
        entry tags as tag: String;
        entry metadata as metadata: Value;
    }
}

item!(Service { key: id, url: url });

/// Which services to find. All conditions must hold; of the ids one is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceQuery {
    /// Any of these ids; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<ServiceId>,
    /// The name, or a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tags it must have.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl ServiceQuery {
    /// All services.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        each ids as id: ServiceId;
        some name: String;
        entry tags as tag: String;
        page;
        scope;
        entry metadata as metadata: Value;
    }
}
