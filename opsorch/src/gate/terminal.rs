//! The end of a change's path: where the provider is called, at most once with effect.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use opsorch_schema::{Action, OutcomeStatus, Response};

use super::approved::{Approved, Permit};
use super::chain::{Attempt, Begun, Chain, Repeats};
use super::dispatch::dispatch;
use super::lease::Lease;
use super::look_up::look_up;
use crate::capability::{Reconciled, Reconciler};
use crate::layer::Terminal;
use crate::{Context, Error, Provider, Result};

/// One chain of attempts of one change. Layers may run it as often as they like; after an attempt that took effect, or
/// may have, the provider is not called again, unless its vendor recognises the idempotency key, or was asked and is certain
/// that nothing was made under it.
#[derive(Debug)]
pub(super) struct ChangeTerminal<'a> {
    provider: &'a Provider,
    action: &'a Action,
    permit: &'a Permit,
    lease: &'a Arc<Lease>,
    chain: Chain,
}

impl<'a> ChangeTerminal<'a> {
    pub(super) fn new(provider: &'a Provider, action: &'a Action, permit: &'a Permit, lease: &'a Arc<Lease>) -> Self {
        Self { provider, action, permit, lease, chain: Chain::default() }
    }

    /// What became of the chain, whatever the layers said: the provider's word counts.
    pub(super) fn conclude(self, layers: Result<Response>) -> (OutcomeStatus, Result<Response>) {
        let (status, mut result) = self.chain.conclude(layers);
        if let Ok(response) = &mut result {
            response.set_provider(self.provider.name());
        }
        (status, result)
    }

    /// Calls the provider.
    async fn send(&self, cx: &Context, mut attempt: Attempt<'_>) -> Result<Response> {
        // Whoever finds the intent after its lease may call it unknown, ask the vendor, and have it done anew.
        if let Err(lapsed) = self.lease.check() {
            attempt.end(&Err(lapsed.clone()));
            return Err(lapsed);
        }
        attempt.send();
        let cx = &cx.clone().under(self.lease);
        let sent = dispatch(self.provider, cx, Approved::new(self.action, self.permit));
        let result = AssertUnwindSafe(sent).catch_unwind().await.unwrap_or_else(|_| {
            Err(Error::unexpected("the provider panicked").with_context("provider", self.provider.name()))
        });
        attempt.end(&result);
        result
    }

    /// Asks the vendor first what became of the earlier attempts, and calls the provider only if nothing did.
    async fn ask_and_send(
        &self,
        cx: &Context,
        vendor: &dyn Reconciler,
        attempt: Attempt<'_>,
        doubt: Error,
    ) -> Result<Response> {
        match look_up(cx, vendor, self.action, &self.permit.idempotency_key).await {
            Ok(Reconciled::Applied(response)) => {
                attempt.end(&Ok(response.clone()));
                Ok(response)
            }
            Ok(Reconciled::NotApplied) => {
                self.chain.clear_doubt();
                self.send(cx, attempt).await
            }
            Ok(Reconciled::Unknown) => Err(doubt),
            Err(error) => {
                tracing::debug!(code = error.kind().code(), "a vendor could not say what became of a change");
                Err(doubt)
            }
        }
    }
}

#[async_trait]
impl Terminal for ChangeTerminal<'_> {
    async fn run(&self, cx: &Context) -> Result<Response> {
        let operation = self.action.operation();
        let repeats = match self.provider.finder(operation) {
            _ if self.provider.is_idempotent_by_key(operation) => Repeats::ByKey,
            Some(vendor) => Repeats::WhenAsked(vendor),
            None => Repeats::Never,
        };
        match self.chain.begin(repeats) {
            Begun::Known(known) => known,
            Begun::Attempt(attempt) => self.send(cx, attempt).await,
            Begun::Asking { attempt, vendor, doubt } => self.ask_and_send(cx, vendor, attempt, doubt).await,
        }
    }
}
