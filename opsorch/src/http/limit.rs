//! How many requests each principal has.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use opsorch_schema::{Identity, Time};

use crate::{Error, Result};

/// The most principals that are remembered; the least busy is forgotten first.
const MOST: usize = 10_000;

/// So many requests in so much time, for each principal. Who has been idle may use them all at once; they come back
/// evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    requests: u32,
    /// The time in microseconds, at least one for each request.
    per: i64,
}

impl RateLimit {
    /// So many requests in so much time.
    ///
    /// # Errors
    /// `Invalid` for no requests, for more than one in a microsecond, and for a time above a day.
    pub fn new(requests: u32, per: Duration) -> Result<Self> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let micros = i64::try_from(per.as_micros()).unwrap_or(i64::MAX);
        if requests == 0 || per > DAY || micros < i64::from(requests) {
            let message = "expected at least one request in at most a day, and at most one in a microsecond";
            return Err(Error::invalid("rate_limit", message));
        }
        Ok(Self { requests, per: micros })
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { requests: 6000, per: 60 * 1_000_000 }
    }
}

/// What is left to a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    limit: u32,
    remaining: i64,
    /// In how many seconds all of it is there again.
    reset: i64,
    /// How long to wait, where nothing is left.
    pub(super) wait: Option<Duration>,
}

impl Allowance {
    /// Writes it where clients look for it, `Retry-After` included.
    pub(super) fn stamp(&self, headers: &mut HeaderMap) {
        const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
        const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
        const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(self.reset));
        if let Some(wait) = self.wait {
            headers.insert(RETRY_AFTER, HeaderValue::from(super::respond::whole_seconds(wait)));
        }
    }
}

/// For each principal the time at which all of its requests are there again: the generic cell rate algorithm.
pub(super) struct Limiter {
    limit: Option<RateLimit>,
    full_at: Mutex<HashMap<Identity, i64>>,
}

impl Limiter {
    pub(super) fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, full_at: Mutex::default() }
    }

    /// Takes one request of a principal's; `None` where there is no limit.
    pub(super) fn take(&self, who: &Identity, now: Time) -> Option<Allowance> {
        let RateLimit { requests, per } = self.limit?;
        let (now, each) = (now.timestamp_micros(), per / i64::from(requests));
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that is set back must lock nobody out.
        let busy_until = full_at.get(who).copied().unwrap_or(now).clamp(now, now.saturating_add(per));
        let after = busy_until.saturating_add(each);
        let over = after.saturating_sub(now).saturating_sub(each * i64::from(requests));
        let allowance = |until: i64, wait| Allowance {
            limit: requests,
            remaining: (each * i64::from(requests) - (until - now)).max(0) / each,
            reset: (until - now + 999_999) / 1_000_000,
            wait,
        };
        if over > 0 {
            return Some(allowance(busy_until, Some(Duration::from_micros(over.unsigned_abs()))));
        }
        match full_at.get_mut(who) {
            Some(place) => *place = after,
            None => {
                make_room(&mut full_at, now);
                full_at.insert(who.clone(), after);
            }
        }
        Some(allowance(after, None))
    }
}

fn make_room(full_at: &mut HashMap<Identity, i64>, now: i64) {
    if full_at.len() < MOST {
        return;
    }
    full_at.retain(|_, time| *time > now);
    if full_at.len() >= MOST
        && let Some(least) = full_at.iter().min_by_key(|(_, time)| **time).map(|(who, _)| who.clone())
    {
        full_at.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, ManualClock};

    fn alice() -> Identity {
        Identity::new("local", "alice")
    }

    #[test]
    fn who_used_them_up_waits_and_others_do_not() {
        let limiter = Limiter::new(Some(RateLimit::new(3, Duration::from_secs(3)).unwrap()));
        let clock = ManualClock::default();
        let take = || limiter.take(&alice(), clock.now()).unwrap();
        assert_eq!([take().remaining, take().remaining, take().remaining], [2, 1, 0]);
        let refused = take();
        assert_eq!((refused.wait, refused.reset), (Some(Duration::from_secs(1)), 3));
        assert!(limiter.take(&Identity::new("local", "bob"), clock.now()).unwrap().wait.is_none());
        clock.advance(Duration::from_secs(1));
        assert!(take().wait.is_none(), "one came back");
        assert!(take().wait.is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let limiter = Limiter::new(Some(RateLimit::new(1, Duration::from_secs(1)).unwrap()));
        let clock = ManualClock::default();
        let before = clock.now();
        clock.advance(Duration::from_secs(3600));
        assert!(limiter.take(&alice(), clock.now()).unwrap().wait.is_none());
        assert!(limiter.take(&alice(), before).unwrap().wait.unwrap() <= Duration::from_secs(1));
    }

    #[test]
    fn principals_are_remembered_only_so_long_and_only_so_many() {
        let limiter = Limiter::new(Some(RateLimit::new(10, Duration::from_secs(10)).unwrap()));
        let now = ManualClock::default().now();
        for number in 0..MOST + 10 {
            limiter.take(&Identity::new("local", number.to_string()), now);
        }
        assert!(limiter.full_at.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn a_limit_that_cannot_be_meant_is_refused() {
        for (requests, per) in [(0, 1), (1, 0), (1, 100_000)] {
            assert!(RateLimit::new(requests, Duration::from_secs(per)).is_err(), "{requests} in {per} s");
        }
    }
}
