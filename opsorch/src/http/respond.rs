//! What surfaces answer with: the parts that all have in common.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use http::header::{AGE, CONTENT_TYPE, LINK};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use url::form_urlencoded;

use super::call::Completeness;
use super::json;
use crate::{Clock, Error, ErrorKind, Observed, Result};

/// The content type of JSON, as OpsOrch sends it.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// About how many headers an answer gets in the end.
const HEADERS: usize = 20;

/// Whether a list is everything there is.
pub(super) const COMPLETE: HeaderName = HeaderName::from_static("x-opsorch-complete");

/// When what is read was observed.
pub(super) const OBSERVED: HeaderName = HeaderName::from_static("x-opsorch-observed");

/// A JSON body; `size` is about how long it gets.
pub(super) fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T, size: usize) -> Result<Response> {
    Ok(written(status, json::to_vec(value, size)?))
}

/// A body that is JSON already.
pub(super) fn written(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Says how much of a page is there: `X-OpsOrch-Complete`, and the next page as `Link` (RFC 8288). The link is relative to
/// the request, so that it holds wherever the router is nested; the body is to be sent again with it.
pub(super) fn tell_completeness(response: &mut Response, page: Completeness<'_>) {
    let complete = if page.is_complete { "true" } else { "false" };
    response.headers_mut().insert(COMPLETE, HeaderValue::from_static(complete));
    let Some(cursor) = page.next else { return };
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("cursor", cursor.as_str()).finish();
    if let Ok(link) = HeaderValue::try_from(format!("<?{query}>; rel=\"next\"")) {
        response.headers_mut().insert(LINK, link);
    }
}

/// Says how fresh an answer is: `X-OpsOrch-Observed` (RFC 3339), and, if it was kept, its `Age` in seconds (RFC 9111, section
/// 5.1).
pub(super) fn tell_observed(response: &mut Response, observed: Option<Observed>, clock: &dyn Clock) {
    let Some(observed) = observed else { return };
    if let Ok(at) = HeaderValue::try_from(observed.at.to_rfc3339_opts(SecondsFormat::AutoSi, true)) {
        response.headers_mut().insert(OBSERVED, at);
    }
    if observed.cached {
        let age = (clock.now() - observed.at).num_seconds().max(0);
        response.headers_mut().insert(AGE, HeaderValue::from(age));
    }
}

/// A plain text, as OpsOrch has it where there is no JSON.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response {
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    (status, [(CONTENT_TYPE, content_type)], text).into_response()
}

/// How long to wait, in whole seconds and never none, where the error says so.
pub(super) fn retry_after(kind: &ErrorKind) -> Option<HeaderValue> {
    match kind {
        ErrorKind::RateLimited { retry_after: Some(wait) } => Some(HeaderValue::from(whole_seconds(*wait))),
        _ => None,
    }
}

/// A wait in whole seconds, rounded up, at least one.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// An error as a problem (RFC 9457), for `/v1`.
pub(super) struct Problem(pub(super) Error);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    retryable: bool,
    may_have_applied: bool,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    context: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// The status of an error. That a vendor refuses *our* credential is not the caller's 401 or 403.
    pub(super) fn status(kind: &ErrorKind) -> StatusCode {
        match kind {
            ErrorKind::Invalid { .. } => StatusCode::BAD_REQUEST,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// What is shown of an error.
    pub(super) fn shown(error: &Error, status: StatusCode) -> impl Serialize {
        Shown {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: error.message(),
            code: error.kind().code(),
            field: match error.kind() {
                ErrorKind::Invalid { field } => Some(field),
                _ => None,
            },
            retryable: error.is_retryable(),
            may_have_applied: error.may_have_applied(),
            context: error.context().map(|(name, value)| (name.to_owned(), value.into())).collect(),
        }
    }

    /// The problem with another status than its kind has.
    pub(super) fn with_status(self, status: StatusCode) -> Response {
        let error = self.0;
        let body = json::to_vec(&Self::shown(&error, status), 256).unwrap_or_default();
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(CONTENT_TYPE, content_type)], body).into_response();
        if let Some(wait) = retry_after(error.kind()) {
            response.headers_mut().insert(http::header::RETRY_AFTER, wait);
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = Self::status(self.0.kind());
        self.with_status(status)
    }
}
