//! Asking a vendor what became of a change, before anything is done again.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use opsorch_schema::Action;

use crate::capability::{Reconciled, Reconciler};
use crate::{Context, Error, ErrorKind, Result};

/// How long a vendor may take to say what became of a change.
const LIMIT: Duration = Duration::from_secs(30);

/// What the vendor says of this action under this idempotency key. One that panics or takes too long says nothing.
pub(super) async fn look_up(cx: &Context, vendor: &dyn Reconciler, action: &Action, key: &str) -> Result<Reconciled> {
    let asked = AssertUnwindSafe(vendor.reconcile(cx, action, key)).catch_unwind();
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Error::unexpected("the provider panicked as it was asked what became of a change")),
        Err(_) => {
            let message = format!("the vendor did not say within {} s what became of a change", LIMIT.as_secs());
            Err(Error::new(ErrorKind::Timeout, message))
        }
    }
}
