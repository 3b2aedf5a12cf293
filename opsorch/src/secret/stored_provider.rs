//! The configuration of a provider that is kept in a secret store.

use std::fmt;

use opsorch_schema::Capability;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Secret, SecretStore};
use crate::{Error, ErrorKind, Result};

/// The provider of one capability, as a secret store keeps it under `providers/<capability>/default`: the JSON text
/// `{"provider":"jira","config":{…}}`, with `"plugin"` where a plugin answers for it.
///
/// It is a secret as a whole, because a configuration may hold credentials in clear. Whether it is encrypted at rest is up
/// to the store.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsorch::Result<()> {
/// use opsorch::secret::{MemorySecrets, StoredProvider};
/// use opsorch::{Capability, Config};
/// use serde_json::json;
///
/// let store = MemorySecrets::new();
/// let config = json!({ "url": "https://jira.example.org", "token": "s3cr3t" });
/// StoredProvider::new("jira").config(config.as_object().cloned().unwrap_or_default()).save(&store, Capability::Ticket).await?;
///
/// let config = Config::new().with_stored(&store).await?;
/// assert_eq!(config.provider_names().collect::<Vec<_>>(), ["ticket"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredProvider {
    /// Its kind.
    pub kind: String,
    /// The configuration of its kind.
    pub config: Map<String, Value>,
    /// The path of the plugin that answers for it, where there is one.
    pub plugin: Option<String>,
}

impl StoredProvider {
    /// A provider of this kind, with an empty configuration.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), config: Map::new(), plugin: None }
    }

    /// Sets the configuration of its kind.
    pub fn config(mut self, config: Map<String, Value>) -> Self {
        self.config = config;
        self
    }

    /// Names the plugin that answers for it.
    pub fn plugin(mut self, path: impl Into<String>) -> Self {
        self.plugin = Some(path.into());
        self
    }

    /// The name under which a store keeps the provider of this capability.
    pub fn name(capability: Capability) -> String {
        format!("providers/{}/default", capability.name())
    }

    /// Reads the provider of this capability; `None` where the store has none.
    ///
    /// # Errors
    /// `Invalid`, naming the secret and not its content, for what is not the JSON of a provider; those of the store, but for
    /// `NotFound`: a store that cannot be read does not mean that nothing is configured.
    pub async fn load(store: &(impl SecretStore + ?Sized), capability: Capability) -> Result<Option<Self>> {
        let name = Self::name(capability);
        let text = match store.get(&name).await {
            Ok(text) => text,
            Err(error) if *error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.with_context("secret", name)),
        };
        // The error of the parser is not kept: it may repeat a credential.
        let wire: Wire = serde_json::from_str(text.expose()).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            let expected = r#"expected {"provider": text, "config": object, "plugin": text}"#;
            Error::invalid(format!("secret:{name}"), format!("{expected}; it is something else at {place}"))
        })?;
        let plugin = wire.plugin.filter(|path| !path.is_empty());
        let kind = wire.provider.trim().to_lowercase();
        if kind.is_empty() && plugin.is_none() {
            return Err(Error::invalid(format!("secret:{name}"), "neither `provider` nor `plugin` is given"));
        }
        Ok(Some(Self { kind, config: wire.config.unwrap_or_default(), plugin }))
    }

    /// Keeps it as the provider of this capability, in place of the one that is there.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn save(&self, store: &(impl SecretStore + ?Sized), capability: Capability) -> Result<()> {
        let wire = Wire { provider: self.kind.clone(), config: Some(self.config.clone()), plugin: self.plugin.clone() };
        let text = serde_json::to_string(&wire).map(Zeroizing::new);
        let text = text.map_err(|_| Error::invalid("config", "the configuration cannot be written as JSON"))?;
        store.put(&Self::name(capability), &Secret::new(text.as_str())).await
    }
}

/// Shows the keys of the configuration, not the values: any may be a secret.
impl fmt::Debug for StoredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredProvider")
            .field("kind", &self.kind)
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .field("plugin", &self.plugin)
            .finish()
    }
}

/// What is written, in this order. Other members are not looked at, as OpsOrch does not.
#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    provider: String,
    config: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
}
