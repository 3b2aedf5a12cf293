//! How Jira is asked, and what its refusals mean.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use opsorch::transport::{Client, Method, Path, Reply, RequestBuilder, Url};
use opsorch::{Clock, Context, Error, ErrorKind, Result};
use serde::Deserialize;

use super::Deployment;
use super::wire::Failure;

/// The longest wait that is believed: a vendor's slip must not stop a process for a year.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The most of Jira's reasons that an error shows.
const MOST_REASONS: usize = 10;

/// A Jira: how to ask it, and where a person opens it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    client: Client,
    pub(super) deployment: Deployment,
    pub(super) page: Url,
    clock: Arc<dyn Clock>,
}

impl Server {
    pub(super) fn new(client: Client, deployment: Deployment, page: Url, clock: Arc<dyn Clock>) -> Self {
        Self { client, deployment, page, clock }
    }

    /// Whether it is Jira Cloud.
    pub(super) fn is_cloud(&self) -> bool {
        self.deployment == Deployment::Cloud
    }

    pub(super) fn get(&self, path: &[&str]) -> RequestBuilder<'_> {
        self.client.request(Method::GET, self.path(path))
    }

    pub(super) fn post(&self, path: &[&str]) -> RequestBuilder<'_> {
        self.client.request(Method::POST, self.path(path))
    }

    pub(super) fn put(&self, path: &[&str]) -> RequestBuilder<'_> {
        self.client.request(Method::PUT, self.path(path))
    }

    fn path(&self, below: &[&str]) -> Path {
        let version = if self.is_cloud() { "3" } else { "2" };
        Path::from([["rest", "api", version].as_slice(), below].concat().as_slice())
    }

    /// Sends a request and returns what Jira accepted.
    ///
    /// # Errors
    /// Those of the transport, and [`Server::refusal`].
    pub(super) async fn ask(&self, cx: &Context, request: RequestBuilder<'_>) -> Result<Reply> {
        let reply = self.ask_any(cx, request).await?;
        match reply.status.is_success() {
            true => Ok(reply),
            false => Err(self.refusal(&reply)),
        }
    }

    /// Sends a request and returns the answer, whatever its status.
    ///
    /// # Errors
    /// Those of the transport; `Unauthenticated` where Jira took the request for that of nobody: it then hides what is
    /// there, as if it were not.
    pub(super) async fn ask_any(&self, cx: &Context, request: RequestBuilder<'_>) -> Result<Reply> {
        let reply = request.send_any(cx).await?;
        match reply.header("x-ausername") {
            Some("anonymous") if reply.status.as_u16() != 429 && !reply.status.is_server_error() => {
                let hint = "Jira answered as to nobody; check `email` and `token`";
                Err(reply.error(ErrorKind::Unauthenticated).with_context("hint", hint))
            }
            _ => Ok(reply),
        }
    }

    /// A change that has no answer: Jira says 204.
    ///
    /// # Errors
    /// As [`Server::ask`], and `Unexpected` for any other success, such as the page of a proxy.
    pub(super) async fn change(&self, cx: &Context, request: RequestBuilder<'_>) -> Result<()> {
        let reply = self.ask(cx, request).await?;
        match reply.status.as_u16() {
            204 => Ok(()),
            _ => Err(reply.error(ErrorKind::Unexpected).with_context("expected", "204")),
        }
    }

    /// What a refusal means, in Jira's own words: those about fields, and the others.
    pub(super) fn refusal(&self, reply: &Reply) -> Error {
        let failure = Failure::of(reply);
        let usual = match reply.clone().error_for_status() {
            Err(error) => error.kind().clone(),
            Ok(_) => ErrorKind::Unexpected,
        };
        let kind = match usual {
            ErrorKind::RateLimited { retry_after } => {
                ErrorKind::RateLimited { retry_after: retry_after.or_else(|| self.reset(reply)) }
            }
            ErrorKind::Invalid { .. } => ErrorKind::Invalid { field: failure.field().unwrap_or("request".to_owned()) },
            ErrorKind::NotFound if reply.status.as_u16() == 410 => ErrorKind::Unexpected,
            usual => usual,
        };
        let mut error = match failure.reasons().next() {
            None => reply.error(kind),
            Some(_) => {
                let bare = reply.clone().body("").error(kind);
                let shown = failure.reasons().take(MOST_REASONS).filter_map(|reason| visible(reply, reason));
                shown.fold(bare, |error, reason| error.with_context("answer", reason))
            }
        };
        if let Some(hint) = self.hint(reply) {
            error = error.with_context("hint", hint);
        }
        match reply.header("ratelimit-reason").and_then(|reason| visible(reply, reason.to_owned())) {
            Some(reason) => error.with_context("reason", reason),
            None => error,
        }
    }

    fn hint(&self, reply: &Reply) -> Option<&'static str> {
        let captcha =
            reply.header("x-seraph-loginreason").is_some_and(|reason| reason.contains("AUTHENTICATION_DENIED"));
        match reply.status.as_u16() {
            _ if captcha => Some("Jira asks for a CAPTCHA after failed logins; log in with a browser once"),
            401 if self.is_cloud() => {
                Some("API tokens expire within a year, and those with scopes work at api.atlassian.com only")
            }
            404 => Some("it is not there, or this credential may not see it"),
            410 if self.is_cloud() => {
                Some("this part of the API was removed; is there a newer release of this library?")
            }
            410 => Some("this is how Jira Cloud answers; set `deployment` to `cloud`"),
            _ => None,
        }
    }

    /// `X-RateLimit-Reset`, which is a minute such as `2026-03-26T16:00Z`, as a wait from the answer's own time.
    fn reset(&self, reply: &Reply) -> Option<Duration> {
        let text = reply.header("x-ratelimit-reset")?.trim();
        let minute = || NaiveDateTime::parse_from_str(text.strip_suffix('Z')?, "%Y-%m-%dT%H:%M").ok();
        let until = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok();
        let until = until.or_else(|| Some(minute()?.and_utc()))?;
        let date = reply.header("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let now = date.map_or_else(|| self.clock.now(), |date| date.with_timezone(&Utc));
        Some((until - now).to_std().unwrap_or_default().min(LONGEST_WAIT))
    }
}

/// A text of Jira's as an error may show it: one line, without the secrets of the client.
fn visible(reply: &Reply, text: String) -> Option<String> {
    let error = reply.clone().body(text).error(ErrorKind::Unexpected);
    error.context().find(|(name, _)| *name == "answer").map(|(_, line)| line.to_owned())
}

/// Reads an answer, borrowing from its body.
///
/// # Errors
/// `Unexpected` for what is not the JSON that was expected.
pub(super) fn read<'a, T: Deserialize<'a>>(reply: &'a Reply) -> Result<T> {
    serde_json::from_slice(&reply.body).map_err(|error| match reply.json::<serde_json::Value>() {
        Err(error) => error,
        Ok(_) => {
            let place = format!("line {} column {}", error.line(), error.column());
            Error::unexpected("expected JSON as Jira documents it, got another shape")
                .with_context("place", place)
                .with_context("status", reply.status.as_u16())
        }
    })
}
