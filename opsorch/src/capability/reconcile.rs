//! What became of a change that nobody is sure about.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Action, Context, Response, Result};

/// Asks the vendor what became of a change whose outcome is unknown. It only looks; it never repeats the change.
#[async_trait]
pub trait Reconciler: Debug + Send + Sync + 'static {
    /// Looks for the effect of this action, which was attempted under this idempotency key.
    ///
    /// An error means that nothing was learned, and so does an answer that takes more than 30 seconds. An answer must be
    /// certain: what is not seen yet may still come. What is found must have been made under this key; something that only
    /// looks the same is another's.
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled>;
}

/// What a [`Reconciler`] found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)]
pub enum Reconciled {
    /// The change was made, and gave this.
    Applied(Response),
    /// The change was not made, and will not be, not even by a request that is still on its way: the gate may have it made
    /// anew. A vendor whose search lags behind its writes, or that works on after it has given up to answer, cannot say so.
    NotApplied,
    /// It cannot be told, or not yet.
    Unknown,
}
