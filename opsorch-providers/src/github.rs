#![doc = include_str!("github/docs.md")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::secret::{Secret, SecretRef};
use opsorch::transport::{Client, Url};
use opsorch::{BuildEnv, Error, Operation, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::api::Api;
use self::auth::Credential;
pub use self::auth::GitHubApp;
use self::budget::budget;
use self::health::Checkup;
use self::read::catalog::{Services, Teams};
use self::read::deployments::Deployments;
use self::read::runs::WorkflowRuns;
use self::read::tickets::Issues;
use self::repository::Repositories;
use self::webhook::GitHubWebhook;
use self::write::Writer;

mod api;
mod auth;
mod budget;
mod health;
mod map;
mod read;
mod repository;
mod walk;
mod webhook;
mod wire;
mod write;

/// The name of this kind.
pub const KIND: &str = "github";

/// The largest answer that is read: 32 MiB. A hundred issues of the largest size GitHub keeps are 25 MB.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// How GitHub knows who asks: without this header it refuses every request.
const USER_AGENT: &str = concat!("opsorch-providers/", env!("CARGO_PKG_VERSION"));

/// The configuration of repositories, an organization, or both.
///
/// ```
/// use opsorch_providers::github::GitHubConfig;
///
/// let config: GitHubConfig = serde_json::from_str(
///     r#"{
///         "token": "env:GITHUB_TOKEN",
///         "repositories": ["acme/api", "acme/web"],
///         "organization": "acme",
///         "deployments": "workflow_runs"
///     }"#,
/// )?;
/// assert_eq!(config.url.as_str(), "https://api.github.com/");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GitHubConfig {
    /// The address of the API: `https://api.github.com` by default, `https://HOST/api/v3` for an Enterprise Server.
    #[serde(default = "default_url")]
    pub url: Url,
    /// Where a person opens GitHub. By default it is found from `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_url: Option<Url>,
    /// A personal access token. Either this or `app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// A GitHub App, in place of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<GitHubApp>,
    /// The owner of `repo`, and of `repositories` that are named without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// A repository whose issues and deployments are served, without its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// More of them, as `owner/name`, or as `name` where `owner` is set. At most 50 in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// The organization whose teams and repositories are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// What deployments are: GitHub's own, or runs of workflows.
    #[serde(default)]
    pub deployments: DeploymentSource,
    /// The version of the API that is asked for: `2022-11-28` by default; `2026-03-10` works as well.
    #[serde(default = "default_version")]
    pub api_version: String,
    /// How many seconds a request may take: 30 by default.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// How many requests a minute are made at most, beside what GitHub allows. 0 makes as many as are asked for, and GitHub
    /// refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// The secrets of webhooks that are accepted, several while one takes the place of another. Without any none are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_secrets: Vec<SecretRef>,
    /// A key of OpsOrch's that has no effect there, nor here: a query says itself which statuses it wants.
    #[serde(default, alias = "defaultState", skip_serializing_if = "Option::is_none")]
    pub default_state: Option<String>,
}

/// What is served as deployments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeploymentSource {
    /// GitHub's deployments, with the newest of their statuses.
    #[default]
    Deployments,
    /// The runs of workflows, as OpsOrch has it. They cannot be recorded.
    WorkflowRuns,
}

#[allow(clippy::expect_used)]
fn default_url() -> Url {
    Url::parse("https://api.github.com").expect("it is an address")
}

fn default_version() -> String {
    "2022-11-28".to_owned()
}

fn default_timeout() -> u32 {
    30
}

impl GitHubConfig {
    /// What this token may see, and nothing yet of that: add a repository or an organization.
    ///
    /// ```
    /// use opsorch::secret::SecretRef;
    /// use opsorch_providers::github::GitHubConfig;
    ///
    /// let config = GitHubConfig::new(SecretRef::env("GITHUB_TOKEN")).repository("acme/api").organization("acme");
    /// assert_eq!(config.repositories, ["acme/api"]);
    /// ```
    pub fn new(token: SecretRef) -> Self {
        Self { token: Some(token), ..Self::nothing() }
    }

    /// What the installation of a GitHub App may see.
    pub fn of_app(app: GitHubApp) -> Self {
        Self { app: Some(app), ..Self::nothing() }
    }

    /// Sets the address of the API, such as `https://github.example.org/api/v3`.
    pub fn url(mut self, url: Url) -> Self {
        self.url = url;
        self
    }

    /// Adds a repository, as `owner/name`.
    pub fn repository(mut self, name: impl Into<String>) -> Self {
        self.repositories.push(name.into());
        self
    }

    /// Sets the organization whose teams and repositories are served.
    pub fn organization(mut self, name: impl Into<String>) -> Self {
        self.organization = Some(name.into());
        self
    }

    /// Sets what deployments are.
    pub fn deployments(mut self, source: DeploymentSource) -> Self {
        self.deployments = source;
        self
    }

