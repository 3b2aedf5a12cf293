//! Layers of a history that are no layers of the library, or have to happen the same way each time.

use std::time::Duration;

use opsorch::layer::{Call, FaultLayer, FaultRule, Layer, Next};
use opsorch::{Clock, ErrorKind, ManualClock, Response, Result, async_trait};

use super::rng::Rng;

/// Faults on purpose, beside those that happen.
pub(crate) fn game_day(seed: u64) -> FaultLayer {
    let began = ManualClock::default().now();
    FaultLayer::between(began, began + Duration::from_secs(24 * 60 * 60))
        .seed(seed)
        .rule(FaultRule::lost_reply().ratio(0.2))
        .rule(FaultRule::error(ErrorKind::Unavailable).ratio(0.1))
        .rule(FaultRule::delay(Duration::from_secs(3)).ratio(0.2))
}

thread_local! {
    static JITTER: std::cell::RefCell<Rng> = const { std::cell::RefCell::new(Rng::ZERO) };
}

/// A history happens on one thread.
pub(crate) fn seed_jitter(rng: Rng) {
    JITTER.set(rng);
}

pub(crate) fn jitter() -> f64 {
    JITTER.with_borrow_mut(Rng::fraction)
}

#[derive(Debug)]
pub(crate) struct Twice;

#[async_trait]
impl Layer for Twice {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        let _ = next.run().await;
        next.run().await
    }
}

#[derive(Debug)]
pub(crate) struct AtOnce;

#[async_trait]
impl Layer for AtOnce {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        let (one, other) = tokio::join!(next.run(), next.run());
        one.or(other)
    }
}
