//! How Slack's methods are called.

use opsorch::transport::{Client, Reply, Url};
use opsorch::{Context, Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::{Identity, Permalink, Status};

pub(super) mod errors;

/// Slack refuses JSON without a charset with a warning.
const JSON: &str = "application/json; charset=utf-8";

/// How many pages of a list are read at most.
const MOST_PAGES: usize = 100;

/// Slack, as one token sees it.
#[derive(Clone, Debug)]
pub(super) struct Slack {
    client: Client,
    team: Option<String>,
}

/// What Slack said, and what it warned of.
#[derive(Debug)]
pub(super) struct Said<T> {
    pub(super) answer: T,
    pub(super) warnings: Vec<String>,
    next: Option<String>,
    /// The scopes of the token, where Slack names them.
    pub(super) scopes: Option<Vec<String>>,
}

impl Slack {
    pub(super) fn new(client: Client, team: Option<String>) -> Self {
        Self { client, team }
    }

    /// Calls a method that reads. These know no JSON.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        cx: &Context,
        method: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<Said<T>> {
        let reply = self.client.get(method).query(arguments).send_any(cx).await?;
        understand(&reply)
    }

    /// Calls a method that writes, to a channel where there is one.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        cx: &Context,
        method: &'static str,
        channel: Option<&str>,
        body: &impl Serialize,
    ) -> Result<Said<T>> {
        let body = serde_json::to_vec(body).map_err(|error| {
            Error::unexpected("the message cannot be written as JSON").with_source(error).not_applied()
        })?;
        let request = self.client.post(method).body(JSON, body);
        let reply = match channel {
            Some(channel) => request.key(channel).send_any(cx).await?,
            None => request.send_any(cx).await?,
        };
        understand(&reply)
    }

    /// Reads a list page by page until there is no more, or `take` has enough. An empty page may be followed by another.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        cx: &Context,
        method: &'static str,
        arguments: &[(&str, &str)],
        mut take: impl FnMut(T) -> Enough + Send,
    ) -> Result<Enough> {
        let mut cursor = String::new();
        for _ in 0..MOST_PAGES {
            let mut with_cursor = arguments.to_vec();
            if !cursor.is_empty() {
                with_cursor.push(("cursor", &cursor));
            }
            let said: Said<T> = self.read(cx, method, &with_cursor).await?;
            if take(said.answer) == Enough::Yes {
                return Ok(Enough::Yes);
            }
            match said.next {
                Some(next) if next != cursor => cursor = next,
                Some(_) => return Err(Error::unexpected("the list does not end: a page names itself as the next")),
                None => return Ok(Enough::No),
            }
        }
        Err(Error::unexpected(format!("the list does not end after {MOST_PAGES} pages")).with_context("method", method))
    }

    /// The argument that names the workspace, where one is configured.
    pub(super) fn team(&self) -> Option<(&'static str, &str)> {
        self.team.as_deref().map(|team| ("team_id", team))
    }

    /// The id of this app's bot, by which its own messages are known: anybody can copy their metadata.
    pub(super) async fn bot(&self, cx: &Context) -> Result<Option<String>> {
        Ok(self.read::<Identity>(cx, "auth.test", &[]).await?.answer.bot_id)
    }

    /// Where a person opens a message. That it cannot be told changes nothing about the message.
    pub(super) async fn permalink(&self, cx: &Context, channel: &str, ts: &str) -> Option<Url> {
        let arguments = [("channel", channel), ("message_ts", ts)];
        match self.read::<Permalink>(cx, "chat.getPermalink", &arguments).await {
            Ok(said) => {
                said.answer.permalink.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"))
            }
            Err(error) => {
                tracing::debug!(code = error.kind().code(), "the address of a message could not be asked for");
                None
            }
        }
    }
}

/// Whether a reader of a list has what it looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enough {
    Yes,
    No,
}

/// What an answer says, or why Slack refuses.
fn understand<T: DeserializeOwned>(reply: &Reply) -> Result<Said<T>> {
    let reply = reply.clone().error_for_status()?;
    let status: Status = reply.json()?;
    if !status.ok {
        return Err(errors::refusal(&reply, &status));
    }
    let metadata = status.response_metadata.unwrap_or_default();
    let mut warnings = metadata.warnings;
    let more = status.warning.iter().flat_map(|words| words.split(',')).map(str::to_owned);
    warnings.extend(more);
    warnings.sort();
    warnings.dedup();
    Ok(Said {
        answer: reply.json()?,
        warnings,
        next: Some(metadata.next_cursor).filter(|next| !next.is_empty()),
        scopes: reply.header("x-oauth-scopes").map(|scopes| scopes.split(',').map(|it| it.trim().to_owned()).collect()),
    })
}
