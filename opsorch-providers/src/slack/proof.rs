//! Whether Slack sent a request: its signature, and the time it was made at.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::capability::Webhook;
use opsorch::secret::Secret;
use opsorch::transport::HeaderMap;
use opsorch::{Clock, Error, ErrorKind, Result};

use crate::signature::is_signed;

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";

/// How old a request may be, in seconds: what Slack's documentation says.
const OLDEST: i64 = 5 * 60;

/// How far Slack's clock may be ahead of this one, in seconds.
const EARLIEST: i64 = 60;

/// How many requests are remembered at once.
const MOST_REMEMBERED: usize = 10_000;

/// Checks that Slack sent a request.
pub(super) struct Proof {
    keys: Vec<Secret>,
    clock: Arc<dyn Clock>,
}

impl Proof {
    pub(super) fn new(keys: Vec<Secret>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock }
    }

    /// Checks signature and time, before anything of the body is read.
    ///
    /// # Errors
    /// `Unauthenticated`.
    pub(super) fn check(&self, webhook: &Webhook) -> Result<Signed> {
        let stamp = one(&webhook.headers, TIMESTAMP)?;
        let signature = one(&webhook.headers, SIGNATURE)?;
        let at = seconds(stamp).ok_or_else(|| refusal("expected the seconds since 1970 as the time stamp"))?;
        let digits = signature.strip_prefix("v0=").ok_or_else(|| refusal("expected a signature of version `v0`"))?;
        if !is_signed(&self.keys, &[b"v0:", stamp.as_bytes(), b":", &webhook.body], digits) {
            return Err(refusal("the signature is not of one of `signing_secrets`"));
        }
        let age = self.clock.now().timestamp() - at;
        if age > OLDEST {
            return Err(refusal("the request is older than 5 minutes"));
        }
        if age < -EARLIEST {
            return Err(refusal("the request is from the future; is this clock right?"));
        }
        Ok(Signed { signature: digits.to_ascii_lowercase(), at, now: at + age })
    }
}

/// Shows no key.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({} keys)", self.keys.len())
    }
}

/// A request that Slack signed.
#[derive(Debug)]
pub(super) struct Signed {
    signature: String,
    at: i64,
    now: i64,
}

/// The requests that were received, until they are too old to be received again.
///
/// It never forgets one that is not: when there are too many, new ones are refused. Only what Slack signed gets here.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<BTreeMap<String, i64>>);

impl Seen {
    /// Remembers a request.
    ///
    /// # Errors
    /// `Unauthenticated` for one that was received before; `Unavailable` when too many are remembered.
    pub(super) fn once(&self, signed: &Signed) -> Result<()> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains_key(&signed.signature) {
            return Err(refusal("the request was received before"));
        }
        if seen.len() >= MOST_REMEMBERED {
            seen.retain(|_, at| signed.now - *at <= OLDEST);
        }
        if seen.len() >= MOST_REMEMBERED {
            let message = format!("{MOST_REMEMBERED} requests came within 5 minutes; try again later");
            return Err(Error::new(ErrorKind::Unavailable, message).not_applied());
        }
        seen.insert(signed.signature.clone(), signed.at);
        Ok(())
    }
}

/// The value of a header that must come exactly once.
fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next().and_then(|value| value.to_str().ok()), all.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(refusal("expected one time stamp and one signature").with_context("header", name)),
    }
}

fn seconds(stamp: &str) -> Option<i64> {
    let is_plain = (1..=12).contains(&stamp.len()) && stamp.bytes().all(|byte| byte.is_ascii_digit());
    stamp.parse().ok().filter(|_| is_plain)
}

fn refusal(message: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}
