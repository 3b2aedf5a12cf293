//! The end of a change's path: where the provider is called, at most once with effect.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::FutureExt;
use opsorch_schema::{Action, OutcomeStatus, Response};

use super::approved::{Approved, Permit};
use super::dispatch::dispatch;
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
    chain: Mutex<Chain>,
}

/// What is known of the effect so far.
#[derive(Clone, Debug)]
enum Chain {
    /// Nothing happened: no attempt yet, or each was refused.
    Untouched(Option<Error>),
    /// An attempt is on its way. It stays so if a layer gives the attempt up.
    InFlight,
    /// An attempt may have taken effect.
    Unknown(Error),
    /// It took effect.
    Applied(Box<Response>),
}

impl<'a> ChangeTerminal<'a> {
    pub(super) fn new(provider: &'a Provider, cx: &'a Context, action: &'a Action, permit: &'a Permit) -> Self {
        Self { provider, cx, action, permit, chain: Mutex::new(Chain::Untouched(None)) }
    }

    /// What became of the chain, whatever the layers said: the provider's word counts.
    pub(super) fn conclude(self, layers: Result<Response>) -> (OutcomeStatus, Result<Response>) {
        match self.chain.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Chain::Applied(mut response) => {
                response.set_provider(self.provider.name());
                (OutcomeStatus::Applied, Ok(*response))
            }
            Chain::Untouched(refusal) => {
                let error = layers
                    .err()
                    .or(refusal)
                    .unwrap_or_else(|| Error::unexpected("a layer answered for a change that was not made"));
                (OutcomeStatus::NotApplied, Err(error.not_applied()))
            }
            Chain::InFlight => {
                let given_up = || Error::unexpected("a layer gave the change up while it was on its way");
                (OutcomeStatus::Unknown, Err(layers.err().unwrap_or_else(given_up).maybe_applied()))
            }
            Chain::Unknown(error) => (OutcomeStatus::Unknown, Err(error.maybe_applied())),
        }
    }

    /// Takes the right to make an attempt; what is known already, where there is none to take.
    fn start(&self) -> Option<Result<Response>> {
        let may_repeat = self.provider.honours_key(self.action.operation());
        let mut chain = self.chain();
        match &*chain {
            Chain::Untouched(_) => {}
            Chain::Applied(response) => return Some(Ok((**response).clone())),
            Chain::InFlight | Chain::Unknown(_) if may_repeat => {}
            Chain::InFlight => {
                let message = "an attempt of this change is on its way or was given up; it is not repeated";
                return Some(Err(Error::conflict(message).maybe_applied()));
            }
            Chain::Unknown(error) => return Some(Err(error.clone())),
        }
        *chain = Chain::InFlight;
        None
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
        *self.chain() = match &result {
            Ok(response) => Chain::Applied(Box::new(response.clone())),
            Err(error) if error.may_have_applied() => Chain::Unknown(error.clone()),
            Err(error) => Chain::Untouched(Some(error.clone())),
        };
        result
    }
}
