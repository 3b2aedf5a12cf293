//! Another provider for a capability, while calls go on.

use std::sync::{Arc, PoisonError};

use opsorch_schema::{Capability, Digest};
#[cfg(feature = "http")]
use opsorch_schema::{Operation, ProviderName};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::OpsOrch;
use super::roster::Roster;
use crate::secret::StoredProvider;
use crate::{Config, Error, Provider, Result};

/// A provider can be configured while the control plane runs: [`prepare`](Self::prepare) it, keep the configuration where it
/// outlives the process ([`StoredProvider::save`]), and [`install`](Self::install) it. No grant for the former provider outlives
/// it, even if the two differ in nothing: a secret may be that of another account, and what was approved is not what would run.
impl OpsOrch {
    /// Builds the provider of a capability, as one that a secret store keeps is built: it is named after the capability and
    /// offers that alone. What was said of the provider that has this name now holds for it too: the attributes, and that it is
    /// read-only. Nothing is changed by it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the path to what is wrong, such as `providers.ticket.url`, and no value: any
    /// may be a secret. Those of its kind, and those of [`install`](Self::install).
    pub async fn prepare(&self, capability: Capability, wanted: &StoredProvider) -> Result<Provider> {
        let mut config = Config::new().stored(capability, wanted.clone());
        let mut built = config.build_providers(&self.core.registry, &self.core.env).await?;
        let provider = built.pop().ok_or_else(|| Error::unexpected("no provider was built"))?;
        let roster = self.roster();
        let provider = match roster.find(provider.name()) {
            Some(former) => provider.held_to(&former),
            None => provider,
        };
        roster.with(capability, provider.clone())?;
        Ok(provider)
    }

    /// Lets a provider serve a capability alone, by every surface, in place of those that are routed for it. Calls that have
    /// begun go on with the former ones, which stay to be named ([`Ask::on`](super::Ask::on)) unless they have the same name.
    ///
    /// Its [fingerprint](Provider::fingerprint) becomes one of this call alone, so that neither a grant nor a kept answer of another
    /// provider is taken for one of it. Built anew at the next start it has the fingerprint of its configuration.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a provider that offers nothing of the capability, or has the name of one that
    /// serves another one too; nothing is changed then.
    pub fn install(&self, capability: Capability, provider: Provider) -> Result<()> {
        let mut roster = self.core.roster.write().unwrap_or_else(PoisonError::into_inner);
        *roster = Arc::new(roster.with(capability, unlike_any_other(provider))?);
        Ok(())
    }

    /// Who serves what at this moment.
    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.core.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The provider that answers where OpsOrch has only one: the first that is routed.
    #[cfg(feature = "http")]
    pub(crate) fn first_routed(&self, operation: Operation) -> Option<ProviderName> {
        self.routed(operation).first().map(|provider| provider.name().clone())
    }

    /// Whether any operation of a capability has a provider.
    #[cfg(feature = "http")]
    pub(crate) fn serves(&self, capability: Capability) -> bool {
        self.roster().serves(capability)
    }

    /// Runs work to its end whether or not somebody waits for what comes of it; [`idle`](Self::idle) does.
    #[cfg(feature = "http")]
    pub(crate) fn run_to_end<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let task = self.core.gate.notify.tasks.spawn(work);
        async move { task.await.map_err(|error| Error::unexpected("the work did not end").with_source(error)) }
    }
}

/// The provider with a fingerprint that no other has. It is made of a number and not of the secrets, which could be guessed
/// from a digest.
fn unlike_any_other(provider: Provider) -> Provider {
    let text = format!("{}\n{}", provider.target(None).fingerprint, Uuid::now_v7());
    let sum: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    provider.fingerprint(Digest::from_sha256(sum).as_str())
}
