//! What a vendor says of its limits in the headers of an answer.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use opsorch_schema::Time;

use crate::transport::{Reply, StatusCode};

/// The longest wait that is believed: a vendor's slip must not stop a process for a year.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait after a refusal that names none.
const UNSAID: Duration = Duration::from_secs(1);

/// What the header is that says when a limit begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// Seconds from now: PagerDuty, Datadog.
    Seconds,
    /// Seconds since 1970: GitHub.
    Epoch,
    /// A time as RFC 3339 has it, or without seconds, such as `2026-03-26T16:00Z`: Jira.
    Time,
}

/// How a vendor writes in its headers what it allows: the one place where this is described, for the [`Budget`](super::Budget)
/// that learns from every answer, and for the error that a refusal becomes.
///
/// With the prefix `x-ratelimit` these are read: `x-ratelimit-limit`, `x-ratelimit-remaining`, `x-ratelimit-reset`,
/// `x-ratelimit-period` (seconds), and `Retry-After`. What is none of these, or no number, is as if it were not there.
///
/// ```
/// use std::time::Duration;
/// use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, RateHeaders, Reply, Reset, StatusCode};
///
/// const PAGERDUTY: RateHeaders = RateHeaders::new("ratelimit", Reset::Seconds);
///
/// let reset = (HeaderName::from_static("ratelimit-reset"), HeaderValue::from_static("20"));
/// let reply = Reply::new(StatusCode::TOO_MANY_REQUESTS).headers(HeaderMap::from_iter([reset]));
/// assert_eq!(PAGERDUTY.wait(&reply, chrono::Utc::now()), Some(Duration::from_secs(20)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RateHeaders {
    prefix: &'static str,
    reset: Reset,
    refusal: fn(&Self, &Reply, Time) -> Option<Duration>,
}

/// What an answer says of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) limit: Option<u64>,
    pub(super) remaining: Option<u64>,
    pub(super) reset: Option<Duration>,
    pub(super) period: Option<Duration>,
}

impl RateHeaders {
    /// Headers with this prefix, in lower case and without the last hyphen, the one of which that ends in `-reset` is this.
    pub const fn new(prefix: &'static str, reset: Reset) -> Self {
        Self { prefix, reset, refusal: usual_refusal }
    }

    /// Says which answers are a refusal of too many requests, and how long each asks to wait, for a vendor that does not use
    /// 429 alone. It is asked about every answer.
    pub const fn refusal(mut self, refusal: fn(&Self, &Reply, Time) -> Option<Duration>) -> Self {
        self.refusal = refusal;
        self
    }

    /// How long an answer asks to wait: `Retry-After`, else the header that says when the limit begins anew. At most 24 hours.
    pub fn wait(&self, reply: &Reply, now: Time) -> Option<Duration> {
        reply.retry_after().or_else(|| self.until_reset(reply, now))
    }

    /// How long it is until the limit begins anew. Times count from the answer's own `Date`, so that the two clocks need not
    /// agree, and from `now` where there is none; one that has passed is no wait. At most 24 hours.
    pub fn until_reset(&self, reply: &Reply, now: Time) -> Option<Duration> {
        let text = self.header(reply, "reset")?;
        let wait = match self.reset {
            Reset::Seconds => Duration::from_secs(digits(text)?),
            Reset::Epoch => {
                let until = i64::try_from(digits(text)?).unwrap_or(i64::MAX);
                Duration::from_secs(
                    u64::try_from(until.saturating_sub(date(reply, now).timestamp())).unwrap_or_default(),
                )
            }
            Reset::Time => (time(text)? - date(reply, now)).to_std().unwrap_or_default(),
        };
        Some(wait.min(LONGEST_WAIT))
    }

    /// How long nothing is to be sent after this answer; `None` if it is no refusal of too many requests. A 429 that names no wait
    /// asks for a second. At most 24 hours.
    pub fn refused(&self, reply: &Reply, now: Time) -> Option<Duration> {
        (self.refusal)(self, reply, now).map(|wait| wait.min(LONGEST_WAIT))
    }

    pub(super) fn read(&self, reply: &Reply, now: Time) -> Said {
        // Counts are added up, and nobody allows more than that.
        let number = |name: &str| Some(self.header(reply, name).and_then(digits)?.min(u32::MAX.into()));
        Said {
            // A limit of nothing would never be asked again.
            limit: number("limit").filter(|limit| *limit > 0),
            remaining: number("remaining"),
            reset: self.until_reset(reply, now),
            period: number("period")
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs)
                .filter(|it| *it <= LONGEST_WAIT),
        }
    }

    fn header<'a>(&self, reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.header(&format!("{}-{name}", self.prefix)).map(str::trim)
    }
}

/// `x-ratelimit`, in seconds.
impl Default for RateHeaders {
    fn default() -> Self {
        Self::new("x-ratelimit", Reset::Seconds)
    }
}

fn usual_refusal(headers: &RateHeaders, reply: &Reply, now: Time) -> Option<Duration> {
    let is_refusal = reply.status == StatusCode::TOO_MANY_REQUESTS;
    is_refusal.then(|| headers.wait(reply, now).unwrap_or(UNSAID))
}

/// A number without a sign. One with so many digits that it is no `u64` is the largest.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn time(text: &str) -> Option<Time> {
    let minute = || NaiveDateTime::parse_from_str(text.strip_suffix('Z')?, "%Y-%m-%dT%H:%M").ok();
    let whole = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok();
    whole.or_else(|| Some(minute()?.and_utc()))
}

fn date(reply: &Reply, now: Time) -> Time {
    let date = reply.header("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    date.map_or(now, |date| date.to_utc())
}
