//! What is neither a read nor a change: whether a provider works, and what its vendor sends by itself.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use opsorch_schema::ProviderName;

use super::OpsOrch;
use crate::capability::{Delivery, Health, Webhook};
use crate::{Context, Error, ErrorKind, Result};

/// The longest time for either, as for a call by default.
const LIMIT: Duration = Duration::from_secs(30);

/// Neither is an operation, so that [access](crate::gate::Access) does not speak of them: a surface that offers them says who
/// may ask. Both end at the context's deadline, and after 30 s at the latest.
impl OpsOrch {
    /// Asks a provider which operations work with its credential. It changes nothing.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a provider that is not there, [`Unsupported`](ErrorKind::Unsupported) for one
    /// that cannot tell, [`Timeout`](ErrorKind::Timeout), and those of the provider, which mean that nothing was learned.
    pub async fn health(&self, cx: &Context, provider: impl Into<ProviderName>) -> Result<Health> {
        let provider = self.named(&provider.into())?;
        let check = provider.health_check().ok_or_else(|| cannot(provider.name(), "tell whether it works"))?;
        bounded(cx, provider.name(), check.check(cx)).await
    }

    /// Reads what a vendor sent to a provider by itself, once the provider has verified it. Every item says which
    /// provider it came from. What to do about it is the caller's decision; nothing is changed by receiving it.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a provider that is not there, [`Unsupported`](ErrorKind::Unsupported) for one
    /// that receives nothing, [`Timeout`](ErrorKind::Timeout), and those of the provider:
    /// [`Unauthenticated`](ErrorKind::Unauthenticated) for what the vendor did not send.
    pub async fn receive(
        &self,
        cx: &Context,
        provider: impl Into<ProviderName>,
        webhook: &Webhook,
    ) -> Result<Delivery> {
        let provider = self.named(&provider.into())?;
        let receiver = provider.webhook_receiver().ok_or_else(|| cannot(provider.name(), "receive webhooks"))?;
        let mut delivery = bounded(cx, provider.name(), receiver.receive(cx, webhook)).await?;
        delivery.set_provider(provider.name());
        Ok(delivery)
    }
}

fn cannot(provider: &ProviderName, what: &str) -> Error {
    Error::unsupported(format!("provider `{provider}` cannot {what}"))
}

/// Holds a provider to its time, and keeps its panic from its caller.
async fn bounded<T>(cx: &Context, provider: &ProviderName, work: impl Future<Output = Result<T>>) -> Result<T> {
    let limit = cx.remaining().map_or(LIMIT, |remaining| remaining.min(LIMIT));
    let answer = match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Error::unexpected("the provider panicked")),
        Err(_) => Err(Error::new(ErrorKind::Timeout, "the provider did not answer in time")),
    };
    answer.map_err(|error| error.with_context("provider", provider))
}
