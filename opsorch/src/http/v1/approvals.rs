//! What waits for people, and their answers. An answer is a person's: with which credential it came decides, and the gate.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use opsorch_schema::{ApprovalRequest, Digest, GrantId};
use serde::{Deserialize, Serialize};

use super::input;
use super::operations::done;
use crate::Result;
use crate::http::app::{App, Caller};
use crate::http::respond::{self, Problem};

/// About how long a request is as JSON.
const SIZE: usize = 2048;

#[derive(Serialize)]
struct Waiting {
    items: Vec<ApprovalRequest>,
}

/// What the person saw: the answer is to this and nothing else.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approve {
    digest: Digest,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Deny {
    digest: Digest,
    /// Why, in at most 4096 bytes.
    reason: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoke {
    /// Why, in at most 4096 bytes.
    reason: String,
}

/// `GET /v1/approvals`.
pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Response {
    let listed = app.ops.approvals(&caller.cx).list().await;
    let answer = listed.and_then(|items| {
        let size = items.len().saturating_mul(SIZE);
        respond::json(StatusCode::OK, &Waiting { items }, size)
    });
    answer.unwrap_or_else(|error| Problem(error).into_response())
}

/// `GET /v1/approvals/{id}`.
pub(super) async fn get(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<GrantId>) -> Response {
    shown(app.ops.approvals(&caller.cx).get(&id).await)
}

/// `POST /v1/approvals/{id}/approve`.
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<GrantId>,
    request: Request,
) -> Response {
    match input::body::<Approve>(&app, request).await {
        Err(response) => response,
        Ok(Err(error)) => Problem(error).into_response(),
        Ok(Ok(answer)) => shown(app.ops.approvals(&caller.cx).approve(&id, &answer.digest).await),
    }
}

/// `POST /v1/approvals/{id}/deny`.
pub(super) async fn deny(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<GrantId>,
    request: Request,
) -> Response {
    match input::body::<Deny>(&app, request).await {
        Err(response) => response,
        Ok(Err(error)) => Problem(error).into_response(),
        Ok(Ok(answer)) => shown(app.ops.approvals(&caller.cx).deny(&id, &answer.digest, answer.reason).await),
    }
}

/// `POST /v1/approvals/{id}/withdraw`.
pub(super) async fn withdraw(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<GrantId>) -> Response {
    shown(app.ops.approvals(&caller.cx).withdraw(&id).await)
}

/// `POST /v1/approvals/{id}/revoke`.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<GrantId>,
    request: Request,
) -> Response {
    match input::body::<Revoke>(&app, request).await {
        Err(response) => response,
        Ok(Err(error)) => Problem(error).into_response(),
        Ok(Ok(revoked)) => shown(app.ops.approvals(&caller.cx).revoke(&id, revoked.reason).await),
    }
}

/// `POST /v1/approvals/{id}/redeem`: the answer of the operation, as its own route gives it.
pub(super) async fn redeem(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<GrantId>) -> Response {
    let redeemed = app.ops.approvals(&caller.cx).redeem(&id).await;
    let answer = redeemed.and_then(|answer| done(StatusCode::OK, &answer));
    answer.unwrap_or_else(|error| Problem(error).into_response())
}

fn shown(request: Result<ApprovalRequest>) -> Response {
    let answer = request.and_then(|request| respond::json(StatusCode::OK, &request, SIZE));
    answer.unwrap_or_else(|error| Problem(error).into_response())
}
