//! The rate budgets of the vendors: 10 000 calls against doubles that enforce what their documentation allows.
//!
//! Time is the runtime's, paused: nothing sleeps.

// A vendor has at least one limit.
#![allow(clippy::indexing_slicing)]

#[cfg(feature = "github")]
mod github;
#[cfg(feature = "pagerduty")]
mod pagerduty;
#[cfg(feature = "slack")]
mod slack;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::gate::Decision;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Reply, Request, StatusCode, Transport};
use opsorch::{Action, Actor, Context, OpsOrch, ProviderConfig, Result, Target};
use tokio::time::Instant;

const CALLS: usize = 10_000;
const CALLERS: usize = 5;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A limit as the vendor enforces it: on what arrives, in windows that slide, or that begin with the first request in them.
struct Enforced {
    cost: fn(&Request) -> u64,
    key: fn(&Request) -> String,
    size: u64,
    period: Duration,
    is_fixed: bool,
    arrived: BTreeMap<String, VecDeque<(Instant, u64)>>,
}

impl Enforced {
    fn sliding(size: u64, period: Duration, cost: fn(&Request) -> u64) -> Self {
        Self { cost, key: |_| String::new(), size, period, is_fixed: false, arrived: BTreeMap::new() }
    }

    #[cfg(feature = "github")]
    fn fixed(size: u64, period: Duration, cost: fn(&Request) -> u64) -> Self {
        Self { is_fixed: true, ..Self::sliding(size, period, cost) }
    }

    #[cfg(feature = "slack")]
    fn each(mut self, key: fn(&Request) -> String) -> Self {
        self.key = key;
        self
    }

    /// Whether the request is within the limit; what remains, and until when.
    fn count(&mut self, now: Instant, request: &Request) -> (bool, u64, Duration) {
        let window = self.arrived.entry((self.key)(request)).or_default();
        match self.is_fixed {
            true if window.front().is_some_and(|(first, _)| now >= *first + self.period) => window.clear(),
            true => {}
            false => {
                while window.front().is_some_and(|(oldest, _)| now >= *oldest + self.period) {
                    window.pop_front();
                }
            }
        }
        let cost = (self.cost)(request);
        let used: u64 = window.iter().map(|(_, cost)| cost).sum();
        let is_within = used + cost <= self.size;
        if cost > 0 && is_within {
            window.push_back((now, cost));
        }
        let reset = window.front().map_or(Duration::ZERO, |(first, _)| *first + self.period - now);
        (is_within, self.size.saturating_sub(used + cost), reset)
    }
}

/// The headers of an answer, from the limit, what remains and for how long.
type Headers = fn(u64, u64, Duration) -> Vec<(&'static str, String)>;

/// A vendor that refuses what is too much. Requests travel for some milliseconds in both directions, and overtake each other.
struct Vendor {
    /// The first is the one that headers speak of.
    limits: Mutex<Vec<Enforced>>,
    headers: Headers,
    answer: fn(&Request) -> Reply,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    requests: u64,
    refused: u64,
    under_way: u64,
    most_under_way: u64,
}

impl Vendor {
    fn new(limits: Vec<Enforced>, headers: Headers, answer: fn(&Request) -> Reply) -> Arc<Self> {
        Arc::new(Self { limits: Mutex::new(limits), headers, answer, seen: Mutex::default() })
    }

    fn arrive(&self, request: &Request) -> Reply {
        let now = Instant::now();
        let counted: Vec<_> = self.limits.lock().unwrap().iter_mut().map(|limit| limit.count(now, request)).collect();
        let (_, remaining, reset) = counted[0];
        let size = self.limits.lock().unwrap()[0].size;
        let mut reply = (self.answer)(request);
        if counted.iter().any(|(is_within, ..)| !is_within) {
            self.seen.lock().unwrap().refused += 1;
            reply = Reply::new(StatusCode::TOO_MANY_REQUESTS).headers(header("retry-after", "60"));
        }
        for (name, value) in (self.headers)(size, remaining, reset) {
            reply.headers.extend(header(name, &value));
        }
        reply
    }
}

fn header(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vendor")
    }
}

/// The way to a vendor.
#[derive(Debug)]
struct Wire(Arc<Vendor>);

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Reply> {
        let Self(vendor) = self;
        let number = {
            let mut seen = vendor.seen.lock().unwrap();
            seen.requests += 1;
            seen.under_way += 1;
            seen.most_under_way = seen.most_under_way.max(seen.under_way);
            seen.requests
        };
        tokio::time::sleep(Duration::from_millis(number * 7 % 11)).await;
        let reply = vendor.arrive(&request);
        tokio::time::sleep(Duration::from_millis(number * 5 % 13)).await;
        vendor.seen.lock().unwrap().under_way -= 1;
        Ok(reply)
    }
}

async fn plane(vendor: &Arc<Vendor>, config: impl ProviderConfig) -> OpsOrch {
    OpsOrch::builder()
        .configure("vendor", config)
        .transport(Wire(Arc::clone(vendor)))
        .without_layers()
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
        .build()
        .await
        .unwrap()
}

/// Lets five agents make so many calls at once. Returns how long it took all, and how long it took each of them.
async fn flood<F: Future<Output = ()> + Send + 'static>(
    calls: usize,
    call: impl Fn(Context, usize) -> F,
) -> (Duration, Vec<Duration>) {
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS).map(|caller| Actor::agent(format!("agent {caller}"))).collect();
    let mut under_way = Vec::new();
    for number in 0..calls {
        let cx = Context::new(callers[number % CALLERS].clone()).timeout(24 * 60 * MINUTE);
        let call = call(cx, number);
        under_way.push(tokio::spawn(async move {
            call.await;
            began.elapsed()
        }));
    }
    let mut ends = vec![Duration::ZERO; CALLERS];
    for (number, call) in under_way.into_iter().enumerate() {
        let end = call.await.unwrap();
        ends[number % CALLERS] = ends[number % CALLERS].max(end);
    }
    (began.elapsed(), ends)
}

/// That 95 % of what was allowed was used, and that nobody had to wait for all others.
fn check(vendor: &Vendor, best: Duration, (all, ends): &(Duration, Vec<Duration>)) {
    let seen = vendor.seen.lock().unwrap();
    assert_eq!(seen.refused, 0, "of {} requests", seen.requests);
    let used = best.as_secs_f64() / all.as_secs_f64();
    assert!(used >= 0.95, "{used:.3} of what is allowed: {all:?}, at best {best:?}");
    let first = ends.iter().min().unwrap();
    assert!(first.as_secs_f64() >= 0.9 * all.as_secs_f64(), "callers that ask as much end together: {ends:?}");
}
