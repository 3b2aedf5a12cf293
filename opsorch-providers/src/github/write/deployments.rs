//! Records deployments that something else makes.

use async_trait::async_trait;
use opsorch::capability::DeploymentRecorder;
use opsorch::gate::Approved;
use opsorch::transport::Method;
use opsorch::{Context, Deployment, Error, ErrorKind, RecordDeployment, Result};
use serde::Serialize;
use serde_json::Value;

use super::{Writer, refuse_but};
use crate::github::map::deployment::{Note, state_of};
use crate::github::repository::Repository;
use crate::github::wire;

/// The fields of an input that GitHub has a place for.
const FIELDS: [&str; 3] = ["description", "ref", "task"];

/// A deployment to make. It never merges the default branch into what is deployed, and it waits for no checks: what is
/// recorded has happened.
#[derive(Debug, Serialize)]
struct NewDeployment<'a> {
    #[serde(rename = "ref")]
    reference: &'a str,
    auto_merge: bool,
    required_contexts: [&'static str; 0],
    environment: &'a str,
    payload: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

/// What is said of a deployment.
#[derive(Debug, Serialize)]
struct NewStatus<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_url: Option<&'a str>,
}

#[async_trait]
impl DeploymentRecorder for Writer {
    /// Two requests: one makes the deployment, the other says how far it is.
    async fn record(&self, cx: &Context, input: Approved<'_, RecordDeployment>) -> Result<Deployment> {
        let state = check(&input)?;
        let repository = self.repository_of(&input.service)?;
        let reference = text(&input, "ref")?.unwrap_or(&input.version);
        let version = (reference != input.version).then(|| input.version.clone());
        let new = NewDeployment {
            reference,
            auto_merge: false,
            required_contexts: [],
            environment: &input.environment,
            payload: Note { key: input.idempotency_key().to_owned(), version }.to_payload(),
            task: text(&input, "task")?,
            description: text(&input, "description")?,
        };
        let made = self.make(cx, repository, &new).await?;
        let status = NewStatus { state, log_url: input.url.as_ref().map(|url| url.as_str()) };
        match self.say(cx, repository, made.id, &status).await {
            Ok(said) => Ok(self.deployments.mapped(repository, made, vec![said])),
            Err(error) => Err(half_done(repository, made.id, state, error)),
        }
    }
}

impl Writer {
    pub(super) fn repository_of(&self, service: &str) -> Result<&Repository> {
        let repositories = &self.issues.repositories;
        let found = repositories.of_service(Some(service))?;
        found.first().copied().ok_or_else(|| {
            let names: Vec<_> = repositories.iter().map(|it| format!("`{}`", repositories.service(it))).collect();
            Error::not_found(format!("there is no service `{service}` here; there are: {}", names.join(", ")))
        })
    }

    async fn make(&self, cx: &Context, repository: &Repository, new: &NewDeployment<'_>) -> Result<wire::Deployment> {
        let reply = self.issues.api.send(cx, Method::POST, repository.path(&["deployments"]), new).await?;
        match reply.status.as_u16() {
            202 => {
                let message = "GitHub merged a branch and made no deployment, although it was asked not to merge";
                Err(reply.error(ErrorKind::Unexpected).with_context("hint", message).maybe_applied())
            }
            409 => Err(reply
                .error(ErrorKind::Conflict)
                .with_context("hint", "the branch is in conflict with the default branch, or a check of it failed")),
            _ => self.made(&reply, 201),
        }
    }

    async fn say(
        &self,
        cx: &Context,
        repository: &Repository,
        id: u64,
        status: &NewStatus<'_>,
    ) -> Result<wire::DeploymentStatus> {
        let path = repository.path(&["deployments", &id.to_string(), "statuses"]);
        let reply = self.issues.api.send(cx, Method::POST, path, status).await?;
        self.made(&reply, 201)
    }
}

fn check(input: &RecordDeployment) -> Result<&'static str> {
    refuse_but(&FIELDS, "fields", &input.fields)?;
    refuse_but(&[], "metadata", &input.metadata)?;
    for (name, time) in [("started_at", input.started_at), ("finished_at", input.finished_at)] {
        if time.is_some() {
            return Err(Error::unsupported(format!("GitHub stamps deployments itself; leave `{name}` out")));
        }
    }
    for (name, text) in [("version", &input.version), ("environment", &input.environment)] {
        if text.trim().is_empty() {
            return Err(Error::invalid(name, "expected a name, got nothing"));
        }
    }
    state_of(&input.status).ok_or_else(|| {
        let known = "`queued`, `running`, `success` or `failed`";
        Error::unsupported(format!("GitHub has no state for a deployment that is `{}`; expected {known}", input.status))
    })
}

fn text<'a>(input: &'a RecordDeployment, name: &str) -> Result<Option<&'a str>> {
    let Some(value) = input.fields.get(name) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| Error::invalid(format!("fields.{name}"), "expected a text"))
}

/// The first half is done whatever became of the second.
fn half_done(repository: &Repository, id: u64, state: &str, error: Error) -> Error {
    let message = format!(
        "deployment {id} of {repository} was made, but not that it is `{state}`: {}; say it at GitHub, or delete it there",
        error.message()
    );
    let context = error.context().map(|(name, value)| (name, value.to_owned())).collect::<Vec<_>>();
    let half = Error::new(error.kind().clone(), message).with_source(error);
    context.into_iter().fold(half, |half, (name, value)| half.with_context(name, value)).maybe_applied()
}
