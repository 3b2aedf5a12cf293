//! Receives what GitHub sends by itself: signed with HMAC-SHA256 over the body as it came.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{Delivery, OtherEvent, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::secret::Secret;
use opsorch::transport::HeaderMap;
use opsorch::{Context, Error, ErrorKind, Fields, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::DeploymentSource;
use super::map;
use super::repository::{Repositories, Repository};
use super::wire::webhook::Event;
use crate::signature::is_signed;

/// The largest body that GitHub sends: 25 MiB.
const BODY_LIMIT: usize = 25 * 1024 * 1024;

/// Receives the webhooks of repositories and organizations.
pub(super) struct GitHubWebhook {
    secrets: Vec<Secret>,
    repositories: Arc<Repositories>,
    deployments: DeploymentSource,
}

impl GitHubWebhook {
    /// # Errors
    /// `Invalid` for an empty secret, with which anybody could sign.
    pub(super) fn new(
        secrets: Vec<Secret>,
        repositories: &Arc<Repositories>,
        deployments: DeploymentSource,
    ) -> Result<Self> {
        if secrets.iter().any(|secret| secret.expose().is_empty()) {
            return Err(Error::invalid("webhook_secrets", "expected a secret, got an empty one"));
        }
        Ok(Self { secrets, repositories: Arc::clone(repositories), deployments })
    }
}

impl fmt::Debug for GitHubWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHubWebhook").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl WebhookReceiver for GitHubWebhook {
    /// GitHub gives no time that could be checked. A delivery that comes again has the same id.
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        let body = &webhook.body;
        if body.len() > BODY_LIMIT {
            return Err(invalid(format!("expected at most {BODY_LIMIT} bytes, got {}", body.len())));
        }
        self.check(&webhook.headers, body)?;
        let kind = one(&webhook.headers, "x-github-event")
            .ok_or_else(|| Error::invalid("headers", "expected one header `X-GitHub-Event`"))?;
        let json = json_of(&webhook.headers, body)?;
        let delivery = Delivery::new(vec![self.event(kind, &json)?]);
        Ok(match one(&webhook.headers, "x-github-delivery") {
            Some(id) => delivery.id(id),
            None => delivery,
        })
    }
}

impl GitHubWebhook {
    /// The header `X-Hub-Signature`, which is of SHA-1, proves nothing here.
    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<()> {
        let refusal = |message: &'static str| {
            let hint = "the webhook at GitHub must have one of the secrets that are configured here";
            Error::new(ErrorKind::Unauthenticated, message).with_context("hint", hint)
        };
        let signature = one(headers, "x-hub-signature-256").and_then(|value| value.strip_prefix("sha256="));
        let signature = signature.ok_or_else(|| refusal("expected one header `X-Hub-Signature-256: sha256=…`"))?;
        match is_signed(&self.secrets, &[body], signature) {
            true => Ok(()),
            false => Err(refusal("the signature is not of this body and a secret that is configured here")),
        }
    }

    fn event(&self, kind: &str, json: &[u8]) -> Result<WebhookEvent> {
        let known = ["issues", "issue_comment", "deployment", "deployment_status", "workflow_run"].contains(&kind);
        if known {
            let event: Event = read(json)?;
            let repository = event.repository.as_ref().and_then(|it| self.repositories.find(&it.full_name));
            // What is gone, and what is of a repository that is not served, has no place in the schema.
            let is_gone = matches!(event.action.as_deref(), Some("deleted" | "transferred"));
            if let Some(repository) = repository.filter(|_| !is_gone)
                && let Some(mapped) = self.mapped(kind, repository, event)
            {
                return Ok(mapped);
            }
        }
        let fields: Fields = read(json)?;
        Ok(WebhookEvent::Other(OtherEvent::new(kind, fields)))
    }

    fn mapped(&self, kind: &str, repository: &Repository, event: Event) -> Option<WebhookEvent> {
        let repositories = &self.repositories;
        let is_served = |source| self.deployments == source;
        let issue = event.issue.filter(|issue| issue.pull_request.is_none());
        Some(match kind {
            "issues" => WebhookEvent::Ticket(map::ticket::ticket(repositories, repository, issue?)),
            "issue_comment" => {
                let ticket = repositories.id(repository, issue?.number);
                WebhookEvent::Comment(map::ticket::comment(&ticket, event.comment?))
            }
            "deployment" | "deployment_status" if is_served(DeploymentSource::Deployments) => {
                let statuses = event.deployment_status.into_iter().collect();
                let deployment = map::deployment::deployment(repositories, repository, event.deployment?, statuses);
                WebhookEvent::Deployment(deployment)
            }
            "workflow_run" if is_served(DeploymentSource::WorkflowRuns) => {
                WebhookEvent::Deployment(map::run::deployment(repositories, repository, event.workflow_run?))
            }
            _ => return None,
        })
    }
}

/// The value of a header that is there once. Of two, nobody knows which one another reader would take.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    }
}

/// The JSON of a body: the body itself, or the member `payload` of a form.
fn json_of<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    let content_type = one(headers, "content-type").unwrap_or_default();
    match content_type.split(';').next().map(str::trim) {
        Some("application/x-www-form-urlencoded") => {
            let mut members = form_urlencoded::parse(body).filter(|(name, _)| name == "payload");
            let payload =
                members.next().ok_or_else(|| invalid("expected a form with the member `payload`".to_owned()))?;
            Ok(Cow::Owned(payload.1.into_owned().into_bytes()))
        }
        _ => Ok(Cow::Borrowed(body)),
    }
}

/// The error tells the place and nothing of the body.
fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| {
        // What is JSON, and of another shape than documented, is told from what is none.
        let problem = match serde_json::from_slice::<&RawValue>(json).is_ok() {
            true => "expected an event as GitHub sends it, got another shape",
            false => "expected JSON",
        };
        invalid(format!("{problem}: line {} column {}", error.line(), error.column()))
    })
}

fn invalid(message: String) -> Error {
    Error::invalid("body", message)
}
