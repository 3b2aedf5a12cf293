#![doc = include_str!("pagerduty/docs.md")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::secret::{Secret, SecretRef};
use opsorch::transport::{Auth, Client, Url};
use opsorch::{BuildEnv, Error, Operation, Provider, ProviderConfig, ProviderName, Result, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::api::{Api, budget};
use self::health::Checkup;
use self::map::Map;
pub use self::map::severity::Urgencies;
use self::read::alert::Alerts;
use self::read::incident::Incidents;
use self::read::service::Services;
use self::read::team::Teams;
use self::read::timeline::Timelines;
use self::webhook::PagerDutyWebhook;
use self::write::event::Events;
use self::write::incident::IncidentDesk;
use self::write::note::Notes;
use self::write::sender::Sender;

mod api;
mod health;
mod map;
mod names;
mod read;
mod time;
mod webhook;
mod wire;
mod write;

/// The name of this kind.
pub const KIND: &str = "pagerduty";

/// The version of the API that is asked for.
const ACCEPT: &str = "application/vnd.pagerduty+json;version=2";

/// The largest answer that is read: 16 MiB. A page of 100 incidents is below one.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The configuration of a PagerDuty account.
///
/// ```
/// use opsorch_providers::pagerduty::{PagerDutyConfig, Region};
///
/// let config: PagerDutyConfig = serde_json::from_str(
///     r#"{
///         "api_token": "env:PAGERDUTY_TOKEN",
///         "region": "eu",
///         "from_email": "opsorch@example.com",
///         "priorities": { "Sev-A": "critical" }
///     }"#,
/// )?;
/// assert_eq!(config.region, Region::Eu);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PagerDutyConfig {
    /// The API key, of an account or of a user, or an OAuth token. OpsOrch's `apiToken` is understood too.
    #[serde(alias = "apiToken")]
    pub api_token: SecretRef,
    /// How the token is sent: as an API key by default.
    #[serde(default)]
    pub token_type: TokenType,
    /// Where the account lives: `us` by default.
    #[serde(default)]
    pub region: Region,
    /// The address of the REST API, if it is not that of the region, with the path before `/incidents`. OpsOrch's `apiURL`
    /// is understood too.
    #[serde(default, alias = "apiURL", alias = "apiUrl", skip_serializing_if = "Option::is_none")]
    pub api_url: Option<Url>,
    /// The address of the Events API, if it is not that of the region, with the path before `/v2/enqueue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_url: Option<Url>,
    /// The e-mail address of the user in whose name changes are made that no known person asks for. OpsOrch's `fromEmail`
    /// is understood too.
    #[serde(default, alias = "fromEmail", skip_serializing_if = "Option::is_none")]
    pub from_email: Option<String>,
    /// Whether a change is made in the name of the person who asks for it, where that is known: yes by default.
    #[serde(default = "yes")]
    pub from_person: bool,
    /// The id of the service that incidents are opened on which name none. OpsOrch's `serviceID` is understood too.
    #[serde(default, alias = "serviceID", alias = "serviceId", skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The severity of incidents that are opened without one. Without it PagerDuty decides. OpsOrch's `defaultSeverity` is
    /// understood too.
    #[serde(default, alias = "defaultSeverity", skip_serializing_if = "Option::is_none")]
    pub default_severity: Option<Severity>,
    /// What the account's priorities mean, by their names, where the names do not say it. `P1` is critical as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub priorities: BTreeMap<String, Severity>,
    /// What urgencies mean where an incident has no priority.
    #[serde(default)]
    pub urgencies: Urgencies,
    /// The integration key of Events API v2 under which alerts are raised. Without it none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<SecretRef>,
    /// The secrets of the webhook subscriptions that arrive here; any of them will do. Without one none are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_secrets: Vec<SecretRef>,
    /// What `metadata.source` of everything says: `pagerduty` by default.
    #[serde(default = "default_source")]
    pub source: String,
    /// How many seconds a request may take: 30 by default.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// How many requests a minute are made at most, beside what PagerDuty allows. 0 makes as many as are asked for, and PagerDuty
    /// refuses. Each of its two APIs counts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
}

/// How a token is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenType {
    /// `Authorization: Token token=…`: an API key.
    #[default]
    ApiKey,
    /// `Authorization: Bearer …`: an OAuth token.
    Bearer,
}

/// Where an account lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Region {
    /// `api.pagerduty.com`.
    #[default]
    Us,
    /// `api.eu.pagerduty.com`.
    Eu,
}

impl Region {
    fn api(self) -> &'static str {
        match self {
            Self::Us => "https://api.pagerduty.com",
            Self::Eu => "https://api.eu.pagerduty.com",
        }
    }

    fn events(self) -> &'static str {
        match self {
            Self::Us => "https://events.pagerduty.com",
            Self::Eu => "https://events.eu.pagerduty.com",
        }
    }
}

fn yes() -> bool {
    true
}

fn default_source() -> String {
    KIND.to_owned()
}

fn default_timeout() -> u32 {
    30
}

