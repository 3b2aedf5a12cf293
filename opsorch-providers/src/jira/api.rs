//! How Jira is asked, and what its refusals mean.

use std::sync::Arc;
use std::time::Duration;

use opsorch::transport::{Budget, Client, Limit, Method, Path, RateHeaders, Reply, RequestBuilder, Reset, Url};
use opsorch::{Clock, Context, Error, ErrorKind, Result, Time};
use serde::Deserialize;

use super::Deployment;
use super::wire::Failure;

/// How Jira writes of its limits.
const RATE_HEADERS: RateHeaders = RateHeaders::new("x-ratelimit", Reset::Time);

/// What Jira limits by itself.
const CLASSES: [&str; 5] = ["search", "reads of issues", "changes of issues", "users", "other"];

/// The most of Jira's reasons that an error shows.
const MOST_REASONS: usize = 10;

/// What Jira allows: it limits each part of its API by itself, and tells in its headers only how much.
pub(super) fn budget(clock: Arc<dyn Clock>) -> Budget {
    let headers = RATE_HEADERS.refusal(refused);
    let budget = Budget::new().headers(headers).clock(clock).classes(class);
    CLASSES.iter().fold(budget, |budget, class| budget.limit(Limit::unknown(class).only([*class])))
}

/// The part of the API, which comes after `rest/api` and the version.
fn class(method: &Method, path: &str) -> &'static str {
    match (path.split('/').nth(3), method) {
        (Some("search"), _) => "search",
        (Some("issue"), &Method::GET) => "reads of issues",
        (Some("issue"), _) => "changes of issues",
        (Some("user"), _) => "users",
        _ => "other",
    }
}

/// A limit of changes of one issue is none of the others.
fn refused(_: &RateHeaders, reply: &Reply, now: Time) -> Option<Duration> {
    let is_of_one = reply.header("ratelimit-reason") == Some("jira-per-issue-on-write");
    RATE_HEADERS.refused(reply, now).filter(|_| !is_of_one)
}

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
            ErrorKind::RateLimited { .. } => {
                ErrorKind::RateLimited { retry_after: RATE_HEADERS.wait(reply, self.clock.now()) }
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
    // All of it is known to be UTF-8 sooner than each text in it.
    let text = std::str::from_utf8(&reply.body).map_err(serde::de::Error::custom);
    text.and_then(serde_json::from_str).map_err(|error: serde_json::Error| match reply.json::<serde_json::Value>() {
        Err(error) => error,
        Ok(_) => {
            let place = format!("line {} column {}", error.line(), error.column());
            Error::unexpected("expected JSON as Jira documents it, got another shape")
                .with_context("place", place)
                .with_context("status", reply.status.as_u16())
        }
    })
}
