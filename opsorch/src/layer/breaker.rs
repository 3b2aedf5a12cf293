//! A provider that keeps failing is left alone for a while.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::{Capability, Effect, ProviderName, Response};
use tokio::time::Instant;

use super::{Call, Layer, Next};
use crate::{Error, ErrorKind, Result};

/// A circuit breaker for each provider, capability and effect: reads of logs that fail do not stop tickets from being made.
///
/// * It opens after five failures in a row, or when half of the last 20 calls failed. A failure is what says that the other side
///   cannot answer: `Unavailable`, `Timeout`, `Unexpected`. A refusal is an answer.
/// * While it is open, calls end at once with `Unavailable`, certainly not applied, and nothing is sent.
/// * After 30 seconds one call is let through as a probe. It closes the circuit or opens it for another 30 seconds; a probe that
///   its caller gives up leaves the next call to probe.
///
/// Clones share their circuits. Inside of retries a circuit sees each attempt; outside it sees a call as a whole. Add it before
/// the [`TimeoutLayer`](super::TimeoutLayer): of a call that a layer outside of it cuts off it does not hear how it ended, and
/// counts nothing.
///
/// ```
/// use std::time::Duration;
/// use opsorch::layer::BreakerLayer;
///
/// let layer = BreakerLayer::default().failures(3).open_for(Duration::from_secs(10));
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct BreakerLayer {
    failures: u32,
    ratio: f64,
    window: usize,
    open_for: Duration,
    circuits: Arc<Mutex<BTreeMap<Place, Circuit>>>,
}

type Place = (ProviderName, Capability, bool);

#[derive(Debug, Default)]
struct Circuit {
    state: State,
    /// Whether each of the last calls failed, oldest first.
    recent: VecDeque<bool>,
    in_a_row: u32,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    /// A probe is on its way.
    Probing,
}

/// As described above.
impl Default for BreakerLayer {
    fn default() -> Self {
        Self { failures: 5, ratio: 0.5, window: 20, open_for: Duration::from_secs(30), circuits: Arc::default() }
    }
}

impl BreakerLayer {
    /// Sets how many failures in a row open a circuit; at least one.
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// Sets which part of the last so many calls must fail to open a circuit. Fewer calls than that never do by their ratio;
    /// a ratio above 1 turns this rule off.
    pub fn ratio(mut self, ratio: f64, of_the_last: usize) -> Self {
        (self.ratio, self.window) = (ratio, of_the_last.max(1));
        self
    }

    /// Sets how long a circuit stays open before a probe.
    pub fn open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }

    fn circuits(&self) -> MutexGuard<'_, BTreeMap<Place, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call through, as a probe if need be, or says how long it is to wait.
    fn admit(&self, place: Place) -> Result<Admitted<'_>, Duration> {
        let mut circuits = self.circuits();
        let circuit = circuits.entry(place.clone()).or_default();
        let now = Instant::now();
        let probe = match circuit.state {
            State::Closed => false,
            State::Open { until } if until <= now => {
                circuit.state = State::Probing;
                true
            }
            State::Open { until } => return Err(until - now),
            State::Probing => return Err(Duration::ZERO),
        };
        Ok(Admitted { layer: self, place, probe, failed: None })
    }

    fn record(&self, admitted: &Admitted<'_>) {
        let mut circuits = self.circuits();
        let Some(circuit) = circuits.get_mut(&admitted.place) else { return };
        let now = Instant::now();
        match (admitted.failed, &circuit.state) {
            (None, _) if admitted.probe => circuit.state = State::Open { until: now },
            (Some(true), _) if admitted.probe => circuit.state = State::Open { until: now + self.open_for },
            (Some(false), _) if admitted.probe => *circuit = Circuit::default(),
            (Some(failed), State::Closed) => {
                circuit.add(failed, self.window);
                if circuit.in_a_row >= self.failures || circuit.failed_ratio(self.window) >= self.ratio {
                    circuit.state = State::Open { until: now + self.open_for };
                }
            }
            // It was let through before the circuit opened, and has nothing to say about it any more.
            _ => {}
        }
    }
}

impl Circuit {
    fn add(&mut self, failed: bool, window: usize) {
        self.in_a_row = if failed { self.in_a_row.saturating_add(1) } else { 0 };
        self.recent.push_back(failed);
        while self.recent.len() > window {
            self.recent.pop_front();
        }
    }

    /// Which part of a full window failed; nothing while it is not full.
    #[allow(clippy::cast_precision_loss)] // a window is a handful of calls
    fn failed_ratio(&self, window: usize) -> f64 {
        match self.recent.len() < window {
            true => 0.0,
            false => self.recent.iter().filter(|failed| **failed).count() as f64 / window as f64,
        }
    }
}

/// A call that was let through; what it says counts when it is dropped, so that a probe is never lost.
struct Admitted<'a> {
    layer: &'a BreakerLayer,
    place: Place,
    probe: bool,
    failed: Option<bool>,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.layer.record(self);
    }
}

#[async_trait]
impl Layer for BreakerLayer {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let operation = call.operation();
        let place = (call.provider().clone(), operation.capability(), call.effect() == Effect::Write);
        let mut admitted = self.admit(place).map_err(|wait| refusal(&call, wait))?;
        let result = next.run().await;
        admitted.failed = Some(result.as_ref().is_err_and(|error| is_failure(error.kind())));
        result
    }
}

/// Whether it says that the other side cannot answer now.
fn is_failure(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Unexpected)
}

fn refusal(call: &Call<'_>, wait: Duration) -> Error {
    let when = if wait.is_zero() {
        "when a probe has answered".to_owned()
    } else {
        format!("in {} s", wait.as_millis().div_ceil(1000))
    };
    let message = format!("the last calls failed, so nothing was sent; the next is let through {when}");
    Error::new(ErrorKind::Unavailable, message)
        .with_context("operation", call.operation())
        .with_context("provider", call.provider())
        .not_applied()
}
