//! HashiCorp Vault.

mod session;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use url::Url;

use self::session::{Session, Sessions};
use self::wire::{Failure, Listing, Version};
use super::store::{absent, check, check_name};
use super::{Secret, SecretStore};
use crate::transport::{Client, Reply, RequestBuilder, StatusCode, Transport};
use crate::{Actor, Clock, Context, Error, ErrorKind, Result, SystemClock};

/// The most names that are listed, and the deepest folder that is looked into.
const MOST_NAMES: usize = 10_000;
const DEEPEST: usize = 16;

/// Secrets in HashiCorp Vault or OpenBao: a key-value engine of version 2.
///
/// A secret named `jira/token` is the field `value` of the entry `jira/token` below the [mount](Self::mount) and the
/// [prefix](Self::prefix). `jira#password` is the field `password` of the entry `jira`; the other fields stay as they are.
///
/// * `put` writes a new version against the one that it read (check-and-set): of two who write at once one gets `Conflict`.
/// * `delete` removes an entry with all its versions and metadata. An entry whose newest version was deleted otherwise is
///   `NotFound`, and is listed still.
/// * A token that can be renewed is renewed by the first call in the last third of its lease; call [`renew`](Self::renew)
///   from time to time where calls are rare. With an [AppRole](VaultAuth::AppRole) a token that has ended, that was revoked,
///   or that is not renewable is followed by a new one.
///
/// The policy of the token: `read`, `create` and `update` on `<mount>/data/*`, `list`, `read` and `delete` on
/// `<mount>/metadata/*`.
///
/// ```
/// # use std::sync::Arc;
/// # async fn example(transport: Arc<dyn opsorch::transport::Transport>, secret_id: opsorch::secret::Secret) -> opsorch::Result<()> {
/// use opsorch::secret::{SecretStore, VaultAuth, VaultSecrets};
///
/// let auth = VaultAuth::app_role("59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8", Some(secret_id));
/// let store = VaultSecrets::new(transport, "https://vault.example.org".parse().unwrap(), auth)?
///     .mount("kv")
///     .prefix("opsorch");
/// let token = store.get("jira/token").await?; // kv/data/opsorch/jira/token
/// # let _ = token;
/// # Ok(())
/// # }
/// ```
pub struct VaultSecrets {
    sessions: Sessions,
    mount: String,
    prefix: String,
    field: String,
}

/// How a process proves to Vault who it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VaultAuth {
    /// A token that was made elsewhere.
    Token(Secret),
    /// An AppRole.
    AppRole {
        /// Where the method is mounted: `approle` if nobody chose otherwise.
        mount: String,
        /// The id of the role.
        role_id: String,
        /// The secret id, unless the role binds none.
        secret_id: Option<Secret>,
    },
}

impl VaultAuth {
    /// A token that was made elsewhere.
    pub fn token(token: Secret) -> Self {
        Self::Token(token)
    }

    /// An AppRole of the method at `approle`.
    pub fn app_role(role_id: impl Into<String>, secret_id: Option<Secret>) -> Self {
        Self::AppRole { mount: "approle".to_owned(), role_id: role_id.into(), secret_id }
    }
}

impl VaultSecrets {
    /// The secrets at this address, in the engine at `secret`.
    ///
    /// # Errors
    /// `Invalid` for what is no `http` or `https` address, and for a credential that no header can carry.
    pub fn new(transport: Arc<dyn Transport>, address: Url, auth: VaultAuth) -> Result<Self> {
        // Vault's agents demand it, so that no page in a browser can send requests.
        let client = Client::new(transport, address)?.header("x-vault-request", "true")?;
        let sessions = Sessions { client, auth, clock: Arc::new(SystemClock), present: Mutex::default() };
        sessions.check()?;
        Ok(Self { sessions, mount: "secret".to_owned(), prefix: String::new(), field: "value".to_owned() })
    }

    /// Where the engine is mounted.
    pub fn mount(mut self, mount: &str) -> Self {
        self.mount = mount.trim_matches('/').to_owned();
        self
    }

