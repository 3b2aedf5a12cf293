//! Secrets in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::store::{absent, check};
use super::{Secret, SecretStore};
use crate::Result;

/// Secrets in the memory of this process: for tests, and for those who fill it from elsewhere.
#[derive(Debug, Default)]
pub struct MemorySecrets(Mutex<BTreeMap<String, Secret>>);

impl MemorySecrets {
    /// A store of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn secrets(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SecretStore for MemorySecrets {
    async fn get(&self, name: &str) -> Result<Secret> {
        self.secrets().get(name).cloned().ok_or_else(|| absent(name))
    }

    async fn put(&self, name: &str, secret: &Secret) -> Result<()> {
        check(name, secret)?;
        self.secrets().insert(name.to_owned(), secret.clone());
        Ok(())
    }

    async fn names(&self) -> Result<Vec<String>> {
        Ok(self.secrets().keys().cloned().collect())
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.secrets().remove(name).map(drop).ok_or_else(|| absent(name))
    }
}
