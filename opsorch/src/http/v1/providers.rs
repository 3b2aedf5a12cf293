//! Which providers there are, and whether each works.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use opsorch_schema::{OperationSet, ProviderName, Scope, UnknownName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::input;
use crate::capability::Health;
use crate::http::app::{App, Caller};
use crate::http::configure::{Failed, not_allowed};
use crate::http::respond::{self, Problem};
use crate::secret::StoredProvider;
use crate::{Error, ErrorKind, Provider, Result};

/// What is told of a provider.
#[derive(Serialize)]
pub(crate) struct Listed<'a> {
    name: &'a str,
    kind: String,
    operations: Vec<&'static str>,
    scope: Scope,
    /// Whether it can tell whether it works.
    tells_health: bool,
    receives_webhooks: bool,
}

#[derive(Serialize)]
struct Items<T> {
    items: Vec<T>,
}

impl<'a> Listed<'a> {
    pub(crate) fn of(provider: &'a Provider) -> Self {
        let target = provider.target(None);
        Self {
            name: provider.name().as_str(),
            kind: target.kind,
            operations: names(provider.operations()),
            scope: target.scope,
            tells_health: provider.health_check().is_some(),
            receives_webhooks: provider.webhook_receiver().is_some(),
        }
    }
}

/// `GET /v1/providers`.
pub(super) async fn list(State(app): State<Arc<App>>) -> Response {
    let providers: Vec<_> = app.ops.providers().collect();
    let items = Items { items: providers.iter().map(|provider| Listed::of(provider)).collect() };
    respond::json(StatusCode::OK, &items, 4096).unwrap_or_else(|error| Problem(error).into_response())
}

/// What serves a capability from now on.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The kind, such as `jira`; not needed for a plugin.
    #[serde(default)]
    kind: String,
    /// The configuration of the kind, with its secrets in clear, or as `secret:NAME` where the server allows the name.
    #[serde(default)]
    config: Map<String, Value>,
    /// The path of a plugin that answers in place of the kind: one of those that the server allows.
    plugin: Option<String>,
}

/// `POST /v1/providers/{capability}`: the provider that serves it from now on, which is named after it.
pub(super) async fn configure(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(capability): Path<String>,
    request: Request,
) -> Response {
    let wanted = match input::body::<Wanted>(&app, request).await {
        Err(response) => return response,
        Ok(wanted) => wanted,
    };
    let configured = async {
        let configuring = app.options.configuring.as_ref().ok_or_else(not_allowed)?;
        let unknown = |error: UnknownName| Error::invalid("capability", error.to_string());
        let (capability, wanted) = (capability.parse().map_err(unknown)?, wanted?.provider()?);
        let configured = configuring.configure(&app, &caller.cx, capability, wanted).await;
        let provider = configured.map_err(|failed| match failed {
            Failed::Refused(error) => error,
            Failed::NotKept(error) => {
                Error::new(ErrorKind::Unavailable, "the configuration could not be kept; nothing was changed")
                    .with_source(error)
            }
        })?;
        respond::json(StatusCode::OK, &Listed::of(&provider), 1024)
    };
    configured.await.unwrap_or_else(|error| Problem(error).into_response())
}

impl Wanted {
    fn provider(self) -> Result<StoredProvider> {
        let mut provider = StoredProvider::new(self.kind.trim().to_lowercase()).config(self.config);
        provider.plugin = self.plugin.filter(|path| !path.is_empty());
        if provider.kind.is_empty() && provider.plugin.is_none() {
            return Err(Error::invalid("kind", "expected the kind of the provider, or a plugin; got neither"));
        }
        Ok(provider)
    }
}

/// `GET /v1/providers/{provider}/health`: 200 if nothing is in the way, 503 if something is, as of the last ten seconds.
pub(super) async fn health(State(app): State<Arc<App>>, caller: Caller, Path(name): Path<String>) -> Response {
    let name = ProviderName::new(name);
    let Some(provider) = app.ops.providers().find(|provider| *provider.name() == name) else {
        return Problem(Error::not_found("there is no provider of this name")).into_response();
    };
    if !app.ops.may_read(&caller.cx, &provider) {
        return Problem(Error::denied("you may read nothing of this provider")).into_response();
    }
    let found = app.healths.of(&app.ops, &name).await;
    let report = Report::new(name.as_str(), &found);
    let status = if report.is_up() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond::json(status, &report, 1024).unwrap_or_else(|error| Problem(error).into_response())
}

/// Whether a provider works.
#[derive(Serialize)]
pub(super) struct Report {
    name: String,
    status: &'static str,
    /// The operations that work.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problematic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

#[derive(Serialize)]
struct Problematic {
    operations: Vec<&'static str>,
    message: String,
}

impl Report {
    pub(super) fn new(name: &str, found: &Result<Health>) -> Self {
        let report = |status, operations, problems, version| Self {
            name: name.to_owned(),
            status,
            operations,
            problems,
            version,
        };
        let message = |message: String| vec![Problematic { operations: Vec::new(), message }];
        match found {
            Ok(health) => {
                let problem = |one: &crate::capability::HealthProblem| Problematic {
                    operations: names(one.operations),
                    message: one.message.clone(),
                };
                let status = if health.is_healthy() { "healthy" } else { "degraded" };
                let problems = health.problems.iter().map(problem).collect();
                report(status, names(health.operations), problems, health.version.clone())
            }
            Err(error) if *error.kind() == crate::ErrorKind::Unsupported => {
                report("unknown", Vec::new(), message(error.message().to_owned()), None)
            }
            Err(error) => report("unreachable", Vec::new(), message(error.message().to_owned()), None),
        }
    }

    /// Whether nothing speaks against it. One that cannot tell is not held against it.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.status, "healthy" | "unknown")
    }
}

fn names(operations: OperationSet) -> Vec<&'static str> {
    operations.iter().map(|operation| operation.name()).collect()
}
