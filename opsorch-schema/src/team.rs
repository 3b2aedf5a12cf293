//! Teams and the people in them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{null_as_default, optional_url};
use crate::{Cursor, Fields, MemberId, ProviderName, Scope, TeamId};

/// People who own things together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// The team above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TeamId>,
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

impl Team {
    /// A team with a name.
    pub fn new(id: impl Into<TeamId>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            parent: None,
            url: None,
            tags: BTreeMap::new(),
            metadata: Fields::new(),
            provider: None,
        }
    }

    setters! {
        some parent: TeamId;
        some url: Url;
        entry tags as tag: String;
        entry metadata as metadata: Value;
    }
}

item!(Team { key: id, url: url });

/// Which teams to find. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct TeamQuery {
    /// The name, or a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tags it must have.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl TeamQuery {
    /// All teams.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        some name: String;
        entry tags as tag: String;
        scope;
        page;
        entry metadata as metadata: Value;
    }
}

/// A person in a team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TeamMember {
    /// The person's id.
    pub id: MemberId,
    /// The person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The person's address for mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name the person goes by in the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// What the person is in the team: `owner`, `manager`, `member`, `oncall`, or the provider's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What the provider says about the item itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl TeamMember {
    /// A person by the id.
    pub fn new(id: impl Into<MemberId>) -> Self {
        Self {
            id: id.into(),
            name: None,
            email: None,
            handle: None,
            role: None,
            metadata: Fields::new(),
            provider: None,
        }
    }

    setters! {
        some name: String;
        some email: String;
        some handle: String;
        some role: String;
        entry metadata as metadata: Value;
    }
}

item!(TeamMember { key: id });
