//! The answers that are kept.

use std::fmt;
use std::hash::RandomState;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use opsorch_schema::{Response, Time};
use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};
use tokio::time::Instant;

use super::Key;

/// What a source answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) asked: Asked,
    /// How long it is as JSON.
    size: u64,
}

impl Answer {
    /// What was answered to a question of that time. It is measured only if it is to be kept.
    pub(super) fn new(response: Response, asked: Asked, keeps: bool) -> Self {
        let size = if keeps { size(&response) } else { 0 };
        Self { response, asked, size }
    }
}

/// When a source was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// By the control plane's clock.
    pub(super) at: Time,
    /// By the runtime's clock, which nobody sets.
    pub(super) on: Instant,
}

impl Asked {
    pub(super) fn now(at: Time) -> Self {
        Self { at, on: Instant::now() }
    }

    /// Whether that was less than so long ago by both clocks: the runtime's may stand still while the machine sleeps, and the
    /// control plane's may be set.
    pub(super) fn is_within(&self, span: Duration, now: Self) -> bool {
        now.on.saturating_duration_since(self.on) < span && (now.at - self.at).to_std().is_ok_and(|age| age < span)
    }
}

/// Answers by their keys, bounded in number and size.
pub(super) struct Kept(Cache<Key, Arc<Answer>, Weight, RandomState>);

impl Kept {
    /// How many answers are kept unless it is set otherwise.
    const ANSWERS: usize = 10_000;

    /// How many bytes they may have unless it is set otherwise.
    const BYTES: usize = 64 * 1024 * 1024;

    /// So many at most, of so many bytes at most.
    pub(super) fn new(answers: usize, bytes: usize) -> Self {
        let capacity = u64::try_from(bytes).unwrap_or(u64::MAX).min(u64::MAX / 4);
        // An answer weighs as many bytes as it has, and so much at least that one more than so many have no room.
        let least = capacity / u64::try_from(answers).unwrap_or(u64::MAX).saturating_add(1).max(2) + 1;
        Self(Cache::with(answers, capacity, Weight { least }, RandomState::new(), DefaultLifecycle::default()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// An answer that is younger than that.
    pub(super) fn find(&self, key: &[u8], ttl: Duration, now: Asked) -> Option<Arc<Answer>> {
        self.0.get(key).filter(|answer| answer.asked.is_within(ttl, now)).cloned()
    }

    pub(super) fn keep(&mut self, key: Key, answer: Arc<Answer>) {
        self.0.insert(key, answer);
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::new(Self::ANSWERS, Self::BYTES)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("answers", &self.0.len()).field("weight", &self.0.weight()).finish()
    }
}

/// What an answer weighs.
struct Weight {
    least: u64,
}

impl Weighter<Key, Arc<Answer>> for Weight {
    fn weight(&self, key: &Key, answer: &Arc<Answer>) -> u64 {
        let key = u64::try_from(key.len()).unwrap_or(u64::MAX);
        answer.size.saturating_add(key).max(self.least)
    }
}

/// How many bytes it has as JSON.
fn size(response: &Response) -> u64 {
    struct Count(u64);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, response) {
        Ok(()) => count.0,
        // It has no size, so that it has no room.
        Err(_) => u64::MAX,
    }
}
