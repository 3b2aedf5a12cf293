#![doc = include_str!("elastic/docs.md")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::secret::SecretRef;
use opsorch::transport::{Budget, Client, Tls, Url};
use opsorch::{BuildEnv, Error, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::api::Cluster;
pub use self::api::Distribution;
use self::auth::Credentials;
use self::cloud::CloudId;
pub use self::fields::FieldNames;
use self::fields::OneOrMany;
use self::health::Checkup;
use self::link::Dashboards;
use self::read::Logs;

mod api;
mod auth;
mod cloud;
mod conditions;
mod dsl;
mod fields;
mod health;
mod link;
mod map;
mod mapping;
mod read;
mod wire;

/// The name of this kind.
pub const KIND: &str = "elastic";

/// The largest answer that is read: 64 MiB.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The indices that are read where nothing else is configured: the data streams that Elastic's own shippers write.
const DEFAULT_INDEX: &str = "logs-*";

/// The configuration of a cluster of Elasticsearch or OpenSearch.
///
/// ```
/// use opsorch_providers::elastic::ElasticConfig;
///
/// let config: ElasticConfig = serde_json::from_str(
///     r#"{
///         "addresses": ["https://es-1.example.org:9200", "https://es-2.example.org:9200"],
///         "api_key": "env:ELASTIC_API_KEY",
///         "index": "logs-*,filebeat-*",
///         "dashboards_url": "https://kibana.example.org/s/sre",
///         "fields": { "team": "labels.owner" }
///     }"#,
/// )?;
/// assert_eq!(config.fields.team, ["labels.owner"]);
/// assert_eq!(config.fields.timestamp, "@timestamp");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ElasticConfig {
    /// The addresses of the cluster's nodes, or of what stands before them, with the path before the API: one, or several
    /// of which the next is asked where one does not answer.
    #[serde(
        default,
        alias = "url",
        alias = "address",
        deserialize_with = "OneOrMany::read",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(with = "OneOrMany<Url>")]
    pub addresses: Vec<Url>,
    /// The id of a deployment in Elastic Cloud, in place of addresses. OpsOrch's `cloudID` is understood too.
    #[serde(default, alias = "cloudID", alias = "cloudId", skip_serializing_if = "Option::is_none")]
    pub cloud_id: Option<String>,
    /// An API key of Elasticsearch: as Kibana shows it encoded, or `ID:KEY`. It comes before a user and a password.
    /// OpsOrch's `apiKey` is understood too.
    #[serde(default, alias = "apiKey", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretRef>,
    /// A token, sent as `Authorization: Bearer`.
    #[serde(default, alias = "bearerToken", skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretRef>,
    /// A user, who needs a password too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// The indices, data streams and aliases that hold logs, separated by commas, with `*` for any characters: `logs-*`
    /// by default. OpsOrch's `indexPattern` is understood too.
    #[serde(default = "default_index", alias = "indexPattern", alias = "index_pattern")]
    pub index: String,
    /// Which of the two it is. Without it, it is asked once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// The major version of the REST API to ask Elasticsearch for, such as 8 of a cluster of version 9. Nothing is asked
    /// for by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatible_with: Option<u8>,
    /// The fields that hold what every log entry has.
    #[serde(default)]
    pub fields: FieldNames,
    /// Where a person opens Kibana or OpenSearch Dashboards, with the path before `/app`, such as `/s/SPACE`. Without it
    /// pages have no link, but for Elastic Cloud, whose id says it.
    #[serde(
        default,
        alias = "kibana_url",
        alias = "kibanaURL",
        alias = "kibanaUrl",
        skip_serializing_if = "Option::is_none"
    )]
    pub dashboards_url: Option<Url>,
    /// The id of the data view, or index pattern, that a link opens. Without it Kibana opens the one that it opens by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_view: Option<String>,
    /// The certificate and the private key that this client shows, in PEM, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretRef>,
    /// The certificates that the servers' own must be signed by, in PEM, in place of those that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<SecretRef>,
    /// How many seconds a request may take: 30 by default. A search is told to stop a little earlier.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// How many requests a minute are made at most; as many as are asked for unless set. 0 makes them also where the cluster has
    /// just refused some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
}

fn default_index() -> String {
    DEFAULT_INDEX.to_owned()
}

fn default_timeout() -> u32 {
    30
}

impl ElasticConfig {
    /// The cluster at this address.
    pub fn new(url: Url) -> Self {
        Self { addresses: vec![url], ..Self::nothing() }
    }

    /// A deployment in Elastic Cloud.
    pub fn cloud(id: impl Into<String>) -> Self {
        Self { cloud_id: Some(id.into()), ..Self::nothing() }
    }

    /// Adds the address of another node of the same cluster.
    pub fn address(mut self, url: Url) -> Self {
        self.addresses.push(url);
        self
    }

    /// Sets the API key: as Kibana shows it encoded, or `ID:KEY`.
    pub fn api_key(mut self, key: SecretRef) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Sets a token, sent as `Authorization: Bearer`.
    pub fn bearer(mut self, token: SecretRef) -> Self {
        self.bearer = Some(token);
        self
    }

    /// Sets a user and the password.
    pub fn basic(mut self, username: impl Into<String>, password: SecretRef) -> Self {
        self.username = Some(username.into());
        self.password = Some(password);
        self
    }

