//! What pays for retries, so that a vendor in trouble is not asked several times as much.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opsorch_schema::ProviderName;
use tokio::time::Instant;

/// What one retry costs.
const RETRY: u64 = 1000;

/// The most retries that are saved up by calls. After a long time without trouble so many come at once, and no more.
const MOST_SAVED: u64 = 100 * RETRY;

/// The most retries that are saved up by time, and how many there are at first.
const MOST_BY_TIME: u64 = 10 * RETRY;

/// The budget of each provider. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct RetryBudget {
    /// What a call pays in.
    share: u64,
    purses: Arc<Mutex<BTreeMap<ProviderName, Purse>>>,
}

#[derive(Debug)]
struct Purse {
    saved: u64,
    at: Instant,
}

/// A fifth of the calls.
impl Default for RetryBudget {
    fn default() -> Self {
        Self { share: RETRY / 5, purses: Arc::default() }
    }
}

impl RetryBudget {
    /// Retries are at most this part of the calls, beside those that time pays for.
    pub(super) fn new(share: f64) -> Self {
        // Between nothing and a hundred retries for each call; what is no number is nothing.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let share = (share.clamp(0.0, 100.0) * 1000.0) as u64;
        Self { share, ..Self::default() }
    }

    /// A call is made.
    pub(super) fn pay_in(&self, provider: &ProviderName) {
        let now = Instant::now();
        let mut purses = self.purses();
        match purses.get_mut(provider) {
            Some(purse) => purse.pay_in(self.share, now),
            None => {
                let mut purse = Purse { saved: MOST_BY_TIME, at: now };
                purse.pay_in(self.share, now);
                purses.insert(provider.clone(), purse);
            }
        }
    }

    /// Pays for a retry; whether there was enough.
    pub(super) fn pay(&self, provider: &ProviderName) -> bool {
        let now = Instant::now();
        self.purses().get_mut(provider).is_none_or(|purse| purse.pay(now))
    }

    fn purses(&self) -> MutexGuard<'_, BTreeMap<ProviderName, Purse>> {
        self.purses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Purse {
    fn pay_in(&mut self, share: u64, now: Instant) {
        self.pass_time(now);
        self.saved = (self.saved + share).min(MOST_SAVED);
    }

    fn pay(&mut self, now: Instant) -> bool {
        self.pass_time(now);
        match self.saved.checked_sub(RETRY) {
            Some(rest) => {
                self.saved = rest;
                true
            }
            None => false,
        }
    }

    /// A retry each second, as long as few are saved: a provider that is asked seldom must be tried again too.
    fn pass_time(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).min(Duration::from_secs(60));
        let earned = u64::try_from(passed.as_millis()).unwrap_or_default();
        if earned > 0 {
            self.at = now;
            self.saved = self.saved.max((self.saved + earned).min(MOST_BY_TIME));
        }
    }
}
