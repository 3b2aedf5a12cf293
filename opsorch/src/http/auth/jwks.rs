//! The keys that an issuer publishes (RFC 7517): fetched through the transport, kept for a while.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use jsonwebtoken::{Algorithm, DecodingKey};
use opsorch_schema::Time;
use serde::Deserialize;

use super::jwt::VerifyingKey;
use crate::transport::{Method, Request, Transport, Url};
use crate::{Error, ErrorKind, Result};

/// How long fetched keys are good without a question.
const FRESH: Duration = Duration::from_secs(10 * 60);

/// How long they serve while the issuer cannot be reached.
const STALE: Duration = Duration::from_secs(60 * 60);

/// The shortest time between two requests, so that tokens with invented key ids do not become requests to the issuer.
const PAUSE: Duration = Duration::from_secs(30);

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest set that is read, in bytes and in keys.
const LARGEST: usize = 256 * 1024;
const MOST_KEYS: usize = 100;

/// The shortest modulus of an RSA key: 2048 bits.
const SHORTEST_MODULUS: usize = 256;

/// The published keys of one issuer.
pub(super) struct Jwks {
    url: Url,
    transport: Arc<dyn Transport>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: Option<(Arc<[VerifyingKey]>, Time)>,
    asked: Option<Time>,
    under_way: Option<Fetch>,
}

/// The one request that is under way. All who need keys wait for it, and each can go on with it where another was dropped:
/// a caller who hangs up takes the keys from nobody.
type Fetch = Shared<BoxFuture<'static, Result<Arc<[VerifyingKey]>>>>;

impl Jwks {
    pub(super) fn new(url: Url, transport: Arc<dyn Transport>) -> Result<Self> {
        let is_loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            let message = "expected an address that begins with https://, so that nobody else can publish keys";
            return Err(Error::invalid("jwt.jwks", message));
        }
        Ok(Self { url, transport, kept: Mutex::default() })
    }

    /// The keys, fetched if need be: because there are none, they are old, or the wanted one is not among them.
    pub(super) async fn keys(&self, now: Time, wanted: Option<&str>) -> Result<Arc<[VerifyingKey]>> {
        // Twice, because the first may bring what was asked for long ago, by one who is gone.
        for _ in 0..2 {
            if let Some(keys) = self.fresh(now, wanted) {
                return Ok(keys);
            }
            let Some(fetch) = self.under_way(now) else { break };
            let fetched = fetch.clone().await;
            self.keep(&fetch, fetched, now);
        }
        let kept = self.kept().keys.clone();
        kept.filter(|(_, since)| !is_older(*since, now, STALE)).map(|(keys, _)| keys).ok_or_else(unavailable)
    }

    fn fresh(&self, now: Time, wanted: Option<&str>) -> Option<Arc<[VerifyingKey]>> {
        let (keys, since) = self.kept().keys.clone()?;
        let has_it = wanted.is_none_or(|id| keys.iter().any(|key| key.id.as_deref().is_none_or(|known| known == id)));
        (has_it && !is_older(since, now, FRESH)).then_some(keys)
    }

    /// The request that is under way, or a new one, unless the last was a moment ago.
    fn under_way(&self, now: Time) -> Option<Fetch> {
        let mut kept = self.kept();
        let may_ask = kept.asked.is_none_or(|asked| is_older(asked, now, PAUSE));
        if kept.under_way.is_none() && may_ask {
            kept.asked = Some(now);
            let fetch = AssertUnwindSafe(fetch(Arc::clone(&self.transport), self.url.clone())).catch_unwind();
            let fetch =
                fetch.map(|fetched| fetched.unwrap_or_else(|_| Err(Error::unexpected("the transport panicked"))));
            kept.under_way = Some(fetch.boxed().shared());
        }
        kept.under_way.clone()
    }

    /// Keeps what a request brought, once.
    fn keep(&self, fetch: &Fetch, fetched: Result<Arc<[VerifyingKey]>>, now: Time) {
        let mut kept = self.kept();
        if !kept.under_way.as_ref().is_some_and(|known| known.ptr_eq(fetch)) {
            return;
        }
        kept.under_way = None;
        match fetched {
            Ok(keys) => kept.keys = Some((keys, kept.asked.unwrap_or(now))),
            Err(error) => tracing::warn!(issuer = %self.url, %error, "the keys of an issuer could not be fetched"),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fetch(transport: Arc<dyn Transport>, url: Url) -> Result<Arc<[VerifyingKey]>> {
    let request = Request::new(Method::GET, url).timeout(TIMEOUT).body_limit(LARGEST);
    let reply = tokio::time::timeout(TIMEOUT, transport.send(request)).await;
    let reply = reply.map_err(|_| Error::new(ErrorKind::Timeout, "no answer in time"))??.error_for_status()?;
    let set: PublishedSet = reply.json()?;
    let keys: Arc<[_]> = set.keys.into_iter().take(MOST_KEYS).filter_map(PublishedKey::into_key).collect();
    if keys.is_empty() {
        return Err(Error::unexpected("expected an RSA or Ed25519 key for signatures, got none"));
    }
    Ok(keys)
}

/// Whether so much time has passed. A clock that was set back so far counts as passed: better one request too many. A little
/// is what callers who wait for each other differ by.
fn is_older(since: Time, now: Time, age: Duration) -> bool {
    (now - since).abs().to_std().is_ok_and(|passed| passed >= age)
}

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "the keys of the token's issuer cannot be fetched now; try again later")
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwks({}{})", self.url.origin().ascii_serialization(), self.url.path())
    }
}

#[derive(Deserialize)]
struct PublishedSet {
    keys: Vec<PublishedKey>,
}

/// A key as it is published. What is not known of it is left out.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
}

impl PublishedKey {
    /// The key, if it is for signatures, of a kind that counts, and for no other algorithm.
    fn into_key(self) -> Option<VerifyingKey> {
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (algorithm, name, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (self.n?, self.e?);
                let modulus = URL_SAFE_NO_PAD.decode(&n).ok().filter(|bytes| bytes.len() >= SHORTEST_MODULUS);
                modulus?;
                (Algorithm::RS256, "RS256", DecodingKey::from_rsa_components(&n, &e).ok()?)
            }
            ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, "EdDSA", DecodingKey::from_ed_components(&self.x?).ok()?),
            _ => return None,
        };
        let is_meant = self.alg.is_none_or(|alg| alg == name || (name == "EdDSA" && alg == "Ed25519"));
        is_meant.then_some(VerifyingKey { id: self.kid, algorithm, key })
    }
}
