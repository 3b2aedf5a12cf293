//! What is neither a read nor a change: whether a provider works, and what its vendor sends by itself.

use opsorch_schema::ProviderName;

use super::OpsOrch;
use crate::capability::{Delivery, Health, Webhook};
use crate::{Context, Error, Result};

impl OpsOrch {
    /// Asks a provider which operations work with its credential. It changes nothing.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a provider that is not there, [`Unsupported`](crate::ErrorKind::Unsupported)
    /// for one that cannot tell, and those of the provider, which mean that nothing was learned.
    pub async fn health(&self, cx: &Context, provider: impl Into<ProviderName>) -> Result<Health> {
        let provider = self.named(&provider.into())?;
        let check = provider.health_check().ok_or_else(|| cannot(provider.name(), "tell whether it works"))?;
        check.check(cx).await.map_err(|error| error.with_context("provider", provider.name()))
    }

    /// Reads what a vendor sent to a provider by itself, once the provider has verified it. Every item says which
    /// provider it came from. What to do about it is the caller's decision; nothing is changed by receiving it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a provider that is not there, [`Unsupported`](crate::ErrorKind::Unsupported)
    /// for one that receives nothing, and those of the provider:
    /// [`Unauthenticated`](crate::ErrorKind::Unauthenticated) for what the vendor did not send.
    pub async fn receive(
        &self,
        cx: &Context,
        provider: impl Into<ProviderName>,
        webhook: &Webhook,
    ) -> Result<Delivery> {
        let provider = self.named(&provider.into())?;
        let receiver = provider.webhook_receiver().ok_or_else(|| cannot(provider.name(), "receive webhooks"))?;
        let received = receiver.receive(cx, webhook).await;
        let mut delivery = received.map_err(|error| error.with_context("provider", provider.name()))?;
        delivery.set_provider(provider.name());
        Ok(delivery)
    }
}

fn cannot(provider: &ProviderName, what: &str) -> Error {
    Error::unsupported(format!("provider `{provider}` cannot {what}"))
}
