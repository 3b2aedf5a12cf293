//! The JSON file of OpsOrch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::file::{self, Locked, blocking, invalid};
use super::store::{absent, check};
use super::{Secret, SecretStore};
use crate::gate::canonical_json;
use crate::{Error, Result};

/// The largest file that is read or written: 4 MiB.
const LARGEST_FILE: usize = 4 * 1024 * 1024;

/// The JSON file of OpsOrch's secret provider `json`: one object, whose members are the secrets by name. A value is text, or
/// an object whose text is the secret: `{"jira": "s3cr3t", "providers/ticket/default": {"provider": "jira"}}`.
///
/// The file is **in clear**; an `EncryptedFile` is the better place, and this one for files that are there already. OpsOrch's
/// own `put` changes memory only; this one changes the file, whole and under a lock. A file that others can read is read all
/// the same, as OpsOrch does, and a warning is logged; after a change its mode is 0600. A file that is not there is empty.
#[derive(Clone, Debug)]
pub struct JsonSecrets {
    path: Arc<Path>,
}

impl JsonSecrets {
    /// The secrets of this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into() }
    }

    async fn read(&self) -> Result<Map<String, Value>> {
        let path = Arc::clone(&self.path);
        blocking(move || read(&path)).await
    }

    /// Changes the file, unless `change` refuses.
    async fn change(&self, change: impl FnOnce(&mut Map<String, Value>) -> Result<()> + Send + 'static) -> Result<()> {
        let path = Arc::clone(&self.path);
        blocking(move || {
            let locked = Locked::wait(&path)?;
            let mut secrets = read(&path)?;
            change(&mut secrets)?;
            // In a map of its own, because the order of serde's depends on its features.
            let sorted: BTreeMap<&String, &Value> = secrets.iter().collect();
            let text = serde_json::to_vec_pretty(&sorted).map(Zeroizing::new);
            let text = text.map_err(|_| invalid(&path, "the secrets cannot be written as JSON"))?;
            if text.len() > LARGEST_FILE {
                return Err(invalid(&path, "the file would be larger than 4 MiB"));
            }
            locked.replace(&text)
        })
        .await
    }
}

#[async_trait]
impl SecretStore for JsonSecrets {
    async fn get(&self, name: &str) -> Result<Secret> {
        let refuse = |message: String| Error::invalid("secret", message).with_context("name", name);
        match self.read().await?.remove(name) {
            None => Err(absent(name)),
            Some(Value::String(text)) if text.is_empty() => Err(refuse("the secret is empty".into())),
            Some(Value::String(text)) => Ok(Secret::new(text)),
            // The error is not kept: it may repeat a part of the value.
            Some(value @ Value::Object(_)) => canonical_json(&value)
                .map(Secret::new)
                .map_err(|_| refuse("the object holds a number beyond 2^53, which JSON cannot carry exactly".into())),
            Some(_) => Err(refuse("expected text or an object, got another value".into())),
        }
    }

    async fn put(&self, name: &str, secret: &Secret) -> Result<()> {
        check(name, secret)?;
        let (name, text) = (name.to_owned(), Value::from(secret.expose()));
        self.change(move |secrets| {
            secrets.insert(name, text);
            Ok(())
        })
        .await
    }

    async fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.read().await?.into_iter().map(|(name, _)| name).collect();
        names.sort();
        Ok(names)
    }

    async fn delete(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.change(move |secrets| secrets.remove(&name).map(drop).ok_or_else(|| absent(&name))).await
    }
}

fn read(path: &Path) -> Result<Map<String, Value>> {
    let warn = |metadata: &std::fs::Metadata| {
        if let Some(mode) = file::mode_of_others(metadata) {
            let (path, mode) = (path.display(), format!("{mode:04o}"));
            tracing::warn!(%path, mode, "others can read this file of secrets; `chmod 600` it");
        }
        Ok(())
    };
    let Some(bytes) = file::read(path, LARGEST_FILE, warn)? else { return Ok(Map::new()) };
    // The error of the parser is not kept: it may repeat a secret.
    serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        invalid(path, format!("expected a JSON object of secrets by name; it is not at {place}"))
    })
}
