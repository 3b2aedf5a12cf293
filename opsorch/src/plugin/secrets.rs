//! A secret store that is a plugin.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::config::PluginConfig;
use super::line::Ask;
use super::link::{Link, wiped};
use super::start::{Content, Started};
use super::supervisor::Spoken;
use super::wire::milliseconds;
use crate::secret::{LARGEST, Secret, SecretStore, absent, check, check_name};
use crate::transport::Redactor;
use crate::{BuildEnv, Error, ErrorKind, Result};

const GET: &str = "secret.get";
const PUT: &str = "secret.put";
const NAMES: &str = "secret.names";
const DELETE: &str = "secret.delete";

/// The secrets that a plugin keeps: one of OpsOrch's line protocol, which can `get` and `put`, or one of protocol 2, which says
/// what it can; see sections 9.8 and 10.8 of `docs/plugin-protocol.md`.
///
/// It runs as any other plugin does (see [`plugin`](crate::plugin)), but nothing that it says is logged, because any line may hold a
/// secret; and what goes to it and comes from it is wiped after use.
///
/// ```no_run
/// # async fn open(env: &opsorch::BuildEnv) -> opsorch::Result<()> {
/// use opsorch::plugin::PluginConfig;
/// use opsorch::secret::{PluginSecrets, SecretStore};
///
/// let store = PluginSecrets::start(PluginConfig::new("/usr/lib/opsorch/secrets"), env).await?;
/// let token = store.get("jira/token").await?;
/// # let _ = token;
/// # Ok(())
/// # }
/// ```
pub struct PluginSecrets {
    link: Link,
    offers: Vec<&'static str>,
}

impl PluginSecrets {
    /// Starts the plugin. The references in its configuration are resolved by the environment that is given.
    ///
    /// # Errors
    /// As for a provider that is a plugin, and `Unsupported` for a plugin that says that it does not answer `secret.get`.
    pub async fn start(config: PluginConfig, env: &BuildEnv) -> Result<Self> {
        if config.operations.is_some() {
            return Err(Error::invalid("operations", "a secret store has none; take it out"));
        }
        let Started { spoken, link, .. } = config.start("secrets", env, Content::Secrets).await?;
        let offers = match &spoken {
            Spoken::Line => vec![GET, PUT],
            Spoken::Rpc(plugin) => {
                let known = [GET, PUT, NAMES, DELETE].into_iter();
                known.filter(|method| plugin.operations.iter().any(|name| name == method)).collect()
            }
        };
        match offers.contains(&GET) {
            true => Ok(Self { link, offers }),
            false => Err(Error::unsupported(format!("the plugin is no secret store: it does not offer {GET}"))),
        }
    }

    /// Calls the plugin. Whatever it says in an error, `told` is not in it.
    async fn call<O: DeserializeOwned>(&self, method: &'static str, input: &Input<'_>) -> Result<O> {
        if !self.offers.contains(&method) {
            return Err(Error::unsupported(format!("the plugin that keeps the secrets does not offer {method}")));
        }
        let called = match &self.link.line_config {
            None => self.call_two(method, input).await,
            Some(config) => self.call_line(method, input, config).await,
        };
        called.map_err(|error| without(error, input.value).with_context("plugin", &self.link.name))
    }

    async fn call_two<O: DeserializeOwned>(&self, method: &'static str, input: &Input<'_>) -> Result<O> {
        let (deadline, left) = self.link.deadline(None);
        let params = wiped(&Params { input, timeout_ms: milliseconds(left) })?;
        let text = self.link.rpc(method, params, deadline).await?;
        serde_json::from_slice(&text).map_err(|_| makes_no_sense(method))
    }

    async fn call_line<O: DeserializeOwned>(
        &self,
        method: &'static str,
        input: &Input<'_>,
        config: &Secret,
    ) -> Result<O> {
        let (deadline, _) = self.link.deadline(None);
        let mut ask = Ask { method, payload: json!(input) };
        let answer = self.link.line(&ask, config, deadline).await;
        wipe(&mut ask.payload);
        let result = match answer {
            Ok(result) => result.unwrap_or_default(),
            Err(error) if is_absent(&error, input.key) => return Err(absent(input.key)),
            Err(error) => return Err(error),
        };
        // What is put has a result that nobody looks at.
        let result = if method == PUT { Value::Null } else { result };
        serde_json::from_value(result).map_err(|_| makes_no_sense(method))
    }
}

/// The input of a call.
#[derive(Serialize)]
struct Input<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

/// The `params` of a call in protocol 2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    input: &'a Input<'a>,
    timeout_ms: u64,
}

#[async_trait]
impl SecretStore for PluginSecrets {
    async fn get(&self, name: &str) -> Result<Secret> {
        check_name(name)?;
        let text: Option<String> = self.call(GET, &Input { key: name, value: None }).await?;
        let secret = text.map(Secret::new).ok_or_else(|| absent(name))?;
        match secret.expose().len() {
            0 => Err(Error::invalid("secret", "the secret is empty").with_context("name", name)),
            length if length > LARGEST => {
                let message = format!("expected at most 64 KiB, got a secret of {length} bytes");
                Err(Error::invalid("secret", message).with_context("name", name))
            }
            _ => Ok(secret),
        }
    }

    async fn put(&self, name: &str, secret: &Secret) -> Result<()> {
        check(name, secret)?;
        self.call(PUT, &Input { key: name, value: Some(secret.expose()) }).await
    }

    async fn names(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.call(NAMES, &Input { key: "", value: None }).await?;
        names.sort();
        Ok(names)
    }

    async fn delete(&self, name: &str) -> Result<()> {
        check_name(name)?;
        self.call(DELETE, &Input { key: name, value: None }).await
    }
}

impl fmt::Debug for PluginSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSecrets").field("offers", &self.offers).finish_non_exhaustive()
    }
}

/// Whether an error of the line protocol says that a secret is not there: by its code, or as OpsOrch's own plugin does, which
/// says `NAME not found` and no more. Of a longer text nobody knows what was not found: it may be the host of a vault.
fn is_absent(error: &Error, name: &str) -> bool {
    let said = error.message().trim().replace(['"', '\'', '`'], "");
    let whole = [format!("{name} not found"), format!("secret {name} not found"), format!("secret not found: {name}")];
    *error.kind() == ErrorKind::NotFound
        || (*error.kind() == ErrorKind::Unexpected && whole.iter().any(|text| text.eq_ignore_ascii_case(&said)))
}

/// Takes a value out of what a plugin said of it.
fn without(error: Error, value: Option<&str>) -> Error {
    let Some(value) = value else { return error };
    let mut redactor = Redactor::default();
    redactor.add(&Secret::new(value));
    let (shown, applied) = (redactor.line(error.message()), error.may_have_applied());
    let error = Error::new(error.kind().clone(), shown);
    if applied { error.maybe_applied() } else { error.not_applied() }
}

/// The error of the parser is not kept: it may repeat a part of a secret.
fn makes_no_sense(method: &str) -> Error {
    let expected = if method == NAMES { "a list of names" } else { "text" };
    Error::unexpected(format!("the plugin's answer to {method} makes no sense: expected {expected}"))
}

/// Wipes the texts of an object.
fn wipe(payload: &mut Value) {
    for member in payload.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        if let Value::String(text) = member.take() {
            drop(Zeroizing::new(text));
        }
    }
}
