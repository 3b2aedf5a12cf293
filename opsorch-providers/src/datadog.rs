#![doc = include_str!("datadog/docs.md")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::secret::SecretRef;
use opsorch::transport::{Auth, Client, Url};
use opsorch::{BuildEnv, Error, Operation, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::api::{Datadog, budget};
pub use self::deployments::{DeploymentEvents, DeploymentSource};
use self::health::Checkup;
use self::read::alert::Alerts;
use self::read::deployment::Deployments;
use self::read::incident::Incidents;
use self::read::log::Logs;
use self::read::metric::Metrics;
use self::read::service::Services;
use self::read::team::Teams;
pub use self::site::Site;
pub use self::tags::ScopeTags;
use self::webhook::DatadogWebhook;
use self::write::incident::IncidentDesk;
use self::write::silence::Silencer;

mod api;
mod deployments;
mod health;
mod list;
mod map;
mod metrics;
mod read;
mod scope;
mod search;
mod site;
mod tags;
mod webhook;
mod wire;
mod write;

/// The name of this kind.
pub const KIND: &str = "datadog";

/// The largest answer that is read: 64 MiB. A page of 1,000 log entries is about 2, one of 10,000 metrics about 1.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The configuration of an organization in Datadog.
///
/// ```
/// use opsorch_providers::datadog::{DatadogConfig, Site};
///
/// let config: DatadogConfig = serde_json::from_str(
///     r#"{
///         "api_key": "env:DD_API_KEY",
///         "app_key": "env:DD_APP_KEY",
///         "site": "us3.datadoghq.com",
///         "tags": { "environment": "stage" }
///     }"#,
/// )?;
/// assert_eq!(config.site, Site::Us3);
/// assert_eq!(config.tags.service, "service");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DatadogConfig {
    /// The API key of the organization. OpsOrch's `apiKey` is understood too.
    #[serde(alias = "apiKey")]
    pub api_key: SecretRef,
    /// The application key of a user or of a service account. OpsOrch's `appKey` is understood too.
    #[serde(alias = "appKey")]
    pub app_key: SecretRef,
    /// Where the organization lives: `datadoghq.com` by default.
    #[serde(default)]
    pub site: Site,
    /// The address of the API, if it is not that of the site, with the path before `/api/v1`: such as that of a proxy.
    #[serde(default, alias = "apiURL", alias = "apiUrl", skip_serializing_if = "Option::is_none")]
    pub api_url: Option<Url>,
    /// Where a person opens Datadog, if it is not where the site is, such as at a subdomain of the organization's own.
    #[serde(default, alias = "appURL", alias = "appUrl", skip_serializing_if = "Option::is_none")]
    pub app_url: Option<Url>,
    /// The tags that hold service, team and environment.
    #[serde(default)]
    pub tags: ScopeTags,
    /// The indexes that logs are searched in; all that the key may read by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_indexes: Vec<String>,
    /// Where deployments are read from. Without it none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<DeploymentSource>,
    /// The secrets of the webhooks that arrive here, of 16 characters at least; any of them will do. Without one none are
    /// accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_secrets: Vec<SecretRef>,
    /// What `metadata.source` of everything says: `datadog` by default.
    #[serde(default = "default_source")]
    pub source: String,
    /// How many seconds a request may take: 30 by default.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// How many requests a minute are made at most, beside what Datadog allows. 0 makes as many as are asked for, and Datadog
    /// refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
}

fn default_source() -> String {
    KIND.to_owned()
}

fn default_timeout() -> u32 {
    30
}

impl DatadogConfig {
    /// The organization of these keys, at `datadoghq.com`.
    pub fn new(api_key: SecretRef, app_key: SecretRef) -> Self {
        Self {
            api_key,
            app_key,
            site: Site::default(),
            api_url: None,
            app_url: None,
            tags: ScopeTags::default(),
            log_indexes: Vec::new(),
            deployments: None,
            webhook_secrets: Vec::new(),
            source: default_source(),
            timeout: default_timeout(),
            requests_per_minute: None,
        }
    }

    /// Sets where the organization lives.
    pub fn site(mut self, site: Site) -> Self {
        self.site = site;
        self
    }

    /// Sets the address of the API.
    pub fn api_url(mut self, url: Url) -> Self {
        self.api_url = Some(url);
        self
    }