    /// Sets the version of the API.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = version.into();
        self
    }

    /// Accepts webhooks that are signed with this secret, beside others.
    pub fn webhook_secret(mut self, secret: SecretRef) -> Self {
        self.webhook_secrets.push(secret);
        self
    }

    /// Sets how many requests a minute are made at most; 0 for as many as are asked for.
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    fn nothing() -> Self {
        Self {
            url: default_url(),
            external_url: None,
            token: None,
            app: None,
            owner: None,
            repo: None,
            repositories: Vec::new(),
            organization: None,
            deployments: DeploymentSource::default(),
            api_version: default_version(),
            timeout: default_timeout(),
            requests_per_minute: None,
            webhook_secrets: Vec::new(),
            default_state: None,
        }
    }

    fn check(&self) -> Result<()> {
        if self.timeout == 0 {
            return Err(Error::invalid("timeout", "expected at least 1 second, got 0"));
        }
        if let Some(name) = self.organization.as_deref().filter(|name| !repository::is_owner(name)) {
            return Err(Error::invalid("organization", format!("expected the name of an organization, got {name:?}")));
        }
        Ok(())
    }

    /// What a client needs but for the credential.
    fn client(&self, env: &BuildEnv) -> Result<Client> {
        let client = Client::new(env.transport()?, self.url.clone()).map_err(|error| about("url", error))?;
        client
            .timeout(Duration::from_secs(self.timeout.into()))
            .body_limit(BODY_LIMIT)
            .budget(budget(&self.url, env.clock()).requests_per_minute(self.requests_per_minute))
            .header("accept", "application/vnd.github+json")?
            .header("user-agent", USER_AGENT)?
            .header("x-github-api-version", &self.api_version)
            .map_err(|error| about("api_version", error))
    }

    async fn api(&self, env: &BuildEnv) -> Result<Arc<Api>> {
        let client = self.client(env)?;
        let credential = match (&self.token, &self.app) {
            (Some(token), None) => Credential::token(client, env.secret(token).await?)?,
            (None, Some(app)) => app.resolve(client, env).await?,
            (Some(_), Some(_)) => {
                return Err(Error::invalid("app", "expected either a token or a GitHub App, got both"));
            }
            (None, None) => {
                return Err(Error::invalid("token", "expected a token as `token`, or a GitHub App as `app`"));
            }
        };
        Ok(Arc::new(Api::new(credential, env.clock())))
    }

    /// Where a person opens GitHub.
    fn page(&self, env: &BuildEnv) -> Result<Url> {
        let Some(page) = &self.external_url else { return Ok(repository::page_of(&self.url)) };
        // What a client takes as its base is good for a page too: no password in it, and nothing after the path.
        Client::new(env.transport()?, page.clone()).map_err(|error| about("external_url", error))?;
        Ok(page.clone())
    }
}

#[async_trait]
impl ProviderConfig for GitHubConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        self.check()?;
        let repositories = Arc::new(Repositories::configured(&self, self.page(env)?)?);
        let api = self.api(env).await?;
        let organization = self.organization.clone();
        if repositories.is_empty() && organization.is_none() {
            return Err(Error::invalid("repositories", "expected a repository, an organization, or both"));
        }

        let checkup = Checkup::new(&api, &repositories, organization.clone(), self.deployments);
        let services = Services::new(&api, &repositories, organization.clone());
        let mut provider =
            Provider::new(name).kind(KIND).with_health_check(Arc::new(checkup)).with_service_reader(Arc::new(services));
        if let Some(organization) = organization {
            provider = provider.with_team_reader(Arc::new(Teams::new(&api, &repositories, organization)));
        }
        if !repositories.is_empty() {
            provider = self.with_repositories(provider, &api, &repositories, env);
        }
        let mut secrets: Vec<Secret> = Vec::new();
        for reference in &self.webhook_secrets {
            secrets.push(env.secret(reference).await?);
        }
        Ok(match secrets.is_empty() {
            true => provider,
            false => {
                provider.with_webhook_receiver(Arc::new(GitHubWebhook::new(secrets, &repositories, self.deployments)?))
            }
        })
    }
}

impl GitHubConfig {
    /// Offers what is in repositories.
    fn with_repositories(
        &self,
        provider: Provider,
        api: &Arc<Api>,
        repositories: &Arc<Repositories>,
        env: &BuildEnv,
    ) -> Provider {
        let issues = Issues::new(api, repositories);
        let writer = Arc::new(Writer::new(issues.clone(), env.clock()));
        let provider = provider
            .with_ticket_reader(Arc::new(issues))
            .with_ticket_writer(writer.clone())
            .with_ticket_commenter(writer.clone())
            .found_by_marker([Operation::TicketCreate, Operation::TicketComment, Operation::DeploymentRecord])
            .with_reconciler(writer.clone());
        match self.deployments {
            DeploymentSource::WorkflowRuns => {
                provider.with_deployment_reader(Arc::new(WorkflowRuns::new(api, repositories)))
            }
            DeploymentSource::Deployments => provider
                .with_deployment_reader(Arc::new(Deployments::new(api, repositories)))
                .with_deployment_recorder(writer)
                .acts_on_service(),
        }
    }
}

/// An error of the client, as one of this configuration.
fn about(field: &str, error: Error) -> Error {
    Error::invalid(field, error.message().to_owned())
}
