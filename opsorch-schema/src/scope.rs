//! The part of the world a query is about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Narrows a query to a service, a team, an environment, or any combination of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Scope {
    /// The service, by the name the provider knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The owning team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The environment, such as `production`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl Scope {
    /// A scope that narrows nothing.
    ///
    /// ```
    /// use opsorch_schema::Scope;
    ///
    /// let scope = Scope::new().service("api").environment("production");
    /// assert_eq!(scope.service.as_deref(), Some("api"));
    /// assert!(scope.team.is_none());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Narrows to a service.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Narrows to a team.
    pub fn team(mut self, team: impl Into<String>) -> Self {
        self.team = Some(team.into());
        self
    }

    /// Narrows to an environment.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Whether this scope narrows nothing.
    pub fn is_empty(&self) -> bool {
        self.service.is_none() && self.team.is_none() && self.environment.is_none()
    }
}
