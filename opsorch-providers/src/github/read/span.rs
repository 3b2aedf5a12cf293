//! Spans of time, as GitHub's searches write them.

use std::time::Duration;

use opsorch::Time;

/// What was made between two times, as a condition on `created`: `>=A`, `<=B` or `A..B`, in whole seconds. It may be wider
/// than asked for by less than a second, so that what it finds is looked at again.
pub(super) fn created(since: Option<Time>, until: Option<Time>) -> Option<String> {
    let text = |time: Time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    // The second that a time is in begins before it, and ends after it.
    match (
        since,
        until.map(|until| if until.timestamp_subsec_nanos() > 0 { until + Duration::from_secs(1) } else { until }),
    ) {
        (None, None) => None,
        (Some(since), None) => Some(format!(">={}", text(since))),
        (None, Some(until)) => Some(format!("<={}", text(until))),
        (Some(since), Some(until)) => Some(format!("{}..{}", text(since), text(until))),
    }
}

/// The earlier of two ends.
pub(super) fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
