//! A vendor that takes no idempotency keys, but in which what was made is found by them.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{Reconciled, Reconciler};
use opsorch::{Action, Context, Provider, ProviderName, Result};

use super::{Keys, MemoryProvider, changes};

impl MemoryProvider {
    /// This world as a provider of a vendor that takes no idempotency keys: each request is another change. The key stays
    /// with what was made as a marker, by which it is found: at once, and with certainty.
    pub fn marked(&self, name: impl Into<ProviderName>) -> Provider {
        let this = Self { keys: Keys::Marks, ..self.clone() };
        this.offered(name).found_by_marker(changes()).with_reconciler(Arc::new(this))
    }

    pub(super) fn under_way(&self, key: &str) -> UnderWay<'_> {
        *self.world().under_way.entry(key.to_owned()).or_default() += 1;
        UnderWay { memory: self, key: key.to_owned() }
    }
}

#[async_trait]
impl Reconciler for MemoryProvider {
    /// A request that takes its time may still be answered.
    async fn reconcile(&self, _: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let world = self.world();
        Ok(match world.made(idempotency_key, action) {
            Some(response) => Reconciled::Applied(response),
            None if world.under_way.contains_key(idempotency_key) => Reconciled::Unknown,
            None => Reconciled::NotApplied,
        })
    }
}

/// A request that takes its time. One that is dropped makes nothing any more.
pub(super) struct UnderWay<'a> {
    memory: &'a MemoryProvider,
    key: String,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut world = self.memory.world();
        if let Some(requests) = world.under_way.get_mut(&self.key) {
            *requests -= 1;
            if *requests == 0 {
                world.under_way.remove(&self.key);
            }
        }
    }
}
