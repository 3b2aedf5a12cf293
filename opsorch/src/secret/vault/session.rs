//! Tokens of Vault: had, renewed, and followed by others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opsorch_schema::Time;
use serde_json::json;

use super::wire::{Granted, Looked};
use super::{VaultAuth, context};
use crate::secret::Secret;
use crate::transport::{Auth, Client, Reply, StatusCode};
use crate::{Clock, Error, ErrorKind, Result};

/// The longest lease that is believed; a longer one is asked about again after it.
const LONGEST_LEASE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A client with a token.
pub(super) struct Session {
    pub(super) client: Client,
    token: Secret,
    lease: Option<Lease>,
    /// Whether it is renewed, or followed by another, before it ends.
    pub(super) is_kept_alive: bool,
    is_renewable: bool,
    /// The lease of the first token of a row of renewals: one that is much shorter comes close to its longest life.
    first: Duration,
}

#[derive(Clone, Copy)]
struct Lease {
    until: Time,
    length: Duration,
}

impl Session {
    /// How long the token is good before it should be renewed; `None` if it does not end.
    pub(super) fn until_due(&self, now: Time) -> Option<Duration> {
        let lease = self.lease?;
        Some((lease.until - lease.length / 3 - now).to_std().unwrap_or_default())
    }

    fn is_over(&self, now: Time) -> bool {
        self.lease.is_some_and(|lease| lease.until <= now)
    }
}

/// Where sessions come from.
pub(super) struct Sessions {
    pub(super) client: Client,
    pub(super) auth: VaultAuth,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) present: Mutex<Present>,
}

#[derive(Default)]
pub(super) struct Present {
    session: Option<Arc<Session>>,
    /// Whether somebody renews a token that is still good. Others use it meanwhile.
    is_under_way: bool,
}

impl Sessions {
    pub(super) fn check(&self) -> Result<()> {
        match &self.auth {
            VaultAuth::Token(token) => self.with_token(token).map(drop),
            VaultAuth::AppRole { role_id, .. } if role_id.trim().is_empty() => {
                Err(Error::invalid("secrets.role_id", "expected the id of an AppRole, got nothing"))
            }
            VaultAuth::AppRole { .. } => Ok(()),
        }
    }

    pub(super) fn can_log_in(&self) -> bool {
        matches!(self.auth, VaultAuth::AppRole { .. })
    }

    /// A session with a token that is good now. No lock is held while Vault is asked: of callers who find a token that is good
    /// for some time, one renews it; those who find none each ask for one, and any of them is good.
    pub(super) async fn session(&self) -> Result<Arc<Session>> {
        let now = self.clock.now();
        let present = {
            let mut present = self.present();
            match present.session.clone() {
                Some(session) if session.is_over(now) => None,
                Some(session) if session.until_due(now) != Some(Duration::ZERO) || !session.is_kept_alive => {
                    return Ok(session);
                }
                Some(session) if present.is_under_way => return Ok(session),
                found => {
                    present.is_under_way = true;
                    found
                }
            }
        };
        let _turn = Turn(&self.present);
        let next = match &present {
            Some(session) => self.renew(session).await?,
            None => Arc::new(self.begin().await?),
        };
        self.present().session = Some(Arc::clone(&next));
        Ok(next)
    }

    /// A session after one whose token was refused: that of somebody who noticed earlier, or a new one.
    pub(super) async fn after(&self, refused: &Arc<Session>) -> Result<Arc<Session>> {
        if let Some(session) = self.present().session.clone().filter(|session| !Arc::ptr_eq(session, refused)) {
            return Ok(session);
        }
        let next = Arc::new(self.begin().await?);
        self.present().session = Some(Arc::clone(&next));
        Ok(next)
    }

    /// The same token for longer, or another one; the same session where that cannot be had now, for it is good still.
    async fn renew(&self, session: &Arc<Session>) -> Result<Arc<Session>> {
        let renewed = match session.is_renewable {
            true => self.renew_self(session).await,
            false => Err(Error::unsupported("this token is not renewable")),
        };
        let next = match renewed {
            Ok(next) if next.is_close_to_its_end() && self.can_log_in() => self.begin().await.or(Ok(next)),
            Err(error) if !error.is_retryable() && self.can_log_in() => self.begin().await,
            renewed => renewed,
        };
        match next {
            Ok(next) => Ok(Arc::new(next)),
            Err(error) => {
                tracing::warn!(
                    error = error.kind().code(),
                    "the token of Vault could not be renewed; it is good for now"
                );
                Ok(Arc::clone(session))
            }
        }
    }

