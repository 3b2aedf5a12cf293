//! Which tags hold what a scope narrows to.

use opsorch::{Error, Result, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The names of the tags that hold service, team and environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ScopeTags {
    /// The tag that holds the service: `service` by default.
    pub service: String,
    /// The tag that holds the team: `team` by default.
    pub team: String,
    /// The tag that holds the environment: `env` by default.
    pub environment: String,
}

impl Default for ScopeTags {
    fn default() -> Self {
        Self { service: "service".to_owned(), team: "team".to_owned(), environment: "env".to_owned() }
    }
}

impl ScopeTags {
    /// The tags that a scope asks for, each with the value it must have.
    ///
    /// # Errors
    /// `Invalid` for an empty value: no tag has one.
    pub(super) fn wanted<'a>(&'a self, scope: &'a Scope) -> Result<Vec<(&'a str, &'a str)>> {
        let parts = [
            ("service", &self.service, &scope.service),
            ("team", &self.team, &scope.team),
            ("environment", &self.environment, &scope.environment),
        ];
        let mut wanted = Vec::new();
        for (part, tag, value) in parts {
            match value.as_deref() {
                Some(value) if value.trim().is_empty() => {
                    let message = "expected a name, got an empty one; leave it out to see all";
                    return Err(Error::invalid(format!("scope.{part}"), message));
                }
                Some(value) => wanted.push((tag.as_str(), value)),
                None => {}
            }
        }
        Ok(wanted)
    }

    pub(super) fn check(&self) -> Result<()> {
        let parts = [("service", &self.service), ("team", &self.team), ("environment", &self.environment)];
        match parts.into_iter().find(|(_, tag)| !is_tag_name(tag)) {
            Some((part, tag)) => {
                let message = format!("expected the name of a tag, such as `{part}`, got `{}`", opsorch::visible(tag));
                Err(Error::invalid(format!("tags.{part}"), message))
            }
            None => Ok(()),
        }
    }
}

/// Whether a text is the name of a tag as Datadog keeps them: a letter, then letters, digits, `_`, `-`, `.` and `/`,
/// 200 at most. (<https://docs.datadoghq.com/getting_started/tagging/#define-tags>)
pub(super) fn is_tag_name(text: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || "_-./".contains(letter);
    text.chars().all(is_part) && text.chars().next().is_some_and(char::is_alphabetic) && text.len() <= 200
}
