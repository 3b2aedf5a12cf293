//! Behaviour around every call, written once for all operations.
//!
//! A layer is a value. It sees the [`Call`], decides whether, when and how often the rest of the path runs, and sees
//! what comes back. It cannot make or alter a call, and however often it runs a change, the provider makes it at
//! most once.
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
mod concurrency;
mod metrics;
mod retry;
mod timeout;
mod trace;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use opsorch_schema::{Action, Effect, Operation, ProviderName, Query, Response};

pub use breaker::BreakerLayer;
pub use concurrency::ConcurrencyLayer;
pub use metrics::MetricsLayer;
pub use retry::RetryLayer;
pub use timeout::TimeoutLayer;
pub use trace::TraceLayer;

use crate::{Context, Provider, Result};

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
}

#[derive(Clone, Copy, Debug)]
enum Input<'a> {
    Query(&'a Query),
    Action(&'a Action),
}

impl<'a> Call<'a> {
    pub(crate) fn read(query: &'a Query, provider: &'a Provider, cx: &'a Context) -> Self {
        Self { input: Input::Query(query), provider, cx }
    }

    pub(crate) fn change(action: &'a Action, provider: &'a Provider, cx: &'a Context) -> Self {
        Self { input: Input::Action(action), provider, cx }
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
    /// recognises the idempotency key.
    pub fn is_repeatable(&self) -> bool {
        self.effect() == Effect::Read || self.provider.honours_key(self.operation())
    }

    /// Who calls, for how long, as part of what.
    pub fn context(&self) -> &'a Context {
        self.cx
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
            None => self.terminal.run().await,
        }
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
    async fn run(&self) -> Result<Response>;
}
