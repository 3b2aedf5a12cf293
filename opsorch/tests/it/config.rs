//! Configuration: files, variables, the registry, and that no error shows a secret.

mod environment;
mod file;
mod kinds;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;

use opsorch::capability::{LogReader, TicketCommenter, TicketReader};
use opsorch::gate::Approved;
use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::Url;
use opsorch::{
    BuildEnv, Comment, CommentTicket, Config, Context, Error, LogEntry, LogQuery, OpsOrch, Page, Provider,
    ProviderConfig, ProviderName, Quorum, Registry, Result, Ticket, TicketId, TicketQuery, async_trait,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret that must never show.
const CANARY: &str = "canary-7c4e-hunter2";

/// A kind of provider with one field of every sort that can go wrong.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeskConfig {
    url: Url,
    token: SecretRef,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    retries: u8,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    approvers: Option<Quorum>,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Cloud,
    Server,
}

#[async_trait]
impl ProviderConfig for DeskConfig {
    const KIND: &'static str = "desk";

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        env.secret(&self.token).await?;
        if self.url.scheme() != "https" {
            return Err(Error::invalid("url", format!("expected https, got {}", self.url.scheme())));
        }
        let desk = Arc::new(Desk);
        Ok(Provider::new(name)
            .with_ticket_reader(desk.clone())
            .with_ticket_commenter(desk.clone())
            .with_log_reader(desk))
    }
}

#[derive(Debug)]
struct Desk;

#[async_trait]
impl TicketReader for Desk {
    async fn query(&self, _: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        Err(Error::unsupported("not in these tests"))
    }

    async fn get(&self, _: &Context, _: &TicketId) -> Result<Ticket> {
        Err(Error::unsupported("not in these tests"))
    }
}

#[async_trait]
impl TicketCommenter for Desk {
    async fn comment(&self, _: &Context, _: Approved<'_, CommentTicket>) -> Result<Comment> {
        Err(Error::unsupported("not in these tests"))
    }
}

#[async_trait]
impl LogReader for Desk {
    async fn query(&self, _: &Context, _: &LogQuery) -> Result<Page<LogEntry>> {
        Err(Error::unsupported("not in these tests"))
    }
}

fn registry() -> Registry {
    Registry::new().register::<DeskConfig>()
}

fn secrets() -> StaticSecrets {
    StaticSecrets::new([("DESK_TOKEN", "s3cr3t")])
}

/// A provider of the test's kind that is right, and what follows it.
fn desk(rest: &str) -> String {
    format!("[providers.desk]\nkind = 'desk'\nurl = 'https://desk.example.org'\ntoken = 'env:DESK_TOKEN'\n{rest}")
}

async fn build(config: Config) -> Result<OpsOrch> {
    OpsOrch::builder().registry(registry()).config(config).secrets(secrets()).build().await
}

/// The error of a configuration at the first point that finds one: reading, checking or building.
async fn refused(text: &str) -> Error {
    match Config::parse(text) {
        Ok(config) => build(config).await.expect_err(text),
        Err(error) => error,
    }
}

/// Everything that an error can print, its sources included.
fn printed(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    text
}
