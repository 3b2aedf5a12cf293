//! Putting a control plane together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock};

use opsorch_schema::{Capability, GrantId, ProviderName};

use super::roster::Roster;
use super::{Core, IdentityRule, OpsOrch, Routing, RoutingRule};
use crate::audit::{Anchor, Anchors, AuditLog};
use crate::config::StoreConfig;
use crate::gate::{
    Access, ApprovalHook, AuditSink, Gate, GateKeys, GateSettings, Notify, OpenAccess, People, Policies, Policy,
    Running,
};
use crate::layer::{Layer, RetryLayer, TimeoutLayer, TraceLayer};
use crate::registry::Configured;
use crate::secret::SecretSource;
use crate::store::{MemoryStore, Store};
use crate::transport::Transport;
use crate::{BuildEnv, Clock, Config, Error, Provider, ProviderConfig, Registry, Result, SystemClock};

/// The origin of a log whose keys nobody chose.
const LOG_NAME: &str = "opsorch.local/audit";

/// Puts an [`OpsOrch`] together, by [`OpsOrch::builder`].
///
/// What is called here beats what the configuration says of the same thing: a provider of the same name, the route of the
/// same capability, its routing rules and its identity, and access, people and settings as a whole. Policies add up: those of the configuration and those of
/// the code all decide, and the strictest word holds.
#[derive(Default)]
#[must_use = "nothing is built until `build` is awaited"]
pub struct Builder {
    registry: Registry,
    config: Config,
    configured: Vec<(ProviderName, Box<dyn Configured>)>,
    providers: Vec<Provider>,
    routes: BTreeMap<Capability, Vec<ProviderName>>,
    routing: Vec<RoutingRule>,
    identities: BTreeMap<Capability, Vec<String>>,
    layers: Option<Vec<Arc<dyn Layer>>>,
    policies: Vec<Arc<dyn Policy>>,
    access: Option<Arc<dyn Access>>,
    people: Option<People>,
    store: Option<Arc<dyn Store>>,
    keys: Option<GateKeys>,
    settings: Option<GateSettings>,
    hooks: Vec<Arc<dyn ApprovalHook>>,
    sinks: Vec<Arc<dyn AuditSink>>,
    anchors: Vec<Arc<dyn Anchor>>,
    clock: Option<Arc<dyn Clock>>,
    transport: Option<Arc<dyn Transport>>,
    secrets: Option<Arc<dyn SecretSource>>,
}

impl Builder {
    /// The kinds that the configuration may name.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// The configuration.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds a provider by the configuration of its kind, as if it stood in [`config`](Self::config).
    pub fn configure(mut self, name: impl Into<ProviderName>, config: impl ProviderConfig) -> Self {
        self.configured.push((name.into(), Box::new(config)));
        self
    }

