//! The answer to a request, and what it means.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::redact::Redactor;
use super::shape::read_json;
use super::{HeaderNames, Request};
use crate::{Error, ErrorKind, Result};

/// The longest wait that is taken from `Retry-After`: a vendor's slip must not stop a process for a year.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer to a [`Request`]: status, headers and the whole body.
///
/// `Debug` shows neither the values of headers nor the body.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
    asked: Option<Arc<Asked>>,
}

impl Reply {
    /// An answer without headers and body.
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), asked: None }
    }

    /// Sets the headers.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Whether there is no body, as with 204.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The header of this name, where there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the other side asks to wait: the header `Retry-After` (RFC 9110, section 10.2.3).
    ///
    /// Seconds or a date. A date counts from the answer's own `Date`, so that the two clocks need not agree, and from
    /// the system's time where there is none; one that has passed is no wait. At most 24 hours. What is neither is
    /// ignored.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header(RETRY_AFTER.as_str())?.trim();
        let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // So many digits that they are no u64 are a long wait.
            text.parse().map_or(LONGEST_WAIT, Duration::from_secs)
        } else {
            let until = httpdate::parse_http_date(text).ok()?;
            let date = self.header(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
            until.duration_since(date.unwrap_or_else(SystemTime::now)).unwrap_or_default()
        };
        Some(wait.min(LONGEST_WAIT))
    }

    /// Reads the body as JSON, whatever the status. What is read may borrow from the body.
    ///
    /// # Errors
    /// `Unexpected`, with the content type and the place, for what is not JSON (such as the page of a proxy), is of
    /// another shape, is nested deeper than 128 levels, or is not UTF-8. The error holds nothing of the body but names
    /// of fields.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        if self.is_empty() {
            return Err(self.explain(Error::unexpected("expected JSON, got an empty body")));
        }
        read_json(&self.body).map_err(|found| {
            let found = self.redactor().line(&found);
            let error = Error::unexpected(format!("expected JSON as documented by the vendor: {found}"));
            let content_type = self.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
            let content_type = content_type.map_or("none".to_owned(), |value| self.redactor().line(&value));
            self.explain(error.with_context("content type", content_type))
        })
    }

    /// Refuses every status but 2xx.
    ///
    /// # Errors
    /// | status | kind |
    /// |---|---|
    /// | 401 | `Unauthenticated` |
    /// | 403 | `Forbidden` |
    /// | 404, 410 | `NotFound` |
    /// | 408 | `Timeout` |
    /// | 409, 412 | `Conflict` |
    /// | 429 | `RateLimited` with [`Reply::retry_after`] |
    /// | other 4xx | `Invalid` |
    /// | 501 | `Unsupported` |
    /// | other 5xx | `Unavailable` |
    /// | 1xx, 3xx | `Unexpected` |
    pub fn error_for_status(self) -> Result<Self> {
        match self.status.is_success() {
            true => Ok(self),
            false => Err(self.error(self.kind())),
        }
    }

    /// This answer as an error of a kind: for vendors whose status or body means something else than usual.
    ///
    /// It carries what the vendor says, in one line of at most 200 characters without the client's secrets. A change
    /// that was answered with 5xx or 408 may have applied; any other 4xx is a refusal.
    pub fn error(&self, kind: ErrorKind) -> Error {
        let error = Error::new(kind, format!("the server answered {}", self.status));
        let mut error = match self.status {
            StatusCode::REQUEST_TIMEOUT => error.maybe_applied(),
            status if status.is_server_error() => error.maybe_applied(),
            status if status.is_client_error() => error.not_applied(),
            _ => error,
        };
        error = self.explain(error);
        if let Some(wait) = self.retry_after() {
            error = error.with_context("retry after", format_args!("{} s", wait.as_secs()));
        }
        if self.status.is_redirection() && self.headers.contains_key(LOCATION) {
            error = error.with_context("hint", "this redirect is not followed; check the base address");
        }
        match self.redactor().body(&self.body) {
            Some(line) => error.with_context("answer", line),
            None => error,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self.status.as_u16() {
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::Forbidden,
            404 | 410 => ErrorKind::NotFound,
            408 => ErrorKind::Timeout,
            409 | 412 => ErrorKind::Conflict,
            429 => ErrorKind::RateLimited { retry_after: self.retry_after() },
            400..=499 => ErrorKind::Invalid { field: "request".to_owned() },
            501 => ErrorKind::Unsupported,
            500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Unexpected,
        }
    }

    fn explain(&self, error: Error) -> Error {
        let error = match &self.asked {
            Some(asked) => asked.explain(error),
            None => error,
        };
        error.with_context("status", self.status.as_u16())
    }

    /// Without a client nothing is known to be secret.
    fn redactor(&self) -> Redactor {
        self.asked.as_ref().map(|asked| asked.redactor.clone()).unwrap_or_default()
    }

    pub(super) fn to(mut self, asked: Arc<Asked>) -> Self {
        self.asked = Some(asked);
        self
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &HeaderNames(&self.headers))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// What was asked, for the errors of its answer.
pub(super) struct Asked {
    method: Method,
    path: String,
    redactor: Redactor,
}

impl Asked {
    pub(super) fn new(request: &Request, redactor: &Redactor) -> Self {
        let path = redactor.line(request.url.path());
        Self { method: request.method.clone(), path, redactor: redactor.clone() }
    }

    pub(super) fn explain(&self, error: Error) -> Error {
        error.with_context("method", &self.method).with_context("path", &self.path)
    }
}