    async fn begin(&self) -> Result<Session> {
        match &self.auth {
            VaultAuth::Token(token) => self.look_up(token).await,
            VaultAuth::AppRole { mount, role_id, secret_id } => {
                let body = match secret_id {
                    Some(secret_id) => json!({ "role_id": role_id, "secret_id": secret_id.expose() }),
                    None => json!({ "role_id": role_id }),
                };
                let client = secret_id.iter().fold(self.client.clone(), Client::redact);
                let mount = mount.split('/').filter(|part| !part.is_empty());
                let path: Vec<String> =
                    ["v1", "auth"].into_iter().chain(mount).chain(["login"]).map(str::to_owned).collect();
                let reply = client.post(path).json(&body).send_any(&context()).await?;
                self.granted(&reply, None)
            }
        }
    }

    /// What is known of a token that was made elsewhere. One that may not ask is used as it is.
    async fn look_up(&self, token: &Secret) -> Result<Session> {
        let client = self.with_token(token)?;
        let reply = client.get("v1/auth/token/lookup-self").send_any(&context()).await?;
        let token = token.clone();
        match reply.status {
            StatusCode::OK => {
                let Looked { data } = reply.json()?;
                Ok(self.make(client, token, data.ttl, data.renewable, None))
            }
            StatusCode::FORBIDDEN if reply.json::<super::Failure>().is_ok_and(|failure| is_bad(&failure)) => {
                Err(refused(&reply))
            }
            StatusCode::FORBIDDEN => Ok(self.make(client, token, 0, false, None)),
            _ => Err(refused(&reply)),
        }
    }

    async fn renew_self(&self, session: &Session) -> Result<Session> {
        let reply = session.client.post("v1/auth/token/renew-self").json(&json!({})).send_any(&context()).await?;
        self.granted(&reply, Some(session))
    }

    /// A session with the token of an answer.
    fn granted(&self, reply: &Reply, before: Option<&Session>) -> Result<Session> {
        if !reply.status.is_success() {
            return Err(refused(reply));
        }
        let Granted { auth } = reply.json()?;
        let token = match before {
            Some(session) => session.token.clone(),
            None => Secret::new(auth.client_token),
        };
        let client = self.with_token(&token)?;
        Ok(self.make(client, token, auth.lease_duration, auth.renewable, before.map(|session| session.first)))
    }

    fn make(
        &self,
        client: Client,
        token: Secret,
        seconds: u64,
        is_renewable: bool,
        first: Option<Duration>,
    ) -> Session {
        let length = Duration::from_secs(seconds).min(LONGEST_LEASE);
        let lease = (seconds > 0).then(|| Lease { until: self.clock.now() + length, length });
        let is_kept_alive = lease.is_some() && (is_renewable || self.can_log_in());
        Session { client, token, lease, is_kept_alive, is_renewable, first: first.unwrap_or(length) }
    }

    fn with_token(&self, token: &Secret) -> Result<Client> {
        self.client.clone().auth(Auth::header("x-vault-token", token.clone()))
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether renewals got short: a token has a longest life, beyond which none is granted.
    fn is_close_to_its_end(&self) -> bool {
        self.lease.is_some_and(|lease| lease.length < self.first / 3)
    }
}

/// A login that was refused is no missing secret, and no missing right to one.
fn refused(reply: &Reply) -> Error {
    match reply.status {
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => reply.error(ErrorKind::Unauthenticated),
        _ => super::refusal(reply),
    }
}

/// Whether a token is none, and not only without the right to look at itself.
fn is_bad(failure: &super::Failure) -> bool {
    failure.errors.iter().any(|error| error.contains("bad token") || error.contains("invalid token"))
}

/// The turn to renew a token, given back also by one who is dropped.
struct Turn<'a>(&'a Mutex<Present>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_under_way = false;
    }
}
