//! Deployments.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{null_as_default, optional_time, optional_url};
use crate::{Cursor, DeploymentId, DeploymentStatus, Fields, ProviderName, Scope, Time};

/// A version on its way to an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// The service that is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Where it goes, such as `production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How far it is.
    pub status: DeploymentStatus,
    /// When it started.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended; absent while it goes on.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// Who started it, as far as the provider says.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub actor: Fields,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What the provider says about the item itself, such as other ids it has.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The vendor's own word for the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_raw: Option<String>,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl Deployment {
    /// A deployment with what every deployment has.
    pub fn new(id: impl Into<DeploymentId>, status: impl Into<DeploymentStatus>) -> Self {
        Self {
            id: id.into(),
            service: None,
            environment: None,
            version: None,
            status: status.into(),
            started_at: None,
            finished_at: None,
            url: None,
            actor: Fields::new(),
            fields: Fields::new(),
            metadata: Fields::new(),
            status_raw: None,
            provider: None,
        }
    }

    setters! {
        some service: String;
        some environment: String;
        some version: String;
        some started_at: Time;
        some finished_at: Time;
        some url: Url;
        entry actor as actor: Value;
        entry fields as field: Value;
        entry metadata as metadata: Value;
        some status_raw: String;
    }
}

item!(Deployment { key: id, time: started_at, url: url });

/// Which deployments to find. Conditions of different kinds must all hold; within a list one is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct DeploymentQuery {
    /// Text to search for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Any of these statuses; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<DeploymentStatus>,
    /// Any of these versions; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// Started at this time or later.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Started before this time.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
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

impl DeploymentQuery {
    /// All deployments.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        some query: String;
        each statuses as status: DeploymentStatus;
        each versions as version: String;
        scope;
        some since: Time;
        some until: Time;
        page;
        entry metadata as metadata: Value;
    }
}

/// A deployment to write down: something else makes it, such as a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RecordDeployment {
    /// The service that is deployed.
    pub service: String,
    /// Where it goes, such as `production`.
    pub environment: String,
    /// What is deployed.
    pub version: String,
    /// How far it is.
    pub status: DeploymentStatus,
    /// When it started; absent for now.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended; absent while it goes on.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl RecordDeployment {
    /// A version of a service in an environment.
    ///
    /// ```
    /// use opsorch_schema::{DeploymentStatusLevel, RecordDeployment};
    ///
    /// let record = RecordDeployment::new("api", "production", "v1.4.2", DeploymentStatusLevel::Success);
    /// assert_eq!(record.version, "v1.4.2");
    /// ```
    pub fn new(
        service: impl Into<String>,
        environment: impl Into<String>,
        version: impl Into<String>,
        status: impl Into<DeploymentStatus>,
    ) -> Self {
        Self {
            service: service.into(),
            environment: environment.into(),
            version: version.into(),
            status: status.into(),
            started_at: None,
            finished_at: None,
            url: None,
            fields: Fields::new(),
            metadata: Fields::new(),
        }
    }

    setters! {
        some started_at: Time;
        some finished_at: Time;
        some url: Url;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}
