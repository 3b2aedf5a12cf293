//! Which labels hold what a scope narrows to.

use opsorch::{Error, Result, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::promql::NAME;

/// The names of the labels that hold service, team and environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ScopeLabels {
    /// The label that holds the service: `service` by default.
    pub service: String,
    /// The label that holds the team: `team` by default.
    pub team: String,
    /// The label that holds the environment: `env` by default.
    pub environment: String,
}

impl Default for ScopeLabels {
    fn default() -> Self {
        Self { service: "service".to_owned(), team: "team".to_owned(), environment: "env".to_owned() }
    }
}

impl ScopeLabels {
    /// The labels that a scope asks for, each with the value it must have.
    ///
    /// # Errors
    /// `Invalid` for an empty value: to Prometheus it would mean a series without the label.
    pub(super) fn wanted<'a>(&'a self, scope: &'a Scope) -> Result<Vec<(&'a str, &'a str)>> {
        let parts = [
            ("service", &self.service, &scope.service),
            ("team", &self.team, &scope.team),
            ("environment", &self.environment, &scope.environment),
        ];
        let mut wanted = Vec::new();
        for (part, label, value) in parts {
            match value.as_deref() {
                Some("") => {
                    let message = "expected a name, got an empty one; leave it out to see all";
                    return Err(Error::invalid(format!("scope.{part}"), message));
                }
                Some(value) => wanted.push((label.as_str(), value)),
                None => {}
            }
        }
        Ok(wanted)
    }

    pub(super) fn check(&self) -> Result<()> {
        let parts = [("service", &self.service), ("team", &self.team), ("environment", &self.environment)];
        match parts.into_iter().find(|(_, label)| label.trim().is_empty() || *label == NAME) {
            Some((part, label)) => {
                let message = format!("expected the name of a label, got `{label}`");
                Err(Error::invalid(format!("labels.{part}"), message))
            }
            None => Ok(()),
        }
    }
}
