//! Services that keep keys: a data key comes from them in two forms, in clear and wrapped.

mod aws;
mod sigv4;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

pub use self::aws::{AwsCredentials, AwsKms};
use super::Key;
use crate::Result;

/// What a wrapped key is bound to: unwrapping it takes the same pairs. They are not secret and may show in the log of the
/// service.
pub type KmsContext = BTreeMap<String, String>;

/// Makes and unwraps data keys. The key that wraps them never leaves the service.
///
/// An `EncryptedFile` asks for one data key when it is made and when its key is rotated, keeps the wrapped form in the file,
/// and asks for it to be unwrapped once in a process.
#[async_trait]
pub trait Kms: fmt::Debug + Send + Sync + 'static {
    /// Makes a data key that is bound to the context.
    ///
    /// # Errors
    /// Those of the service, but never `NotFound`: that means a missing secret.
    async fn generate_data_key(&self, context: &KmsContext) -> Result<DataKey>;

    /// Unwraps a data key that was made with the same context.
    ///
    /// # Errors
    /// `Invalid` for a wrapped key that was changed, or made by another key or with another context; else those of the service,
    /// but never `NotFound`.
    async fn unwrap_data_key(&self, wrapped: &[u8], context: &KmsContext) -> Result<Key>;
}

/// A data key in both its forms.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataKey {
    /// The key in clear.
    pub key: Key,
    /// The key as the service wrapped it, to be kept beside what it encrypts. At most 6144 bytes.
    pub wrapped: Vec<u8>,
}

impl DataKey {
    /// A key and its wrapped form.
    pub fn new(key: Key, wrapped: impl Into<Vec<u8>>) -> Self {
        Self { key, wrapped: wrapped.into() }
    }
}
