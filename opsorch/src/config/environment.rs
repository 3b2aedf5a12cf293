//! A configuration from `OPSORCH_*` variables: one provider for each capability.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

use opsorch_schema::Capability;
use serde_json::{Map, Value};

use super::{Config, ProviderEntry, decode, named, plugin_of};
use crate::secret::SecretsConfig;
use crate::{Error, ErrorKind, Result};

/// The longest content of a variable: 1 MiB.
const LONGEST: usize = 1 << 20;

impl Config {
    /// Reads the environment variables of this process; see [`Config::from_vars`].
    ///
    /// # Errors
    /// As [`Config::from_vars`], and [`Invalid`](crate::ErrorKind::Invalid) if one of its variables is not UTF-8.
    pub fn from_env() -> Result<Self> {
        Self::from_os_vars(env::vars_os())
    }

    /// Reads variables, for each capability such as `TICKET`:
    ///
    /// | variable | means |
    /// |---|---|
    /// | `OPSORCH_TICKET_PROVIDER` | the kind of the provider, in any case |
    /// | `OPSORCH_TICKET_PLUGIN` | the program of a plugin (kind `plugin`), absolute and without arguments; wins over the provider |
    /// | `OPSORCH_TICKET_CONFIG` | its configuration, a JSON object; checked even if no provider is named |
    ///
    /// | `OPSORCH_SECRET_PROVIDER` | the kind of the secret store: see [`SecretsConfig`] |
    /// | `OPSORCH_SECRET_PLUGIN` | the program of a plugin that keeps the secrets; wins over the kind |
    /// | `OPSORCH_SECRET_CONFIG` | its keys, as for a provider |
    ///
    /// Where a capability has no variables its provider is looked up in the secret store, if there is one: see
    /// [`Config::with_stored`]. This function reads variables and nothing else; [`Builder::build`](crate::Builder::build) opens
    /// the store and looks.
    ///
    /// The provider is named after the capability (`ticket`), offers it alone, and is the only one routed for it.
    /// `OPSORCH_PLUGIN_TIMEOUT`, such as `2s`, is how long one call of any plugin may take. A plugin gets nothing of this
    /// environment but its configuration.
    /// There is no policy, so every change is denied until one is given. Other variables are not looked at.
    ///
    /// As OpsOrch does, a control plane starts without its deployments, teams or orchestration where their variables are wrong,
    /// and says so in its log (`Failed to initialize team provider: …`), also where the secret store has one; the variables of any other capability end it.
    ///
    /// ```
    /// use opsorch::Config;
    ///
    /// let config = Config::from_vars([
    ///     ("OPSORCH_TICKET_PROVIDER", "Jira"),
    ///     ("OPSORCH_TICKET_CONFIG", r#"{ "url": "https://jira.example.org", "token": "env:JIRA_TOKEN" }"#),
    /// ])?;
    /// assert_eq!(config.provider_names().collect::<Vec<_>>(), ["ticket"]);
    /// # Ok::<(), opsorch::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), naming the variable and not its content, for a configuration that is no JSON
    /// object; [`Unsupported`](crate::ErrorKind::Unsupported) for `OPSORCH_SECRET_PLUGIN` without the cargo
    /// feature `plugin`.
    pub fn from_vars<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Result<Self> {
        let pairs = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let variables = Variables(pairs.filter(|(_, value): &(_, String)| !value.trim().is_empty()).collect());
        let mut config = Self::new();
        if let Some(secrets) = variables.secrets()? {
            config = config.secrets_in(secrets);
            config.reads_stored = true;
        }
        for capability in Capability::ALL.iter().copied() {
            match variables.provider(capability) {
                Ok(Some(entry)) => {
                    config = config.provider(capability.name(), entry).route(capability, [capability.name()]);
                }
                Ok(None) => {}
                Err(error) if may_be_missing(capability) => {
                    tracing::error!("Failed to initialize {capability} provider: {error}");
                    config.spoken_of.insert(capability);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(config)
    }

    fn from_os_vars(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut pairs = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
            let value = value.into_string().map_err(|_| Error::invalid(name, "the variable is not UTF-8"))?;
            pairs.push((name.to_owned(), value));
        }
        Self::from_vars(pairs)
    }
}

/// Whether OpsOrch starts without a provider of this capability where it cannot be built.
fn may_be_missing(capability: Capability) -> bool {
    matches!(capability, Capability::Deployment | Capability::Team | Capability::Orchestration)
}

/// The variables that say something, by name.
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn get(&self, subject: &str, what: &str) -> Option<&str> {
        self.0.get(&name(subject, what)).map(String::as_str)
    }

    fn provider(&self, capability: Capability) -> Result<Option<ProviderEntry>> {
        let subject = capability.name().to_ascii_uppercase();
        let config = self.config(&subject)?;
        let (kind, config) = match (self.get(&subject, "PLUGIN"), self.get(&subject, "PROVIDER")) {
            (Some(path), _) => ("plugin".to_owned(), self.plugin(capability, path, config)),
            (None, Some(kind)) => (kind.trim().to_lowercase(), config),
            (None, None) => return Ok(None),
        };
        let mut entry = ProviderEntry::new(kind).capabilities([capability]).config(Value::Object(config));
        entry.may_be_missing = may_be_missing(capability);
        Ok(Some(entry.from(format!("OPSORCH_{subject}_*"))))
    }

    /// The keys of the kind `plugin`, for a program that answers for this capability.
    fn plugin(&self, capability: Capability, path: &str, config: Map<String, Value>) -> Map<String, Value> {
        let mut plugin = plugin_of(capability, path, config);
        if let Some(timeout) = self.get("PLUGIN", "TIMEOUT") {
            plugin.insert("timeout".into(), timeout.trim().into());
        }
        plugin
    }

    fn secrets(&self) -> Result<Option<SecretsConfig>> {
        let mut config = self.config("SECRET")?;
        if let Some(path) = self.get("SECRET", "PLUGIN") {
            return self.secret_plugin(path, config).map(Some);
        }
        let Some(kind) = self.get("SECRET", "PROVIDER") else { return Ok(None) };
        let kind = kind.trim().to_lowercase();
        if kind == "json" && !config.contains_key("path") {
            return Err(Error::invalid(name("SECRET", "CONFIG"), "basic provider requires 'path' in config"));
        }
        config.insert("kind".to_owned(), kind.clone().into());
        let secrets = decode(&Value::Object(config), "secrets").map_err(|error| match error.kind() {
            ErrorKind::Invalid { field } if field == "secrets.kind" => {
                let message = format!("secret provider {} not registered: {}", named(&kind), error.message());
                Error::invalid(field.clone(), message)
            }
            _ => error,
        });
        secrets.map(Some).map_err(|error| error.with_context("from", "OPSORCH_SECRET_*"))
    }

    /// A program that keeps the secrets.
    fn secret_plugin(&self, path: &str, config: Map<String, Value>) -> Result<SecretsConfig> {
        if !cfg!(feature = "plugin") {
            let message = format!("{} needs the cargo feature `plugin` of the crate opsorch", name("SECRET", "PLUGIN"));
            return Err(Error::unsupported(message));
        }
        let mut plugin = Map::new();
        plugin.insert("kind".into(), "plugin".into());
        plugin.insert("path".into(), path.trim().into());
        plugin.insert("config".into(), config.into());
        if let Some(timeout) = self.get("PLUGIN", "TIMEOUT") {
            plugin.insert("timeout".into(), timeout.trim().into());
        }
        let secrets = decode(&Value::Object(plugin), "secrets");
        secrets.map_err(|error| error.with_context("from", "OPSORCH_SECRET_*"))
    }

    /// The configuration, empty where there is none. The error of the parser is not kept: it may repeat a secret.
    fn config(&self, subject: &str) -> Result<Map<String, Value>> {
        let Some(text) = self.get(subject, "CONFIG") else { return Ok(Map::new()) };
        // In OpsOrch's words.
        let place = match subject {
            "SECRET" => name(subject, "CONFIG"),
            _ => format!("config in {}", name(subject, "CONFIG")),
        };
        let refuse = |got: String| Error::invalid(place.clone(), format!("expected a JSON object, got {got}"));
        if text.len() > LONGEST {
            return Err(refuse(format!("{} bytes; the most are 1 MiB", text.len())));
        }
        let value = serde_json::from_str(text)
            .map_err(|error| refuse(format!("malformed JSON at line {}, column {}", error.line(), error.column())))?;
        match value {
            Value::Null => Ok(Map::new()),
            Value::Object(config) => Ok(config),
            Value::Bool(_) => Err(refuse("a boolean".into())),
            Value::Number(_) => Err(refuse("a number".into())),
            Value::String(_) => Err(refuse("text".into())),
            Value::Array(_) => Err(refuse("a list".into())),
        }
    }
}

fn name(subject: &str, what: &str) -> String {
    format!("OPSORCH_{subject}_{what}")
}

fn is_ours(variable: &str) -> bool {
    let subjects = Capability::ALL.iter().map(|capability| capability.name().to_ascii_uppercase());
    let mut subjects = subjects.chain(["SECRET".to_owned()]);
    variable == name("PLUGIN", "TIMEOUT")
        || subjects
            .any(|subject| ["PROVIDER", "CONFIG", "PLUGIN"].into_iter().any(|what| variable == name(&subject, what)))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_variable_that_is_not_utf_8_is_refused_if_it_is_ours_and_ignored_if_not() {
        let bytes = || OsString::from_vec(b"canary\xff".to_vec());
        let error = Config::from_os_vars([("OPSORCH_LOG_CONFIG".into(), bytes())]).unwrap_err();
        assert_eq!(error.to_string(), "invalid OPSORCH_LOG_CONFIG: the variable is not UTF-8");
        assert!(!format!("{error:?}").contains("canary"));

        let config = Config::from_os_vars([("PATH".into(), bytes()), (bytes(), "x".into())]).unwrap();
        assert_eq!(config.provider_names().count(), 0);
    }
}
