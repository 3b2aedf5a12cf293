//! The operations, from the same table as the compatible routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use opsorch_schema::{Operation, Page, Response as Answer};
use serde::Serialize;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::not_found;
use crate::gate::Submitted;
use crate::http::app::{App, Caller};
use crate::http::body::{self, BodyError};
use crate::http::call::{self, Call};
use crate::http::respond::{self, Problem};
use crate::http::route::{self, Match, Source};
use crate::{Error, Result};

pub(in crate::http) async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    answer(&app, &caller, request).await.unwrap_or_else(|error| Problem(error).into_response())
}

async fn answer(app: &App, caller: &Caller, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix('/').unwrap_or_default();
    let Some(found) = route::find(&parts.method, path) else { return Ok(not_found()) };
    let operation = found.row.operation;
    let call = match read(app, &found, &parts, body).await {
        Ok(call) => call,
        // Who may not ask at all is told that, and not what is wrong with the question.
        Err(refused) => return app.ops.check_access(&caller.cx, operation).await.map(|()| refused.into_response()),
    };
    let (submitted, observed) = call.pass(&app.ops, &caller.cx).await?;
    match submitted {
        Submitted::Done(answer) => {
            let mut response = done(found.row.status, &answer)?;
            respond::tell_observed(&mut response, observed, &**app.ops.clock());
            Ok(response)
        }
        Submitted::Pending(request) => respond::json(StatusCode::ACCEPTED, &request, 1024),
    }
}

/// Reads the input of a route, from its path, its address and its body.
async fn read(app: &App, found: &Match<'_>, parts: &Parts, body: Body) -> std::result::Result<Call, Unread> {
    let limit = app.options.body_limit;
    let body = match found.row.input {
        Source::Body | Source::OptionalBody => {
            body::read(body, limit).await.map_err(|error| Unread::of(&error, limit))?
        }
        Source::Address | Source::Path => bytes::Bytes::new(),
    };
    let asked = Asked::read(parts.uri.query().unwrap_or_default(), found)?;
    let input = input(found, asked.fields, &body)?;
    Ok(typed(found.row.operation, input)?.on(asked.on.map(Into::into)).noted(&parts.headers)?)
}

/// The answer to a body that was not read.
pub(super) fn unread(error: BodyError, limit: usize) -> Response {
    Unread::of(&error, limit).into_response()
}

/// Why an input was not read, and the status for it.
struct Unread(Error, Option<StatusCode>);

impl Unread {
    fn of(error: &BodyError, limit: usize) -> Self {
        match error {
            BodyError::TooLarge => {
                let message = format!("expected at most {limit} bytes");
                Self(Error::invalid("body", message), Some(StatusCode::PAYLOAD_TOO_LARGE))
            }
            BodyError::Broken => Error::invalid("body", "the connection broke before it was complete").into(),
        }
    }

    fn into_response(self) -> Response {
        match self.1 {
            Some(status) => Problem(self.0).with_status(status),
            None => Problem(self.0).into_response(),
        }
    }
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self(error, None)
    }
}

/// What the address says: which provider is asked, and fields of the input.
struct Asked {
    on: Option<String>,
    fields: Map<String, Value>,
}

impl Asked {
    fn read(query: &str, found: &Match<'_>) -> Result<Self> {
        let mut asked = Self { on: None, fields: call::placeholders(found)? };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let is_field = match found.row.input {
                Source::Address => matches!(&*name, "service" | "environment" | "team"),
                Source::Body => name == "cursor" && found.row.path.ends_with("/query"),
                _ => false,
            };
            if name == "on" && asked.on.is_none() {
                asked.on = Some(value.into_owned());
            } else if is_field && !asked.fields.contains_key(&*name) {
                asked.fields.insert(name.into_owned(), Value::String(value.into_owned()));
            } else {
                let message = format!("`{name}` means nothing here, or is there twice; `on` names a provider");
                return Err(Error::invalid("address", message));
            }
        }
        Ok(asked)
    }
}

/// The input: what the body says and what the address says, which must not differ.
fn input(found: &Match<'_>, fields: Map<String, Value>, body: &[u8]) -> Result<Value> {
    if found.row.input == Source::Path {
        return Ok(fields.into_iter().next().map(|(_, id)| id).unwrap_or_default());
    }
    let mut value: Value = match (found.row.input, body) {
        (Source::Address, _) | (Source::OptionalBody, []) => Value::Object(Map::new()),
        _ => serde_json::from_slice(body).map_err(|error| Error::invalid("body", error.to_string()))?,
    };
    let Value::Object(object) = &mut value else { return Err(Error::invalid("body", "expected a JSON object")) };
    for (name, field) in fields {
        match object.get(&name) {
            Some(said) if *said != field => return Err(Error::invalid(name, "the address and the body differ")),
            _ => object.insert(name, field),
        };
    }
    Ok(value)
}

/// The call of an operation; an error names the field.
pub(crate) fn typed(operation: Operation, input: Value) -> Result<Call> {
    let mut track = serde_path_to_error::Track::new();
    Call::read(operation, serde_path_to_error::Deserializer::new(input, &mut track)).map_err(|error| {
        let path = track.path().to_string();
        Error::invalid(if path == "." { "body".into() } else { path }, error.to_string())
    })
}

/// What was answered, whole.
pub(super) fn done(status: StatusCode, answer: &Answer) -> Result<Response> {
    fn page<T: Serialize>(status: StatusCode, page: &Page<T>) -> Result<Response> {
        respond::json(status, page, page.items.len().saturating_mul(512))
    }
    let one = 1024;
    let mut response = match answer {
        Answer::Incidents(items) => page(status, items),
        Answer::Incident(incident) => respond::json(status, incident, one),
        Answer::Timeline(items) => page(status, items),
        Answer::Alerts(items) => page(status, items),
        Answer::Alert(alert) => respond::json(status, alert, one),
        Answer::Logs(items) => page(status, items),
        Answer::Metrics(items) => page(status, items),
        Answer::MetricDescriptors(items) => page(status, items),
        Answer::Tickets(items) => page(status, items),
        Answer::Ticket(ticket) => respond::json(status, ticket, one),
        Answer::Comment(comment) => respond::json(status, comment, one),
        Answer::Message(message) => respond::json(status, message, one),
        Answer::Services(items) => page(status, items),
        Answer::Service(service) => respond::json(status, service, one),
        Answer::Deployments(items) => page(status, items),
        Answer::Deployment(deployment) => respond::json(status, deployment, one),
        Answer::Teams(items) => page(status, items),
        Answer::Team(team) => respond::json(status, team, one),
        Answer::Members(items) => page(status, items),
        Answer::Plans(items) => page(status, items),
        Answer::Plan(plan) => respond::json(status, plan, one),
        Answer::Runs(items) => page(status, items),
        Answer::Run(run) => respond::json(status, run, one),
        Answer::Done(()) => respond::json(status, &Map::new(), 8),
        other => Err(Error::unexpected(format!("{} has no form here", other.name()))),
    }?;
    if let Some(page) = call::completeness(answer) {
        respond::tell_completeness(&mut response, page);
    }
    Ok(response)
}
