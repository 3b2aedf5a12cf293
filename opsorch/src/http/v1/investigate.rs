//! `POST /v1/investigate`: everything that is known about an incident.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use opsorch_schema::Investigate;

use super::input;
use crate::http::app::{App, Caller};
use crate::http::respond::{self, Problem};

/// About how long an investigation is as JSON.
const SIZE: usize = 16 * 1024;

pub(super) async fn investigate(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    let wanted = match input::body::<Investigate>(&app, request).await {
        Err(response) => return response,
        Ok(wanted) => wanted,
    };
    let found = async { app.ops.investigate(&caller.cx, wanted?).await };
    let answer = found.await.and_then(|found| respond::json(StatusCode::OK, &found, SIZE));
    answer.unwrap_or_else(|error| Problem(error).into_response())
}
