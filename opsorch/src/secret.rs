//! Secrets: text that cannot be printed, references to it, where they are looked up, and the stores that keep them.
//!
//! A configuration holds a [`SecretRef`]; a [`SecretSource`] turns it into a [`Secret`] when a provider is built. A
//! [`SecretStore`] keeps secrets by name, and is the source of the references `secret:NAME`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opsorch::Result<()> {
//! use opsorch::secret::{MemorySecrets, Secret, SecretRef, SecretSource, SecretStore};
//!
//! let store = MemorySecrets::new();
//! store.put("jira/token", &Secret::new("s3cr3t")).await?;
//!
//! let reference: SecretRef = "secret:jira/token".parse()?;
//! let token = store.resolve(&reference).await?;
//!
//! assert_eq!(token.expose(), "s3cr3t");
//! assert_eq!(format!("{token:?} from {reference}"), "Secret(***) from secret:jira/token");
//! # Ok(())
//! # }
//! ```
//!
//! # The stores
//!
//! | store | keeps secrets in | at rest | changes |
//! |---|---|---|---|
//! | [`MemorySecrets`] | this process | not at all | yes |
//! | [`EnvironmentSecrets`] | environment variables | not at all | no |
//! | [`DirectorySecrets`] | one file for each, of mode 0600 | in clear | yes |
//! | [`JsonSecrets`] | the JSON file of OpsOrch | in clear | yes |
//! | `EncryptedFile` (feature `encryption`) | one file, under a key, a passphrase or a [`Kms`] | encrypted | yes |
//! | [`VaultSecrets`] | HashiCorp Vault, KV version 2 | as Vault does | yes |
//! | `PluginSecrets` (feature `plugin`) | a program of yours | as the program does | as the program says |
//!
//! A control plane takes its store from the configuration ([`SecretsConfig`]) or from
//! [`Builder::secrets`](crate::Builder::secrets). [`StoredProvider`] is the configuration of a provider that a store keeps.

mod config;
mod directory;
#[cfg(feature = "encryption")]
mod encrypted;
mod environment;
mod file;
mod json;
mod key;
mod kms;
mod memory;
mod reference;
mod source;
mod store;
mod stored_provider;
mod vault;

use std::fmt;

use async_trait::async_trait;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use self::config::{AwsKmsConfig, SecretsConfig};
pub use self::directory::DirectorySecrets;
#[cfg(feature = "encryption")]
pub use self::encrypted::{EncryptedFile, EncryptionKey};
pub use self::environment::EnvironmentSecrets;
pub use self::json::JsonSecrets;
pub use self::key::Key;
pub use self::kms::{AwsCredentials, AwsKms, DataKey, Kms, KmsContext};
pub use self::memory::MemorySecrets;
pub use self::reference::SecretRef;
pub use self::source::{StaticSecrets, SystemSecrets};
pub use self::store::SecretStore;
#[cfg(feature = "plugin")]
pub(crate) use self::store::{absent, check, check_name};
pub use self::stored_provider::StoredProvider;
pub use self::vault::{VaultAuth, VaultSecrets};
use crate::Result;
#[cfg(feature = "plugin")]
pub use crate::plugin::secrets::PluginSecrets;

/// The largest secret, in bytes: 64 KiB, far above any token or key.
pub(crate) const LARGEST: usize = 64 * 1024;

/// Text that cannot be printed: no `Display`, no `Serialize`, and a `Debug` without the text.
///
/// The memory is wiped when it is dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Keeps this text secret from here on.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one place that needs it, never for a log, an error or a URL.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is this text, in a time that does not tell how much of it is right.
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where secrets are looked up: for those who keep them in a vault of their own.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync + 'static {
    /// The secret that this reference means.
    ///
    /// # Errors
    /// `Invalid`, naming the reference, where there is no such secret or it is empty. An error never shows a value.
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-5f1d";

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new(CANARY);
        let reference = SecretRef::literal(CANARY);
        let source = StaticSecrets::new([("TOKEN", CANARY)]);
        let printed = format!("{secret:?} {secret:#?} {reference} {reference:?} {reference:#?} {source:?} {source:#?}");
        assert!(!printed.contains("canary"), "{printed}");
        assert_eq!(format!("{:?}", SecretRef::env("TOKEN")), "SecretRef(env:TOKEN)");
    }

    #[test]
    fn a_secret_matches_itself_only() {
        let secret = Secret::new(CANARY);
        assert!(secret.matches(CANARY));
        assert!(!secret.matches("canary-5f1e"));
        assert!(!secret.matches("canary"));
        assert!(!secret.matches(""));
    }
}
