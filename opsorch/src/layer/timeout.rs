//! A limit on the time of a call.

use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::Response;
use tokio::time::Instant;

use super::{Call, Layer, Next};
use crate::{Error, ErrorKind, Result};

/// Ends a call that takes too long, or longer than its context allows, with [`Timeout`](ErrorKind::Timeout).
///
/// A change that is ended so may have been made all the same; the error says it.
///
/// ```
/// use std::time::Duration;
/// use opsorch::layer::TimeoutLayer;
///
/// let layer = TimeoutLayer::new(Duration::from_secs(10));
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer {
    limit: Duration,
}

impl TimeoutLayer {
    /// Gives each call so much time.
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

/// 30 seconds, in which vendors answer or never do.
impl Default for TimeoutLayer {
    fn default() -> Self {
        Self::new(Duration::from_secs(30))
    }
}

#[async_trait]
impl Layer for TimeoutLayer {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let limit = call.context().remaining().map_or(self.limit, |remaining| remaining.min(self.limit));
        let timed_out = |message| {
            Error::new(ErrorKind::Timeout, message)
                .with_context("operation", call.operation())
                .with_context("provider", call.provider())
        };
        if limit.is_zero() {
            return Err(timed_out("the deadline had passed before the call began".to_owned()).not_applied());
        }
        let started = Instant::now();
        match tokio::time::timeout(limit, next.run_within(limit)).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(format!("no answer within {} ms", started.elapsed().as_millis()))),
        }
    }
}
