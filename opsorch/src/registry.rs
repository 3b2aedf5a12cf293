//! Which kinds of providers there are: from the name of a kind to the type of its configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use opsorch_schema::{Digest, ProviderName};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::config::{decode, named};
use crate::gate::canonical_json;
use crate::secret::{Secret, SecretRef, SecretSource, SystemSecrets};
use crate::transport::Transport;
use crate::{Clock, Error, ErrorKind, Provider, Result, SystemClock};

/// The configuration of a kind of provider, and how a provider is built from it. What adapter authors implement.
///
/// The type refuses unknown fields and holds secrets as [`SecretRef`]s, so that it can be written down.
///
/// ```
/// use opsorch::secret::SecretRef;
/// use opsorch::{BuildEnv, Provider, ProviderConfig, ProviderName, Registry, Result};
///
/// #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct JiraConfig {
///     url: String,
///     token: SecretRef,
/// }
///
/// #[async_trait::async_trait]
/// impl ProviderConfig for JiraConfig {
///     const KIND: &'static str = "jira";
///
///     async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
///         let _token = env.secret(&self.token).await?;
///         Ok(Provider::new(name)) // .with_ticket_reader(…)
///     }
/// }
///
/// let registry = Registry::new().register::<JiraConfig>();
/// assert_eq!(registry.kinds().collect::<Vec<_>>(), ["jira"]);
/// ```
#[async_trait]
pub trait ProviderConfig: Serialize + DeserializeOwned + JsonSchema + fmt::Debug + Send + 'static {
    /// The name of the kind, such as `jira`.
    const KIND: &'static str;

    /// Builds the provider with this name. It makes no request: a vendor that is down must not keep others from
    /// starting.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for what cannot be meant, with a field relative to this configuration, such as `url`. No error
    /// shows a secret.
    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider>;
}

/// What a provider is built with: the HTTP transport, the secrets and the clock.
#[derive(Clone, Debug)]
pub struct BuildEnv {
    transport: Option<Arc<dyn Transport>>,
    secrets: Arc<dyn SecretSource>,
    clock: Arc<dyn Clock>,
}

impl BuildEnv {
    /// The secrets and the clock of the system, and no transport.
    pub fn new() -> Self {
        Self { transport: None, secrets: Arc::new(SystemSecrets), clock: Arc::new(SystemClock) }
    }

    /// Gives a transport.
    pub fn with_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Takes secrets from elsewhere.
    pub fn with_secrets(mut self, secrets: Arc<dyn SecretSource>) -> Self {
        self.secrets = secrets;
        self
    }

    /// Takes another clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The transport for requests to vendors.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if there is none.
    pub fn transport(&self) -> Result<Arc<dyn Transport>> {
        self.transport.clone().ok_or_else(|| {
            let message = "there is no HTTP transport; give one to the builder, such as the `ReqwestTransport` of the \
                           cargo feature `reqwest`";
            Error::unsupported(message)
        })
    }

    /// The secret that a reference means.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid), naming the reference, if there is no such secret.
    pub async fn secret(&self, reference: &SecretRef) -> Result<Secret> {
        self.secrets.resolve(reference).await
    }

    /// The clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }
}

impl Default for BuildEnv {
    fn default() -> Self {
        Self::new()
    }
}

/// The kinds of providers that can be configured. A value: two control planes in one process may know different kinds.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn Kind>>);

impl Registry {
    /// A registry of no kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind; one of the same name is replaced.
    pub fn register<C: ProviderConfig>(mut self) -> Self {
        self.0.insert(C::KIND, Arc::new(Of::<C>(PhantomData)));
        self
    }

    /// Adds every kind of another registry; kinds of the same name are replaced.
    pub fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The names of the kinds, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// The JSON Schema of a kind's configuration, `None` for a kind that is not here.
    pub fn schema(&self, kind: &str) -> Option<Schema> {
        self.0.get(kind).map(|kind| kind.schema())
    }

