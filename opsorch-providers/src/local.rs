#![doc = include_str!("local/docs.md")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::{BuildEnv, Error, Operation, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::alerts::Alerts;
use self::catalog::Catalog;
use self::database::Database;
use self::deployments::Deployments;
pub use self::deployments::GitTags;
use self::logs::LogFiles;
use self::messages::Messages;
use self::metrics::{Host, Rhythm};
use self::plans::Plans;
use self::runs::Runs;
pub use self::thresholds::Threshold;
use self::thresholds::Watch;
use self::tracker::Tracker;

mod alerts;
mod catalog;
mod database;
mod deployments;
mod input;
mod logs;
mod messages;
mod metrics;
mod open;
mod plans;
mod query;
mod runs;
mod stamp;
mod thresholds;
mod tracker;

/// The name of this kind.
pub const KIND: &str = "local";

/// What the file honours the idempotency key of.
const IDEMPOTENT: [Operation; 16] = [
    Operation::IncidentCreate,
    Operation::IncidentUpdate,
    Operation::IncidentTimelineAppend,
    Operation::TicketCreate,
    Operation::TicketUpdate,
    Operation::TicketComment,
    Operation::AlertRaise,
    Operation::AlertAcknowledge,
    Operation::AlertResolve,
    Operation::AlertSilence,
    Operation::MessagingSend,
    Operation::MessagingUpdate,
    Operation::DeploymentRecord,
    Operation::OrchestrationRunsStart,
    Operation::OrchestrationRunsStepsComplete,
    Operation::OrchestrationRunsCancel,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalConfig {
    /// The folder of the file that everything is kept in; it is created where it is missing. Several providers may
    /// share it.
    pub path: PathBuf,
    /// The channels that messages can be sent to, such as `#ops`; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// The file to which every message is appended as a line of JSON, for people to follow; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<PathBuf>,
    /// The git repositories whose tags are deployments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub git: Vec<GitTags>,
    /// The log files, as patterns such as `/var/log/*.log`; empty for no logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
    /// Whether to offer metrics of this host; by default where they can be read, which is on Linux.
    #[serde(default = "has_metrics")]
    pub metrics: bool,
    /// The seconds between two samples of the metrics, from 1 to 3600; 15 by default.
    #[serde(default = "metrics_interval")]
    pub metrics_interval: u32,
    /// The seconds that samples are kept, in memory; by default those of a day. At most 10 000 samples are kept of
    /// each series.
    #[serde(default = "metrics_history")]
    pub metrics_history: u32,
    /// Limits on the metrics, beyond which alerts are raised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
    /// The TOML file of services, teams and who is on call; absent for no catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<PathBuf>,
    /// The folder of the YAML files that are plans; absent for no plans and no runs of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<PathBuf>,
}

/// The samples of a series that may be kept.
const MAX_SAMPLES: u32 = 10_000;

/// The git repositories that may be configured: all are asked at the same time.
const MAX_REPOSITORIES: usize = 32;

fn has_metrics() -> bool {
    cfg!(target_os = "linux")
}

fn metrics_interval() -> u32 {
    15
}

fn metrics_history() -> u32 {
    24 * 60 * 60
}

impl LocalConfig {
    /// A file in this folder, metrics where they can be read, no logs and no catalog.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            channels: Vec::new(),
            outbox: None,
            git: Vec::new(),
            logs: Vec::new(),
            metrics: has_metrics(),
            metrics_interval: metrics_interval(),
            metrics_history: metrics_history(),
            thresholds: Vec::new(),
            catalog: None,
            plans: None,
        }
    }

    /// Adds a channel that messages can be sent to; without any, every name is one.
    pub fn channel(mut self, name: impl Into<String>) -> Self {
        self.channels.push(name.into());
        self
    }

    /// Sets the file to which every message is appended.
    pub fn outbox(mut self, path: impl Into<PathBuf>) -> Self {
        self.outbox = Some(path.into());
        self
    }

    /// Adds a git repository whose tags are deployments.
    pub fn git(mut self, tags: GitTags) -> Self {
        self.git.push(tags);
        self
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

    /// Sets the seconds between two samples of the metrics.
    pub fn metrics_interval(mut self, seconds: u32) -> Self {
        self.metrics_interval = seconds;
        self
    }

    /// Sets the seconds that samples are kept.
    pub fn metrics_history(mut self, seconds: u32) -> Self {
        self.metrics_history = seconds;
        self
    }

    /// Adds a limit on a metric, beyond which alerts are raised.
    pub fn threshold(mut self, threshold: Threshold) -> Self {
        self.thresholds.push(threshold);
        self
    }

    /// Sets the TOML file of services, teams and who is on call.
    pub fn catalog(mut self, path: impl Into<PathBuf>) -> Self {
        self.catalog = Some(path.into());
        self
    }

    /// Sets the folder of the YAML files that are plans.
    pub fn plans(mut self, path: impl Into<PathBuf>) -> Self {
        self.plans = Some(path.into());
        self
    }

    fn check(&self) -> Result<()> {
        if self.path == Path::new("") {
            return Err(Error::invalid("path", "expected the path of a folder, got an empty one"));
        }
        self.check_channels()?;
        self.check_git()?;
        for (index, pattern) in self.logs.iter().enumerate() {
            glob::Pattern::new(pattern).map_err(|error| {
                let message = format!("expected a pattern such as `/var/log/*.log`: {error}");
                Error::invalid(format!("logs[{index}]"), message)
            })?;
        }
        if self.metrics && !has_metrics() {
            return Err(Error::invalid("metrics", "expected false: host metrics can be read on Linux only"));
        }
        self.check_thresholds()?;
        if self.catalog.as_deref() == Some(Path::new("")) {
            return Err(Error::invalid("catalog", "expected the path of a TOML file, got an empty one"));
        }
        if self.plans.as_deref() == Some(Path::new("")) {
            return Err(Error::invalid("plans", "expected the path of a folder, got an empty one"));
        }
        self.check_rhythm()
    }

    fn check_channels(&self) -> Result<()> {
        if let Some(index) = self.channels.iter().position(|channel| channel.trim().is_empty()) {
            return Err(Error::invalid(
                format!("channels[{index}]"),
                "expected the name of a channel, got a blank one",
            ));
        }
        if self.outbox.as_deref() == Some(Path::new("")) {
            return Err(Error::invalid("outbox", "expected the path of a file, got an empty one"));
        }
        Ok(())
    }

    fn check_git(&self) -> Result<()> {
        if self.git.len() > MAX_REPOSITORIES {
            let message = format!("expected at most {MAX_REPOSITORIES} repositories, got {}", self.git.len());
            return Err(Error::invalid("git", message));
        }
        for (index, git) in self.git.iter().enumerate() {
            if let Some((field, message)) = git.problem() {
                return Err(Error::invalid(format!("git[{index}].{field}"), message));
            }
            if self.git.iter().take(index).any(|earlier| earlier.prefix() == git.prefix()) {
                let message = format!("service `{}` has tags for `{}` already", git.service, git.environment);
                return Err(Error::invalid(format!("git[{index}]"), message));
            }
        }
        Ok(())
    }

    fn check_thresholds(&self) -> Result<()> {
        if !self.metrics && !self.thresholds.is_empty() {
            return Err(Error::invalid("thresholds", "expected none, since `metrics` is false"));
        }
        for (index, threshold) in self.thresholds.iter().enumerate() {
            if let Some((field, message)) = threshold.problem() {
                return Err(Error::invalid(format!("thresholds[{index}].{field}"), message));
            }
            if self.thresholds.iter().take(index).any(|earlier| earlier.name == threshold.name) {
                let message = format!("there is a threshold `{}` already", threshold.name);
                return Err(Error::invalid(format!("thresholds[{index}].name"), message));
            }
        }
        Ok(())
    }

    fn check_rhythm(&self) -> Result<()> {
        let (interval, history) = (self.metrics_interval, self.metrics_history);
        if !(1..=3600).contains(&interval) {
            return Err(Error::invalid("metrics_interval", format!("expected 1 to 3600 seconds, got {interval}")));
        }
        if history < interval || history / interval > MAX_SAMPLES {
            let most = interval.saturating_mul(MAX_SAMPLES);
            let message = format!(
                "expected {interval} to {most} seconds, got {history}: that is one sample to {MAX_SAMPLES} at \
                 `metrics_interval = {interval}`"
            );
            return Err(Error::invalid("metrics_history", message));
        }
        Ok(())
    }

    fn rhythm(&self) -> Rhythm {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Rhythm { interval: seconds(self.metrics_interval), history: seconds(self.metrics_history) }
    }
}

