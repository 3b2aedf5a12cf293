#![doc = include_str!("local/docs.md")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use opsorch::{BuildEnv, Error, Operation, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::logs::LogFiles;
use self::metrics::Host;
use self::store::Store;
use self::tracker::Tracker;

mod document;
mod logs;
mod metrics;
mod query;
mod store;
mod tracker;

/// The name of this kind.
pub const KIND: &str = "local";

/// What the file honours the idempotency key of.
const IDEMPOTENT: [Operation; 6] = [
    Operation::IncidentCreate,
    Operation::IncidentUpdate,
    Operation::IncidentTimelineAppend,
    Operation::TicketCreate,
    Operation::TicketUpdate,
    Operation::TicketComment,
];

/// The configuration of a local provider.
///
/// ```
/// use opsorch_providers::local::LocalConfig;
///
/// let config: LocalConfig = serde_json::from_str(r#"{ "path": "data", "logs": ["/var/log/*.log"] }"#)?;
/// assert_eq!(config, LocalConfig::new("data").log("/var/log/*.log"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalConfig {
    /// The folder of the file with incidents and tickets; it is created where it is missing. No two providers may
    /// share it.
    pub path: PathBuf,
    /// The log files, as patterns such as `/var/log/*.log`; empty for no logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// Whether to offer metrics of this host; by default where they can be read, which is on Linux.
    #[serde(default = "has_metrics")]
    pub metrics: bool,
}

fn has_metrics() -> bool {
    cfg!(target_os = "linux")
}

impl LocalConfig {
    /// A file in this folder, metrics where they can be read, and no logs.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), logs: Vec::new(), metrics: has_metrics() }
    }

    /// Adds log files, by a pattern such as `/var/log/*.log`.
    pub fn log(mut self, pattern: impl Into<String>) -> Self {
        self.logs.push(pattern.into());
        self
    }

    /// Says whether to offer metrics of this host.
    pub fn metrics(mut self, metrics: bool) -> Self {
        self.metrics = metrics;
        self
    }

    fn check(&self) -> Result<()> {
        if self.path == Path::new("") {
            return Err(Error::invalid("path", "expected the path of a folder, got an empty one"));
        }
        for (index, pattern) in self.logs.iter().enumerate() {
            glob::Pattern::new(pattern).map_err(|error| {
                let message = format!("expected a pattern such as `/var/log/*.log`: {error}");
                Error::invalid(format!("logs[{index}]"), message)
            })?;
        }
        if self.metrics && !has_metrics() {
            return Err(Error::invalid("metrics", "expected false: host metrics can be read on Linux only"));
        }
        Ok(())
    }
}

#[async_trait]
impl ProviderConfig for LocalConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        self.check()?;
        let Self { path, logs, metrics } = self;
        let clock = env.clock();
        let open = tokio::task::spawn_blocking(move || Store::open(&path, clock));
        let store =
            open.await.map_err(|error| Error::unexpected("opening the file was interrupted").with_source(error))??;
        let tracker = Arc::new(Tracker::new(Arc::new(store)));
        let mut provider = Provider::new(name)
            .kind(KIND)
            .with_incident_reader(tracker.clone())
            .with_incident_writer(tracker.clone())
            .with_timeline_reader(tracker.clone())
            .with_timeline_writer(tracker.clone())
            .with_ticket_reader(tracker.clone())
            .with_ticket_writer(tracker.clone())
            .with_ticket_commenter(tracker)
            .idempotent_by_key(IDEMPOTENT);
        if !logs.is_empty() {
            provider = provider.with_log_reader(Arc::new(LogFiles::new(name.clone(), logs, env.clock())));
        }
        if metrics {
            provider = provider.with_metric_reader(Arc::new(Host::new(env.clock())));
        }
        Ok(provider)
    }
}
