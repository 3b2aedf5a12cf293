//! What the benchmarks share: payloads, the time that a process takes, and a vendor that answers at once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

pub mod payload;
pub mod plain;
pub mod results;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use opsorch::Result;
use opsorch::transport::{Bytes, HeaderName, HeaderValue, Reply, Request, StatusCode, Transport};
use rustix::time::{ClockId, clock_gettime};

/// The time that this process has used of all cores.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The least time of several rounds, in seconds of CPU time: everything else on the machine only slows a round down.
pub fn least(rounds: usize, mut work: impl FnMut()) -> f64 {
    let round = |_| {
        let before = cpu_seconds();
        work();
        cpu_seconds() - before
    };
    (0..rounds).map(round).fold(f64::INFINITY, f64::min)
}

/// Numbers that are the same in every run (xorshift, Marsaglia 2003).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers that follow from a seed other than 0.
    pub fn new(seed: u64) -> Self {
        assert_ne!(seed, 0, "0 stays 0");
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// Where a request asks to go on: the number of the page, from 0; `None` for the page after the one before.
pub type Place = fn(&Request) -> Option<usize>;

/// A vendor that answers with pages that were made before.
#[derive(Debug)]
pub struct Canned {
    pages: Vec<Bytes>,
    place: Place,
    asked: AtomicUsize,
}

impl Canned {
    /// Gives the pages one after the other, and begins anew after the last.
    pub fn new(pages: Vec<Bytes>) -> Self {
        Self::by(|_| None, pages)
    }

    /// Gives the page that is asked for.
    pub fn by(place: Place, pages: Vec<Bytes>) -> Self {
        Self { pages, place, asked: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: Request) -> Result<Reply> {
        let next = || self.asked.fetch_add(1, Ordering::Relaxed) % self.pages.len();
        let index = (self.place)(&request).unwrap_or_else(next);
        let mut reply = Reply::new(StatusCode::OK).body(self.pages[index].clone());
        if index + 1 < self.pages.len() {
            // The form of GitHub; nobody else looks for it.
            let link = format!(r#"<https://api.example.org/page?page={}>; rel="next""#, index + 2);
            reply.headers.insert(HeaderName::from_static("link"), HeaderValue::from_str(&link).unwrap());
        }
        Ok(reply)
    }
}
