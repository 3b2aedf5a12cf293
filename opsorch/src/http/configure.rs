//! Configuring providers over HTTP: nothing, unless an embedder allows it explicitly.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use opsorch_schema::Capability;
use serde_json::Value;

use crate::{Context, Error, Result};

/// The kind whose configuration names the program to run.
const RUNS_PROGRAMS: &str = "plugin";

/// Applies what an admin configures over HTTP. What that means, a control plane that is rebuilt or one more of them, is the
/// embedder's to say; see [`Options::configure`](super::Options::configure).
#[async_trait]
pub trait Configure: fmt::Debug + Send + Sync + 'static {
    /// Applies it and keeps it, or does neither.
    async fn configure(&self, cx: &Context, request: ConfigureProvider) -> Result<(), ConfigureError>;
}

/// What an admin asks for.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ConfigureProvider {
    /// For which capability.
    pub capability: Capability,
    /// The kind, in lower case.
    pub kind: String,
    /// The configuration of the kind, which may hold secrets; `null` where there is none.
    pub config: Value,
    /// The plugin to run in place of the kind: one of the paths that were allowed.
    pub plugin: Option<PathBuf>,
}

impl ConfigureProvider {
    /// A provider of a kind for a capability.
    pub fn new(capability: Capability, kind: impl Into<String>, config: Value) -> Self {
        Self { capability, kind: kind.into(), config, plugin: None }
    }

    /// Sets the plugin.
    pub fn plugin(mut self, path: Option<impl Into<PathBuf>>) -> Self {
        self.plugin = path.map(Into::into);
        self
    }
}

/// Shows nothing of the configuration.
impl fmt::Debug for ConfigureProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigureProvider")
            .field("capability", &self.capability)
            .field("kind", &self.kind)
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}

/// Why a provider was not configured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConfigureError {
    /// The request is not good.
    Refused(Error),
    /// It is good, and could not be kept.
    NotStored(Error),
}

/// What applies it, and the plugins it may name.
pub(super) struct Configuring {
    configure: Box<dyn Configure>,
    plugins: BTreeSet<PathBuf>,
}

impl Configuring {
    pub(super) fn new(configure: impl Configure, plugins: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { configure: Box::new(configure), plugins: plugins.into_iter().collect() }
    }

    pub(super) async fn configure(&self, cx: &Context, request: ConfigureProvider) -> Result<(), ConfigureError> {
        match &request.plugin {
            Some(path) => self.check_plugin(path).map_err(ConfigureError::Refused)?,
            // Its configuration names a program, which would be a way around the list.
            None if request.kind == RUNS_PROGRAMS => {
                let message = "a program is not configured over HTTP by its kind; name one of the allowed as `plugin`";
                return Err(ConfigureError::Refused(Error::denied(message)));
            }
            None => {}
        }
        self.configure.configure(cx, request).await
    }

    /// Compares the bytes: a set of paths would take `a/../b`, or another spelling, for what it is not.
    fn check_plugin(&self, path: &Path) -> Result<()> {
        if self.plugins.iter().any(|allowed| allowed.as_os_str() == path.as_os_str()) {
            return Ok(());
        }
        Err(Error::denied("this plugin is not among those that may be configured over HTTP"))
    }
}
