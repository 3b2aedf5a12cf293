//! OpsOrch's routes: its paths, bodies, statuses and codes, generated from the table of operations.
//!
//! What is added travels in headers, so that bodies stay as they are: `X-OpsOrch-Complete` and `Link` on lists,
//! `X-OpsOrch-Observed` and `Age` on reads, `Idempotency-Key` and `X-OpsOrch-Reason` on changes. A change that waits for people
//! answers 202 with the request.

mod configure;
mod decode;
mod error;
mod project;
mod time;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode};
use opsorch_schema::{Action, Capability, Operation, Query, Time};
use serde_json::{Map, Value};
use url::form_urlencoded;

use self::decode::GoInput;
use self::error::Failure;
use super::app::{App, Caller};
use super::auth::Role;
use super::body::BodyError;
use super::call::{self, Call};
use super::route::{self, Guard, Match, Origin, Route, Source};
use super::{body, respond};
use crate::Error;
use crate::gate::Submitted;

type Result<T> = std::result::Result<T, Failure>;

/// Answers whatever `/v1` does not.
pub(super) async fn handle(app: &App, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match Caller::of(&parts) {
        Ok(caller) => answer(app, &caller, parts, body).await.unwrap_or_else(IntoResponse::into_response),
        Err(error) => failure(error),
    }
}

/// The routes here that are no operations.
pub(super) fn listed() -> impl Iterator<Item = Route> {
    let rows = [
        (Method::GET, "/", Guard::Authenticated),
        (Method::GET, "/health", Guard::Authenticated),
        (Method::GET, "/providers/{capability}", Guard::Role(Role::Viewer)),
        (Method::POST, "/providers/{capability}", Guard::Role(Role::Admin)),
    ];
    let route =
        |(method, path, guard): (Method, &str, Guard)| Route { method, path: path.to_owned(), operation: None, guard };
    rows.into_iter().map(route)
}

/// An error, as OpsOrch answers it.
pub(super) fn failure(error: Error) -> Response {
    Failure::from(error).into_response()
}

async fn answer(app: &App, caller: &Caller, parts: Parts, body: axum::body::Body) -> Result<Response> {
    let Some(path) = parts.uri.path().strip_prefix('/') else { return Ok(not_found()) };
    if parts.method == Method::GET && matches!(path, "" | "health") {
        return Ok(respond::json(StatusCode::OK, &Status { status: "ok" }, 16)?);
    }
    if let Some(capability) = path.strip_prefix("providers/") {
        return Box::pin(configure::handle(app, caller, &parts, capability, body)).await;
    }
    if let Some(missing) = unconfigured(app, &parts.method, path) {
        return Err(Failure::no_provider(missing));
    }
    let Some(found) = route::find(&parts.method, path) else { return Ok(not_found()) };
    let operation = found.row.operation;
    let missing = || Failure::no_provider(operation.capability());
    let provider = app.ops.first_routed(operation).ok_or_else(missing)?;
    let call = match read_call(app, &found, &parts, body).await {
        Ok(call) => call,
        // Who may not ask at all is told that, and not what is wrong with the question.
        Err(failure) => {
            return Err(app.ops.check_access(&caller.cx, operation).await.map_or_else(Into::into, |()| failure));
        }
    };
    let ruled = match &call {
        Call::Change(submission) => app.ops.by_rule(&submission.action),
        Call::Read(_) => None,
    };
    let call = call.on(ruled.or(Some(provider))).noted(&parts.headers)?;
    let (submitted, observed) = call.pass(&app.ops, &caller.cx).await?;
    match submitted {
        Submitted::Done(response) => {
            let mut reply = respond::written(found.row.status, project::body(&response)?);
            if let Some(page) = call::completeness(&response) {
                respond::tell_completeness(&mut reply, page);
            }
            respond::tell_observed(&mut reply, observed, &**app.ops.clock());
            Ok(reply)
        }
        Submitted::Pending(request) => Ok(respond::json(StatusCode::ACCEPTED, &request, 1024)?),
    }
}

#[derive(serde::Serialize)]
struct Status {
    status: &'static str,
}

fn not_found() -> Response {
    respond::plain(StatusCode::NOT_FOUND, "404 page not found\n")
}

async fn read(app: &App, body: axum::body::Body) -> Result<bytes::Bytes> {
    body::read(body, app.options.body_limit).await.map_err(|error| match error {
        BodyError::TooLarge => {
            let message = format!("the body has more than {} bytes", app.options.body_limit);
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", message)
        }
        BodyError::Broken => Failure::bad_request("the connection broke before the body was complete"),
    })
}

