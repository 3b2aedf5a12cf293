//! Eyes on what passes between a control plane and a provider, and between a provider and its vendor.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::layer::{Call, Layer, Next};
use opsorch::transport::{Reply, Request, ReqwestTransport, Transport};
use opsorch::{Error, ErrorKind, Response, Result, async_trait};

/// Counts the calls of a provider.
#[derive(Debug)]
pub(super) struct Count(pub(super) Arc<AtomicU64>);

#[async_trait]
impl Layer for Count {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        self.0.fetch_add(1, Ordering::Relaxed);
        next.run().await
    }
}

/// Sends requests for real, and keeps them. On demand it loses an answer.
#[derive(Debug)]
pub(super) struct Tap {
    inner: ReqwestTransport,
    seen: Mutex<Vec<Request>>,
    observed: Arc<AtomicU64>,
    loses: AtomicBool,
}

impl Tap {
    pub(super) fn new(observed: Arc<AtomicU64>) -> Result<Self> {
        Ok(Self { inner: ReqwestTransport::new()?, seen: Mutex::default(), observed, loses: AtomicBool::new(false) })
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loses the answer to the next request that is not a GET.
    pub(super) fn lose_the_next_answer(&self) {
        self.loses.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Transport for Tap {
    async fn send(&self, request: Request) -> Result<Reply> {
        self.observed.fetch_add(1, Ordering::Relaxed);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let loses = request.method != "GET" && self.loses.swap(false, Ordering::Relaxed);
        let reply = self.inner.send(request).await?;
        match loses {
            true => Err(Error::new(ErrorKind::Unavailable, "the answer was lost, as the suite wanted it")),
            false => Ok(reply),
        }
    }
}
