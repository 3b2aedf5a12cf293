//! The JSON of GitHub, as far as it is read. Nothing here leaves the folder.
//!
//! GitHub adds fields and values without a new version of its API: what is not known is passed over, and words stay words.

use std::fmt;

use opsorch::secret::Secret;
use opsorch::{Fields, Time};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(super) mod webhook;

/// An issue, or a pull request, which GitHub lists among them.
#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) state: String,
    pub(super) state_reason: Option<String>,
    /// Absent where the account is gone.
    pub(super) user: Option<User>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) labels: Vec<Label>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) assignees: Vec<User>,
    pub(super) milestone: Option<Milestone>,
    #[serde(rename = "type")]
    pub(super) kind: Option<Named>,
    pub(super) html_url: Option<String>,
    pub(super) comments: Option<u64>,
    #[serde(default)]
    pub(super) locked: bool,
    pub(super) author_association: Option<String>,
    pub(super) created_at: Time,
    pub(super) updated_at: Option<Time>,
    pub(super) closed_at: Option<Time>,
    pub(super) closed_by: Option<User>,
    pub(super) pull_request: Option<IgnoredAny>,
}

/// What a search answers.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) total_count: u64,
    #[serde(default)]
    pub(super) incomplete_results: bool,
    pub(super) items: Vec<Issue>,
}

/// A label: an object, and in some answers only its name.
#[derive(Debug)]
pub(super) struct Label(Option<String>);

impl Label {
    pub(super) fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub(super) fn into_name(self) -> Option<String> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherLabel)
    }
}

/// Reads either at once. A derived reader would keep the whole object first, to look at it twice.
struct EitherLabel;

impl<'de> Visitor<'de> for EitherLabel {
    type Value = Label;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label or its name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Label, E> {
        Ok(Label(Some(name.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Label, A::Error> {
        #[derive(Deserialize)]
        struct Object {
            name: Option<String>,
        }
        Object::deserialize(MapAccessDeserializer::new(map)).map(|object| Label(object.name))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Milestone {
    pub(super) number: u64,
    pub(super) title: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
}

/// A comment on an issue.
#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) body: Option<String>,
    pub(super) user: Option<User>,
    pub(super) html_url: Option<String>,
    pub(super) created_at: Option<Time>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Deployment {
    pub(super) id: u64,
    pub(super) sha: String,
    #[serde(rename = "ref")]
    pub(super) reference: String,
    pub(super) task: Option<String>,
    pub(super) environment: String,
    pub(super) description: Option<String>,
    pub(super) creator: Option<User>,
    /// An object, a text that may be JSON, or anything.
    #[serde(default)]
    pub(super) payload: Value,
    pub(super) created_at: Time,
}

/// A status of a deployment.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DeploymentStatus {
    pub(super) id: u64,
    pub(super) state: String,
    pub(super) description: Option<String>,
    pub(super) log_url: Option<String>,
    pub(super) target_url: Option<String>,
    pub(super) environment_url: Option<String>,
    pub(super) created_at: Time,
}

#[derive(Debug, Deserialize)]
pub(super) struct WorkflowRuns {
    pub(super) workflow_runs: Vec<WorkflowRun>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WorkflowRun {
    pub(super) id: u64,
    pub(super) name: Option<String>,
    pub(super) display_title: Option<String>,
    pub(super) head_branch: Option<String>,
    pub(super) head_sha: String,
    pub(super) event: Option<String>,
    pub(super) run_number: Option<u64>,
    pub(super) run_attempt: Option<u64>,
    pub(super) status: Option<String>,
    pub(super) conclusion: Option<String>,
    pub(super) html_url: Option<String>,
    pub(super) actor: Option<User>,
    pub(super) triggering_actor: Option<User>,
    pub(super) head_commit: Option<Commit>,
    pub(super) created_at: Time,
    pub(super) updated_at: Option<Time>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    pub(super) message: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Team {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) slug: String,
    pub(super) description: Option<String>,
    pub(super) privacy: Option<String>,
    pub(super) permission: Option<String>,
    pub(super) notification_setting: Option<String>,
    pub(super) html_url: Option<String>,
    pub(super) parent: Option<Parent>,
    pub(super) members_count: Option<u64>,
    pub(super) repos_count: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Parent {
    pub(super) slug: String,
}

/// A member of a team.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub(super) login: String,
    pub(super) id: u64,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) html_url: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// Whether it is a member of a team below this one only.
    pub(super) inherited: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) full_name: String,
    pub(super) description: Option<String>,
    pub(super) html_url: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) topics: Vec<String>,
    pub(super) language: Option<String>,
    pub(super) visibility: Option<String>,
    pub(super) default_branch: Option<String>,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) fork: bool,
    pub(super) has_issues: Option<bool>,
    pub(super) permissions: Option<Permissions>,
}

/// What the credential may do in a repository.
#[derive(Debug, Deserialize)]
pub(super) struct Permissions {
    #[serde(default)]
    pub(super) push: bool,
}

/// The token of an App's installation.
#[derive(Debug, Deserialize)]
pub(super) struct InstallationToken {
    #[serde(deserialize_with = "secret")]
    pub(super) token: Secret,
    pub(super) expires_at: Time,
}

/// Why GitHub refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    #[serde(deserialize_with = "null_as_default")]
    pub(super) message: String,
    errors: Value,
}

/// What is wrong with one field.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) field: Option<String>,
    pub(super) code: Option<String>,
}

impl Failure {
    /// What is wrong with single fields. Some answers have texts, or one text, in their place.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        let problems = self.errors.as_array().into_iter().flatten();
        problems.filter_map(|problem| Problem::deserialize(problem).ok())
    }
}

/// Reads `null` as if the field were absent.
pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Adds what is there.
pub(super) fn put(fields: &mut Fields, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}
