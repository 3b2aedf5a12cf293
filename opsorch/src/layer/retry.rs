//! Another try, where it can help and cannot harm.

mod budget;

use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::Response;

use self::budget::RetryBudget;
use super::{Call, Layer, Next};
use crate::{Error, ErrorKind, Result};

/// Tries again after an error that may pass: rate limits, unavailability, timeouts.
///
/// * A change is tried again only if it certainly was not made, or its vendor recognises the idempotency key, or can be asked
///   for what was made under it: see [`Call::is_repeatable`].
/// * It waits as long as the vendor asks for, else 200 ms, 400 ms, …, each with a random part of up to a half, so
///   that callers who failed together do not come back together.
/// * It gives up rather than wait beyond the context's deadline, or beyond its own longest wait.
/// * Retries are paid for, by provider: each call pays in a fifth of one, up to 100 in all, and each second one while fewer than ten
///   are there. Where nothing is left an error is returned as it is, with a note: a vendor that is down is asked a fifth more
///   than otherwise, and not several times as much. Clones share what was paid in.
///
/// ```
/// use opsorch::layer::RetryLayer;
///
/// let layer = RetryLayer::new(5);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct RetryLayer {
    attempts: u32,
    first_wait: Duration,
    longest_wait: Duration,
    jitter: fn() -> f64,
    budget: RetryBudget,
}

impl RetryLayer {
    /// Makes at most so many attempts, the first included; at least one.
    pub fn new(attempts: u32) -> Self {
        Self {
            attempts: attempts.max(1),
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(30),
            jitter: random,
            budget: RetryBudget::default(),
        }
    }

    /// Sets the longest single wait; a vendor that asks for more gets no further attempt. 30 s unless set.
    pub fn longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// Sets which part of the calls to a provider retries may be, beside one each second: 0.2 unless set, at most 100. With 0.1 a
    /// tenth call pays for a retry of any. It begins anew, apart from clones.
    pub fn budget(mut self, share: f64) -> Self {
        self.budget = RetryBudget::new(share);
        self
    }

    /// Sets where the random part of a wait comes from: a number in [0, 1). The operating system's unless set; a test that has to
    /// happen the same way each time gives its own.
    pub fn jitter(mut self, jitter: fn() -> f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// How long to wait before the next attempt; `None` if there is to be none.
    fn wait(&self, call: &Call<'_>, attempt: u32, error: &Error) -> Option<Duration> {
        let safe = call.is_repeatable() || !error.may_have_applied();
        if attempt >= self.attempts || !error.is_retryable() || !safe {
            return None;
        }
        let wait = match error.kind() {
            ErrorKind::RateLimited { retry_after: Some(asked) } => *asked,
            _ => {
                let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(attempt - 1));
                let wait = doubled.min(self.longest_wait);
                wait - wait.mul_f64((self.jitter)().clamp(0.0, 1.0) / 2.0)
            }
        };
        let in_time = call.context().remaining().is_none_or(|remaining| wait < remaining);
        (in_time && wait <= self.longest_wait).then_some(wait)
    }
}

/// Three attempts.
impl Default for RetryLayer {
    fn default() -> Self {
        Self::new(3)
    }
}

#[async_trait]
impl Layer for RetryLayer {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        self.budget.pay_in(call.provider());
        let mut attempt = 1;
        loop {
            let error = match next.run().await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let Some(wait) = self.wait(&call, attempt, &error) else {
                return Err(after(attempt, error));
            };
            if !self.budget.pay(call.provider()) {
                return Err(after(attempt, error.with_context("retry budget", "used up by earlier calls")));
            }
            tracing::debug!(operation = %call.operation(), provider = %call.provider(), attempt, ?wait, code = error.kind().code(), "trying again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }
}

/// The error of the last attempt, which says that there were several.
fn after(attempts: u32, error: Error) -> Error {
    if attempts == 1 { error } else { error.with_context("attempts", attempts) }
}

/// A random number in [0, 1).
fn random() -> f64 {
    let bits = getrandom::u32().unwrap_or_default();
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
