//! One provider of a configuration, and which of its keys mean the same for every kind.

use std::fmt;

use opsorch_schema::{Capability, OperationSet, ProviderName, Scope, visible};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{decode, named};
use crate::{BuildEnv, Error, ErrorKind, Provider, Registry, Result};

/// The longest name of a provider, in characters.
const LONGEST_NAME: usize = 100;

/// The keys of a provider that are not its kind's own.
const RESERVED: [&str; 4] = ["kind", "attributes", "capabilities", "read_only"];

/// One provider of a [`Config`](super::Config): its kind, what policies may match, and the kind's own configuration.
///
/// ```
/// use opsorch::{Capability, Config, ProviderEntry, Scope};
/// use serde_json::json;
///
/// let jira = ProviderEntry::new("jira")
///     .config(json!({ "url": "https://jira.example.org", "token": "env:JIRA_TOKEN" }))
///     .attributes(Scope::new().environment("production"));
/// let config = Config::new().provider("jira", jira).route(Capability::Ticket, ["jira"]);
/// assert_eq!(config.provider_names().count(), 1);
/// ```
#[derive(Clone)]
pub struct ProviderEntry {
    kind: String,
    attributes: Scope,
    pub(super) capabilities: Option<Vec<Capability>>,
    read_only: bool,
    config: Value,
    /// Where it was written, if not in a file.
    origin: Option<String>,
    /// Whether a control plane is built without it where it cannot be built.
    pub(super) may_be_missing: bool,
}

impl ProviderEntry {
    /// A provider of this kind, with an empty configuration of its own.
    pub fn new(kind: impl Into<String>) -> Self {
        let config = Value::Object(Map::new());
        Self {
            kind: kind.into(),
            attributes: Scope::new(),
            capabilities: None,
            read_only: false,
            config,
            origin: None,
            may_be_missing: false,
        }
    }

    /// Sets the configuration that its kind understands, an object.
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Says which environment, service and team it acts on, for policies to match.
    pub fn attributes(mut self, attributes: Scope) -> Self {
        self.attributes = attributes;
        self
    }

    /// Offers these capabilities only.
    pub fn capabilities(mut self, capabilities: impl IntoIterator<Item = Capability>) -> Self {
        self.capabilities = Some(capabilities.into_iter().collect());
        self
    }

    /// Offers no change.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    pub(super) fn from(mut self, origin: String) -> Self {
        self.origin = Some(origin);
        self
    }

    pub(super) fn check(&self, name: &ProviderName) -> Result<()> {
        if self.capabilities.as_ref().is_some_and(Vec::is_empty) {
            let message = "expected at least one capability; leave the key out to offer all";
            return Err(Error::invalid(format!("providers.{name}.capabilities"), message));
        }
        let Scope { environment, service, team, .. } = &self.attributes;
        for (key, value) in [("environment", environment), ("service", service), ("team", team)] {
            // An attribute that looks known but is not would pass rules that an unknown one does not.
            if value.as_ref().is_some_and(|value| value.is_empty() || value.trim() != value) {
                let message = "expected text without space around it; leave the key out if it is not known";
                return Err(Error::invalid(format!("providers.{name}.attributes.{key}"), message));
            }
        }
        Ok(())
    }

    pub(super) fn check_config(&self, name: &ProviderName, registry: &Registry) -> Result<()> {
        registry.check(name, &self.kind, &self.config).map_err(|error| self.locate(error))
    }

    pub(super) async fn build(&self, name: &ProviderName, registry: &Registry, env: &BuildEnv) -> Result<Provider> {
        let built = registry.build(name, &self.kind, &self.config, env).await;
        built.and_then(|provider| self.restrict(provider)).map_err(|error| self.locate(error))
    }

    /// The provider with the attributes, and without what it must not offer.
    fn restrict(&self, mut provider: Provider) -> Result<Provider> {
        if !self.attributes.is_empty() {
            provider = provider.scope(self.attributes.clone());
        }
        if let Some(capabilities) = &self.capabilities {
            for capability in capabilities {
                let field = format!("providers.{}.capabilities", provider.name());
                offers(&provider, *capability).map_err(|message| Error::invalid(field, message))?;
            }
            provider = provider.only(capabilities);
        }
        Ok(if self.read_only { provider.read_only() } else { provider })
    }

    /// Says where it was written, if not where the error's field says, and of a kind that is not known what OpsOrch says.
    fn locate(&self, error: Error) -> Error {
        let Some(origin) = &self.origin else { return error };
        let error = match (error.kind(), self.capabilities.as_deref()) {
            (ErrorKind::Invalid { field }, Some([only])) if field.ends_with(".kind") => {
                let message = format!("{only} provider {} not registered: {}", named(&self.kind), error.message());
                Error::invalid(field.clone(), message)
            }
            _ => error,
        };
        error.with_context("from", origin)
    }
}

/// Shows the keys of the kind's own configuration, not the values: any may be a secret.
impl fmt::Debug for ProviderEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.config.as_object().into_iter().flat_map(Map::keys).collect();
        f.debug_struct("ProviderEntry")
            .field("kind", &self.kind)
            .field("attributes", &self.attributes)
            .field("capabilities", &self.capabilities)
            .field("read_only", &self.read_only)
            .field("config", &keys)
            .finish_non_exhaustive()
    }
}

/// The reserved keys of a provider.
#[derive(Deserialize)]
struct Reserved {
    kind: String,
    #[serde(default)]
    attributes: Scope,
    capabilities: Option<Vec<Capability>>,
    #[serde(default)]
    read_only: bool,
}

/// Divides the keys of a provider into the reserved ones and those of its kind.
pub(super) fn provider((name, mut table): (String, Map<String, Value>)) -> Result<(ProviderName, ProviderEntry)> {
    check_name(&name)?;
    let reserved = RESERVED.iter().filter_map(|key| table.remove_entry(*key)).collect();
    let Reserved { kind, attributes, capabilities, read_only } =
        decode(&Value::Object(reserved), &format!("providers.{name}"))?;
    let config = Value::Object(table);
    Ok((name.into(), ProviderEntry { attributes, capabilities, read_only, config, ..ProviderEntry::new(kind) }))
}

/// The keys of the kind `plugin`, for a program that answers for one capability.
pub(super) fn plugin_of(capability: Capability, path: &str, config: Map<String, Value>) -> Map<String, Value> {
    let operations = [format!("{capability}.*")].into_iter().collect();
    let keys = [("path", path.trim().into()), ("operations", operations), ("config", config.into())];
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(super) fn check_name(name: &str) -> Result<()> {
    let printable = !name.contains(char::is_whitespace) && visible(name) == name;
    if name.is_empty() || !printable || name.chars().count() > LONGEST_NAME {
        let message =
            format!("expected a name of 1 to {LONGEST_NAME} printable characters without space, got `{}`", named(name));
        return Err(Error::invalid("providers", message));
    }
    Ok(())
}

pub(super) fn offers(provider: &Provider, capability: Capability) -> Result<(), String> {
    let offered: OperationSet = provider.operations();
    if offered.iter().any(|operation| operation.capability() == capability) {
        return Ok(());
    }
    let all = if offered.is_empty() { "nothing".to_owned() } else { offered.to_string() };
    Err(format!("provider `{}` offers nothing of `{capability}`; it offers: {all}", provider.name()))
}
