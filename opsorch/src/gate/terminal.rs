//! The end of a change's path: where the provider is called, at most once with effect.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::FutureExt;
use opsorch_schema::{Action, OutcomeStatus, Response};

use super::approved::{Approved, Permit};
use super::dispatch::dispatch;
use super::lease::Lease;
use crate::layer::Terminal;
use crate::{Context, Error, Provider, Result};

/// One chain of attempts of one change. Layers may run it as often as they like; after an attempt that took effect, or
/// may have, the provider is not called again, unless its vendor recognises the idempotency key.
#[derive(Debug)]
pub(super) struct ChangeTerminal<'a> {
    provider: &'a Provider,
    cx: &'a Context,
    action: &'a Action,
    permit: &'a Permit,
    lease: &'a Lease,
    chain: Mutex<Chain>,
}

/// What is known of the effect so far. Nothing that was learned is ever forgotten.
#[derive(Debug, Default)]
struct Chain {
    /// What the attempt gave that took effect.
    applied: Option<Box<Response>>,
    /// Why an attempt may have taken effect.
    unknown: Option<Error>,
    /// Attempts on their way. One that a layer gave up is counted for ever.
    in_flight: u32,
    /// Why the last attempt that was refused was.
    refusal: Option<Error>,
}

impl<'a> ChangeTerminal<'a> {
    pub(super) fn new(
        provider: &'a Provider,
        cx: &'a Context,
        action: &'a Action,
        permit: &'a Permit,
        lease: &'a Lease,
    ) -> Self {
        Self { provider, cx, action, permit, lease, chain: Mutex::default() }
    }

    /// What became of the chain, whatever the layers said: the provider's word counts.
    pub(super) fn conclude(self, layers: Result<Response>) -> (OutcomeStatus, Result<Response>) {
        let chain = self.chain.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut response) = chain.applied {
            response.set_provider(self.provider.name());
            return (OutcomeStatus::Applied, Ok(*response));
        }
        let layers = layers.err();
        if chain.unknown.is_some() || chain.in_flight > 0 {
            let given_up = || Error::unexpected("a layer gave the change up while it was on its way");
            let error = chain.unknown.or(layers).unwrap_or_else(given_up);
            return (OutcomeStatus::Unknown, Err(error.maybe_applied()));
        }
        let invented = || Error::unexpected("a layer answered for a change that was not made");
        let error = layers.or(chain.refusal).unwrap_or_else(invented);
        (OutcomeStatus::NotApplied, Err(error.not_applied()))
    }

    /// Takes the right to make an attempt; what is known already, where there is none to take.
    fn start(&self) -> Option<Result<Response>> {
        let mut chain = self.chain();
        if let Some(response) = &chain.applied {
            return Some(Ok((**response).clone()));
        }
        if !self.provider.honours_key(self.action.operation()) {
            if let Some(error) = &chain.unknown {
                return Some(Err(error.clone()));
            }
            if chain.in_flight > 0 {
                let message = "an attempt of this change is on its way or was given up; it is not repeated";
                return Some(Err(Error::conflict(message).maybe_applied()));
            }
        }
        // Whoever finds the intent after its lease may call it unknown, ask the vendor, and have it done anew.
        if let Err(lapsed) = self.lease.check() {
            return Some(Err(lapsed));
        }
        chain.in_flight += 1;
        None
    }

    /// Notes what an attempt gave.
    fn learn(&self, result: &Result<Response>) {
        let mut chain = self.chain();
        chain.in_flight = chain.in_flight.saturating_sub(1);
        match result {
            Ok(response) => chain.applied = Some(Box::new(response.clone())),
            Err(error) if error.may_have_applied() => chain.unknown = Some(error.clone()),
            Err(error) => chain.refusal = Some(error.clone()),
        }
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Terminal for ChangeTerminal<'_> {
    async fn run(&self) -> Result<Response> {
        if let Some(known) = self.start() {
            return known;
        }
        let attempt = dispatch(self.provider, self.cx, Approved::new(self.action, self.permit));
        let result = AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(|_| {
            Err(Error::unexpected("the provider panicked").with_context("provider", self.provider.name()))
        });
        self.learn(&result);
        result
    }
}
