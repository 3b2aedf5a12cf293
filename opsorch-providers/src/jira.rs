#![doc = include_str!("jira/docs.md")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::secret::{Secret, SecretRef};
use opsorch::transport::{Auth, Client, Url};
use opsorch::{BuildEnv, Error, Operation, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::api::{Server, budget};
use self::health::Checkup;
use self::map::TicketMap;
use self::people::People;
use self::read::Tickets;
use self::recent::Recent;
use self::webhook::JiraWebhook;
use self::write::Writer;

mod adf;
mod api;
mod health;
mod jql;
mod map;
mod people;
mod read;
mod recent;
mod webhook;
mod wire;
mod write;

/// The name of this kind.
pub const KIND: &str = "jira";

/// The largest answer that is read: 32 MiB, a hundred issues of the greatest length.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The host that all Cloud sites share for tokens with scopes: no person opens a page there.
const SHARED_HOST: &str = "api.atlassian.com";

/// Which Jira it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deployment {
    /// Jira Cloud: version 3 of the API, where texts are Atlassian Documents and people have account ids.
    #[default]
    Cloud,
    /// Jira Data Center: version 2 of the API, where texts are wiki markup and people have user names.
    DataCenter,
}

/// The configuration of a project in Jira.
///
/// ```
/// use opsorch_providers::jira::{Deployment, JiraConfig};
///
/// let config: JiraConfig = serde_json::from_str(
///     r#"{
///         "deployment": "data_center",
///         "url": "https://jira.example.org/jira",
///         "project": "OPS",
///         "token": "env:JIRA_TOKEN"
///     }"#,
/// )?;
/// assert_eq!(config.deployment, Deployment::DataCenter);
/// assert_eq!(config.issue_type, "Task");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JiraConfig {
    /// Cloud, as with OpsOrch, or Data Center. It is never guessed from the address.
    #[serde(default)]
    pub deployment: Deployment,
    /// The address, with the path before `/rest/api`. There is none by default. OpsOrch's `apiURL` is understood too.
    #[serde(alias = "apiURL", alias = "apiUrl")]
    pub url: Url,
    /// Where a person opens Jira, if that is not `url`: needed with `https://api.atlassian.com/ex/jira/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browse_url: Option<Url>,
    /// The key of the project in which tickets are found and opened. OpsOrch's `projectKey` is understood too.
    #[serde(alias = "projectKey")]
    pub project: String,
    /// The type of tickets that are opened, where the ticket does not say: `Task` by default. OpsOrch's
    /// `defaultIssueType` is understood too.
    #[serde(default = "default_issue_type", alias = "defaultIssueType")]
    pub issue_type: String,
    /// Whose token it is: with it, the two are sent as `Basic`; without it, the token is sent as `Bearer`. On Data Center
    /// it is the user's name.
    #[serde(default, alias = "user", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The API token (Cloud), the personal access token, or the password (Data Center). OpsOrch's `apiToken` is understood
    /// too.
    #[serde(alias = "apiToken")]
    pub token: SecretRef,
    /// Further fields to read with each ticket, by their ids, such as `customfield_10010`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// What tickets say in their metadata as `source`: `jira` by default, as with OpsOrch.
    #[serde(default = "default_source")]
    pub source: String,
    /// How many seconds a request may take: 30 by default.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// How many requests a minute are made at most, beside what Jira allows. 0 makes as many as are asked for, and Jira
    /// refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// The secrets with which Jira signs its webhooks: several while one is replaced by another. Without one no webhooks
    /// are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_secrets: Vec<SecretRef>,
}

fn default_issue_type() -> String {
    "Task".to_owned()
}

fn default_source() -> String {
    KIND.to_owned()
}

fn default_timeout() -> u32 {
    30
}

impl JiraConfig {
    /// A project at this address, with a token that is sent as `Bearer`.
    pub fn new(deployment: Deployment, url: Url, project: impl Into<String>, token: SecretRef) -> Self {
        Self {
            deployment,
            url,
            browse_url: None,
            project: project.into(),
            issue_type: default_issue_type(),
            email: None,
            token,
            fields: Vec::new(),
            source: default_source(),
            timeout: default_timeout(),
            requests_per_minute: None,
            webhook_secrets: Vec::new(),
        }
    }

