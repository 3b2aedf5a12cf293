//! Runs of workflows, as deployments.

use opsorch::{Deployment, DeploymentStatus, DeploymentStatusLevel};

use super::web_address;
use crate::github::repository::{Repositories, Repository};
use crate::github::wire::{self, put};

/// What a status means before a run is completed.
const STATUSES: &[(&str, DeploymentStatusLevel)] = &[
    ("queued", DeploymentStatusLevel::Queued),
    ("requested", DeploymentStatusLevel::Queued),
    ("waiting", DeploymentStatusLevel::Queued),
    ("pending", DeploymentStatusLevel::Queued),
    ("in_progress", DeploymentStatusLevel::Running),
];

/// What a conclusion means after it. `neutral` and `stale` say neither that it worked nor that it did not.
const CONCLUSIONS: &[(&str, DeploymentStatusLevel)] = &[
    ("success", DeploymentStatusLevel::Success),
    ("failure", DeploymentStatusLevel::Failed),
    ("timed_out", DeploymentStatusLevel::Failed),
    ("startup_failure", DeploymentStatusLevel::Failed),
    ("action_required", DeploymentStatusLevel::Failed),
    ("cancelled", DeploymentStatusLevel::Cancelled),
    ("skipped", DeploymentStatusLevel::Cancelled),
];

/// The environments whose names are looked for in the names of workflows and branches; the longer of two first, so that
/// `production` is not taken for `prod`.
const ENVIRONMENTS: [&str; 8] = ["production", "development", "staging", "testing", "stage", "prod", "test", "dev"];

/// How many digits of a commit are its version.
const SHORT: usize = 7;

/// The status of a run, and GitHub's own word for it: the conclusion, once there is one.
pub(in crate::github) fn status_of(run: &wire::WorkflowRun) -> (DeploymentStatus, Option<String>) {
    let (word, table) = match (&run.status, &run.conclusion) {
        (_, Some(conclusion)) => (conclusion, CONCLUSIONS),
        (Some(status), None) => (status, STATUSES),
        (None, None) => return (DeploymentStatusLevel::Queued.into(), None),
    };
    let known = table.iter().find(|(known, _)| known == word).map(|(_, level)| (*level).into());
    (known.unwrap_or_else(|| word.as_str().into()), Some(word.clone()))
}

/// The short form of a commit.
pub(in crate::github) fn version(run: &wire::WorkflowRun) -> &str {
    run.head_sha.get(..SHORT).unwrap_or(&run.head_sha)
}

/// The environment that the name of the workflow, or else of the branch, holds as a word. GitHub does not say which one a
/// run deploys to, if any; where neither name has one, none is guessed.
pub(in crate::github) fn environment(run: &wire::WorkflowRun) -> Option<&'static str> {
    [run.name.as_deref(), run.head_branch.as_deref()].into_iter().flatten().find_map(|name| {
        let words: Vec<_> = name.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase).collect();
        ENVIRONMENTS.into_iter().find(|known| words.iter().any(|word| word == known))
    })
}

pub(in crate::github) fn deployment(
    repositories: &Repositories,
    repository: &Repository,
    run: wire::WorkflowRun,
) -> Deployment {
    let (status, raw) = status_of(&run);
    let has_ended = run.conclusion.is_some() || run.status.as_deref() == Some("completed");
    let mut mapped = Deployment::new(repositories.id(repository, run.id), status)
        .service(repositories.service(repository))
        .version(version(&run))
        .started_at(run.created_at);
    mapped.status_raw = raw;
    mapped.environment = environment(&run).map(str::to_owned);
    mapped.finished_at = run.updated_at.filter(|_| has_ended);
    mapped.url = web_address(run.html_url.as_deref());
    put(&mut mapped.actor, "login", run.actor.map(|user| user.login));
    put(&mut mapped.actor, "triggered_by", run.triggering_actor.map(|user| user.login));
    let fields = &mut mapped.fields;
    put(fields, "workflow_name", run.name);
    put(fields, "title", run.display_title);
    put(fields, "branch", run.head_branch);
    put(fields, "commit", Some(run.head_sha));
    put(fields, "commit_message", run.head_commit.and_then(|commit| commit.message));
    put(fields, "event", run.event);
    put(fields, "run_number", run.run_number);
    put(fields, "run_attempt", run.run_attempt);
    put(&mut mapped.metadata, "repository", Some(repository.to_string()));
    mapped
}
