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
//! * **A change that was sent and not answered is unknown.** It is not sent again, unless the plugin declared that it honours the
//!   idempotency key, or that it finds the change by that key (`foundByMarker`) and then says that it was not made. A plugin that
//!   answers `reconcile` can be asked what became of it; that it was not made is believed only of the process that got it.
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
mod changes;
mod child;
mod config;
mod crashes;
mod frames;
mod jail;
mod line;
mod lines;
mod link;
mod remote;
mod rpc;
mod running;
mod schema;
pub(crate) mod secrets;
mod serve;
mod settings;
mod start;
mod stderr;
mod supervisor;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use opsorch_schema::{OperationSet, ProviderName};

use self::config::Told;
use self::remote::Remote;
use self::start::{Content, Started};
use self::supervisor::Spoken;
use crate::{BuildEnv, Error, Provider, ProviderConfig, Result};

pub use self::config::{Jail, Limits, PluginConfig, Protocol, Restart, Span};
pub use self::schema::protocol_schema;
pub use self::serve::{progress, serve, serve_kind};
pub use self::settings::Settings;

#[async_trait]
impl ProviderConfig for PluginConfig {
    const KIND: &'static str = "plugin";

    /// Starts the program and asks it what it offers.
    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let told = self.told()?;
        let Started { spoken, link, restarts } = self.start(name.as_str(), env, Content::Data).await?;
        let operations = offered(&spoken, told)?;
        let remote = Arc::new(Remote { link, clock: env.clock() });
        let mut provider = remote.offer(Provider::new(name)).offering(operations).counting_restarts(restarts);
        if let Spoken::Rpc(plugin) = &spoken {
            let declared = |names: &[String]| -> OperationSet {
                wire::known(names).iter().filter(|operation| operations.contains(*operation)).collect()
            };
            provider = provider.idempotent_by_key(declared(&plugin.idempotent_by_key).iter());
            provider = provider.found_by_marker(declared(&plugin.found_by_marker).iter());
            if plugin.reconcile {
                provider = provider.with_reconciler(remote.clone());
            }
            if plugin.health {
                provider = provider.with_health_check(remote);
            }
        }
        Ok(provider)
    }
}

/// What the plugin offers.
fn offered(spoken: &Spoken, told: Option<Told>) -> Result<OperationSet> {
    match (spoken, told) {
        (Spoken::Line, Some(told)) => Ok(told.line),
        (Spoken::Line, None) => {
            let message = "the plugin speaks the line protocol and cannot say what it offers; name its operations, such \
                           as [\"ticket.*\"]";
            Err(Error::invalid("operations", message))
        }
        (Spoken::Rpc(plugin), None) => Ok(plugin.known()),
        (Spoken::Rpc(plugin), Some(told)) => {
            let known = plugin.known();
            let both: OperationSet = known.iter().filter(|operation| told.rpc.contains(*operation)).collect();
            if both.is_empty() {
                let message = format!("the plugin offers none of these; it offers: {known}");
                return Err(Error::invalid("operations", message));
            }
            Ok(both)
        }
    }
}