    /// Sets where a person opens Datadog.
    pub fn app_url(mut self, url: Url) -> Self {
        self.app_url = Some(url);
        self
    }

    /// Sets the tags that hold service, team and environment.
    pub fn tags(mut self, tags: ScopeTags) -> Self {
        self.tags = tags;
        self
    }

    /// Adds an index that logs are searched in.
    pub fn log_index(mut self, name: impl Into<String>) -> Self {
        self.log_indexes.push(name.into());
        self
    }

    /// Sets where deployments are read from.
    pub fn deployments(mut self, source: DeploymentSource) -> Self {
        self.deployments = Some(source);
        self
    }

    /// Adds the secret of a webhook.
    pub fn webhook_secret(mut self, secret: SecretRef) -> Self {
        self.webhook_secrets.push(secret);
        self
    }

    /// Sets how many requests a minute are made at most; 0 for as many as are asked for.
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    fn check(&self) -> Result<()> {
        if self.timeout == 0 {
            return Err(Error::invalid("timeout", "expected at least 1 second, got 0"));
        }
        if let Some(index) = self.log_indexes.iter().position(|name| name.trim().is_empty()) {
            return Err(Error::invalid(format!("log_indexes[{index}]"), "expected the name of an index"));
        }
        self.deployments.as_ref().map_or(Ok(()), DeploymentSource::check)?;
        self.tags.check()
    }

    async fn datadog(&self, env: &BuildEnv) -> Result<Datadog> {
        let base = self.api_url.clone().map_or_else(|| self.site.api(), Ok)?;
        let client = Client::new(env.transport()?, base).map_err(|error| about("api_url", error))?;
        let app = self.app_url.clone().map_or_else(|| self.site.app(), Ok)?;
        // What a client takes as its base is good for a page too: no password in it, and nothing after the path.
        Client::new(env.transport()?, app.clone()).map_err(|error| about("app_url", error))?;
        let api_key = Auth::header("DD-API-KEY", env.secret(&self.api_key).await?);
        let app_key = Auth::header("DD-APPLICATION-KEY", env.secret(&self.app_key).await?);
        let client = client.auth(api_key).map_err(|error| about("api_key", error))?;
        let client = client.auth(app_key).map_err(|error| about("app_key", error))?;
        let timeout = Duration::from_secs(self.timeout.into());
        let budget = budget().requests_per_minute(self.requests_per_minute);
        Ok(Datadog {
            client: client.timeout(timeout).body_limit(BODY_LIMIT).budget(budget),
            app,
            tags: Arc::new(self.tags.clone()),
            source: self.source.as_str().into(),
            clock: env.clock(),
        })
    }
}

#[async_trait]
impl ProviderConfig for DatadogConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        self.check()?;
        let datadog = self.datadog(env).await?;
        let (alerts, incidents) = (Alerts::new(datadog.clone()), Incidents::new(datadog.clone()));
        let silencer = Arc::new(Silencer::new(alerts.clone()));
        let teams = Arc::new(Teams::new(datadog.clone()));
        let mut provider = Provider::new(name)
            .kind(KIND)
            .with_health_check(Arc::new(Checkup::new(datadog.clone(), self.deployments.clone())))
            .with_metric_reader(Arc::new(Metrics::new(datadog.clone())))
            .with_log_reader(Arc::new(Logs::new(datadog.clone(), self.log_indexes)))
            .with_alert_reader(Arc::new(alerts))
            .with_alert_silencer(silencer.clone())
            .found_by_marker([Operation::AlertSilence])
            .with_reconciler(silencer)
            .with_incident_reader(Arc::new(incidents.clone()))
            .with_incident_writer(Arc::new(IncidentDesk::new(incidents)))
            .with_service_reader(Arc::new(Services::new(datadog.clone())))
            .with_team_reader(teams.clone())
            .with_on_call_reader(teams);
        if let Some(source) = self.deployments {
            provider = provider.with_deployment_reader(Arc::new(Deployments::new(datadog.clone(), source)));
        }
        if !self.webhook_secrets.is_empty() {
            let webhook = DatadogWebhook::new(&self.webhook_secrets, env, datadog).await?;
            provider = provider.with_webhook_receiver(Arc::new(webhook));
        }
        Ok(provider)
    }
}

/// An error of the client, as one of this configuration.
fn about(field: &str, error: Error) -> Error {
    Error::invalid(field, error.message().to_owned())
}
