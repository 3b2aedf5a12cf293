//! Faults on purpose, on game days.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::{Capability, Operation, ProviderName, Response, Time};

use super::{Call, Layer, Next};
use crate::{Error, ErrorKind, Result};

/// Makes calls fail or wait on purpose, to practise for the day when they do by themselves.
///
/// * It begins and ends by itself, by the control plane's clock; before and after, calls pass.
/// * Which calls are hit follows from the seed and from how many came before: the same calls in the same order meet the same
///   faults. The first [rule](FaultRule) that hits a call counts.
/// * Each fault is a warning in the trace, and its error says that it was injected, in the message and as the context
///   `injected`.
///
/// Add it last, so that it stands where the provider does. Clones count calls together. For faults in a test, one by one, the
/// testkit has a provider that takes them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsorch::Result<()> {
/// use std::time::Duration;
/// use opsorch::layer::{FaultLayer, FaultRule, RetryLayer};
/// use opsorch::{Actor, Capability, Clock, Context, ErrorKind, ManualClock, OpsOrch, TicketQuery};
/// use opsorch_testkit::MemoryProvider;
///
/// let clock = ManualClock::default();
/// let hour = Duration::from_secs(3600);
/// let game_day = FaultLayer::between(clock.now(), clock.now() + hour)
///     .rule(FaultRule::error(ErrorKind::Unavailable).capability(Capability::Ticket).ratio(0.3))
///     .rule(FaultRule::delay(Duration::from_secs(2)).provider("tracker").ratio(0.1));
/// let memory = MemoryProvider::new(clock.clone());
/// let ops = OpsOrch::builder()
///     .provider(memory.provider("tracker"))
///     .clock(clock.clone())
///     .layer(RetryLayer::new(2))
///     .layer(game_day)
///     .build()
///     .await?;
/// # clock.advance(hour);
/// let _ = ops.query(&Context::new(Actor::agent("triage")), TicketQuery::open()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FaultLayer {
    begin: Time,
    end: Time,
    seed: u64,
    rules: Vec<FaultRule>,
    calls: Arc<AtomicU64>,
}

impl FaultLayer {
    /// Injects from one time on, and until before the other.
    pub fn between(begin: Time, end: Time) -> Self {
        Self { begin, end, seed: 0, rules: Vec::new(), calls: Arc::default() }
    }

    /// Sets what the choice of calls follows from; 0 unless it is set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds a rule behind the others.
    pub fn rule(mut self, rule: FaultRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The fault that hits this call.
    fn fault(&self, call: &Call<'_>) -> Option<&Fault> {
        let now = call.now();
        if now < self.begin || now >= self.end {
            return None;
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut draws = Draws(self.seed ^ mixed(number));
        // Each rule draws, whether it is for the call or not: one that is added changes nothing for those before it.
        let mut hits = self.rules.iter().filter(|rule| draws.next() < rule.ratio && rule.is_for(call));
        hits.next().map(|rule| &rule.fault)
    }
}

/// What goes wrong, and with which calls: all of them, unless it is narrowed.
#[derive(Clone, Debug)]
pub struct FaultRule {
    fault: Fault,
    ratio: f64,
    provider: Option<ProviderName>,
    capability: Option<Capability>,
    operation: Option<Operation>,
}

#[derive(Clone, Debug)]
enum Fault {
    Error(ErrorKind),
    Delay(Duration),
    LostReply,
}

impl FaultRule {
    /// The call ends in an error of this kind, and nothing is sent: a change was certainly not made.
    pub fn error(kind: ErrorKind) -> Self {
        Self::of(Fault::Error(kind))
    }

    /// The call waits so long before it is sent. At its deadline it ends with [`Timeout`](ErrorKind::Timeout), and nothing is
    /// sent.
    pub fn delay(delay: Duration) -> Self {
        Self::of(Fault::Delay(delay))
    }

    /// The provider is called, and what it answers is lost: [`Unavailable`](ErrorKind::Unavailable), and a change may have
    /// been made. What the provider said of a change reaches the audit log and the caller all the same, because the
    /// gate keeps it; retries and breakers see the loss.
    pub fn lost_reply() -> Self {
        Self::of(Fault::LostReply)
    }

    fn of(fault: Fault) -> Self {
        Self { fault, ratio: 1.0, provider: None, capability: None, operation: None }
    }

    /// Hits this part of the calls, from 0 to 1; all of them unless it is set.
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Hits calls of this provider only.
    pub fn provider(mut self, provider: impl Into<ProviderName>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Hits calls of this capability only.
    pub fn capability(mut self, capability: Capability) -> Self {
        self.capability = Some(capability);
        self
    }

    /// Hits calls of this operation only.
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    fn is_for(&self, call: &Call<'_>) -> bool {
        let operation = call.operation();
        self.provider.as_ref().is_none_or(|provider| provider == call.provider())
            && self.capability.is_none_or(|capability| capability == operation.capability())
            && self.operation.is_none_or(|wanted| wanted == operation)
    }
}

#[async_trait]
impl Layer for FaultLayer {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        let Some(fault) = self.fault(&call) else { return next.run().await };
        let (operation, provider) = (call.operation(), call.provider());
        tracing::warn!(%operation, %provider, ?fault, "a fault is injected, because a game day is on");
        match fault {
            Fault::Error(kind) => Err(injected(&call, kind.clone(), "nothing was sent", "error").not_applied()),
            Fault::Delay(delay) => {
                let left = call.context().remaining();
                tokio::time::sleep(left.map_or(*delay, |left| left.min(*delay))).await;
                if left.is_some_and(|left| left <= *delay) {
                    let what = "the wait was longer than the deadline, and nothing was sent";
                    return Err(injected(&call, ErrorKind::Timeout, what, "delay").not_applied());
                }
                next.run().await
            }
            Fault::LostReply => {
                // Dropped as it is: whoever lost the answer does not know what it said.
                let _ = next.run().await;
                Err(injected(&call, ErrorKind::Unavailable, "the answer was lost", "lost reply").maybe_applied())
            }
        }
    }
}

fn injected(call: &Call<'_>, kind: ErrorKind, what: &str, fault: &str) -> Error {
    Error::new(kind, format!("a fault was injected on purpose: {what}"))
        .with_context("operation", call.operation())
        .with_context("provider", call.provider())
        .with_context("injected", fault)
}

/// Numbers in [0, 1) that follow from a seed (SplitMix64; Steele, Lea, Flood 2014).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let high = u32::try_from(mixed(self.0) >> 32).unwrap_or_default();
        f64::from(high) / (f64::from(u32::MAX) + 1.0)
    }
}

/// The finalizer of SplitMix64: neighbours end up far from each other.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
