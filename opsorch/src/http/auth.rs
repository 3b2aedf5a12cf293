//! Who calls: from the credential of a request to an actor with roles.
//!
//! Every surface asks here and nowhere else, so that one credential is the same [`Principal`] everywhere: who it is, and
//! what its [roles](Role) are good for.

mod api_key;
mod jwks;
mod jwt;
mod principal;
mod role;

use std::fmt;
use std::sync::Arc;

use opsorch_schema::{Actor, Time};

pub use api_key::ApiKey;
pub use jwt::Jwt;
pub use principal::Principal;
pub use role::{Role, RoleAccess};

use self::api_key::ApiKeys;
use self::jwt::JwtVerifier;
use crate::gate::Access;
use crate::secret::Secret;
use crate::transport::HeaderMap;
use crate::{Error, ErrorKind, Result};

/// The longest credential that is looked at, in bytes.
const LONGEST_TOKEN: usize = 8 * 1024;

/// How callers are authenticated. There is none that lets everybody in: without a credential configured,
/// [`build`](AuthenticationBuilder::build) fails, unless anonymous access was allowed in so many words.
///
/// A credential travels as `Authorization: Bearer …`, whichever kind it is. Cheap to clone.
///
/// ```
/// use opsorch::Actor;
/// use opsorch::http::{ApiKey, Authentication, Role};
/// use opsorch::secret::Secret;
///
/// let (secret, key) = ApiKey::generate(Actor::user("alice").role(Role::Approver))?;
/// let auth = Authentication::builder()
///     .api_key(key)                                      // `secret` is shown to alice once, and kept nowhere
///     .bearer_token(Secret::new("a-shared-credential"))  // a service: it never answers an approval
///     .build()?;
/// assert!(!auth.allows_anonymous());
///
/// let error = Authentication::builder().build().unwrap_err();
/// assert!(error.to_string().contains("no authentication is configured"));
/// # let _ = secret;
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone)]
pub struct Authentication(Arc<Inner>);

struct Inner {
    keys: ApiKeys,
    jwts: Vec<JwtVerifier>,
    anonymous: Option<Principal>,
    access: Arc<dyn Access>,
}

impl Authentication {
    /// Starts to say who is let in.
    pub fn builder() -> AuthenticationBuilder {
        AuthenticationBuilder::default()
    }

    /// Whether callers without a credential are let in.
    pub fn allows_anonymous(&self) -> bool {
        self.0.anonymous.is_some()
    }

    /// Who sent a request with these headers, at this time.
    ///
    /// # Errors
    /// `Unauthenticated` for a credential that is missing, wrong or expired, always with the same words;
    /// `Unavailable` if the keys of an issuer could not be fetched.
    pub async fn authenticate(&self, headers: &HeaderMap, now: Time) -> Result<Principal> {
        let inner = &*self.0;
        if inner.keys.is_empty() && inner.jwts.is_empty() {
            return inner.anonymous.clone().ok_or_else(unauthenticated);
        }
        let Some(token) = bearer(headers)? else { return inner.anonymous.clone().ok_or_else(unauthenticated) };
        if let Some(principal) = inner.keys.find(token, now) {
            return Ok(principal);
        }
        let mut unavailable = None;
        for jwt in jwt::looks_like_one(token).then_some(&inner.jwts).into_iter().flatten() {
            match jwt.verify(token, now).await {
                Ok(Some(actor)) => return Ok(Principal::new(actor, Arc::clone(&inner.access))),
                Ok(None) => {}
                // A token of people is not taken for one while it is not known whether it is a service's.
                Err(error) if !jwt.is_of_people() => return Err(error),
                Err(error) => unavailable = unavailable.or(Some(error)),
            }
        }
        Err(unavailable.unwrap_or_else(unauthenticated))
    }
}

/// Shows nothing of a credential.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("keys", &self.0.keys.len())
            .field("issuers", &self.0.jwts.iter().map(JwtVerifier::issuer).collect::<Vec<_>>())
            .field("anonymous", &self.0.anonymous)
            .finish()
    }
}

