//! Configuring providers over HTTP: nothing, unless an embedder allows it explicitly.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use opsorch_schema::{Capability, visible};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::app::App;
use crate::secret::{SecretRef, SecretStore, StoredProvider};
use crate::{Context, Error, ErrorKind, Provider, Result};

/// The kind whose configuration names the program to run.
const RUNS_PROGRAMS: &str = "plugin";

/// How long a provider may take to be built: a plugin is started.
const LONGEST_BUILD: Duration = Duration::from_secs(30);

/// Where what admins configure is kept, and the plugins they may name.
pub(super) struct Configuring {
    store: Arc<dyn SecretStore>,
    plugins: BTreeSet<PathBuf>,
    /// One at a time, so that what is kept last is what serves.
    turn: Arc<Semaphore>,
}

/// Why a provider was not configured. Nothing was changed then.
pub(super) enum Failed {
    /// It cannot or must not be.
    Refused(Error),
    /// It could not be kept.
    NotKept(Error),
}

/// The error where there is no place to keep a configuration.
pub(super) fn not_allowed() -> Error {
    let message =
        "providers are not configured over HTTP here: the server has no secret store to keep their configuration in";
    Error::unsupported(message)
}

impl Configuring {
    pub(super) fn new(store: Arc<dyn SecretStore>, plugins: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { store, plugins: plugins.into_iter().collect(), turn: Arc::new(Semaphore::new(1)) }
    }

    /// Builds the provider of a capability, keeps its configuration, and lets it serve from then on. It is done as a whole,
    /// although the caller may go away.
    pub(super) async fn configure(
        &self,
        app: &App,
        cx: &Context,
        capability: Capability,
        wanted: StoredProvider,
    ) -> Result<Provider, Failed> {
        self.check(&wanted, &app.options.configurable_secrets).map_err(Failed::Refused)?;
        let (plane, store, turn) = (app.ops.clone(), Arc::clone(&self.store), Arc::clone(&self.turn));
        let healths = Arc::clone(&app.healths);
        let actor = visible(&cx.actor().to_string()).into_owned();
        let work = async move {
            let _turn = turn.acquire_owned().await;
            let built = tokio::time::timeout(LONGEST_BUILD, plane.prepare(capability, &wanted)).await;
            let late = |_| Error::new(ErrorKind::Timeout, "the provider could not be built in time");
            let provider = built.map_err(late).and_then(|built| built).map_err(Failed::Refused)?;
            wanted.save(&store, capability).await.map_err(Failed::NotKept)?;
            plane.install(capability, provider.clone()).map_err(Failed::Refused)?;
            healths.forget(provider.name());
            let (kind, plugin) = (provider.target(None).kind, wanted.plugin.as_deref());
            tracing::info!(actor, %capability, kind, plugin, "a provider was configured over HTTP");
            Ok(provider)
        };
        app.ops.run_to_end(work).await.map_err(Failed::Refused)?
    }

    fn check(&self, wanted: &StoredProvider, secrets: &[String]) -> Result<()> {
        match &wanted.plugin {
            Some(path) => self.check_plugin(Path::new(path))?,
            // Its configuration names a program, which would be a way around the list.
            None if wanted.kind == RUNS_PROGRAMS => {
                let message = "a program is not configured over HTTP by its kind; name one of the allowed as `plugin`";
                return Err(Error::denied(message));
            }
            None => {}
        }
        wanted.config.values().try_for_each(|value| check_references(value, secrets))
    }

    /// Compares the bytes: a set of paths would take `a/../b`, or another spelling, for what it is not.
    fn check_plugin(&self, path: &Path) -> Result<()> {
        if self.plugins.iter().any(|allowed| allowed.as_os_str() == path.as_os_str()) {
            return Ok(());
        }
        Err(Error::denied("this plugin is not among those that may be configured over HTTP"))
    }
}

/// Refuses what stands for a variable or a file of the server, or for a secret of the store that was not allowed: a provider whose
/// address the same admin chose would send it there.
fn check_references(value: &Value, secrets: &[String]) -> Result<()> {
    match value {
        Value::String(text) => match text.parse() {
            Ok(SecretRef::Env(_) | SecretRef::File(_)) => Err(Error::denied(
                "variables and files of the server are not for a configuration over HTTP to name; send the secret itself, or \
                 name one of those that the server allows (secret:NAME)",
            )),
            Ok(SecretRef::Stored(name)) if !may_be_named(&name, secrets) => Err(Error::denied(
                "this secret of the store is not among those that a configuration over HTTP may name; send the secret itself",
            )),
            _ => Ok(()),
        },
        Value::Array(values) => values.iter().try_for_each(|value| check_references(value, secrets)),
        Value::Object(fields) => fields.values().try_for_each(|value| check_references(value, secrets)),
        _ => Ok(()),
    }
}

/// Whether a secret is below one of the allowed places. The configurations of providers never are: they hold credentials.
fn may_be_named(name: &str, allowed: &[String]) -> bool {
    let is_below = |place: &String| name.strip_prefix(place.as_str()).is_some_and(|rest| rest.starts_with('/'));
    let is_configuration = name.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case("providers"));
    !is_configuration && allowed.iter().any(is_below)
}
