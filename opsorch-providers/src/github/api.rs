//! How GitHub is asked, and what its refusals mean.

mod cache;
mod link;
mod refusal;

use std::sync::{Arc, Mutex, PoisonError};

use opsorch::transport::{HeaderName, Method, Reply, StatusCode};
use opsorch::{Clock, Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::cache::Cache;
pub(super) use self::link::next_page;
pub(super) use self::refusal::{RATE_HEADERS, refusal, refused_fields};
use super::auth::Credential;

/// The largest page that GitHub gives. It cuts what asks for more without a word.
pub(super) const LARGEST_PAGE: usize = 100;

/// The pairs of a query.
pub(super) type Pairs = Vec<(&'static str, String)>;

/// GitHub, as one credential sees it.
#[derive(Debug)]
pub(super) struct Api {
    credential: Credential,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
}

impl Api {
    pub(super) fn new(credential: Credential, clock: Arc<dyn Clock>) -> Self {
        Self { credential, clock, cache: Mutex::default() }
    }

    /// Reads something as JSON.
    pub(super) async fn get<T: DeserializeOwned>(&self, cx: &Context, path: &[String], query: &Pairs) -> Result<T> {
        self.read(cx, path, query).await?.json()
    }

    /// Reads something. What is in the cache is asked for on the condition that it has changed; that it has not costs
    /// nothing of the rate limit.
    pub(super) async fn read(&self, cx: &Context, path: &[String], query: &Pairs) -> Result<Reply> {
        let reply = self.read_any(cx, path, query).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(refusal(&reply, self.clock.now())) }
    }

    /// As [`read`](Self::read), with every status.
    pub(super) async fn read_any(&self, cx: &Context, path: &[String], query: &Pairs) -> Result<Reply> {
        let identity = self.credential.identity(cx).await?;
        let key = cache::key(identity.number, path, query);
        let known = self.with_cache(|cache| cache.find(&key));
        let mut request = identity.client.get(path.to_vec()).query(query);
        if let Some((tag, _)) = &known {
            request = request.header("if-none-match", tag);
        }
        let reply = request.send_any(cx).await?;
        match known {
            Some((_, known)) if reply.status == StatusCode::NOT_MODIFIED => Ok(renewed(known, reply)),
            _ => {
                if reply.status == StatusCode::OK {
                    self.with_cache(|cache| cache.keep(key, &reply));
                }
                Ok(reply)
            }
        }
    }

    /// Sends a change once, and returns the answer with every status.
    pub(super) async fn send<B: Serialize + Sync>(
        &self,
        cx: &Context,
        method: Method,
        path: Vec<String>,
        body: &B,
    ) -> Result<Reply> {
        let identity = self.credential.identity(cx).await?;
        identity.client.request(method, path).json(body).send_any(cx).await
    }

    /// What a refusal means.
    pub(super) fn refused(&self, reply: &Reply) -> opsorch::Error {
        refusal(reply, self.clock.now())
    }

    /// The lock is never held while GitHub is asked.
    fn with_cache<R>(&self, look: impl FnOnce(&mut Cache) -> R) -> R {
        look(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An answer that was kept, with the headers of now (RFC 9111, section 4.3.4): what the credential may do is among them.
/// Those of the body stay.
fn renewed(mut known: Reply, now: Reply) -> Reply {
    let is_of_body = |name: &HeaderName| name.as_str().starts_with("content-");
    for (name, value) in now.headers.iter().filter(|(name, _)| !is_of_body(name)) {
        known.headers.insert(name, value.clone());
    }
    known
}