#[async_trait]
impl ProviderConfig for LocalConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        self.check()?;
        let rhythm = self.rhythm();
        let Self { path, channels, outbox, git, logs, metrics, thresholds, catalog, plans, .. } = self;
        let database = Database::open(path, env.clock()).await?;
        let tracker = Arc::new(Tracker::new(database.clone()));
        let host = if metrics { Some(Arc::new(Host::start(rhythm, env.clock()).await)) } else { None };
        let alerts = Alerts::new(database.clone());
        let watch = host.clone().filter(|_| !thresholds.is_empty());
        let watch = watch.map(|host| Watch::start(thresholds, host, alerts.clone()));
        let alerts = Arc::new(alerts.holding(watch));
        let messages = Arc::new(Messages::new(database.clone(), channels, outbox));
        let deployments = Arc::new(Deployments::new(database.clone(), git));
        let mut provider = Provider::new(name)
            .kind(KIND)
            .with_incident_reader(tracker.clone())
            .with_incident_writer(tracker.clone())
            .with_timeline_reader(tracker.clone())
            .with_timeline_writer(tracker.clone())
            .with_ticket_reader(tracker.clone())
            .with_ticket_writer(tracker.clone())
            .with_ticket_commenter(tracker)
            .with_alert_reader(alerts.clone())
            .with_alert_raiser(alerts.clone())
            .with_alert_responder(alerts.clone())
            .with_alert_silencer(alerts)
            .with_message_sender(messages.clone())
            .with_message_editor(messages)
            .with_deployment_reader(deployments.clone())
            .with_deployment_recorder(deployments)
            .idempotent_by_key(IDEMPOTENT);
        if !logs.is_empty() {
            provider = provider.with_log_reader(Arc::new(LogFiles::new(name.clone(), logs, env.clock())));
        }
        if let Some(host) = host {
            provider = provider.with_metric_reader(host);
        }
        if let Some(path) = catalog {
            let clock = env.clock();
            let open = tokio::task::spawn_blocking(move || Catalog::open(path, clock));
            let catalog = open
                .await
                .map_err(|error| Error::unexpected("reading the catalog was interrupted").with_source(error))??;
            let catalog = Arc::new(catalog);
            provider = provider
                .with_service_reader(catalog.clone())
                .with_team_reader(catalog.clone())
                .with_on_call_reader(catalog);
        }
        if let Some(folder) = plans {
            let plans = Arc::new(Plans::open(name.clone(), folder).await?);
            let runs = Arc::new(Runs::new(database, plans.clone()));
            provider = provider
                .with_plan_reader(plans)
                .with_run_reader(runs.clone())
                .with_run_writer(runs.clone())
                .with_run_canceller(runs);
        }
        Ok(provider)
    }
}
