//! The id of a request: the caller's where it gives one, else one that is made.

use std::sync::atomic::{AtomicI64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use opsorch_schema::Time;

/// Where callers put it; the first that is not blank counts, as in OpsOrch.
const NAMES: [HeaderName; 4] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-amzn-trace-id"),
    HeaderName::from_static("x-correlation-id"),
    HeaderName::from_static("x-trace-id"),
];

/// The header of the answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from outside.
const LONGEST: usize = 128;

/// Makes ids, each only once.
#[derive(Debug, Default)]
pub(super) struct RequestIds(AtomicI64);

impl RequestIds {
    /// The id of a request that came at this time.
    pub(super) fn of(&self, headers: &HeaderMap, now: Time) -> HeaderValue {
        let given = NAMES.iter().filter_map(|name| headers.get(name)).find(|value| is_id(value));
        given.cloned().unwrap_or_else(|| self.generated(now))
    }

    fn generated(&self, now: Time) -> HeaderValue {
        let nanos = now.timestamp_nanos_opt().unwrap_or_default();
        let next = |last: i64| Some(nanos.max(last.saturating_add(1)));
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_default();
        let id = nanos.max(last.saturating_add(1));
        HeaderValue::try_from(format!("generated-{id}")).unwrap_or_else(|_| HeaderValue::from_static("generated"))
    }
}

/// Whether it is an id: visible ASCII, not blank, and not so long that a part of it would be lost.
fn is_id(value: &HeaderValue) -> bool {
    value.len() <= LONGEST && value.to_str().is_ok_and(|text| !text.trim().is_empty())
}

/// The id of the trace that a request belongs to (W3C Trace Context).
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let parent = headers.get("traceparent")?.to_str().ok()?;
    let id = parent.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}
