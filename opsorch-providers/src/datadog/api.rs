//! How Datadog is asked, what its refusals mean, and where its pages are.

use std::sync::Arc;
use std::time::Duration;

use opsorch::transport::{Budget, Client, Limit, Method, Path, RateHeaders, Reply, RequestBuilder, Reset, Url};
use opsorch::{Clock, Context, Error, ErrorKind, Fields, Result};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::tags::ScopeTags;
use super::wire::Failure;

/// How Datadog writes of its limits.
const RATE_HEADERS: RateHeaders = RateHeaders::new("x-ratelimit", Reset::Seconds);

/// What has a limit of its own in the documentation: its class, where it is, and how many an hour.
const HOURLY: [(&str, &str, u32); 3] =
    [("logs", "logs", 300), ("timeseries", "query", 1600), ("metrics", "metrics", 100)];

/// What has one of which only the headers speak.
const UNKNOWN: [&str; 11] =
    ["catalog", "dora", "downtime", "events", "incidents", "monitor", "on-call", "org", "team", "users", "validate"];

/// Parameters of a query, in their order. Brackets in names, such as `page[limit]`, are encoded when they are sent.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// What Datadog allows: each part of its API by itself. All of it is learned, because organizations differ.
pub(super) fn budget() -> Budget {
    let hour = Duration::from_secs(60 * 60);
    let budget = Budget::new().headers(RATE_HEADERS).classes(class);
    let known = HOURLY.iter().map(|(class, _, hourly)| Limit::new(class, *hourly, hour).learned().only([*class]));
    let unknown = UNKNOWN.iter().map(|class| Limit::unknown(class).only([*class]));
    known.chain(unknown).fold(budget, Budget::limit)
}

/// The part of the API, which comes after `api` and the version.
fn class(_: &Method, path: &str) -> &'static str {
    let part = path.split('/').nth(2).unwrap_or_default();
    let known = HOURLY.iter().find(|(_, place, _)| *place == part).map(|(class, _, _)| *class);
    known.or_else(|| UNKNOWN.iter().copied().find(|class| *class == part)).unwrap_or("other")
}

/// An organization of Datadog: what every reader and writer needs of it. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Datadog {
    pub(super) client: Client,
    /// Where a person opens Datadog, such as `https://app.datadoghq.eu`.
    pub(super) app: Url,
    /// The tags that hold service, team and environment.
    pub(super) tags: Arc<ScopeTags>,
    /// What `metadata.source` of everything says.
    pub(super) source: Arc<str>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Datadog {
    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: impl Into<Path>,
        parameters: &[(&'static str, String)],
    ) -> Result<T> {
        self.ask(cx, self.client.get(path).query(parameters)).await?.json()
    }

    /// Asks, or changes something, with a body.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: impl Into<Path>,
        body: &(impl Serialize + ?Sized),
    ) -> Result<T> {
        self.ask(cx, self.client.post(path).json(body)).await?.json()
    }

    /// Sends a request and refuses what Datadog refuses.
    pub(super) async fn ask(&self, cx: &Context, request: RequestBuilder<'_>) -> Result<Reply> {
        self.answered(request.send_any(cx).await?)
    }

    /// The page that a person opens: each part of the path is one segment, whatever it holds.
    pub(super) fn page(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut page = self.app.clone();
        if let Ok(mut segments) = page.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            page.query_pairs_mut().extend_pairs(query);
        }
        page
    }

    /// The metadata that everything has.
    pub(super) fn metadata(&self) -> Fields {
        Fields::from_iter([("source".to_owned(), (*self.source).into())])
    }

    /// Refuses every status but 2xx.
    ///
    /// # Errors
    /// Those of [`Reply::error_for_status`], with these differences: 429 is `RateLimited` with the seconds of
    /// `X-RateLimit-Reset`; 400 and 422 name the field, where Datadog names it; 401 and 403 say what to look at.
    pub(super) fn answered(&self, reply: Reply) -> Result<Reply> {
        if reply.status.is_success() {
            return Ok(reply);
        }
        Err(match reply.status.as_u16() {
            429 => reply.error(ErrorKind::RateLimited { retry_after: RATE_HEADERS.wait(&reply, self.clock.now()) }),
            400 | 422 => match Failure::of(&reply.body).field() {
                Some(field) => reply.error(ErrorKind::Invalid { field }),
                None => return reply.error_for_status(),
            },
            401 => reply.error(ErrorKind::Unauthenticated).with_context("hint", self.about_keys()),
            403 => reply.error(ErrorKind::Forbidden).with_context("hint", self.about_keys()),
            _ => return reply.error_for_status(),
        })
    }

    /// Datadog answers 403 for a wrong key, for a key of another site, and for what a key may not do.
    fn about_keys(&self) -> String {
        let host = self.client.base().host_str().unwrap_or_default();
        format!(
            "check `api_key` and `app_key`, that the application key has the scope for this, and that the organization \
             lives at `{host}`: `site` says where"
        )
    }
}

/// Reads the body of an answer into what borrows from it.
///
/// # Errors
/// `Unexpected`, as [`Reply::json`] says it, and for JSON of another shape.
pub(super) fn read<'a, T>(
    reply: &'a Reply,
    what: &str,
    parse: impl FnOnce(&'a str) -> serde_json::Result<T>,
) -> Result<T> {
    // All of it is known to be UTF-8 sooner than each text in it.
    let text = std::str::from_utf8(&reply.body).ok();
    text.and_then(|text| parse(text).ok()).ok_or_else(|| match reply.json::<IgnoredAny>() {
        Err(error) => error,
        Ok(_) => Error::unexpected(format!("expected {what} as Datadog documents it, got JSON of another shape")),
    })
}

/// Refuses what cannot be an id: an empty one, or one that is so long that nothing can have it.
///
/// # Errors
/// `NotFound`: nothing has such an id.
pub(super) fn known_id<'a>(what: &str, id: &'a str) -> Result<&'a str> {
    let is_id = !id.trim().is_empty() && id.len() <= 512 && !matches!(id, "." | "..");
    match is_id {
        true => Ok(id),
        false => {
            let message = format!("Datadog has no {what} `{}`", opsorch::visible(id));
            Err(Error::not_found(message).not_applied())
        }
    }
}