    /// Sets the indices, data streams and aliases, separated by commas.
    pub fn index(mut self, pattern: impl Into<String>) -> Self {
        self.index = pattern.into();
        self
    }

    /// Says which of the two it is, so that it is not asked.
    pub fn distribution(mut self, distribution: Distribution) -> Self {
        self.distribution = Some(distribution);
        self
    }

    /// Sets the fields that hold what every log entry has.
    pub fn fields(mut self, fields: FieldNames) -> Self {
        self.fields = fields;
        self
    }

    /// Sets where a person opens Kibana or OpenSearch Dashboards.
    pub fn dashboards_url(mut self, url: Url) -> Self {
        self.dashboards_url = Some(url);
        self
    }

    /// Sets the id of the data view that a link opens.
    pub fn data_view(mut self, id: impl Into<String>) -> Self {
        self.data_view = Some(id.into());
        self
    }

    /// Sets how many requests a minute are made at most; 0 for as many as are asked for.
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    fn nothing() -> Self {
        Self {
            addresses: Vec::new(),
            cloud_id: None,
            api_key: None,
            bearer: None,
            username: None,
            password: None,
            index: default_index(),
            distribution: None,
            compatible_with: None,
            fields: FieldNames::default(),
            dashboards_url: None,
            data_view: None,
            client_certificate: None,
            ca_certificate: None,
            timeout: default_timeout(),
            requests_per_minute: None,
        }
    }

    fn check(&self) -> Result<()> {
        if self.timeout == 0 {
            return Err(Error::invalid("timeout", "expected at least 1 second, got 0"));
        }
        if self.index.split(',').any(|name| name.trim() != name || matches!(name, "" | "." | "..")) {
            let message =
                "expected names of indices or data streams such as `logs-*`, separated by commas without blanks";
            return Err(Error::invalid("index", message));
        }
        if self.compatible_with.is_some() && self.distribution == Some(Distribution::OpenSearch) {
            return Err(Error::invalid("compatible_with", "OpenSearch has no such thing; leave it out"));
        }
        self.fields.check()
    }

    /// The addresses of the nodes, and where a person opens Kibana.
    fn places(&self) -> Result<(Vec<Url>, Option<Url>)> {
        let page = self.dashboards_url.clone();
        match (&self.cloud_id, self.addresses.as_slice()) {
            (None, []) => {
                let message = "expected the address of the cluster as `addresses`, or the id of a deployment in Elastic \
                               Cloud as `cloud_id`";
                Err(Error::invalid("addresses", message))
            }
            (None, addresses) => Ok((addresses.to_vec(), page)),
            (Some(id), []) => {
                let cloud = CloudId::parse(id)?;
                Ok((vec![cloud.elasticsearch], page.or(cloud.kibana)))
            }
            (Some(_), _) => Err(Error::invalid("cloud_id", "expected either `addresses` or `cloud_id`, got both")),
        }
    }

    async fn cluster(&self, env: &BuildEnv, addresses: Vec<Url>) -> Result<Cluster> {
        let (tls, credentials) = (self.tls(env).await?, Credentials::of(self, env).await?);
        let field = if self.cloud_id.is_some() { "cloud_id" } else { "addresses" };
        // A cluster has no limits of its own but its strength, of which a refusal speaks. The nodes share it.
        let budget = Budget::new().requests_per_minute(self.requests_per_minute);
        let mut nodes = Vec::new();
        for address in addresses {
            let client = Client::new(env.transport()?, address).map_err(|error| about(field, error))?;
            let client = client.timeout(Duration::from_secs(self.timeout.into())).body_limit(BODY_LIMIT);
            let mut client = client.budget(budget.clone());
            if let Some(tls) = &tls {
                client = client.tls(tls.clone());
            }
            nodes.push(credentials.given_to(client)?);
        }
        Cluster::new(nodes, self.distribution, self.compatible_with, Duration::from_secs(self.timeout.into()))
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

    fn dashboards(&self, env: &BuildEnv, page: Option<Url>) -> Result<Option<Dashboards>> {
        let Some(page) = page else { return Ok(None) };
        // What a client takes as its base is good for a page too: no password in it, and nothing after the path.
        Client::new(env.transport()?, page.clone()).map_err(|error| about("dashboards_url", error))?;
        Ok(Some(Dashboards { url: page, data_view: self.data_view.clone() }))
    }
}

#[async_trait]
impl ProviderConfig for ElasticConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        self.check()?;
        let (addresses, page) = self.places()?;
        let dashboards = self.dashboards(env, page)?;
        let cluster = Arc::new(self.cluster(env, addresses).await?);
        let checkup = Checkup::new(Arc::clone(&cluster), self.index.clone(), self.fields.timestamp.clone());
        let logs = Logs::new(name.clone(), cluster, self.index, self.fields, dashboards);
        let provider = Provider::new(name).kind(KIND).with_log_reader(Arc::new(logs));
        Ok(provider.with_health_check(Arc::new(checkup)))
    }
}

/// An error of the client, as one of this configuration.
fn about(field: &str, error: Error) -> Error {
    Error::invalid(field, error.message().to_owned())
}