    /// Adds a provider that is already built; the last of a name stays.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Says which providers serve a capability, in order. Without a route these are all that offer it, by name.
    pub fn route<N: Into<ProviderName>>(mut self, capability: Capability, route: impl IntoIterator<Item = N>) -> Self {
        self.routes.insert(capability, route.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a rule that says which of several providers a change goes to, behind those added before.
    pub fn routing(mut self, rule: RoutingRule) -> Self {
        self.routing.push(rule);
        self
    }

    /// Says by which fields items of several providers are the same thing, such as `["title", "service"]` of alerts or
    /// `["fields.fingerprint"]`. Of twins in a merged list the first stays, and the page's
    /// [`duplicates`](opsorch_schema::Page::duplicates) tell the others. Without a call nothing is taken for the same.
    ///
    /// Values are compared to the letter. An item that lacks one of the fields has no twin, and items of one provider are
    /// never twins. First is what is newer, and of the same time what comes from the provider that is earlier in the route;
    /// the last 1000 things are remembered, over all pages of a query.
    pub fn identity<F: Into<String>>(mut self, capability: Capability, fields: impl IntoIterator<Item = F>) -> Self {
        self.identities.insert(capability, fields.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a layer inside those added before. Without any call there are [`TraceLayer`], [`TimeoutLayer`] and
    /// [`RetryLayer`], in this order; the first call replaces them.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.get_or_insert_default().push(Arc::new(layer));
        self
    }

    /// Leaves all layers out, the default ones too.
    pub fn without_layers(mut self) -> Self {
        self.layers = Some(Vec::new());
        self
    }

    /// Adds a policy, beside that of the configuration. Without any, every change is denied.
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.policies.push(Arc::new(policy));
        self
    }

    /// Says who may use which operation. Without a call everyone may read and submit.
    pub fn access(mut self, access: impl Access) -> Self {
        self.access = Some(Arc::new(access));
        self
    }

    /// Says who is the same person on several channels.
    pub fn people(mut self, people: People) -> Self {
        self.people = Some(people);
        self
    }

    /// Where grants and the log are kept. Without a call that is memory, and gone with the process.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The keys that seal grants and sign the log. Without a call they are made on first use and kept beside a store that
    /// lasts (`opsorch.db.keys` beside `opsorch.db`, readable by its owner alone); for a store in memory they are made anew.
    pub fn keys(mut self, keys: GateKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// How long things last at the gate.
    pub fn settings(mut self, settings: GateSettings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Adds someone to tell that something waits for people.
    pub fn approval_hook(mut self, hook: impl ApprovalHook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Adds someone who sees every entry of the audit log.
    pub fn audit_sink(mut self, sink: impl AuditSink) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Adds a place outside the store where signed heads of the log are kept, such as a
    /// [`FileAnchor`](crate::audit::FileAnchor): against it a log that was cut or begun afresh is found.
    pub fn anchor(mut self, anchor: impl Anchor) -> Self {
        self.anchors.push(Arc::new(anchor));
        self
    }

    /// The clock; the system's without a call.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// How providers that are built from the configuration send HTTP requests; `reqwest` without a call, if that feature is on.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Where secrets come from: any [`SecretStore`](crate::secret::SecretStore), or another source. Without a call that is the store of the configuration,
    /// and without one there the environment and files.
    pub fn secrets(mut self, secrets: impl SecretSource) -> Self {
        self.secrets = Some(Arc::new(secrets));
        self
    }

    /// Checks everything, builds the providers of the configuration, and marks the changes of processes that died as
    /// unknown. Needs a tokio runtime with time.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) with the path to what is wrong; [`Unexpected`](crate::ErrorKind::Unexpected) if
    /// the log does not continue what an anchor kept; those of the kinds, of the store and of the anchors.
    pub async fn build(self) -> Result<OpsOrch> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let mut env = BuildEnv::new().with_clock(Arc::clone(&clock));
        // A client for HTTP reads the system's certificates, which takes its time: only where somebody may ask for it.
        let mut config = self.config;
        let is_configured = config.provider_names().next().is_some()
            || !self.configured.is_empty()
            || (config.secrets().is_some() && self.secrets.is_none());
        let transport = match self.transport {
            None if is_configured => default_transport()?,
            given => given,
        };
        if let Some(transport) = transport {
            env = env.with_transport(transport);
        }
        if let Some(secrets) = self.secrets {
            env = env.with_secrets(secrets);
        } else if let Some(secrets) = config.secrets() {
            let store = secrets.open(&env).await.map_err(|error| error.with_context("in", "secrets"))?;
            if config.reads_stored {
                let in_code = self.routing.iter().map(|rule| rule.capability).chain(self.routes.keys().copied());
                config.spoken_of.extend(in_code);
                config = config.with_stored(&store).await?;
            }
            env = env.with_secrets(Arc::new(store));
        }
        let mut built = config.build_providers(&self.registry, &env).await?;
        for (name, configured) in self.configured {
            built.push(configured.build_as(&name, &env).await?);
        }
        built.extend(self.providers);
        let by_name = |provider: Provider| (provider.name().clone(), Arc::new(provider));
        let providers: BTreeMap<_, _> = built.into_iter().map(by_name).collect();
        let store = match self.store {
            Some(store) => store,
            None => open_store(config.store(), &env, self.keys.is_some()).await?,
        };
        let mut routes = config.routes;
        routes.extend(self.routes);
        let mut routing = config.routing;
        routing.retain(|rule| !self.routing.iter().any(|ours| ours.capability == rule.capability));
        routing.extend(self.routing);
        let roster = Roster::new(providers, routes)?.routed_by(Routing::new(routing)?)?;
        let roster = RwLock::new(Arc::new(roster));
        let mut identities = config.identities;
        identities.extend(self.identities);
        let identity =
            |(capability, fields): (_, Vec<String>)| Ok((capability, IdentityRule::new(capability, &fields)?));
        let identities = identities.into_iter().map(identity).collect::<Result<_>>()?;

        let settings = self.settings.unwrap_or(config.gate);
        let mut policies = self.policies;
        policies.extend(config.policy.map(|rules| Arc::new(rules) as Arc<dyn Policy>));
        let access = self.access.or_else(|| config.access.map(|rules| Arc::new(rules) as Arc<dyn Access>));
        let keys = match (self.keys, store.key_file()) {
            (Some(keys), _) => keys,
            (None, Some(path)) => GateKeys::open(path, LOG_NAME)?,
            (None, None) => GateKeys::generate(LOG_NAME)?,
        };
        let audit = AuditLog::new(Arc::clone(&store), keys.log().name(), keys.verifier_keys());
        let mut sinks = self.sinks;
        sinks.extend(Anchors::start(self.anchors, &audit).await?);
        let next_recovery = clock.now() + settings.lease;
        let notify = Notify { hooks: self.hooks, sinks, ..Notify::default() };
        let gate = Gate {
            policies: Policies::new(policies, settings.policy_timeout),
            access: access.unwrap_or_else(|| Arc::new(OpenAccess)),
            people: self.people.unwrap_or(config.people).validated()?,
            log: keys.log_writer(),
            store,
            clock,
            settings,
            notify,
            instance: uuid::Uuid::now_v7().to_string(),
            running: Running::default(),
            next_recovery: Mutex::new(next_recovery),
            keys,
        };
        let layers = self.layers.unwrap_or_else(default_layers).into();
        let core = Core { roster, layers, gate: Arc::new(gate), audit, registry: self.registry, env, identities };
        let mut ops = OpsOrch { core: Arc::new(core), recovered: Arc::default() };
        ops.recovered = ops.recover().await?.into();
        for entry in &*ops.recovered {
            let (operation, grant) = (entry.operation, entry.grant.as_ref().map(GrantId::as_str));
            tracing::warn!(%operation, grant, event = %entry.event, "a change was found that no process finished");
        }
        Ok(ops)
    }
}

async fn open_store(config: &StoreConfig, env: &BuildEnv, has_keys: bool) -> Result<Arc<dyn Store>> {
    match config {
        StoreConfig::Postgres { .. } if !has_keys => {
            let message = "a store that processes share needs keys that they share; give them with `Builder::keys`";
            Err(Error::invalid("store.kind", message))
        }
        #[cfg(feature = "postgres")]
        StoreConfig::Postgres { url } => {
            let url = env.secret(url).await.map_err(|error| error.with_context("in", "store.url"))?;
            Ok(Arc::new(crate::store::PostgresStore::open(&url).await?))
        }
        #[cfg(not(feature = "postgres"))]
        StoreConfig::Postgres { .. } => {
            let _ = env; // only this store has a secret
            Err(Error::unsupported("the store `postgres` needs the cargo feature `postgres` of the crate opsorch"))
        }
        StoreConfig::Memory => Ok(Arc::new(MemoryStore::new())),
        #[cfg(feature = "sqlite")]
        StoreConfig::Sqlite { path } => Ok(Arc::new(crate::store::SqliteStore::open(path)?)),
        #[cfg(not(feature = "sqlite"))]
        StoreConfig::Sqlite { .. } => {
            Err(Error::unsupported("the store `sqlite` needs the cargo feature `sqlite` of the crate opsorch"))
        }
    }
}

fn default_layers() -> Vec<Arc<dyn Layer>> {
    vec![Arc::new(TraceLayer), Arc::new(TimeoutLayer::default()), Arc::new(RetryLayer::default())]
}

#[cfg(feature = "reqwest")]
fn default_transport() -> Result<Option<Arc<dyn Transport>>> {
    Ok(Some(Arc::new(crate::transport::ReqwestTransport::new()?)))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport() -> Result<Option<Arc<dyn Transport>>> {
    Ok(None)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("providers", &self.providers)
            .finish_non_exhaustive()
    }
}
