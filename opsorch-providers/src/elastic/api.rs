//! How the cluster is asked: one node after the other, and what its refusals mean.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opsorch::transport::{Bytes, Client, Method, Path, Reply};
use opsorch::{Context, Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::wire::{Failure, Info};

/// The header that every answer of Elasticsearch has, a refusal too, since 7.14.
const PRODUCT: &str = "x-elastic-product";

/// The most points in time that are remembered to be closed later.
const MOST_LEFT: usize = 32;

/// Which of the two servers it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::exhaustive_enums)] // there is no third one
pub enum Distribution {
    /// Elasticsearch 8 and 9, also in Elastic Cloud.
    Elasticsearch,
    /// OpenSearch 2.4 and later, and 3.
    OpenSearch,
}

/// The nodes of a cluster, of which any can be asked.
#[derive(Debug)]
pub(super) struct Cluster {
    nodes: Vec<Client>,
    /// The node that answered last.
    current: AtomicUsize,
    distribution: OnceCell<Distribution>,
    /// What bodies are, both those that are sent and those that are accepted.
    media_type: String,
    is_versioned: bool,
    timeout: Duration,
    /// Points in time that nobody could close, because the call that opened them was dropped or ran out of time.
    left: Mutex<Vec<String>>,
}

/// A request that any node can answer.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) parameters: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Bytes>,
}

impl Cluster {
    pub(super) fn new(
        nodes: Vec<Client>,
        distribution: Option<Distribution>,
        version: Option<u8>,
        timeout: Duration,
    ) -> Result<Self> {
        let media_type = match version {
            Some(version) => format!("application/vnd.elasticsearch+json; compatible-with={version}"),
            None => "application/json".to_owned(),
        };
        Ok(Self {
            nodes: nodes.into_iter().map(|node| node.header("accept", &media_type)).collect::<Result<_>>()?,
            current: AtomicUsize::new(0),
            distribution: OnceCell::new_with(distribution),
            media_type,
            is_versioned: version.is_some(),
            timeout,
            left: Mutex::default(),
        })
    }

    /// How long the cluster may work on a search, in milliseconds: less than somebody waits for it, so that what was
    /// found by then arrives.
    pub(super) fn patience(&self, cx: &Context) -> u128 {
        let patience = cx.remaining().map_or(self.timeout, |remaining| remaining.min(self.timeout));
        (patience.as_millis() * 9 / 10).max(1)
    }

    /// Sends a request, to the next node where one is down, and refuses what the cluster refuses.
    pub(super) async fn ask(&self, cx: &Context, ask: &Ask<'_>) -> Result<Reply> {
        answered(self.ask_any(cx, ask).await?, "request")
    }

