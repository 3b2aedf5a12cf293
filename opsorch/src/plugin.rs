//! Providers that are child processes, in any language, and a provider as such a process.
//!
//! [`PluginConfig`] is the kind `plugin`: register it, and a configuration can name a program whose standard input and output
//! speak the plugin protocol. To everything else it looks like any other provider: the same traits, layers, gate and audit
//! log. [`serve`] is the other side: it turns a [`Provider`] into such a program.
//!
//! ```
//! use opsorch::plugin::PluginConfig;
//! use opsorch::{Config, Registry};
//!
//! let registry = Registry::new().register::<PluginConfig>();
//! let config = Config::parse(r#"
//!     [providers.tracker]
//!     kind = "plugin"
//!     path = "/usr/lib/opsorch/tracker"
//!     operations = ["ticket.*"]
//!     config = { url = "https://tracker.example.org", token = "env:TRACKER_TOKEN" }
//! "#)?;
//! config.check(&registry)?;
//! # Ok::<(), opsorch::Error>(())
//! ```
//!
//! # The protocol
//!
//! `docs/plugin-protocol.md` describes both protocols, with transcripts. Existing plugins of OpsOrch speak the line protocol and run
//! unchanged; new ones speak protocol 2. [`protocol_schema`] is its JSON Schema.
//!
//! # What holds
//!
//! * **Nothing is inherited.** The child's environment holds what was configured for it. Its standard error goes to
//!   `tracing` (target `opsorch::plugin::stderr`), limited, with the plugin's secrets taken out.
//! * **A plugin cannot hold anybody up.** Every call has a deadline ([`PluginConfig::timeout`]). A process that hangs is killed,
//!   and the next call gets a new one; after too many crashes there is a pause ([`Restart`]).
//! * **A change that was sent and not answered is unknown.** It is never sent again.
//! * **Nothing is left.** A child leads its own process group, which is killed with it, and when the last clone of the
//!   provider is dropped, or the runtime, or the host process ends or is killed. `docs/plugin-protocol.md`, section 12.8,
//!   says what can escape.
//! * **A child can be pinned, limited and confined**: [`PluginConfig::sha256`], [`Limits`], [`Jail`]. What the system cannot enforce
//!   is refused, not ignored.
//!
//! It runs on Unix. The runtime needs the drivers for time and for I/O.

#[cfg(not(unix))]
compile_error!("the feature `plugin` of opsorch needs Unix: process groups and pipes");

mod call;
mod child;
mod config;
mod crashes;
mod frames;
mod jail;
mod line;
mod lines;
mod remote;
mod rpc;
mod running;
mod schema;
mod serve;
mod settings;
mod stderr;
mod supervisor;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use opsorch_schema::{OperationSet, ProviderName};
use tokio::sync::oneshot;

use self::call::Caller;
use self::child::Launch;
use self::config::Told;
use self::remote::Remote;
use self::supervisor::{Inbox, Spoken, Supervisor};
use crate::secret::{Secret, SecretRef};
use crate::transport::Redactor;
use crate::{BuildEnv, Error, Provider, ProviderConfig, Result};

pub use self::config::{Jail, Limits, PluginConfig, Protocol, Restart, Span};
pub use self::schema::protocol_schema;
pub use self::serve::{progress, serve, serve_kind};
pub use self::settings::Settings;

/// Values of the environment that are shorter than this are not taken for secrets, unless they are references to one.
const SHORT: usize = 8;

#[async_trait]
impl ProviderConfig for PluginConfig {
    const KIND: &'static str = "plugin";

    /// Starts the program and asks it what it offers.
    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let told = self.told()?;
        let mut redactor = Redactor::default();
        let (config, secrets) = self.config.resolve(env).await?;
        secrets.iter().for_each(|secret| redactor.add(secret));
        let config = Secret::new(config.to_string());
        let variables = self.variables(env, &mut redactor).await?;
        let redactor = Arc::new(redactor);
        let path = std::path::absolute(&self.path)
            .map_err(|error| Error::invalid("path", format!("it cannot be made absolute: {error}")))?;
        let launch =
            Launch { path, args: self.args, env: variables, sha256: self.sha256, limits: self.limits, jail: self.jail };
        launch.check()?;
        let timeout = self.timeout.duration();
        let (caller, messages) = Caller::new();
        let supervisor = Supervisor {
            name: name.to_string(),
            launch: Arc::new(launch),
            protocol: self.protocol,
            config: config.clone(),
            timeout,
            restart: self.restart,
            redactor: redactor.clone(),
            ids: caller.ids(),
            inbox: Inbox::new(messages),
        };
        let (ready, spoken) = oneshot::channel();
        // It ends by itself when the last caller is dropped, and its processes with it.
        tokio::spawn(supervisor.run(ready));
        let spoken = spoken.await.map_err(|_| Error::unexpected("the task of the plugin ended early"))??;
        let (operations, health) = offered(&spoken, told)?;
        let line_config = matches!(spoken, Spoken::Line).then_some(config);
        let remote = Remote { name: name.to_string(), caller, timeout, redactor, clock: env.clock(), line_config };
        let remote = Arc::new(remote);
        let provider = remote.offer(Provider::new(name)).offering(operations);
        Ok(if health { provider.with_health_check(remote) } else { provider })
    }
}

impl PluginConfig {
    async fn variables(&self, env: &BuildEnv, redactor: &mut Redactor) -> Result<Vec<(String, Secret)>> {
        let mut variables = Vec::new();
        for (name, reference) in &self.env {
            let value = env.secret(reference).await?;
            if !matches!(reference, SecretRef::Literal(_)) || value.expose().len() >= SHORT {
                redactor.add(&value);
            }
            variables.push((name.clone(), value));
        }
        Ok(variables)
    }
}

/// What the plugin offers, and whether it says how it is.
fn offered(spoken: &Spoken, told: Option<Told>) -> Result<(OperationSet, bool)> {
    match (spoken, told) {
        (Spoken::Line, Some(told)) => Ok((told.line, false)),
        (Spoken::Line, None) => {
            let message = "the plugin speaks the line protocol and cannot say what it offers; name its operations, such \
                           as [\"ticket.*\"]";
            Err(Error::invalid("operations", message))
        }
        (Spoken::Rpc(plugin), None) => Ok((plugin.known(), plugin.health)),
        (Spoken::Rpc(plugin), Some(told)) => {
            let known = plugin.known();
            let both: OperationSet = known.iter().filter(|operation| told.rpc.contains(*operation)).collect();
            if both.is_empty() {
                let message = format!("the plugin offers none of these; it offers: {known}");
                return Err(Error::invalid("operations", message));
            }
            Ok((both, plugin.health))
        }
    }
}
