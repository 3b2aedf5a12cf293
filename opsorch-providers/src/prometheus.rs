#![doc = include_str!("prometheus/docs.md")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::secret::SecretRef;
use opsorch::transport::{Budget, Client, Tls, Url};
use opsorch::{BuildEnv, Error, Operation, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::api::Server;
pub use self::auth::{Credential, WebhookAuth};
use self::health::Checkup;
pub use self::labels::ScopeLabels;
use self::map::alert::AlertMap;
use self::read::alert::{Alertmanager, Alerts, Rules};
use self::read::metric::Metrics;
use self::webhook::AlertmanagerWebhook;
use self::write::Silencer;

mod api;
mod auth;
mod health;
mod labels;
mod map;
mod promql;
mod read;
mod webhook;
mod window;
mod wire;
mod write;

/// The name of this kind.
pub const KIND: &str = "prometheus";

/// The header that names the tenant to Mimir, Cortex, Loki and Thanos.
const TENANT: &str = "X-Scope-OrgID";

/// The largest answer that is read: 64 MiB, about 2.5 million points.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The configuration of a Prometheus, of an Alertmanager, or of both.
///
/// ```
/// use opsorch_providers::prometheus::PrometheusConfig;
///
/// let config: PrometheusConfig = serde_json::from_str(
///     r#"{
///         "url": "https://prometheus.example.org/prometheus",
///         "alertmanager_url": "https://alertmanager.example.org",
///         "auth": { "bearer": "env:PROMETHEUS_TOKEN" },
///         "labels": { "environment": "cluster" }
///     }"#,
/// )?;
/// assert_eq!(config.labels.environment, "cluster");
/// assert_eq!(config.labels.service, "service");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PrometheusConfig {
    /// The address of Prometheus, or of what speaks its API, with the path before `/api/v1`. Without it there are no
    /// metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// The address of Alertmanager, with the path before `/api/v2`. Without it alerts are those that the rules of
    /// Prometheus raise, and nothing can be silenced. OpsOrch's `alertmanagerURL` is understood too.
    #[serde(default, alias = "alertmanagerURL", alias = "alertmanagerUrl", skip_serializing_if = "Option::is_none")]
    pub alertmanager_url: Option<Url>,
    /// The credential for both servers; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Credential>,
    /// The credential for Alertmanager, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertmanager_auth: Option<Credential>,
    /// The tenant, sent to both servers as `X-Scope-OrgID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The certificate and the private key that this client shows to both servers, in PEM, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretRef>,
    /// The certificates that the servers' own must be signed by, in PEM, in place of those that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<SecretRef>,
    /// How many seconds a request may take: 30 by default.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// How many requests a minute are made at most; as many as are asked for unless set. 0 makes them also where a server has just
    /// refused some. Each of the two servers counts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Where a person opens Prometheus, if that is not `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_url: Option<Url>,
    /// Where a person opens Alertmanager, if that is not `alertmanager_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertmanager_external_url: Option<Url>,
    /// The labels that hold service, team and environment.
    #[serde(default)]
    pub labels: ScopeLabels,
    /// What an Alertmanager proves itself with that sends webhooks here. Without it none are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookAuth>,
}

fn default_timeout() -> u32 {
    30
}

impl PrometheusConfig {
    /// Metrics, and the alerts of its rules, from the Prometheus at this address.
    pub fn new(url: Url) -> Self {
        Self { url: Some(url), ..Self::nothing() }
    }

    /// Alerts and silences from the Alertmanager at this address, and no metrics.
    pub fn alertmanager_only(url: Url) -> Self {
        Self { alertmanager_url: Some(url), ..Self::nothing() }
    }

    /// Adds the Alertmanager at this address.
    pub fn alertmanager(mut self, url: Url) -> Self {
        self.alertmanager_url = Some(url);
        self
    }

    /// Sets the credential for both servers.
    pub fn auth(mut self, credential: Credential) -> Self {
        self.auth = Some(credential);
        self
    }

    /// Sets the tenant, sent as `X-Scope-OrgID`.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets what an Alertmanager that sends webhooks here proves itself with.
    pub fn webhook(mut self, auth: WebhookAuth) -> Self {
        self.webhook = Some(auth);
        self
    }

    /// Sets how many requests a minute are made at most; 0 for as many as are asked for.
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    fn nothing() -> Self {
        Self {
            url: None,
            alertmanager_url: None,
            auth: None,
            alertmanager_auth: None,
            tenant: None,
            client_certificate: None,
            ca_certificate: None,
            timeout: default_timeout(),
            requests_per_minute: None,
            external_url: None,
            alertmanager_external_url: None,
            labels: ScopeLabels::default(),
            webhook: None,
        }
    }

