//! A limit on calls at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use opsorch_schema::{ProviderName, Response};
use tokio::sync::Semaphore;

use super::{Call, Layer, Next};
use crate::{Error, ErrorKind, Result};

/// Lets so many calls at the same time through to each provider; further ones wait their turn, in the order they came, at most
/// until their deadline.
///
/// At most 1 000 wait for a provider unless [`queue`](Self::queue) says otherwise; more are told at once that it is busy. Clones
/// share their places.
///
/// ```
/// use opsorch::layer::ConcurrencyLayer;
///
/// let layer = ConcurrencyLayer::new(16).queue(100);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct ConcurrencyLayer {
    at_once: usize,
    queue: usize,
    places: Arc<Mutex<BTreeMap<ProviderName, Arc<Places>>>>,
}

#[derive(Debug)]
struct Places {
    running: Semaphore,
    /// Those who run or wait.
    inside: Semaphore,
}

impl ConcurrencyLayer {
    /// Lets so many through at once; at least one.
    pub fn new(at_once: usize) -> Self {
        Self { at_once: at_once.clamp(1, Semaphore::MAX_PERMITS / 2), queue: 1_000, places: Arc::default() }
    }

    /// Sets how many may wait for a provider.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue.min(Semaphore::MAX_PERMITS / 2);
        self
    }

    fn places(&self, provider: &ProviderName) -> Arc<Places> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(provider) {
            return Arc::clone(known);
        }
        let new = Places {
            running: Semaphore::new(self.at_once),
            inside: Semaphore::new(self.at_once.saturating_add(self.queue)),
        };
        Arc::clone(places.entry(provider.clone()).or_insert(Arc::new(new)))
    }
}

#[async_trait]
impl Layer for ConcurrencyLayer {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let places = self.places(call.provider());
        let Ok(_inside) = places.inside.try_acquire() else {
            let message = format!("{} calls run and {} wait already", self.at_once, self.queue);
            return Err(refusal(&call, ErrorKind::Unavailable, message));
        };
        let turn = places.running.acquire();
        let turn = match call.context().remaining() {
            None => Some(turn.await),
            Some(remaining) => tokio::time::timeout(remaining, turn).await.ok(),
        };
        let Some(Ok(_running)) = turn else {
            let message = format!("no turn before the deadline; {} calls run at once", self.at_once);
            return Err(refusal(&call, ErrorKind::Timeout, message));
        };
        next.run().await
    }
}

fn refusal(call: &Call<'_>, kind: ErrorKind, message: String) -> Error {
    Error::new(kind, message)
        .with_context("operation", call.operation())
        .with_context("provider", call.provider())
        .not_applied()
}