    /// As [`ask`](Self::ask), with any answer of a node that is up.
    ///
    /// # Errors
    /// Where no node is up, that of the last one.
    pub(super) async fn ask_any(&self, cx: &Context, ask: &Ask<'_>) -> Result<Reply> {
        let first = self.current.load(Ordering::Relaxed);
        let count = self.nodes.len();
        let mut last = Error::unexpected("the cluster has no address");
        for index in (0..count).map(|step| (first + step) % count) {
            let Some(node) = self.nodes.get(index) else { continue };
            last = match self.send(cx, node, ask).await {
                Ok(reply) if is_down(&reply) => refusal(&reply, "request"),
                Err(error) if *error.kind() == ErrorKind::Unavailable => error,
                Ok(reply) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(reply);
                }
                Err(error) => return Err(error),
            };
        }
        match count {
            1 => Err(last),
            _ => Err(last.with_context("addresses tried", count)),
        }
    }

    async fn send(&self, cx: &Context, node: &Client, ask: &Ask<'_>) -> Result<Reply> {
        let request = node.request(ask.method.clone(), Path::from(ask.path)).query(ask.parameters);
        match &ask.body {
            Some(body) => request.body(&self.media_type, body.clone()).send_any(cx).await,
            None => request.send_any(cx).await,
        }
    }

    /// Which of the two it is; asked until it is known.
    pub(super) async fn distribution(&self, cx: &Context) -> Result<Distribution> {
        self.distribution.get_or_try_init(|| self.detect(cx)).await.copied()
    }

    async fn detect(&self, cx: &Context) -> Result<Distribution> {
        let reply = self.info(cx).await?;
        let hint = "whether this is Elasticsearch or OpenSearch was not to be learned; set `distribution`";
        let distribution = match reply.status.as_u16() {
            // Elasticsearch names itself also to those who may not ask for its version. So do others, to be taken for it,
            // who say in the answer what they are.
            403 if reply.header(PRODUCT) == Some("Elasticsearch") => Distribution::Elasticsearch,
            _ => {
                let reply = answered(reply, "request").map_err(|error| error.with_context("hint", hint))?;
                reply.json::<Info>()?.distribution().ok_or_else(|| Error::unexpected(hint))?
            }
        };
        if distribution == Distribution::OpenSearch && self.is_versioned {
            return Err(Error::invalid("compatible_with", "this is OpenSearch, which has no such thing; leave it out"));
        }
        Ok(distribution)
    }

    /// What it says of itself, whatever the status.
    pub(super) async fn info(&self, cx: &Context) -> Result<Reply> {
        self.ask_any(cx, &Ask { method: Method::GET, path: &[], parameters: &[], body: None }).await
    }

    /// Remembers a point in time that is still open.
    pub(super) fn leave(&self, id: String) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // What is not closed goes by itself within a minute.
        if left.len() < MOST_LEFT {
            left.push(id);
        }
    }

    /// Takes what is still open.
    pub(super) fn take_left(&self) -> Vec<String> {
        std::mem::take(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether an answer says that this node, or what stands before it, cannot answer now, and another one may.
fn is_down(reply: &Reply) -> bool {
    matches!(reply.status.as_u16(), 502..=504)
}

/// Refuses every status but 2xx.
///
/// # Errors
/// As [`refusal`].
pub(super) fn answered(reply: Reply, field: &str) -> Result<Reply> {
    match reply.status.is_success() {
        true => Ok(reply),
        false => Err(refusal(&reply, field)),
    }
}

/// What a refusal means: what the status says, but for these.
///
/// | the cluster says | kind |
/// |---|---|
/// | `index_not_found_exception` | `NotFound` |
/// | `index_closed_exception` | `Conflict` |
/// | 404, and 400 or 405 without a handler | `Unexpected`: there is no such API at this address |
/// | 400 | `Invalid`, about `field` |
pub(super) fn refusal(reply: &Reply, field: &str) -> Error {
    let failure = Failure::of(&reply.body);
    let is = |word: &str| failure.types.iter().any(|found| found == word);
    let no_api = "there is no such API at this address; check the path in `addresses`, and that it is Elasticsearch 8 or \
                  OpenSearch 2.4 at least";
    let (kind, hint) = match reply.status.as_u16() {
        404 if is("index_not_found_exception") => {
            (ErrorKind::NotFound, Some("no index has that name; check `index`, where `*` stands for any characters"))
        }
        400 if is("index_closed_exception") => {
            (ErrorKind::Conflict, Some("an index is closed; open it, or leave it out of `index`"))
        }
        404 if failure.types.is_empty() => (ErrorKind::Unexpected, Some(no_api)),
        400 | 405 if failure.reason().is_some_and(|reason| reason.starts_with("no handler found")) => {
            (ErrorKind::Unexpected, Some(no_api))
        }
        400 => (ErrorKind::Invalid { field: field.to_owned() }, None),
        _ => return explained(reply.clone(), &failure),
    };
    let error = in_short(reply, &failure).error(kind);
    match hint {
        Some(hint) => error.with_context("hint", hint),
        None => error,
    }
}

/// What the status says. A success that is none of these cannot be.
fn explained(reply: Reply, failure: &Failure) -> Error {
    let is_page = reply.body.trim_ascii_start().starts_with(b"<");
    match in_short(&reply, failure).error_for_status() {
        Ok(reply) => reply.error(ErrorKind::Unexpected),
        Err(error) if is_page => {
            error.with_context("hint", "the answer is a page, as of a proxy that asks to log in; check `addresses`")
        }
        Err(error) => error,
    }
}

/// An answer that says only what is wrong: all that Elasticsearch says of it is too long to be read.
fn in_short(reply: &Reply, failure: &Failure) -> Reply {
    let reply = reply.clone();
    match failure.reason() {
        None => reply,
        Some(_) => reply.body(failure.to_string()),
    }
}
