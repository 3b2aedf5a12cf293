//! Configuration: a TOML file, environment variables, or code.

mod environment;
mod federation;
mod provider;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use opsorch_schema::{Capability, ProviderName};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::gate::{AccessRules, GateSettings, People, Rule, Rules};
use crate::ops::RoutingRule;
use crate::secret::{SecretRef, SecretStore, SecretsConfig, StoredProvider};
use crate::{BuildEnv, Error, Provider, Registry, Result};

use federation::by_capability;
pub use provider::ProviderEntry;
use provider::{check_name, offers, plugin_of, provider};
pub(crate) use read::{decode, named, parse_toml, read_limited};

/// The most providers that one configuration has.
const MOST_PROVIDERS: usize = 1000;

/// What an [`OpsOrch`](crate::OpsOrch) is made of: providers, routes, access, policy, people, the store, secrets and the
/// gate's times.
///
/// ```
/// use opsorch::Config;
///
/// let config = Config::parse(r#"
///     [providers.jira]
///     kind = "jira"
///     attributes = { environment = "production", team = "core" }  # what policies match
///     capabilities = ["ticket"]                                   # offers these only; all where it is absent
///     read_only = true                                            # offers no change
///     url = "https://jira.example.org"                            # this and all other keys: see the kind
///     token = "env:JIRA_TOKEN"                                    # a secret is a reference
///
///     [routes]
///     ticket = ["jira"]                                           # which providers serve it, in order
///
///     [[routing]]                                                 # which of several makes a change: see `RoutingRule`
///     capability = "ticket"
///     teams = ["core-*"]
///     provider = "jira"
///
///     [identity]                                                  # what several report of the same: see `Builder::identity`
///     ticket = ["key"]
///
///     [[policy.rule]]                                             # what may be changed: see `gate::Rules`
///     name = "production asks"
///     operations = ["*"]
///     decision = "require-approval"
///     quorum = "1 of sre"
///
///     [[access]]                                                  # who may do what: see `gate::AccessRules`
///     operations = ["*"]
///
///     [people]                                                    # who is the same person: see `gate::People`
///     alice = [{ issuer = "https://id.example.org", subject = "alice" }, { issuer = "slack", subject = "U0123" }]
///
///     [store]
///     kind = "memory"
///
///     [secrets]                                                   # where `secret:NAME` is: see `secret::SecretsConfig`
///     kind = "directory"
///     path = "/run/secrets"
///
///     [gate]                                                      # see `gate::GateSettings`
///     grant_ttl = "10m"
/// "#)?;
/// assert_eq!(config.provider_names().collect::<Vec<_>>(), ["jira"]);
/// # Ok::<(), opsorch::Error>(())
/// ```
///
/// Every part may be absent. A text is at most 1 MiB and names at most 1000 providers. No error and no `Debug` shows a
/// value from a provider's own configuration, because it may be a secret.
#[derive(Clone, Debug, Default)]
pub struct Config {
    providers: BTreeMap<ProviderName, ProviderEntry>,
    pub(crate) routes: BTreeMap<Capability, Vec<ProviderName>>,
    pub(crate) routing: Vec<RoutingRule>,
    pub(crate) identities: BTreeMap<Capability, Vec<String>>,
    /// `None` where everyone may read and submit.
    pub(crate) access: Option<AccessRules>,
    /// `None` where every change is denied.
    pub(crate) policy: Option<Rules>,
    pub(crate) people: People,
    store: StoreConfig,
    secrets: Option<SecretsConfig>,
    /// Whether what it does not name is looked up in the secret store when it is built, as variables have it.
    pub(crate) reads_stored: bool,
    /// What is spoken of elsewhere: by variables that are wrong, or in code.
    pub(crate) spoken_of: BTreeSet<Capability>,
    pub(crate) gate: GateSettings,
}