    /// The folder within the engine.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.trim_matches('/').to_owned();
        self
    }

    /// The field of an entry that is the secret, where its name does not say.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// The namespace, of Vault Enterprise and OpenBao.
    ///
    /// # Errors
    /// `Invalid` for what a header cannot carry.
    pub fn namespace(mut self, namespace: &str) -> Result<Self> {
        self.sessions.client = self.sessions.client.header("x-vault-namespace", namespace)?;
        Ok(self)
    }

    /// Takes another clock for the leases of tokens.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.sessions.clock = clock;
        self
    }

    /// Renews the token if that is due, and says when to call again; `None` for a token that does not end or cannot be renewed.
    ///
    /// # Errors
    /// `Unauthenticated` for a credential that is not accepted (any more); those of the transport.
    pub async fn renew(&self) -> Result<Option<Duration>> {
        let session = self.sessions.session().await?;
        Ok(session.is_kept_alive.then(|| session.until_due(self.sessions.clock.now())).flatten())
    }

    /// Sends a request with a good token: once more with a new one if the token was refused, and a new one can be had.
    async fn send<'s, R>(&'s self, request: R) -> Result<Reply>
    where
        R: for<'c> Fn(&'c Client) -> RequestBuilder<'c> + Send + Sync,
    {
        let session = self.sessions.session().await?;
        let reply = send(&session, &request).await?;
        if reply.status != StatusCode::FORBIDDEN || !self.sessions.can_log_in() {
            return Ok(reply);
        }
        let session = self.sessions.after(&session).await?;
        send(&session, &request).await
    }

    /// The newest version of an entry; its data is absent where the entry or that version is.
    async fn read(&self, entry: &str) -> Result<Version> {
        let path = self.path("data", entry)?;
        let reply = self.send(move |client| client.get(path.clone())).await?;
        match reply.status {
            StatusCode::OK => reply.json(),
            StatusCode::NOT_FOUND => {
                let failure: Failure = reply.json()?;
                match failure.errors.is_empty() {
                    // A version that was deleted is described, an entry that never was is not.
                    true => Ok(Version::gone(failure.data)),
                    false => Err(refusal(&reply)),
                }
            }
            _ => Err(refusal(&reply)),
        }
    }

    /// The entry and the field of a name.
    fn place<'n>(&'n self, name: &'n str) -> Result<(&'n str, &'n str)> {
        check_name(name)?;
        let (entry, field) = name.split_once('#').unwrap_or((name, &self.field));
        if entry.is_empty() || field.is_empty() {
            return Err(Error::invalid("secret", format!("expected ENTRY or ENTRY#FIELD, got `{name}`")));
        }
        Ok((entry, field))
    }

    fn path(&self, kind: &str, entry: &str) -> Result<Vec<String>> {
        let parts = ["v1", self.mount.as_str(), kind, self.prefix.as_str(), entry];
        let parts = parts.iter().flat_map(|part| part.split('/')).filter(|part| !part.is_empty());
        Ok(parts.map(str::to_owned).collect())
    }

    /// The names below a folder, folders with a slash at their end.
    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path("metadata", folder)?;
        let reply = self.send(move |client| client.get(path.clone()).query(&[("list", "true")])).await?;
        match reply.status {
            StatusCode::OK => Ok(reply.json::<Listing>()?.data.keys),
            StatusCode::NOT_FOUND if reply.json::<Failure>()?.errors.is_empty() => Ok(Vec::new()),
            _ => Err(refusal(&reply)),
        }
    }
}

#[async_trait]
impl SecretStore for VaultSecrets {
    async fn get(&self, name: &str) -> Result<Secret> {
        let (entry, field) = self.place(name)?;
        let Some(mut fields) = self.read(entry).await?.data else { return Err(absent(name)) };
        match fields.remove(field) {
            Some(Value::String(text)) if !text.is_empty() => Ok(Secret::new(text)),
            Some(Value::String(_) | Value::Null) => {
                Err(Error::invalid("secret", "the secret is empty").with_context("name", name))
            }
            Some(value) => Ok(Secret::new(value.to_string())),
            None => {
                let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                Err(absent(name).with_context("fields", known.join(", ")))
            }
        }
    }

