//! Whether Slack sent a request: its signature, and the time it was made at.

use std::fmt;
use std::sync::Arc;

use opsorch::capability::Webhook;
use opsorch::secret::Secret;
use opsorch::transport::HeaderMap;
use opsorch::{Clock, Error, ErrorKind, Result};

use crate::replay::{Seen as Signatures, check_age, seconds};
use crate::signature::is_signed;

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";

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
        let now = self.clock.now().timestamp();
        check_age(at, now)?;
        Ok(Signed { signature: digits.to_owned(), at, now })
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

/// The requests that were received.
#[derive(Debug, Default)]
pub(super) struct Seen(Signatures);

impl Seen {
    /// Remembers a request.
    ///
    /// # Errors
    /// `Unauthenticated` for one that was received before; `Unavailable` when too many are remembered.
    pub(super) fn once(&self, signed: &Signed) -> Result<()> {
        self.0.once(&signed.signature, signed.at, signed.now)
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

fn refusal(message: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}