impl Config {
    /// A configuration of nothing, to build on in code.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a configuration from TOML.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the path, such as `providers.jira.kind`, for anything that is not understood
    /// to the letter. The own keys of a provider's kind are checked by [`Config::check`].
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = parse_toml(text, "")?;
        let config = Self {
            providers: file.providers.into_iter().map(provider).collect::<Result<_>>()?,
            routes: by_capability("routes", file.routes)?,
            routing: file.routing,
            identities: by_capability("identity", file.identity)?,
            access: file.access,
            policy: file.policy.map(|policy| Rules::new(policy.rule)).transpose()?,
            people: file.people,
            store: file.store.try_into()?,
            secrets: file.secrets,
            reads_stored: false,
            spoken_of: BTreeSet::new(),
            gate: file.gate,
        };
        config.check_parts()?;
        Ok(config)
    }

    /// Reads a configuration from a TOML file of at most 1 MiB.
    ///
    /// # Errors
    /// As [`Config::parse`], and [`Invalid`](crate::ErrorKind::Invalid) if the file cannot be read; each names the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = read_limited(path, "config")?;
        Self::parse(&text).map_err(|error| error.with_context("file", read::shown(path)))
    }

    /// Adds a provider; one of the same name is replaced.
    pub fn provider(mut self, name: impl Into<ProviderName>, entry: ProviderEntry) -> Self {
        self.providers.insert(name.into(), entry);
        self
    }

    /// Says which providers serve a capability, in order.
    pub fn route<N: Into<ProviderName>>(mut self, capability: Capability, names: impl IntoIterator<Item = N>) -> Self {
        self.routes.insert(capability, names.into_iter().map(Into::into).collect());
        self
    }

    /// Says where secrets are kept.
    pub fn secrets_in(mut self, secrets: SecretsConfig) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Takes the provider of every capability of which this configuration does not speak from a secret store, where
    /// [`StoredProvider::save`] put it. It is named after the capability, offers it alone, and is the only one routed for it. One
    /// that a plugin answers for is of the kind `plugin`, which the registry must know.
    ///
    /// Of a capability speak a provider named after it or whose `capabilities` list it, a route, a routing rule, and variables of
    /// it that are wrong. A provider that offers it without listing it does not: the stored one is routed, and the other stays
    /// to be named.
    ///
    /// [`Builder::build`](crate::Builder::build) does so for a configuration from variables ([`Config::from_vars`]) that
    /// names a secret store.
    ///
    /// # Errors
    /// Those of [`StoredProvider::load`]: a store that cannot be read is an error, and does not mean that nothing is configured.
    pub async fn with_stored(mut self, store: &(impl SecretStore + ?Sized)) -> Result<Self> {
        for capability in Capability::ALL.iter().copied() {
            if self.speaks_of(capability) {
                continue;
            }
            let Some(stored) = StoredProvider::load(store, capability).await? else { continue };
            self = self.stored(capability, stored);
        }
        Ok(self)
    }

    fn speaks_of(&self, capability: Capability) -> bool {
        let lists = |entry: &ProviderEntry| entry.capabilities.as_ref().is_some_and(|list| list.contains(&capability));
        self.providers.iter().any(|(name, entry)| name.as_str() == capability.name() || lists(entry))
            || self.routes.contains_key(&capability)
            || self.routing.iter().any(|rule| rule.capability == capability)
            || self.spoken_of.contains(&capability)
    }

    /// The provider of a capability alone: named after it, offering nothing else, and the only one routed for it.
    pub(crate) fn stored(self, capability: Capability, stored: StoredProvider) -> Self {
        let (kind, config) = match &stored.plugin {
            Some(path) => ("plugin".to_owned(), plugin_of(capability, path, stored.config)),
            None => (stored.kind, stored.config),
        };
        let entry = ProviderEntry::new(kind).config(Value::Object(config)).capabilities([capability]);
        let entry = entry.from(format!("secret:{}", StoredProvider::name(capability)));
        self.provider(capability.name(), entry).route(capability, [capability.name()])
    }

    /// The names of the providers, sorted.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(ProviderName::as_str)
    }

    /// Where grants and the audit log are kept.
    pub fn store(&self) -> &StoreConfig {
        &self.store
    }

    /// Where secrets are kept; `None` for a configuration without a store of them.
    pub fn secrets(&self) -> Option<&SecretsConfig> {
        self.secrets.as_ref()
    }

    /// Checks everything that can be checked without a secret and without a vendor, so that nothing is built from a
    /// configuration that has a mistake anywhere.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the path of the first mistake.
    pub fn check(&self, registry: &Registry) -> Result<()> {
        self.check_parts()?;
        self.providers.iter().try_for_each(|(name, entry)| entry.check_config(name, registry))
    }

    /// Builds every provider, or none: the first error ends it. One that may be missing is told, and left out with its routes.
    pub(crate) async fn build_providers(&mut self, registry: &Registry, env: &BuildEnv) -> Result<Vec<Provider>> {
        self.check_parts()?;
        let needed = self.providers.iter().filter(|(_, entry)| !entry.may_be_missing);
        needed.into_iter().try_for_each(|(name, entry)| entry.check_config(name, registry))?;
        let mut providers = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, entry) in &self.providers {
            match entry.build(name, registry, env).await {
                Ok(provider) => drop(providers.insert(name.clone(), provider)),
                Err(error) if entry.may_be_missing => {
                    tracing::error!("Failed to initialize {name} provider: {error}");
                    missing.push(name.clone());
                }
                Err(error) => return Err(error),
            }
        }
        self.providers.retain(|name, _| !missing.contains(name));
        self.routes.retain(|_, names| !names.iter().any(|name| missing.contains(name)));
        for (capability, names) in &self.routes {
            for provider in names.iter().filter_map(|name| providers.get(name)) {
                let field = format!("routes.{capability}");
                offers(provider, *capability).map_err(|message| Error::invalid(field, message))?;
            }
        }
        Ok(providers.into_values().collect())
    }

    fn check_parts(&self) -> Result<()> {
        if self.providers.len() > MOST_PROVIDERS {
            let message = format!("expected at most {MOST_PROVIDERS} providers, got {}", self.providers.len());
            return Err(Error::invalid("providers", message));
        }
        self.providers.iter().try_for_each(|(name, entry)| {
            check_name(name.as_str())?;
            entry.check(name)
        })?;
        self.routes.iter().try_for_each(|(capability, names)| self.check_route(*capability, names))?;
        self.check_federation()?;
        if let Some(access) = &self.access {
            access.clone().validated()?;
        }
        self.people.clone().validated().map(drop)
    }

    fn check_route(&self, capability: Capability, names: &[ProviderName]) -> Result<()> {
        for (index, name) in names.iter().enumerate() {
            let field = || format!("routes.{capability}[{index}]");
            self.check_known(name, field)?;
            if names.iter().take(index).any(|earlier| earlier == name) {
                return Err(Error::invalid(field(), format!("`{name}` is there twice")));
            }
        }
        Ok(())
    }

    fn check_known(&self, name: &ProviderName, field: impl Fn() -> String) -> Result<()> {
        if self.providers.contains_key(name) {
            return Ok(());
        }
        let (name, known) = (named(name.as_str()), self.provider_names().map(named).collect::<Vec<_>>());
        let message = match known.as_slice() {
            [] => format!("unknown provider `{name}`; no provider is configured"),
            known => format!("unknown provider `{name}`, expected one of: {}", known.join(", ")),
        };
        Err(Error::invalid(field(), message))
    }
}

