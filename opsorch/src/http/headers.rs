//! The headers that every answer has.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use super::pipeline::Surface;

/// What a browser may be told to send, as OpsOrch has it.
const ALLOWED: HeaderValue = HeaderValue::from_static("Content-Type, Authorization");

/// The same below `/v1`.
const ALLOWED_V1: HeaderValue = HeaderValue::from_static(
    "Content-Type, Authorization, Idempotency-Key, X-OpsOrch-Reason, X-Request-ID, Last-Event-ID",
);

/// The same for the Model Context Protocol.
#[cfg(feature = "mcp")]
const ALLOWED_MCP: HeaderValue = HeaderValue::from_static(
    "Content-Type, Authorization, Accept, X-Request-ID, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, \
     Mcp-Name",
);

const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,PATCH,OPTIONS");

/// What a page of another origin may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Link, X-OpsOrch-Complete, X-OpsOrch-Observed, Age, X-Request-Id, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset",
);

/// An answer is data: nothing in it is to be run, framed or guessed at, and no cache keeps it.
const NOTHING_RUNS: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

pub(super) struct Headers {
    origin: HeaderValue,
}

impl Headers {
    pub(super) fn new(origin: &HeaderValue) -> Self {
        Self { origin: origin.clone() }
    }

    /// Puts them on an answer. A handler's own `Cache-Control` and `Content-Security-Policy` stay.
    pub(super) fn stamp(&self, surface: Surface, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        let allowed = match surface {
            Surface::Compatible => ALLOWED,
            Surface::V1 => ALLOWED_V1,
            #[cfg(feature = "mcp")]
            Surface::Mcp => ALLOWED_MCP,
        };
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if self.origin != "*" {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING_RUNS);
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}
