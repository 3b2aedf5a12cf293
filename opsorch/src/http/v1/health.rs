//! Whether this process lives, and whether it can work.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use http::StatusCode;
use opsorch_schema::ProviderName;
use serde::Serialize;

use super::providers::Report;
use crate::http::app::{App, Caller};
use crate::http::respond::{self, Problem};

#[derive(Serialize)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    /// Whether changes can be made: the store of grants and entries answers.
    ready: bool,
    store: &'static str,
    providers: Vec<Report>,
}

/// `GET /v1/health`: it answers, so it lives.
pub(super) async fn alive() -> Response {
    respond::json(StatusCode::OK, &Alive { status: "ok" }, 16).unwrap_or_else(|error| Problem(error).into_response())
}

/// `GET /v1/ready`: 503 if the store does not answer. A provider that does not work is reported and no reason to take the
/// process, and with it all other providers, out of service; what it said within the last ten seconds counts. Those of which
/// the caller may read nothing are left out.
pub(super) async fn ready(State(app): State<Arc<App>>, caller: Caller) -> Response {
    let readable = app.ops.providers().filter(|provider| app.ops.may_read(&caller.cx, provider));
    let names: Vec<_> = readable.map(|provider| provider.name().clone()).collect();
    let health = |name: ProviderName| {
        let app = &app;
        async move { Report::new(name.as_str(), &app.healths.of(&app.ops, &name).await) }
    };
    let providers = join_all(names.into_iter().map(health));
    let (store, providers) = futures_util::future::join(app.ops.audit().checkpoint(), providers).await;
    let ready = store.is_ok();
    let answer = Ready { ready, store: if ready { "ok" } else { "unavailable" }, providers };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond::json(status, &answer, 1024).unwrap_or_else(|error| Problem(error).into_response())
}
