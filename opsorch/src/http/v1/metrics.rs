//! `GET /v1/metrics`: numbers for Prometheus.

use std::fmt::{self, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::not_found;
use crate::http::app::App;
use crate::layer::metrics::{escaped, header};

/// Prometheus' text format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// `GET /v1/metrics`: what the layer counted, and what is known at this moment.
pub(super) async fn exposition(State(app): State<Arc<App>>) -> Response {
    let Some(metrics) = &app.options.metrics else { return not_found() };
    match app.ops.audit().size().await {
        Ok(size) => metrics.log_has(size),
        Err(error) => tracing::warn!(%error, "the size of the log is not known"),
    }
    let mut text = metrics.exposition();
    // Writing into a `String` does not fail.
    let _ = grants(&app, &mut text).await;
    let _ = restarts(&app, &mut text);
    (StatusCode::OK, [(CONTENT_TYPE, TEXT)], text).into_response()
}

async fn grants(app: &App, text: &mut String) -> fmt::Result {
    let counts = match app.ops.count_grants().await {
        Ok(counts) => counts,
        Err(error) => {
            tracing::warn!(%error, "the grants are not counted");
            return Ok(());
        }
    };
    header(text, "opsorch_grants", "gauge", "Requests that wait for people, and grants that wait to be redeemed.")?;
    counts.iter().try_for_each(|(state, count)| writeln!(text, r#"opsorch_grants{{state="{state}"}} {count}"#))
}

fn restarts(app: &App, text: &mut String) -> fmt::Result {
    header(text, "opsorch_plugin_restarts_total", "counter", "How often the process of a plugin was started anew.")?;
    for provider in app.ops.providers() {
        if let Some(restarts) = provider.restarts() {
            let name = escaped(provider.name());
            writeln!(text, r#"opsorch_plugin_restarts_total{{provider_name="{name}"}} {restarts}"#)?;
        }
    }
    Ok(())
}
