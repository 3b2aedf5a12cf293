//! How PagerDuty is asked, what its refusals mean, and how its lists go on.

use std::time::Duration;

use opsorch::transport::{Budget, Client, Limit, Method, Path, RateHeaders, Reply, RequestBuilder, Reset};
use opsorch::{Context, Error, ErrorKind, Result, Time};
use serde::de::DeserializeOwned;

use super::wire::{Failure, Part};

/// The most items that PagerDuty gives at once.
pub(super) const LARGEST_PAGE: usize = 100;

/// How far a list can be followed: beyond it, offset and limit together, PagerDuty answers 400.
pub(super) const WALL: usize = 10_000;

/// How PagerDuty writes of its limits.
const RATE_HEADERS: RateHeaders = RateHeaders::new("ratelimit", Reset::Seconds);

/// Parameters of a query, in their order.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// What PagerDuty allows: 960 requests a minute by its documentation, and less of some, which is learned from its headers.
pub(super) fn budget() -> Budget {
    Budget::new()
        .headers(RATE_HEADERS)
        .classes(class)
        .limit(Limit::new("requests", 960, Duration::from_secs(60)).learned())
        .limit(Limit::unknown("oncalls").only(["oncalls"]))
        .limit(Limit::unknown("changes of incidents").only(["incident"]))
}

fn class(method: &Method, path: &str) -> &'static str {
    match (method, path.split('/').next()) {
        (_, Some("oncalls")) => "oncalls",
        (&Method::GET, _) => "read",
        (_, Some("incidents")) => "incident",
        _ => "write",
    }
}

/// The REST API of an account.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) client: Client,
}

impl Api {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: impl Into<Path>,
        parameters: &[(&'static str, String)],
    ) -> Result<T> {
        self.ask(cx, self.client.get(path).query(parameters)).await?.json()
    }

    /// Sends a request and refuses what PagerDuty refuses.
    pub(super) async fn ask(&self, cx: &Context, request: RequestBuilder<'_>) -> Result<Reply> {
        answered(request.send_any(cx).await?)
    }

    /// A list, from its beginning.
    pub(super) fn list<'a>(&'a self, path: &'a [&'a str], parameters: Parameters) -> List<'a> {
        List { api: self, path, parameters, offset: 0, page: LARGEST_PAGE }
    }
}

/// A list that is read part by part.
#[derive(Debug)]
pub(super) struct List<'a> {
    api: &'a Api,
    path: &'a [&'a str],
    parameters: Parameters,
    offset: usize,
    page: usize,
}

/// What follows a part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// More.
    More,
    /// Nothing.
    Nothing,
    /// More that PagerDuty does not give.
    Beyond,
}

impl List<'_> {
    /// Begins at this place.
    pub(super) fn from(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Asks for parts of this size; at most what PagerDuty gives.
    pub(super) fn page(mut self, size: usize) -> Self {
        self.page = size.clamp(1, LARGEST_PAGE);
        self
    }

    /// Where the next part begins.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The next part, and what follows it. A part may be empty although more follows.
    pub(super) async fn next<P: Part>(&mut self, cx: &Context) -> Result<(Vec<P::Item>, Rest)> {
        let asked = self.page.min(WALL.saturating_sub(self.offset));
        if asked == 0 {
            return Ok((Vec::new(), Rest::Beyond));
        }
        let mut parameters = self.parameters.clone();
        parameters.extend([("limit", asked.to_string()), ("offset", self.offset.to_string())]);
        let (items, found) = self.api.get::<P>(cx, self.path, &parameters).await?.into_parts();
        // PagerDuty may give less at once than it was asked for, and says so.
        let step = found.limit.filter(|limit| *limit > 0).map_or(asked, |limit| limit.min(asked));
        self.offset += step.max(items.len());
        let rest = match found.more {
            Some(true) if self.offset >= WALL => Rest::Beyond,
            Some(true) => Rest::More,
            _ => Rest::Nothing,
        };
        Ok((items, rest))
    }

    /// All of it, as far as PagerDuty gives it; whether something is missing.
    pub(super) async fn all<P: Part>(mut self, cx: &Context) -> Result<(Vec<P::Item>, bool)> {
        let mut all = Vec::new();
        loop {
            let (items, rest) = self.next::<P>(cx).await?;
            all.extend(items);
            if rest != Rest::More {
                return Ok((all, rest == Rest::Beyond));
            }
        }
    }
}

/// Refuses every status but 2xx: by PagerDuty's own code where the status says less than that.
///
/// # Errors
/// Those of [`Reply::error_for_status`], and these:
///
/// | PagerDuty says | kind |
/// |---|---|
/// | 402, 2014: the account lacks an ability | `Unsupported` |
/// | 429, 2020 | `RateLimited`, with the seconds of `ratelimit-reset` |
/// | 1001: already resolved; 1002: already acknowledged | `Conflict` |
/// | 2006; 2010; 2016; 2100, whatever the status | `Unauthenticated`; `Forbidden`; `Timeout`; `NotFound` |
pub(super) fn answered(reply: Reply) -> Result<Reply> {
    if reply.status.is_success() {
        return Ok(reply);
    }
    let failure = Failure::of(&reply.body);
    let kind = match (reply.status.as_u16(), failure.code) {
        // Seconds from now need no clock.
        (429, _) => ErrorKind::RateLimited { retry_after: RATE_HEADERS.wait(&reply, Time::UNIX_EPOCH) },
        (402, _) | (400, Some(2014)) => ErrorKind::Unsupported,
        (400, Some(1001 | 1002)) => ErrorKind::Conflict,
        (400, Some(2006)) => ErrorKind::Unauthenticated,
        (400, Some(2010)) => ErrorKind::Forbidden,
        (400, Some(2016)) => ErrorKind::Timeout,
        (400, Some(2100)) => ErrorKind::NotFound,
        _ => return reply.error_for_status(),
    };
    let error = reply.error(kind);
    Err(match reply.status.as_u16() {
        402 => error.with_context("hint", "the account's plan lacks the ability that this needs"),
        _ => error,
    })
}

/// Whether a text can be an id of PagerDuty. What cannot is asked of nobody.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Refuses what cannot be an id.
///
/// # Errors
/// `NotFound`: nothing has such an id.
pub(super) fn known_id<'a>(what: &str, id: &'a str) -> Result<&'a str> {
    match is_id(id) {
        true => Ok(id),
        false => Err(Error::not_found(format!(
            "PagerDuty has no {what} `{}`: its ids are of letters and digits",
            opsorch::visible(id)
        ))
        .not_applied()),
    }
}
