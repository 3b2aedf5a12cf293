//! The audit log: entries, the signed head, and what proves the one by the other without trust in this server.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use opsorch_schema::{Entry, GrantId};
use serde::Serialize;

use super::input::numbers;
use crate::audit::Bundle;
use crate::http::app::App;
use crate::http::respond::{self, Problem};
use crate::{Error, Result};

/// How many entries there are at most in an answer.
const MOST: u64 = 1000;

/// About how long an entry is as JSON.
const SIZE: usize = 512;

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Entries {
    items: Vec<Entry>,
    /// Where to go on, once there is more.
    next: u64,
}

/// `GET /v1/audit/entries?from=0&limit=100`.
pub(super) async fn entries(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let found = async {
        let [from, limit] = numbers(query.as_deref(), ["from", "limit"])?;
        let (from, limit) = (from.unwrap_or(0), limit.unwrap_or(100).clamp(1, MOST));
        let items = app.ops.audit().entries(from, u32::try_from(limit).unwrap_or(u32::MAX)).await?;
        let next = items.last().map_or(from, |last| last.sequence + 1);
        let size = items.len().saturating_mul(SIZE);
        respond::json(StatusCode::OK, &Entries { items, next }, size)
    };
    answered(found.await)
}

/// `GET /v1/audit/checkpoint`: the newest signed head, as a C2SP signed note. Keep it elsewhere.
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Response {
    let head = app.ops.audit().checkpoint().await;
    let head = head.and_then(|head| head.ok_or_else(|| Error::not_found("the log is empty")));
    answered(head.map(text))
}

/// `GET /v1/audit/keys`: the public keys that check its signatures, one a line, the present one first.
pub(super) async fn keys(State(app): State<Arc<App>>) -> Response {
    text(app.ops.audit().verifier_keys().iter().map(|key| format!("{key}\n")).collect())
}

/// `GET /v1/audit/bundle?from=0&to=99`: entries from the first to the last of these, each with the proof that it is in the log
/// of the newest head.
pub(super) async fn bundle(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let found = async {
        let [from, to] = numbers(query.as_deref(), ["from", "to"])?;
        let from = from.unwrap_or(0);
        let last = from.saturating_add(MOST - 1);
        let to = to.unwrap_or(last);
        if to < from || to > last {
            return Err(Error::invalid("to", format!("expected from {from} to {last}, got {to}")));
        }
        evidence(&app.ops.audit().excerpt(from..=to).await?)
    };
    answered(found.await)
}

/// `GET /v1/audit/grants/{id}`: the whole story of a grant, each entry with its proof.
pub(super) async fn story(State(app): State<Arc<App>>, Path(id): Path<GrantId>) -> Response {
    answered(app.ops.audit().story(&id).await.and_then(|bundle| evidence(&bundle)))
}

/// `GET /v1/audit/proofs/inclusion?sequence=3&size=10`.
pub(super) async fn inclusion(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let found = async {
        let [sequence, size] = numbers(query.as_deref(), ["sequence", "size"])?;
        let proof = app.ops.audit().inclusion_proof(given(sequence, "sequence")?, given(size, "size")?).await?;
        respond::json(StatusCode::OK, &proof, SIZE)
    };
    answered(found.await)
}

/// `GET /v1/audit/proofs/consistency?from=3&to=10`.
pub(super) async fn consistency(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let found = async {
        let [from, to] = numbers(query.as_deref(), ["from", "to"])?;
        let proof = app.ops.audit().consistency_proof(given(from, "from")?, given(to, "to")?).await?;
        respond::json(StatusCode::OK, &proof, SIZE)
    };
    answered(found.await)
}

fn given(number: Option<u64>, name: &str) -> Result<u64> {
    number.ok_or_else(|| Error::invalid(name, "expected a number, got nothing"))
}

fn evidence(bundle: &Bundle) -> Result<Response> {
    respond::json(StatusCode::OK, bundle, bundle.entries.len().saturating_mul(2 * SIZE))
}

fn text(body: String) -> Response {
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    (StatusCode::OK, [(CONTENT_TYPE, content_type)], body).into_response()
}

fn answered(answer: Result<Response>) -> Response {
    answer.unwrap_or_else(|error| Problem(error).into_response())
}
