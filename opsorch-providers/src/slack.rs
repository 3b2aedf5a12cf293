#![doc = include_str!("slack/docs.md")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::secret::SecretRef;
use opsorch::transport::{Auth, Client, Url};
use opsorch::{BuildEnv, Error, Operation, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::api::Slack;
pub use self::approvals::SlackApprovals;
use self::budget::budget;
use self::health::Checkup;
pub use self::interactions::{Answered, SlackInteractions};
pub use self::people::Approver;
use self::proof::Proof;
use self::reconcile::Search;
use self::webhook::Events;
use self::write::Messenger;

mod address;
mod api;
mod approvals;
mod budget;
mod health;
mod interactions;
mod layout;
mod markdown;
mod people;
mod proof;
mod reconcile;
mod text;
mod thread;
mod webhook;
mod wire;
mod write;

/// The name of this kind.
pub const KIND: &str = "slack";

/// Where Slack's methods are, unless `url` says otherwise.
const SLACK: &str = "https://slack.com/api";

/// The configuration of a Slack workspace, and of the approvals that people give there.
///
/// ```
/// use opsorch_providers::slack::SlackConfig;
///
/// let config: SlackConfig = serde_json::from_str(
///     r##"{
///         "token": "env:SLACK_TOKEN",
///         "signing_secrets": ["env:SLACK_SIGNING_SECRET"],
///         "approvals": {
///             "channel": "#approvals",
///             "people": [{ "user": "U012AB3CD", "team": "T0123ABCD", "roles": ["sre"] }]
///         }
///     }"##,
/// )?;
/// assert_eq!(config.url.as_str(), "https://slack.com/api");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SlackConfig {
    /// The token of the app's bot, `xoxb-…`.
    pub token: SecretRef,
    /// The address that the names of methods are appended to: `https://slack.com/api` by default.
    #[serde(default = "slack")]
    pub url: Url,
    /// The id of the workspace, `T…`. Only a token of a whole Enterprise organisation needs it.
    #[serde(default, alias = "team_id", skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// How many seconds a request may take: 30 by default.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// How many requests a minute are made at most, beside what Slack allows for each method. 0 makes as many as are asked for, and
    /// Slack refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// What Slack signs its requests with; two while one replaces the other. Without it nothing is received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signing_secrets: Vec<SecretRef>,
    /// Where people are asked, and who they are. Without it nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<ApprovalSettings>,
}

/// Where people are asked to approve changes, and whose answers count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApprovalSettings {
    /// The channel that requests are posted to: its id, or its name with `#`.
    pub channel: String,
    /// The people who may answer. Nobody else's answer counts.
    pub people: Vec<Approver>,
}

impl ApprovalSettings {
    /// Requests go to this channel, and these people may answer.
    pub fn new(channel: impl Into<String>, people: impl IntoIterator<Item = Approver>) -> Self {
        Self { channel: channel.into(), people: people.into_iter().collect() }
    }
}

fn slack() -> Url {
    #[allow(clippy::expect_used)] // it is a constant, and a test reads it
    SLACK.parse().expect("the address of Slack is one")
}

fn default_timeout() -> u32 {
    30
}

impl SlackConfig {
    /// The workspace of this token.
    pub fn new(token: SecretRef) -> Self {
        Self {
            token,
            url: slack(),
            team: None,
            timeout: default_timeout(),
            requests_per_minute: None,
            signing_secrets: Vec::new(),
            approvals: None,
        }
    }

    /// Sets the address that the names of methods are appended to.
    pub fn url(mut self, url: Url) -> Self {
        self.url = url;
        self
    }

    /// Sets the id of the workspace.
    pub fn team(mut self, team: impl Into<String>) -> Self {
        self.team = Some(team.into());
        self
    }

    /// Adds a secret that Slack signs its requests with.
    pub fn signing_secret(mut self, secret: SecretRef) -> Self {
        self.signing_secrets.push(secret);
        self
    }

    /// Sets where people are asked, and who they are.
    pub fn approvals(mut self, approvals: ApprovalSettings) -> Self {
        self.approvals = Some(approvals);
        self
    }

    /// Sets how many requests a minute are made at most; 0 for as many as are asked for.
    pub fn requests_per_minute(mut self, requests: u32) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    async fn connect(&self, env: &BuildEnv) -> Result<Slack> {
        if self.timeout == 0 {
            return Err(Error::invalid("timeout", "expected at least 1 second, got 0"));
        }
        let token = env.secret(&self.token).await?;
        let client = Client::new(env.transport()?, self.url.clone()).map_err(|error| about("url", error))?;
        let client = client.timeout(Duration::from_secs(self.timeout.into()));
        let client = client.budget(budget().requests_per_minute(self.requests_per_minute));
        let client = client.auth(Auth::bearer(token)).map_err(|error| about("token", error))?;
        Ok(Slack::new(client, self.team.clone()))
    }

    async fn proof(&self, env: &BuildEnv) -> Result<Option<Proof>> {
        let mut keys = Vec::with_capacity(self.signing_secrets.len());
        for reference in &self.signing_secrets {
            keys.push(env.secret(reference).await?);
        }
        Ok((!keys.is_empty()).then(|| Proof::new(keys, env.clock())))
    }

    fn asked(&self) -> Result<&ApprovalSettings> {
        let missing = || Error::invalid("approvals", "expected where people are asked, and who they are");
        self.approvals.as_ref().ok_or_else(missing)
    }
}

#[async_trait]
impl ProviderConfig for SlackConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        if let Some(approvals) = &self.approvals {
            people::check(&approvals.people)?;
        }
        let slack = self.connect(env).await?;
        let messenger = Arc::new(Messenger::new(slack.clone()));
        let mut provider = Provider::new(name)
            .kind(KIND)
            .with_message_sender(messenger.clone())
            .with_message_editor(messenger)
            .found_by_marker([Operation::MessagingSend, Operation::MessagingUpdate])
            .with_reconciler(Arc::new(Search::new(slack.clone(), env.clock())))
            .with_health_check(Arc::new(Checkup::new(slack)));
        if let Some(proof) = self.proof(env).await? {
            provider = provider.with_webhook_receiver(Arc::new(Events::new(proof)));
        }
        Ok(provider)
    }
}

/// An error of the client, as one of this configuration.
fn about(field: &str, error: Error) -> Error {
    Error::invalid(field, error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_slack_is_an_address() {
        assert_eq!(slack().host_str(), Some("slack.com"));
    }
}