impl PagerDutyConfig {
    /// The account of this API key, in the US, read and written.
    pub fn new(api_token: SecretRef) -> Self {
        Self {
            api_token,
            token_type: TokenType::ApiKey,
            region: Region::Us,
            api_url: None,
            events_url: None,
            from_email: None,
            from_person: true,
            service_id: None,
            default_severity: None,
            priorities: BTreeMap::new(),
            urgencies: Urgencies::default(),
            routing_key: None,
            webhook_secrets: Vec::new(),
            source: default_source(),
            timeout: default_timeout(),
            requests_per_minute: None,
        }
    }

    /// Sets where the account lives.
    pub fn region(mut self, region: Region) -> Self {
        self.region = region;
        self
    }

    /// Sets the address of the REST API.
    pub fn api_url(mut self, url: Url) -> Self {
        self.api_url = Some(url);
        self
    }

    /// Sets the address of the Events API.
    pub fn events_url(mut self, url: Url) -> Self {
        self.events_url = Some(url);
        self
    }

    /// Sets the user in whose name changes are made that no known person asks for.
    pub fn from_email(mut self, address: impl Into<String>) -> Self {
        self.from_email = Some(address.into());
        self
    }

    /// Sets the service that incidents are opened on which name none.
    pub fn service_id(mut self, id: impl Into<String>) -> Self {
        self.service_id = Some(id.into());
        self
    }

    /// Sets the integration key under which alerts are raised.
    pub fn routing_key(mut self, key: SecretRef) -> Self {
        self.routing_key = Some(key);
        self
    }

    /// Adds the secret of a webhook subscription.
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
        if self.service_id.as_deref().is_some_and(|id| !api::is_id(id)) {
            return Err(Error::invalid("service_id", "expected the id of a service, such as PIJ90N7"));
        }
        self.urgencies.check()
    }

    async fn api(&self, env: &BuildEnv) -> Result<Api> {
        let client = self.client(env, "api_url", self.api_url.as_ref(), self.region.api())?;
        let token = env.secret(&self.api_token).await?;
        let auth = match self.token_type {
            TokenType::ApiKey => Auth::scheme("Token token=", token),
            TokenType::Bearer => Auth::bearer(token),
        };
        let client = client.auth(auth).map_err(|error| about("api_token", error))?;
        let budget = budget().requests_per_minute(self.requests_per_minute);
        Ok(Api::new(client.header("Accept", ACCEPT)?.budget(budget)))
    }

    /// The Events API, which has no credential but the key in each event.
    async fn events(&self, env: &BuildEnv) -> Result<Option<(Client, Secret)>> {
        let Some(reference) = &self.routing_key else { return Ok(None) };
        let key = env.secret(reference).await?;
        let client = self.client(env, "events_url", self.events_url.as_ref(), self.region.events())?;
        let budget = write::event::budget().requests_per_minute(self.requests_per_minute);
        Ok(Some((client.redact(&key).budget(budget), key)))
    }

    fn client(&self, env: &BuildEnv, field: &str, url: Option<&Url>, usual: &str) -> Result<Client> {
        let url = match url {
            Some(url) => url.clone(),
            None => usual.parse().map_err(|error| Error::unexpected("an address is none").with_source(error))?,
        };
        let client = Client::new(env.transport()?, url).map_err(|error| about(field, error))?;
        Ok(client.timeout(Duration::from_secs(self.timeout.into())).body_limit(BODY_LIMIT))
    }
}

#[async_trait]
impl ProviderConfig for PagerDutyConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        self.check()?;
        let api = self.api(env).await?;
        let events = self.events(env).await?;
        let sender = Sender::new(self.from_email.clone(), self.from_person)?;
        let map = Arc::new(Map::new(self.source, self.priorities, self.urgencies));
        let incidents = Incidents::new(api.clone(), Arc::clone(&map), env.clock());
        let desk = IncidentDesk::new(incidents.clone(), sender.clone(), self.service_id, self.default_severity);
        let (desk, alerts) = (Arc::new(desk), Alerts::new(incidents.clone()));
        let teams = Arc::new(Teams::new(api.clone(), Arc::clone(&map)));
        let mut provider = Provider::new(name)
            .kind(KIND)
            .acts_on_service()
            .idempotent_by_key([Operation::IncidentCreate])
            .found_by_marker([Operation::IncidentCreate])
            .with_health_check(Arc::new(Checkup::new(api.clone(), self.from_email, events.is_some())))
            .with_incident_reader(Arc::new(incidents))
            .with_incident_writer(desk.clone())
            .with_reconciler(desk)
            .with_timeline_reader(Arc::new(Timelines::new(api.clone(), Arc::clone(&map))))
            .with_timeline_writer(Arc::new(Notes::new(api.clone(), sender)))
            .with_alert_reader(Arc::new(alerts.clone()))
            .with_service_reader(Arc::new(Services::new(api, Arc::clone(&map))))
            .with_team_reader(teams.clone())
            .with_on_call_reader(teams);
        if let Some((client, key)) = events {
            let events = Arc::new(Events::new(client, key, alerts));
            provider = provider.with_alert_raiser(events.clone()).with_alert_responder(events);
        }
        if !self.webhook_secrets.is_empty() {
            let webhook = PagerDutyWebhook::new(&self.webhook_secrets, env, map).await?;
            provider = provider.with_webhook_receiver(Arc::new(webhook));
        }
        Ok(provider)
    }
}

/// An error of the client, as one of this configuration.
fn about(field: &str, error: Error) -> Error {
    Error::invalid(field, error.message().to_owned())
}
