//! Credentials: a token, or a GitHub App whose installation tokens are renewed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use opsorch::secret::{Secret, SecretRef};
use opsorch::transport::{Auth, Client, StatusCode};
use opsorch::{BuildEnv, Clock, Context, Error, ErrorKind, Result, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::about;
use super::api::refusal;
use super::wire::InstallationToken;

/// How long before it ends an installation token is renewed. GitHub gives it an hour.
const RENEWED_BEFORE: Duration = Duration::from_secs(5 * 60);

/// A token of the App itself counts from a minute ago, because clocks differ, and ends nine minutes from now: GitHub
/// takes at most ten.
const BACKDATED: Duration = Duration::from_secs(60);
const VALID_FOR: Duration = Duration::from_secs(9 * 60);

/// A GitHub App and one of its installations.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GitHubApp {
    /// The client id of the App, such as `Iv23li…`, or its id in digits.
    pub id: String,
    /// The id of the installation: the number at the end of the address of its settings.
    pub installation: u64,
    /// A private key of the App, in PEM.
    pub private_key: SecretRef,
}

impl GitHubApp {
    /// An App, by its client id, an installation of it and a private key of the App.
    pub fn new(id: impl Into<String>, installation: u64, private_key: SecretRef) -> Self {
        Self { id: id.into(), installation, private_key }
    }

    pub(super) async fn resolve(&self, client: Client, env: &BuildEnv) -> Result<Credential> {
        if self.id.trim().is_empty() {
            return Err(Error::invalid("app.id", "expected the client id of the App, got nothing"));
        }
        let pem = env.secret(&self.private_key).await?;
        // The error is dropped on purpose: whether it shows the key is not ours to decide.
        let key = EncodingKey::from_rsa_pem(pem.expose().as_bytes())
            .map_err(|_| Error::invalid("app.private_key", "expected an RSA private key in PEM"))?;
        let (id, installation) = (self.id.clone(), self.installation.to_string());
        let renewals = Mutex::default();
        Ok(Credential(Kind::App(Box::new(Installation {
            client,
            id,
            installation,
            key,
            clock: env.clock(),
            renewals,
        }))))
    }
}

/// What requests are made with.
#[derive(Debug)]
pub(super) struct Credential(Kind);

#[derive(Debug)]
enum Kind {
    Token(Arc<Identity>),
    App(Box<Installation>),
}

/// A client with a credential. The number tells credentials of one provider apart, without being one.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) client: Client,
    pub(super) number: u64,
}

impl Credential {
    pub(super) fn token(client: Client, token: Secret) -> Result<Self> {
        let client = client.auth(Auth::bearer(token)).map_err(|error| about("token", error))?;
        Ok(Self(Kind::Token(Arc::new(Identity { client, number: 0 }))))
    }

    /// The client to make a request with now.
    ///
    /// # Errors
    /// Those of asking for an installation token. Nothing was sent of what was to be sent with it.
    pub(super) async fn identity(&self, cx: &Context) -> Result<Arc<Identity>> {
        match &self.0 {
            Kind::Token(identity) => Ok(Arc::clone(identity)),
            Kind::App(installation) => installation.identity(cx).await.map_err(Error::not_applied),
        }
    }
}

/// An installation of an App, and its present token.
struct Installation {
    client: Client,
    id: String,
    installation: String,
    key: EncodingKey,
    clock: Arc<dyn Clock>,
    renewals: Mutex<Renewals>,
}

#[derive(Debug, Default)]
struct Renewals {
    current: Option<(Arc<Identity>, Time)>,
    /// Whether somebody renews a token that is still good. Others use it meanwhile.
    under_way: bool,
    number: u64,
}

impl Installation {
    /// No lock is held while GitHub is asked. Of callers who find a token that is good for some minutes, one renews it; those
    /// who find none each ask for one, and any of them is good.
    async fn identity(&self, cx: &Context) -> Result<Arc<Identity>> {
        let now = self.clock.now();
        let _turn = {
            let mut renewals = self.renewals();
            match &renewals.current {
                Some((identity, until)) if now + RENEWED_BEFORE < *until => return Ok(Arc::clone(identity)),
                Some((identity, until)) if now < *until && renewals.under_way => return Ok(Arc::clone(identity)),
                _ => renewals.under_way = true,
            }
            Turn(&self.renewals)
        };
        let token = self.ask(cx, now).await?;
        let client = self.client.clone().auth(Auth::bearer(token.token))?;
        let mut renewals = self.renewals();
        renewals.number += 1;
        let identity = Arc::new(Identity { client, number: renewals.number });
        renewals.current = Some((Arc::clone(&identity), token.expires_at));
        Ok(identity)
    }

    async fn ask(&self, cx: &Context, now: Time) -> Result<InstallationToken> {
        let client = self.client.clone().auth(Auth::bearer(self.own_token(now)?))?;
        let path = ["app", "installations", &self.installation, "access_tokens"];
        let reply = client.post(path).send_any(cx).await?;
        match reply.status {
            StatusCode::CREATED => reply.json(),
            StatusCode::NOT_FOUND => Err(reply
                .error(ErrorKind::Unauthenticated)
                .with_context("hint", "the App has no such installation; check `app.installation`")),
            _ => Err(refusal(&reply, now)),
        }
    }

    /// The token with which the App says who it is.
    fn own_token(&self, now: Time) -> Result<Secret> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iat: i64,
            exp: i64,
            iss: &'a str,
        }

        let (iat, exp) = ((now - BACKDATED).timestamp(), (now + VALID_FOR).timestamp());
        let claims = Claims { iat, exp, iss: &self.id };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key);
        token.map(Secret::new).map_err(|_| Error::unexpected("the token of the App could not be signed"))
    }

    fn renewals(&self) -> MutexGuard<'_, Renewals> {
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation")
            .field("id", &self.id)
            .field("installation", &self.installation)
            .finish_non_exhaustive()
    }
}

/// The turn to renew a token, given back also by one who is dropped.
struct Turn<'a>(&'a Mutex<Renewals>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).under_way = false;
    }
}