    /// Sets whose token it is, so that the two are sent as `Basic`.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets where a person opens Jira.
    pub fn browse_url(mut self, url: Url) -> Self {
        self.browse_url = Some(url);
        self
    }

    /// Sets the type of tickets that are opened.
    pub fn issue_type(mut self, issue_type: impl Into<String>) -> Self {
        self.issue_type = issue_type.into();
        self
    }

    /// Adds a field to read with each ticket.
    pub fn field(mut self, id: impl Into<String>) -> Self {
        self.fields.push(id.into());
        self
    }

    /// Adds a secret with which Jira signs its webhooks.
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
        for (field, value) in [("project", &self.project), ("issue_type", &self.issue_type)] {
            if value.trim().is_empty() {
                return Err(Error::invalid(field, "expected a name, got an empty one"));
            }
        }
        if self.timeout == 0 {
            return Err(Error::invalid("timeout", "expected at least 1 second, got 0"));
        }
        if self.browse_url.is_none() && self.url.host_str() == Some(SHARED_HOST) {
            let message = "expected the address of the site, such as https://example.atlassian.net: no person opens \
                           api.atlassian.com";
            return Err(Error::invalid("browse_url", message));
        }
        match self.fields.iter().find(|field| field.is_empty() || field.contains(',')) {
            Some(field) => {
                Err(Error::invalid("fields", format!("expected ids such as customfield_10010, got {field:?}")))
            }
            None => Ok(()),
        }
    }

    async fn server(&self, env: &BuildEnv) -> Result<Server> {
        let about = |field: &str, error: Error| Error::invalid(field, error.message().to_owned());
        let token = env.secret(&self.token).await?;
        let auth = match &self.email {
            Some(email) => Auth::basic(email, token),
            None => Auth::bearer(token),
        };
        let client = Client::new(env.transport()?, self.url.clone())?
            .timeout(Duration::from_secs(self.timeout.into()))
            .body_limit(BODY_LIMIT)
            .budget(budget(env.clock()).requests_per_minute(self.requests_per_minute))
            // Without it Jira takes some POSTs for forged ones.
            .header("x-atlassian-token", "no-check")?
            .auth(auth)
            .map_err(|error| about("token", error))?;
        let page = self.browse_url.as_ref().unwrap_or(&self.url);
        // What a client takes as its base is good for a page too: no password in it, and nothing after the path.
        Client::new(env.transport()?, page.clone()).map_err(|error| about("browse_url", error))?;
        Ok(Server::new(client, self.deployment, page.clone(), env.clock()))
    }

    async fn webhook(&self, env: &BuildEnv, map: &TicketMap) -> Result<Option<JiraWebhook>> {
        let mut secrets: Vec<Secret> = Vec::new();
        for reference in &self.webhook_secrets {
            secrets.push(env.secret(reference).await?);
        }
        Ok((!secrets.is_empty()).then(|| JiraWebhook::new(secrets, map.clone(), env.clock())))
    }
}

#[async_trait]
impl ProviderConfig for JiraConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        self.check()?;
        let server = self.server(env).await?;
        let map = TicketMap::new(self.deployment, server.page.clone(), self.source.clone());
        let webhook = self.webhook(env, &map).await?;
        let people = People::new(server.clone());
        let recent = Arc::new(Recent::new(env.clock()));
        let checkup = Checkup::new(server.clone(), self.project.clone());
        let tickets = Tickets::new(server, people, map, recent, self.project, self.fields);
        let writer = Arc::new(Writer::new(tickets.clone(), self.issue_type));
        let provider = Provider::new(name)
            .kind(KIND)
            .with_health_check(Arc::new(checkup))
            .with_ticket_reader(Arc::new(tickets))
            .with_ticket_writer(writer.clone())
            .with_ticket_commenter(writer.clone())
            .found_by_marker([Operation::TicketCreate, Operation::TicketComment])
            .with_reconciler(writer);
        Ok(match webhook {
            Some(webhook) => provider.with_webhook_receiver(Arc::new(webhook)),
            None => provider,
        })
    }
}