    /// Checks a configuration without building anything and without looking up a secret.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) with the path, such as `providers.jira.url`, and no value: any may be a secret.
    pub fn check(&self, name: &ProviderName, kind: &str, config: &Value) -> Result<()> {
        self.find(name, kind)?.check(name, config)
    }

    /// Builds a provider, with its kind and the fingerprint of its configuration.
    ///
    /// # Errors
    /// As [`Registry::check`], and those of [`ProviderConfig::build`].
    pub async fn build(&self, name: &ProviderName, kind: &str, config: &Value, env: &BuildEnv) -> Result<Provider> {
        self.find(name, kind)?.build(name, config, env).await
    }

    fn find(&self, name: &ProviderName, kind: &str) -> Result<&dyn Kind> {
        self.0.get(kind).map(Arc::as_ref).ok_or_else(|| {
            let known: Vec<_> = self.kinds().collect();
            let hint = match known.as_slice() {
                [] => "no kind is compiled in; enable a cargo feature of opsorch-providers".to_owned(),
                known => format!("expected one of: {}", known.join(", ")),
            };
            Error::invalid(format!("{}.kind", place(name)), format!("unknown kind `{}`, {hint}", named(kind)))
        })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.0.keys()).finish()
    }
}

/// A [`ProviderConfig`] without its type.
#[async_trait]
trait Kind: Send + Sync {
    fn schema(&self) -> Schema;
    fn check(&self, name: &ProviderName, config: &Value) -> Result<()>;
    async fn build(&self, name: &ProviderName, config: &Value, env: &BuildEnv) -> Result<Provider>;
}

struct Of<C>(PhantomData<fn() -> C>);

#[async_trait]
impl<C: ProviderConfig> Kind for Of<C> {
    fn schema(&self) -> Schema {
        SchemaGenerator::default().into_root_schema_for::<C>()
    }

    fn check(&self, name: &ProviderName, config: &Value) -> Result<()> {
        decode::<C>(config, &place(name)).map(drop)
    }

    async fn build(&self, name: &ProviderName, config: &Value, env: &BuildEnv) -> Result<Provider> {
        let config: C = decode(config, &place(name))?;
        Box::new(config).build_as(name, env).await
    }
}

/// A configuration that was read or made in code, without its type.
#[async_trait]
pub(crate) trait Configured: Send {
    async fn build_as(self: Box<Self>, name: &ProviderName, env: &BuildEnv) -> Result<Provider>;
}

#[async_trait]
impl<C: ProviderConfig> Configured for C {
    async fn build_as(self: Box<Self>, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let fingerprint = fingerprint(&*self).map_err(|error| within(error, name))?;
        let provider = self.build(name, env).await.map_err(|error| within(error, name))?;
        if provider.name() != name {
            let message = format!("kind `{}` built a provider `{}` instead of `{name}`", C::KIND, provider.name());
            return Err(Error::unexpected(message));
        }
        Ok(provider.kind(C::KIND).fingerprint(fingerprint.as_str()))
    }
}

fn place(name: &ProviderName) -> String {
    format!("providers.{}", named(name.as_str()))
}

/// The digest of a configuration as it is written down: with references to secrets, not with secrets.
fn fingerprint(config: &impl Serialize) -> Result<Digest> {
    // The error of the writer is not kept: its words may be those of the configuration.
    let text = canonical_json(config).map_err(|_| {
        Error::unexpected("the configuration cannot be written as canonical JSON; are all numbers below 2^53?")
    })?;
    let sum: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    Ok(Digest::from_sha256(sum))
}

/// Says which provider an error is about. A field becomes the whole path to it; a reference such as `env:NAME`, which
/// an error about a secret has in its place, stays as it is.
fn within(error: Error, name: &ProviderName) -> Error {
    let error = match error.kind() {
        ErrorKind::Invalid { field } if !field.contains(':') => {
            let field = format!("{}.{field}", place(name));
            let whole = Error::invalid(field, error.message().to_owned());
            error
                .context()
                .fold(whole, |whole, (name, value)| whole.with_context(name, value))
                .with_source(error.clone())
        }
        _ => error,
    };
    error.with_context("provider", named(name.as_str()))
}