    fn check(&self) -> Result<()> {
        if self.url.is_none() && self.alertmanager_url.is_none() {
            let message =
                "expected the address of a Prometheus as `url`, of an Alertmanager as `alertmanager_url`, or both";
            return Err(Error::invalid("url", message));
        }
        if self.timeout == 0 {
            return Err(Error::invalid("timeout", "expected at least 1 second, got 0"));
        }
        self.labels.check()
    }

    /// The Prometheus, if there is one.
    async fn prometheus_server(&self, env: &BuildEnv) -> Result<Option<Server>> {
        let auth = ("auth", self.auth.as_ref());
        self.server(env, ("url", &self.url), ("external_url", &self.external_url), auth).await
    }

    /// The Alertmanager, if there is one.
    async fn alertmanager_server(&self, env: &BuildEnv) -> Result<Option<Server>> {
        let auth = match &self.alertmanager_auth {
            Some(auth) => ("alertmanager_auth", Some(auth)),
            None => ("auth", self.auth.as_ref()),
        };
        let page = ("alertmanager_external_url", &self.alertmanager_external_url);
        self.server(env, ("alertmanager_url", &self.alertmanager_url), page, auth).await
    }

    async fn server(
        &self,
        env: &BuildEnv,
        (field, url): (&str, &Option<Url>),
        (page_field, page): (&str, &Option<Url>),
        (auth_field, auth): (&str, Option<&Credential>),
    ) -> Result<Option<Server>> {
        let Some(url) = url else { return Ok(None) };
        let timeout = Duration::from_secs(self.timeout.into());
        let client = Client::new(env.transport()?, url.clone()).map_err(|error| about(field, error))?;
        // Neither server has limits of its own, but what stands before it may.
        let budget = Budget::new().requests_per_minute(self.requests_per_minute);
        let mut client = client.timeout(timeout).body_limit(BODY_LIMIT).budget(budget);
        let page = page.as_ref().unwrap_or(url);
        // What a client takes as its base is good for a page too: no password in it, and nothing after the path.
        Client::new(env.transport()?, page.clone()).map_err(|error| about(page_field, error))?;
        if let Some(tls) = self.tls(env).await? {
            client = client.tls(tls);
        }
        if let Some(auth) = auth {
            client = client.auth(auth.resolve(env).await?).map_err(|error| about(auth_field, error))?;
        }
        if let Some(tenant) = &self.tenant {
            client = client.header(TENANT, tenant).map_err(|error| about("tenant", error))?;
        }
        Ok(Some(Server { client, page: page.clone(), timeout }))
    }

    /// What differs from the TLS of the system, if anything does.
    async fn tls(&self, env: &BuildEnv) -> Result<Option<Tls>> {
        if self.client_certificate.is_none() && self.ca_certificate.is_none() {
            return Ok(None);
        }
        let mut tls = Tls::new();
        if let Some(reference) = &self.client_certificate {
            let pem = env.secret(reference).await?;
            tls = tls.identity(pem).map_err(|error| about("client_certificate", error))?;
        }
        if let Some(reference) = &self.ca_certificate {
            let pem = env.secret(reference).await?;
            tls = tls.roots(pem.expose()).map_err(|error| about("ca_certificate", error))?;
        }
        Ok(Some(tls))
    }
}

#[async_trait]
impl ProviderConfig for PrometheusConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        self.check()?;
        let prometheus = self.prometheus_server(env).await?;
        let alertmanager = self.alertmanager_server(env).await?;
        let checkup = Checkup::new(prometheus.clone(), alertmanager.clone());
        let mut provider = Provider::new(name).kind(KIND).with_health_check(Arc::new(checkup));
        if let Some(prometheus) = &prometheus {
            provider = provider.with_metric_reader(Arc::new(Metrics::new(prometheus.clone(), self.labels.clone())));
        }
        let map = AlertMap { labels: self.labels.clone() };
        if let Some(webhook) = &self.webhook {
            let page = self.alertmanager_external_url.clone();
            let webhook = AlertmanagerWebhook::new(webhook, env, page, map.clone()).await?;
            provider = provider.with_webhook_receiver(Arc::new(webhook));
        }
        let rules = prometheus.map(|server| Rules::new(server, map.clone()));
        if let Some(alertmanager) = alertmanager.clone() {
            let silencer = Arc::new(Silencer::new(alertmanager, map.clone(), env.clock()));
            provider = provider.with_alert_silencer(silencer.clone());
            provider = provider.found_by_marker([Operation::AlertSilence]).with_reconciler(silencer);
        }
        let alertmanager = alertmanager.map(|server| Alertmanager::new(server, map));
        Ok(match Alerts::new(alertmanager, rules) {
            Some(alerts) => provider.with_alert_reader(Arc::new(alerts)),
            None => provider,
        })
    }
}

/// An error of the client, as one of this configuration.
fn about(field: &str, error: Error) -> Error {
    Error::invalid(field, error.message().to_owned())
}