/// Where grants and the audit log are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreConfig {
    /// In memory: nothing outlives the process. The default.
    #[default]
    Memory,
    /// In one SQLite file; needs the cargo feature `sqlite`.
    Sqlite {
        /// The file, which is made on first use.
        path: PathBuf,
    },
    /// In PostgreSQL, for many processes; needs the cargo feature `postgres`, and keys that they share
    /// ([`Builder::keys`](crate::Builder::keys)).
    Postgres {
        /// The database, as `store::PostgresStore` reads it: a secret, because it holds a password.
        url: SecretRef,
    },
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    providers: BTreeMap<String, Map<String, Value>>,
    routes: BTreeMap<String, Vec<ProviderName>>,
    routing: Vec<RoutingRule>,
    identity: BTreeMap<String, Vec<String>>,
    access: Option<AccessRules>,
    policy: Option<PolicyTable>,
    people: People,
    store: StoreTable,
    secrets: Option<SecretsConfig>,
    gate: GateSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyTable {
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreTable {
    kind: StoreKind,
    path: Option<PathBuf>,
    url: Option<SecretRef>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoreKind {
    #[default]
    Memory,
    Sqlite,
    Postgres,
}

impl TryFrom<StoreTable> for StoreConfig {
    type Error = Error;

    fn try_from(table: StoreTable) -> Result<Self> {
        let needless = |key: &str, kind: &str| {
            Err(Error::invalid(format!("store.{key}"), format!("{kind} has no {key}; take it out")))
        };
        let missing = |key: &str| Err(Error::invalid(format!("store.{key}"), "this key is missing"));
        match (table.kind, table.path, table.url) {
            (StoreKind::Memory, None, None) => Ok(Self::Memory),
            (StoreKind::Memory, Some(_), _) => needless("path", "a store in memory"),
            (StoreKind::Memory, None, Some(_)) => needless("url", "a store in memory"),
            (StoreKind::Sqlite, Some(path), None) => Ok(Self::Sqlite { path }),
            (StoreKind::Sqlite, None, _) => missing("path"),
            (StoreKind::Sqlite, Some(_), Some(_)) => needless("url", "a store in SQLite"),
            (StoreKind::Postgres, None, Some(url)) => Ok(Self::Postgres { url }),
            (StoreKind::Postgres, _, None) => missing("url"),
            (StoreKind::Postgres, Some(_), Some(_)) => needless("path", "a store in PostgreSQL"),
        }
    }
}