/// The capability that nobody serves, if the path is one of its own. OpsOrch says so before it looks at the method, for some
/// capabilities whatever follows, for others only for the paths it knows.
fn unconfigured(app: &App, method: &Method, path: &str) -> Option<Capability> {
    let first = path.split('/').next().unwrap_or_default();
    let capability = match (first, path) {
        ("incidents", _) => Capability::Incident,
        ("alerts", _) => Capability::Alert,
        ("tickets", _) => Capability::Ticket,
        ("deployments", _) => Capability::Deployment,
        ("teams", _) => Capability::Team,
        ("orchestration", _) => Capability::Orchestration,
        (_, "logs/query") => Capability::Log,
        (_, "metrics/query" | "metrics/describe") => Capability::Metric,
        (_, "messages/send") => Capability::Messaging,
        (_, "services/query") => Capability::Service,
        _ => route::find(method, path)?.row.operation.capability(),
    };
    (!app.ops.serves(capability)).then_some(capability)
}

/// Reads the input of a route from its path, its address and its body.
async fn read_call(app: &App, found: &Match<'_>, parts: &Parts, body: axum::body::Body) -> Result<Call> {
    let (row, query) = (found.row, parts.uri.query().unwrap_or_default());
    let body = match row.input {
        Source::Body | Source::OptionalBody => read(app, body).await?,
        Source::Address | Source::Path => bytes::Bytes::new(),
    };
    let mut fields = call::placeholders(found)?;
    let value = match row.input {
        Source::Path => Value::String(fields.into_iter().next().map(|(_, id)| id).and_then(text).unwrap_or_default()),
        Source::Address => {
            fields.extend(pairs(query, &["service", "environment", "team"]));
            Value::Object(fields)
        }
        Source::OptionalBody if body.is_empty() => Value::Object(fields),
        Source::Body | Source::OptionalBody => {
            let value = decode::first_value(&body).map_err(|error| Failure::bad_request(error.to_string()))?;
            with_fields(value, fields, found, query)?
        }
    };
    let pointers = matches!(row.operation, Operation::IncidentUpdate | Operation::TicketUpdate);
    let call = match row.origin {
        Origin::OpsOrch => Call::read(row.operation, GoInput::new(value, pointers)),
        Origin::New => Call::read(row.operation, value),
    };
    finished(app, call.map_err(|error| Failure::bad_request(error.to_string()))?)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Those of these names that an address gives, once each: the first counts.
fn pairs(query: &str, names: &[&str]) -> Map<String, Value> {
    let mut found = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if names.contains(&&*name) && !found.contains_key(&*name) {
            found.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }
    found
}

/// Puts what the path says into the body, which must not say it itself; a query may have its cursor in the address.
fn with_fields(mut value: Value, mut fields: Map<String, Value>, found: &Match<'_>, query: &str) -> Result<Value> {
    if found.row.path.ends_with("/query") && !query.is_empty() {
        fields.extend(pairs(query, &["cursor"]));
    }
    if fields.is_empty() {
        return Ok(value);
    }
    if value.is_null() {
        value = Value::Object(Map::new());
    }
    if let Value::Object(object) = &mut value {
        for (name, field) in fields {
            if object.keys().any(|key| key.eq_ignore_ascii_case(&name)) {
                return Err(Failure::bad_request(format!("unknown field `{name}`: the address says it")));
            }
            object.insert(name, field);
        }
    }
    Ok(value)
}

/// Gives a meaning to what Go leaves at zero, and refuses what OpsOrch refuses.
fn finished(app: &App, mut call: Call) -> Result<Call> {
    match &mut call {
        Call::Read(ask) => match &mut ask.query {
            Query::LogQuery(query) => since_ever_until_now(app, &mut query.start, &mut query.end),
            Query::MetricQuery(query) => since_ever_until_now(app, &mut query.start, &mut query.end),
            _ => {}
        },
        Call::Change(submission) => {
            if let Action::OrchestrationRunsStart(start) = &submission.action
                && start.plan_id.as_str().is_empty()
            {
                return Err(Failure::bad_request("planId is required"));
            }
        }
    }
    Ok(call)
}

/// A time that was never set stands for the earliest there is, or for now.
fn since_ever_until_now(app: &App, start: &mut Time, end: &mut Time) {
    if start.timestamp() < 0 {
        *start = Time::UNIX_EPOCH;
    }
    if end.timestamp() < 0 {
        *end = app.ops.clock().now();
    }
}