    async fn put(&self, name: &str, secret: &Secret) -> Result<()> {
        check(name, secret)?;
        let (entry, field) = self.place(name)?;
        let Version { data, version } = self.read(entry).await?;
        let mut data: Map<String, Value> = data.unwrap_or_default();
        data.insert(field.to_owned(), secret.expose().into());
        let body = wire::Put { options: wire::Options { cas: version }, data };
        let path = self.path("data", entry)?;
        let reply = self.send(move |client| client.post(path.clone()).json(&body)).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        // Vault has no status of its own for it.
        let failure: Failure = reply.json().unwrap_or_default();
        match failure.errors.iter().any(|error| error.contains("check-and-set")) {
            true => {
                Err(reply.error(ErrorKind::Conflict).with_context("hint", "it was changed meanwhile; put it once more"))
            }
            false => Err(refusal(&reply)),
        }
    }

    async fn names(&self) -> Result<Vec<String>> {
        let (mut names, mut folders) = (Vec::new(), vec![String::new()]);
        while let Some(folder) = folders.pop() {
            for key in self.list(&folder).await? {
                let name = format!("{folder}{key}");
                match name.ends_with('/') {
                    true if name.matches('/').count() <= DEEPEST => folders.push(name),
                    true => {}
                    false => names.push(name),
                }
            }
            if names.len() + folders.len() > MOST_NAMES {
                return Err(Error::invalid(
                    "secrets.prefix",
                    format!("expected at most {MOST_NAMES} secrets below it"),
                ));
            }
        }
        names.sort();
        Ok(names)
    }

    async fn delete(&self, name: &str) -> Result<()> {
        check_name(name)?;
        if name.contains('#') {
            return Err(Error::unsupported(
                "one field of an entry is not deleted; delete the entry, or put another value",
            ));
        }
        let (path, metadata) = (self.path("metadata", name)?, self.path("metadata", name)?);
        let reply = self.send(move |client| client.get(metadata.clone())).await?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if reply.json::<Failure>()?.errors.is_empty() => return Err(absent(name)),
            _ => return Err(refusal(&reply)),
        }
        let reply = self.send(move |client| client.delete(path.clone())).await?;
        if reply.status.is_success() { Ok(()) } else { Err(refusal(&reply)) }
    }
}

impl fmt::Debug for VaultSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultSecrets")
            .field("address", &self.sessions.client.base().as_str())
            .field("mount", &self.mount)
            .field("prefix", &self.prefix)
            .field("field", &self.field)
            .finish_non_exhaustive()
    }
}

async fn send<R>(session: &Session, request: &R) -> Result<Reply>
where
    R: for<'c> Fn(&'c Client) -> RequestBuilder<'c> + Send + Sync,
{
    request(&session.client).send_any(&context()).await
}

fn context() -> Context {
    Context::new(Actor::service("secrets"))
}

/// What an error of Vault means. What is `NotFound` by its status is a wrong address or mount here: a missing secret was told
/// from it before.
fn refusal(reply: &Reply) -> Error {
    let invalid = |field: &str| ErrorKind::Invalid { field: field.to_owned() };
    match reply.status {
        StatusCode::NOT_FOUND => {
            reply.error(invalid("secrets.mount")).with_context("hint", "is there a key-value engine of version 2?")
        }
        StatusCode::FORBIDDEN => reply
            .error(ErrorKind::Forbidden)
            .with_context("hint", "the token is not valid (any more), or its policy does not allow this path"),
        // The node has not seen yet what another wrote.
        StatusCode::PRECONDITION_FAILED => reply.error(ErrorKind::Unavailable),
        _ => match reply.clone().error_for_status() {
            Err(error) => error,
            Ok(_) => reply.error(ErrorKind::Unexpected),
        },
    }
}
