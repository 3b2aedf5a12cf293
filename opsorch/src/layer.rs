//! Behaviour around every call, written once for all operations.
//!
//! A layer is a value. It sees the [`Call`], decides whether, when and how often the rest of the path runs, and sees
//! what comes back. It cannot make or alter a call, and however often it runs a change, the provider makes it at
//! most once.
//!
//! # In which order
//!
//! [`Builder::layer`](crate::Builder::layer) adds each inside of those before. This order serves most, from the outermost on:
//!
//! 1. [`TraceLayer`] and [`MetricsLayer`] see what the caller waited for.
//! 2. `CacheLayer` (feature `cache`): an answer that it keeps costs nothing of what is further in, and equal reads share one
//!    row of attempts. A timeout outside of it ends the wait of one caller; one inside ends the call for all who wait for it.
//! 3. [`RetryLayer`] makes several attempts of a call.
//! 4. [`BreakerLayer`] counts each of them, and refuses them before they wait for a place.
//! 5. [`ConcurrencyLayer`] gives each a place, which nobody holds while a retry waits.
//! 6. [`TimeoutLayer`] limits each. The breaker must be outside of it, to hear how an attempt ended.
//! 7. [`FaultLayer`], on game days: what it injects looks to all others as if the provider did it.
//!
//! # Your own
//!
//! ```
//! use async_trait::async_trait;
//! use opsorch::layer::{Call, Layer, Next};
//! use opsorch::{Response, Result};
//!
//! /// Prints every operation.
//! #[derive(Debug)]
//! struct Print;
//!
//! #[async_trait]
//! impl Layer for Print {
//!     async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
//!         println!("{} on {}", call.operation(), call.provider());
//!         next.run().await
//!     }
//! }
//! ```

mod breaker;
#[cfg(feature = "cache")]
mod cache;
mod concurrency;
mod fault;
pub(crate) mod metrics;
mod retry;
mod timeout;
mod trace;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::{Action, Effect, Operation, ProviderName, Query, Response, Time};

pub use breaker::BreakerLayer;
#[cfg(feature = "cache")]
pub use cache::CacheLayer;
pub use concurrency::ConcurrencyLayer;
pub use fault::{FaultLayer, FaultRule};
pub use metrics::MetricsLayer;
pub use retry::RetryLayer;
pub use timeout::TimeoutLayer;
pub use trace::TraceLayer;

use crate::{Clock, Context, Observed, Provider, Result};

/// Behaviour around every call.
#[async_trait]
pub trait Layer: fmt::Debug + Send + Sync + 'static {
    /// Runs the rest of the path by [`Next::run`], or does not, and answers.
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response>;
}

/// One call to one provider, as a layer sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    input: Input<'a>,
    provider: &'a Provider,
    cx: &'a Context,
    clock: &'a dyn Clock,
}

#[derive(Clone, Copy, Debug)]
enum Input<'a> {
    Query(&'a Query),
    Action(&'a Action),
}

impl<'a> Call<'a> {
    pub(crate) fn read(query: &'a Query, provider: &'a Provider, cx: &'a Context, clock: &'a dyn Clock) -> Self {
        Self { input: Input::Query(query), provider, cx, clock }
    }

    pub(crate) fn change(action: &'a Action, provider: &'a Provider, cx: &'a Context, clock: &'a dyn Clock) -> Self {
        Self { input: Input::Action(action), provider, cx, clock }
    }

    /// The operation.
    pub fn operation(&self) -> Operation {
        match self.input {
            Input::Query(query) => query.operation(),
            Input::Action(action) => action.operation(),
        }
    }

    /// The read, if it is one.
    pub fn query(&self) -> Option<&'a Query> {
        match self.input {
            Input::Query(query) => Some(query),
            Input::Action(_) => None,
        }
    }

    /// The change, if it is one.
    pub fn action(&self) -> Option<&'a Action> {
        match self.input {
            Input::Query(_) => None,
            Input::Action(action) => Some(action),
        }
    }

    /// Whether it is a read or a change.
    pub fn effect(&self) -> Effect {
        match self.input {
            Input::Query(_) => Effect::Read,
            Input::Action(_) => Effect::Write,
        }
    }

    /// The provider that is called.
    pub fn provider(&self) -> &'a ProviderName {
        self.provider.name()
    }

    /// Whether running it again is harmless although it may have taken effect: it is a read, or a change whose vendor
    /// recognises the idempotency key, or is asked for what was made under it before anything is sent again.
    pub fn is_repeatable(&self) -> bool {
        let (provider, operation) = (self.provider, self.operation());
        self.effect() == Effect::Read
            || provider.is_idempotent_by_key(operation)
            || provider.is_found_by_marker(operation)
    }

    /// Who calls, for how long, as part of what.
    pub fn context(&self) -> &'a Context {
        self.cx
    }

    /// What time it is by the control plane's clock.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Says that the answer to this read was fetched for another call, which asked the source at this time. A layer that
    /// keeps answers must say so: [`OpsOrch::observe`](crate::OpsOrch::observe) tells it to whoever asked.
    pub fn observed(&self, at: Time) {
        if let Some(seen) = self.cx.seen() {
            seen.add(Observed::new(at).cached(true));
        }
    }
}

/// The rest of the path: the layers further in, and the provider.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    layers: &'a [Arc<dyn Layer>],
    call: Call<'a>,
    terminal: &'a dyn Terminal,
}

impl<'a> Next<'a> {
    pub(crate) fn new(layers: &'a [Arc<dyn Layer>], call: Call<'a>, terminal: &'a dyn Terminal) -> Self {
        Self { layers, call, terminal }
    }

    /// Runs it. A read may be run several times; a change is made at most once all the same.
    ///
    /// # Errors
    /// Those of the provider and of the layers further in.
    pub async fn run(&self) -> Result<Response> {
        match self.layers.split_first() {
            Some((layer, layers)) => layer.call(self.call, Next { layers, ..*self }).await,
            None => self.terminal.run(self.call.cx).await,
        }
    }

    /// Runs it with so much time at most: whoever is further in sees the earlier deadline, and does not begin what would come too
    /// late. It is not cut off; see [`TimeoutLayer`].
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_within(&self, time: Duration) -> Result<Response> {
        let cx = self.call.cx.clone().timeout(time);
        let call = Call { cx: &cx, ..self.call };
        Next { call, ..*self }.run().await
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("layers", &self.layers).field("call", &self.call).finish_non_exhaustive()
    }
}

/// Where the path ends.
#[async_trait]
pub(crate) trait Terminal: Send + Sync {
    /// Calls the provider, in the context that the layers left.
    async fn run(&self, cx: &Context) -> Result<Response>;
}
