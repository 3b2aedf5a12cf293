//! How many requests a vendor allows, kept by those who send them.

mod bucket;
mod headers;
mod queue;
mod turn;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;

use self::bucket::Bucket;
pub use self::headers::{RateHeaders, Reset};
use self::queue::{Charges, Place, Queue};
use crate::{Clock, SystemClock};

/// How long a request waits for its turn where its context has no deadline.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

const MINUTE: Duration = Duration::from_secs(60);

/// How many requests a vendor allows: limits that every request of a [`Client`](super::Client) keeps to, so that the vendor
/// need not refuse any.
///
/// * **Counting.** A request counts to every limit that [counts](Limit::only) its class. It has the class `read` if it is a GET or
///   HEAD, else `write`, unless [`classes`](Self::classes) or the request itself says otherwise. It counts from when it is sent until
///   a period after it was answered, so that no window of the vendor's sees more than the limit, however long requests travel.
/// * **Waiting.** A request that has no room waits. Callers, by [`Context::actor`](crate::Context::actor), take turns within a class,
///   and classes that share a limit take turns: who comes with one request is served before the second of who comes with thousands.
///   It waits until the deadline of its context, 15 minutes if there is none, and then, or as soon as it is known that its turn comes
///   later, ends in `RateLimited`, certainly not applied, with the time until there is room. At most 50,000 requests wait, 10,000 of one
///   caller; more are refused at once. Who drops a request that waits gives its place back.
/// * **Learning.** The answer's headers ([`RateHeaders`]) speak of the last limit that the request counts to and that is
///   [learned](Limit::learned): what remains there is raised or lowered to what they say, and so is its size. A refusal (429) shuts
///   what it speaks of until the wait that it asks for is over, for everybody; without any limit it shuts everything.
///
/// Clones share what they have counted. A budget to which something is added begins anew.
///
/// ```
/// use std::time::Duration;
/// use opsorch::transport::{Budget, Limit, RateHeaders, Reset};
///
/// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(60 * 60));
/// let budget = Budget::new()
///     .headers(RateHeaders::new("x-ratelimit", Reset::Epoch))
///     .limit(Limit::new("requests", 5_000, hour).learned())
///     .limit(Limit::new("points", 900, minute).cost("write", 5))
///     .limit(Limit::new("changes", 80, minute).only(["write"]))
///     .limit(Limit::new("at once", 100, Duration::ZERO));
/// # let _ = budget;
/// ```
#[derive(Clone)]
pub struct Budget {
    limits: Vec<Limit>,
    headers: RateHeaders,
    classes: fn(&Method, &str) -> &'static str,
    clock: Arc<dyn Clock>,
    queue: Arc<Mutex<Queue>>,
}

impl Budget {
    /// No limits: it learns from refusals alone.
    pub fn new() -> Self {
        Self {
            limits: Vec::new(),
            headers: RateHeaders::default(),
            classes: by_method,
            clock: Arc::new(SystemClock),
            queue: Arc::default(),
        }
    }

    /// Adds a limit.
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self.queue = Arc::default();
        self
    }

    /// Adds what a configuration says as `requests_per_minute`, the key that kinds of providers have for it: at most so many
    /// requests in any minute, whatever the vendor allows. 0 turns the budget off: nothing waits, and the vendor refuses.
    pub fn requests_per_minute(self, requests: Option<u32>) -> Option<Self> {
        match requests {
            None => Some(self),
            Some(0) => None,
            Some(requests) => Some(self.limit(Limit::new("requests_per_minute", requests, MINUTE))),
        }
    }

    /// Sets how the vendor writes of its limits. `x-ratelimit-…` with seconds unless set.
    pub fn headers(mut self, headers: RateHeaders) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the class of a request that does not name one, from its method and its path below the base address, without the
    /// first slash.
    pub fn classes(mut self, classes: fn(&Method, &str) -> &'static str) -> Self {
        self.classes = classes;
        self
    }

    /// Sets the clock for headers that hold a time, where an answer has no `Date`. That of the system unless set.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The class of a request that does not name one.
    pub(super) fn class(&self, method: &Method, path: &str) -> &'static str {
        (self.classes)(method, path)
    }

    /// What a request counts to. Without a limit there is still something to be shut.
    fn charges(&self, class: &str, key: Option<&Arc<str>>) -> Charges {
        let limits = self.limits.iter().enumerate().filter(|(_, limit)| !limit.each || key.is_some());
        let charges = limits.filter_map(|(index, limit)| {
            let key = key.filter(|_| limit.each).cloned();
            limit.counts(class).map(|cost| ((index, key), cost))
        });
        let charges: Vec<_> = charges.collect();
        match charges.is_empty() {
            true => Arc::new([((usize::MAX, None), 1)]),
            false => charges.into(),
        }
    }

    fn bucket(&self, (limit, _): &Place) -> Bucket {
        self.limits.get(*limit).map_or_else(Bucket::default, |limit| Bucket::new(limit.size, limit.period))
    }

    fn is_learned(&self, (limit, _): &Place) -> bool {
        self.limits.get(*limit).is_some_and(|limit| limit.learned)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`Budget::new`].
impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limits", &self.limits)
            .field("headers", &self.headers)
            .field("waiting", &self.queue().len())
            .finish_non_exhaustive()
    }
}

fn by_method(method: &Method, _: &str) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "read",
        _ => "write",
    }
}

/// One limit of a [`Budget`]: so many requests in any window of a period.
#[derive(Clone, Debug)]
pub struct Limit {
    name: &'static str,
    size: Option<u64>,
    period: Option<Duration>,
    only: Option<Vec<&'static str>>,
    costs: Vec<(&'static str, u32)>,
    each: bool,
    learned: bool,
}

impl Limit {
    /// At most so many requests, at least one, in any window of this period. A period of zero limits how many are under way at
    /// the same time. The name is for errors.
    pub fn new(name: &'static str, requests: u32, period: Duration) -> Self {
        let size = Some(requests.max(1).into());
        Self { size, period: Some(period), learned: false, ..Self::unknown(name) }
    }

    /// A limit that only the vendor's headers tell: none until they do.
    pub fn unknown(name: &'static str) -> Self {
        Self { name, size: None, period: None, only: None, costs: Vec::new(), each: false, learned: true }
    }

    /// Counts requests of these classes only, in place of all.
    pub fn only(mut self, classes: impl IntoIterator<Item = &'static str>) -> Self {
        self.only = Some(classes.into_iter().collect());
        self
    }

    /// Sets what a request of this class costs: 1 unless set, and 0 is not counted. One that costs more than all there is goes when
    /// it is alone.
    pub fn cost(mut self, class: &'static str, cost: u32) -> Self {
        self.costs.push((class, cost));
        self
    }

    /// Counts the requests of each [key](super::RequestBuilder::key) apart, such as the messages to each channel. Requests
    /// without a key do not count.
    pub fn each(mut self) -> Self {
        self.each = true;
        self
    }

    /// Believes what the vendor's headers say of it.
    pub fn learned(mut self) -> Self {
        self.learned = true;
        self
    }

    /// What a request of this class costs, if it counts.
    fn counts(&self, class: &str) -> Option<u64> {
        let is_counted = self.only.as_ref().is_none_or(|only| only.contains(&class));
        let cost = self.costs.iter().rev().find(|(known, _)| *known == class).map_or(1, |(_, cost)| *cost);
        (is_counted && cost > 0).then(|| cost.into())
    }
}
