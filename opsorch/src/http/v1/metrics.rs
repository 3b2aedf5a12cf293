//! `GET /v1/metrics`: numbers for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::not_found;
use crate::http::app::App;

/// Prometheus' text format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(super) async fn exposition(State(app): State<Arc<App>>) -> Response {
    let Some(metrics) = &app.options.metrics else { return not_found() };
    (StatusCode::OK, [(CONTENT_TYPE, TEXT)], metrics.exposition()).into_response()
}
