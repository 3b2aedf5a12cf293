//! GitHub's deployments and their statuses.

use opsorch::{Deployment, DeploymentStatus, DeploymentStatusLevel};
use serde_json::{Value, json};

use super::web_address;
use crate::github::repository::{Repositories, Repository};
use crate::github::wire::{self, put};

/// The state of a deployment after which a newer one took its place.
const INACTIVE: &str = "inactive";

/// What a state means, and whether a deployment has ended with it.
const STATES: &[(&str, DeploymentStatusLevel, bool)] = &[
    ("queued", DeploymentStatusLevel::Queued, false),
    ("pending", DeploymentStatusLevel::Queued, false),
    ("in_progress", DeploymentStatusLevel::Running, false),
    ("success", DeploymentStatusLevel::Success, true),
    ("failure", DeploymentStatusLevel::Failed, true),
    ("error", DeploymentStatusLevel::Failed, true),
];

/// The state that a status means; `None` for what GitHub has no state for, such as a cancelled deployment.
pub(in crate::github) fn state_of(status: &DeploymentStatus) -> Option<&'static str> {
    let words = STATES.iter().map(|(state, ..)| *state).chain([INACTIVE]);
    if let Some(state) = words.clone().find(|state| *state == status.as_str()) {
        return Some(state);
    }
    let level = status.level();
    STATES.iter().find(|(_, known, _)| *known == level).map(|(state, ..)| *state)
}

/// What is kept in the payload of a deployment that was recorded here.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(in crate::github) struct Note {
    /// The idempotency key of the change.
    pub(in crate::github) key: String,
    /// The version, where it is not what `ref` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::github) version: Option<String>,
}

impl Note {
    pub(in crate::github) fn to_payload(&self) -> Value {
        json!({ "opsorch": self })
    }

    /// The note in a payload. GitHub has payloads as objects and, of old, as texts that hold one.
    pub(in crate::github) fn of(payload: &Value) -> Option<Self> {
        let parsed: Value;
        let payload = match payload.as_str() {
            Some(text) => {
                parsed = serde_json::from_str(text).ok()?;
                &parsed
            }
            None => payload,
        };
        serde_json::from_value(payload.get("opsorch")?.clone()).ok()
    }
}

/// A deployment with what was last said of it. A deployment of which nothing was said yet waits.
///
/// That a newer one took its place does not change how it ended: then the status before counts.
pub(in crate::github) fn deployment(
    repositories: &Repositories,
    repository: &Repository,
    deployment: wire::Deployment,
    mut statuses: Vec<wire::DeploymentStatus>,
) -> Deployment {
    // GitHub lists the newest first, but does not promise it.
    statuses.sort_by_key(|status| std::cmp::Reverse((status.created_at, status.id)));
    let newest = statuses.first();
    let telling = statuses.iter().find(|status| status.state != INACTIVE).or(newest);
    let known = telling.and_then(|status| STATES.iter().find(|(state, ..)| *state == status.state));
    let status = match (telling, known) {
        (None, _) => DeploymentStatusLevel::Queued.into(),
        (_, Some((_, level, _))) => DeploymentStatus::from(*level),
        (Some(status), None) => DeploymentStatus::from(status.state.as_str()),
    };

    let mut mapped = Deployment::new(repositories.id(repository, deployment.id), status)
        .service(repositories.service(repository))
        .environment(deployment.environment)
        .started_at(deployment.created_at);
    mapped.status_raw = newest.map(|status| status.state.clone());
    mapped.version = Note::of(&deployment.payload).and_then(|note| note.version).or(Some(deployment.reference.clone()));
    mapped.finished_at =
        telling.filter(|_| known.is_some_and(|(_, _, has_ended)| *has_ended)).map(|status| status.created_at);
    let log = telling.and_then(|status| {
        web_address(status.log_url.as_deref()).or_else(|| web_address(status.target_url.as_deref()))
    });
    mapped.url = log.or_else(|| Some(repositories.page(repository, &["deployments"])));
    put(&mut mapped.actor, "login", deployment.creator.map(|user| user.login));
    let fields = &mut mapped.fields;
    put(fields, "ref", Some(deployment.reference));
    put(fields, "sha", Some(deployment.sha));
    put(fields, "task", deployment.task);
    put(fields, "description", deployment.description.filter(|text| !text.is_empty()));
    put(
        fields,
        "status_description",
        newest.and_then(|status| status.description.clone()).filter(|text| !text.is_empty()),
    );
    put(
        fields,
        "environment_url",
        newest.and_then(|status| status.environment_url.clone()).filter(|url| !url.is_empty()),
    );
    put(&mut mapped.metadata, "repository", Some(repository.to_string()));
    mapped
}