/// The credential of a request; `None` where there is none at all. The scheme is `Bearer` to the letter, as OpsOrch has it.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // Of two credentials, which one counts is a question that is not answered.
    if values.next().is_some() || value.len() > LONGEST_TOKEN {
        return Err(unauthenticated());
    }
    let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    token.filter(|token| !token.is_empty()).map(Some).ok_or_else(unauthenticated)
}

fn unauthenticated() -> Error {
    Error::new(ErrorKind::Unauthenticated, "expected a valid credential as `Authorization: Bearer …`")
}

/// Says who is let in, by [`Authentication::builder`].
#[derive(Debug, Default)]
#[must_use = "nobody is let in until it is built"]
pub struct AuthenticationBuilder {
    keys: Vec<ApiKey>,
    jwts: Vec<Jwt>,
    bearer: Option<Secret>,
    anonymous: Option<Role>,
    access: Option<Arc<dyn Access>>,
}

impl AuthenticationBuilder {
    /// Lets in who holds this key.
    pub fn api_key(mut self, key: ApiKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Lets in whom this issuer vouches for.
    pub fn jwt(mut self, jwt: Jwt) -> Self {
        self.jwts.push(jwt);
        self
    }

    /// Lets in who knows this token, as OpsOrch's `OPSORCH_BEARER_TOKEN`. Whoever holds it is the service
    /// `bearer-token` with the role `operator`: a credential that is shared is no person, and so never answers an approval.
    pub fn bearer_token(mut self, token: Secret) -> Self {
        self.bearer = Some(token);
        self
    }

    /// Lets in everybody without a credential, as the service `anonymous` with this role. For a machine of one's own.
    pub fn allow_anonymous(mut self, role: Role) -> Self {
        self.anonymous = Some(role);
        self
    }

    /// What roles are good for, in place of [`RoleAccess`]. It is asked beside the control plane's own
    /// [`Access`], and both must permit.
    pub fn access(mut self, access: impl Access) -> Self {
        self.access = Some(Arc::new(access));
        self
    }

    /// Checks it.
    ///
    /// # Errors
    /// `Invalid` if nobody could get in and anonymous access is not allowed, for an empty token, for a key that is there
    /// twice, for an issuer without keys, and for two of the same issuer and audience.
    pub fn build(self) -> Result<Authentication> {
        let access = self.access.unwrap_or_else(|| Arc::new(RoleAccess));
        if self.keys.is_empty() && self.jwts.is_empty() && self.bearer.is_none() && self.anonymous.is_none() {
            let message = "no authentication is configured; configure API keys, a JWT issuer or a bearer token, or allow \
                           anonymous access explicitly";
            return Err(Error::invalid("authentication", message));
        }
        let mut keys = self.keys;
        if let Some(token) = self.bearer {
            let text = token.expose().trim();
            if text.is_empty() {
                return Err(Error::invalid("bearer_token", "expected a token, got nothing"));
            }
            let actor = Actor::service("bearer-token").role(Role::Operator).authenticated_by("bearer-token");
            keys.push(ApiKey::exactly(ApiKey::hash(&Secret::new(text)), actor));
        }
        let anonymous = self.anonymous.map(|role| {
            let actor = Actor::service("anonymous").role(role).authenticated_by(principal::ANONYMOUS);
            Principal::new(actor, Arc::clone(&access))
        });
        let mut jwts = self.jwts.into_iter().map(Jwt::into_verifier).collect::<Result<Vec<_>>>()?;
        for (index, jwt) in jwts.iter().enumerate() {
            if jwts.iter().skip(index + 1).any(|other| other.overlaps(jwt)) {
                let message =
                    "two are configured for the same issuer and audience; whose its tokens are would not be clear";
                return Err(Error::invalid("jwt", message).with_context("issuer", jwt.issuer()));
            }
        }
        // A token that is for both audiences is a service's, which can do less.
        jwts.sort_by_key(JwtVerifier::is_of_people);
        let keys = ApiKeys::new(keys, &access)?;
        Ok(Authentication(Arc::new(Inner { keys, jwts, anonymous, access })))
    }
}
