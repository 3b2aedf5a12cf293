//! Errors as OpsOrch answers them.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use opsorch_schema::Capability;
use serde::Serialize;

use crate::http::{json, respond};
use crate::{Error, ErrorKind};

/// An error's status, code and message. The codes are OpsOrch's where it has one.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    retry_after: Option<HeaderValue>,
}

#[derive(Serialize)]
struct Shown<'a> {
    code: &'a str,
    message: &'a str,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), retry_after: None }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// Nobody serves a capability.
    pub(super) fn no_provider(capability: Capability) -> Self {
        let code = format!("{capability}_provider_missing");
        Self::new(StatusCode::NOT_IMPLEMENTED, code, format!("{capability} provider not configured"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = match error.kind() {
            ErrorKind::Invalid { field } => format!("{field}: {}", error.message()),
            _ => error.message().to_owned(),
        };
        let (status, code) = match error.kind() {
            ErrorKind::Invalid { .. } => (StatusCode::BAD_REQUEST, "bad_request"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            // The gate's own word; OpsOrch has no gate.
            ErrorKind::Denied => (StatusCode::FORBIDDEN, "denied"),
            ErrorKind::Unexpected => (StatusCode::BAD_GATEWAY, "provider_error"),
            // What else a provider says is passed through behind one status.
            kind => (StatusCode::BAD_GATEWAY, kind.code()),
        };
        Self { retry_after: respond::retry_after(error.kind()), ..Self::new(status, code, message) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let shown = Shown { code: &self.code, message: &self.message };
        let body = json::to_vec(&shown, 128).unwrap_or_default();
        let mut response = (self.status, [(CONTENT_TYPE, respond::JSON)], body).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, wait);
        }
        response
    }
}
