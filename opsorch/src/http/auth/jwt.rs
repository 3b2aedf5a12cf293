//! Tokens that an issuer signed (RFC 7519).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use opsorch_schema::{Actor, ActorKind, Time};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwks::Jwks;
use crate::secret::Secret;
use crate::transport::{Transport, Url};
use crate::{Error, Result};

/// How far the clock of an issuer may be off, in seconds.
const LEEWAY: f64 = 30.0;

/// The shortest secret for HS256, in bytes (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

/// An issuer of JSON Web Tokens that is trusted, for one audience.
///
/// A token counts if one of the issuer's keys signed it with that key's own algorithm (HS256, RS256 or EdDSA: the token
/// does not choose), its `iss` and `aud` are these, it is in time (`exp` is demanded, `nbf` and `iat` are honoured, 30 s of
/// leeway) and it says a `sub`.
///
/// Who may answer approvals is a person, so the issuer must be asked for one or the other: [`people`](Self::people) or
/// [`services`](Self::services); give them different audiences. Of people's tokens, one with an `act` claim (RFC 8693) is an
/// agent that acts for the person, and one that a client got for itself is a service. Issuers mark it each in its own way;
/// known are `client_id`, `azp`, `appid` or `cid` equal to `sub` (RFC 9068, Okta), `gty` `client-credentials` (Auth0,
/// FusionAuth), `idtyp` `app` or, where that optional claim is not turned on, an `oid` equal to `sub` without a `scp` (Entra
/// ID) and a `preferred_username` that begins with `service-account-` (Keycloak). Of other issuers, and where a mark is
/// missing, only the audience tells. A token that is for both audiences is a service's.
///
/// ```
/// use opsorch::http::{Authentication, Jwt};
/// use opsorch::secret::Secret;
///
/// let jwt = Jwt::people("https://id.example.com", "opsorch")
///     .hs256(&Secret::new("0123456789abcdef0123456789abcdef"))?
///     .roles_claim(["realm_access", "roles"])
///     .map_role("oncall", "approver");
/// let auth = Authentication::builder().jwt(jwt).build()?;
/// # let _ = auth;
/// # Ok::<(), opsorch::Error>(())
/// ```
pub struct Jwt {
    issuer: String,
    audience: String,
    kind: ActorKind,
    keys: Vec<VerifyingKey>,
    remote: Option<Jwks>,
    roles_claim: Vec<String>,
    mapped_roles: BTreeMap<String, BTreeSet<String>>,
    granted_roles: BTreeSet<String>,
}

impl Jwt {
    /// An issuer that vouches for people.
    pub fn people(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::new(ActorKind::User, issuer.into(), audience.into())
    }

    /// An issuer that vouches for services: they never answer an approval.
    pub fn services(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::new(ActorKind::Service, issuer.into(), audience.into())
    }

    fn new(kind: ActorKind, issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            kind,
            keys: Vec::new(),
            remote: None,
            roles_claim: vec!["roles".into()],
            mapped_roles: BTreeMap::new(),
            granted_roles: BTreeSet::new(),
        }
    }

    /// Trusts a shared secret of at least 32 bytes, for HS256.
    ///
    /// # Errors
    /// `Invalid` for a shorter one.
    pub fn hs256(self, secret: &Secret) -> Result<Self> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < SHORTEST_SECRET {
            let message = format!("expected at least {SHORTEST_SECRET} bytes for HS256, got {}", bytes.len());
            return Err(Error::invalid("jwt.secret", message));
        }
        Ok(self.key(Algorithm::HS256, DecodingKey::from_secret(bytes)))
    }

    /// Trusts an RSA public key in PEM, for RS256.
    ///
    /// # Errors
    /// `Invalid` for what is none.
    pub fn rs256(self, pem: &str) -> Result<Self> {
        let key = DecodingKey::from_rsa_pem(pem.as_bytes());
        Ok(self.key(Algorithm::RS256, key.map_err(|_| not_a_key("an RSA public key in PEM"))?))
    }

    /// Trusts an Ed25519 public key in PEM, for EdDSA.
    ///
    /// # Errors
    /// `Invalid` for what is none.
    pub fn ed25519(self, pem: &str) -> Result<Self> {
        let key = DecodingKey::from_ed_pem(pem.as_bytes());
        Ok(self.key(Algorithm::EdDSA, key.map_err(|_| not_a_key("an Ed25519 public key in PEM"))?))
    }

    /// Trusts the keys that the issuer publishes at this address (RFC 7517). They are fetched when a token is first seen,
    /// and again after ten minutes, or when a token names a key that is not among them, but not twice in 30 s. Of a
    /// set, RSA and Ed25519 keys count; a symmetric key from a network is no secret.
    ///
    /// # Errors
    /// `Invalid` for an address that is not `https`, but for a loopback one.
    pub fn jwks(mut self, url: Url, transport: Arc<dyn Transport>) -> Result<Self> {
        self.remote = Some(Jwks::new(url, transport)?);
        Ok(self)
    }

    /// Where the roles stand in the claims, as the names on the way there: `roles` without a call. An array of texts, or
    /// one text with blanks between.
    pub fn roles_claim<N: Into<String>>(mut self, path: impl IntoIterator<Item = N>) -> Self {
        self.roles_claim = path.into_iter().map(Into::into).collect();
        self
    }

    /// Gives a role to who has this role of the issuer's. Other roles are kept as they are named.
    pub fn map_role(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.mapped_roles.entry(from.into()).or_default().insert(to.into());
        self
    }

    /// Gives a role to everybody whom the issuer vouches for.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.granted_roles.insert(role.into());
        self
    }

    fn key(mut self, algorithm: Algorithm, key: DecodingKey) -> Self {
        self.keys.push(VerifyingKey { id: None, algorithm, key });
        self
    }

    pub(super) fn into_verifier(self) -> Result<JwtVerifier> {
        let missing = [("jwt.issuer", &self.issuer), ("jwt.audience", &self.audience)];
        if let Some((field, _)) = missing.into_iter().find(|(_, text)| text.is_empty()) {
            return Err(Error::invalid(field, "expected a name, got nothing"));
        }
        if self.keys.is_empty() && self.remote.is_none() {
            let message = "no token of this issuer could be checked; give it a key or the address of its keys";
            return Err(Error::invalid("jwt", message).with_context("issuer", &self.issuer));
        }
        Ok(JwtVerifier(self))
    }
}

/// Shows no key.
impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("kind", &self.kind)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

fn not_a_key(expected: &'static str) -> Error {
    Error::invalid("jwt.key", format!("expected {expected}"))
}

/// A key, and the one algorithm that it is for.
#[derive(Clone)]
pub(super) struct VerifyingKey {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Whether a credential has the three parts of a token.
pub(super) fn looks_like_one(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// An issuer, ready to check tokens.
pub(super) struct JwtVerifier(Jwt);

/// What a token says about its bearer. Whatever else it says is looked at by name.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Texts,
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    act: Option<Act>,
    client_id: Option<String>,
    azp: Option<String>,
    gty: Option<Texts>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    fn contains(&self, text: &str) -> bool {
        match self {
            Self::One(one) => one == text,
            Self::Several(several) => several.iter().any(|one| one == text),
        }
    }
}

#[derive(Deserialize)]
struct Act {
    sub: String,
}

impl JwtVerifier {
    pub(super) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Whether another one is for the same tokens.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        (&self.0.issuer, &self.0.audience) == (&other.0.issuer, &other.0.audience)
    }

    /// Whether it vouches for people.
    pub(super) fn is_of_people(&self) -> bool {
        self.0.kind == ActorKind::User
    }

    /// Whom a token vouches for; `None` if it is not good.
    pub(super) async fn verify(&self, token: &str, now: Time) -> Result<Option<Actor>> {
        let Ok(header) = jsonwebtoken::decode_header(token) else { return Ok(None) };
        let is_token =
            |kind: &str| matches!(kind.to_ascii_lowercase().as_str(), "jwt" | "at+jwt" | "application/at+jwt");
        if header.crit.is_some() || !header.typ.as_deref().is_none_or(is_token) {
            return Ok(None);
        }
        if let Some(claims) = self.signed(token, &header, &self.0.keys) {
            return Ok(self.actor(claims, now));
        }
        let Some(remote) = &self.0.remote else { return Ok(None) };
        // Keys are fetched only for a token that claims to be of this issuer, and for us.
        if !self.is_claimed_by(token) {
            return Ok(None);
        }
        let keys = remote.keys(now, header.kid.as_deref()).await?;
        Ok(self.signed(token, &header, &keys).and_then(|claims| self.actor(claims, now)))
    }

    /// The claims, if one of the keys signed them with its own algorithm.
    fn signed(&self, token: &str, header: &jsonwebtoken::Header, keys: &[VerifyingKey]) -> Option<Claims> {
        let fits = |key: &&VerifyingKey| {
            key.algorithm == header.alg && (key.id.is_none() || header.kid.is_none() || key.id == header.kid)
        };
        keys.iter().filter(fits).find_map(|key| {
            // Times, issuer and audience are checked below, against a clock that can be moved.
            let mut only_signature = Validation::new(key.algorithm);
            only_signature.required_spec_claims.clear();
            only_signature.validate_exp = false;
            only_signature.validate_aud = false;
            jsonwebtoken::decode::<Claims>(token, &key.key, &only_signature).ok().map(|token| token.claims)
        })
    }

    fn is_claimed_by(&self, token: &str) -> bool {
        #[derive(Deserialize)]
        struct Claimed {
            iss: String,
            aud: Texts,
        }
        let claimed = jsonwebtoken::dangerous::insecure_decode_claims::<Claimed>(token);
        claimed.is_ok_and(|claimed| claimed.iss == self.0.issuer && claimed.aud.contains(&self.0.audience))
    }

    /// Who it is, if the token is for us and in time.
    fn actor(&self, claims: Claims, now: Time) -> Option<Actor> {
        #[allow(clippy::cast_precision_loss)] // milliseconds are exact up to the year 287396
        let now = now.timestamp_millis() as f64 / 1000.0;
        let is_for_us = claims.aud.contains(&self.0.audience);
        let begun = [claims.nbf, claims.iat].into_iter().flatten().all(|time| time <= now + LEEWAY);
        if claims.iss != self.0.issuer || !is_for_us || claims.sub.is_empty() || !begun || claims.exp <= now - LEEWAY {
            return None;
        }
        let roles = self.roles(&claims.others);
        let kind = if claims.is_of_a_client() { ActorKind::Service } else { self.0.kind };
        let actor = self.named(kind, &claims.sub);
        let actor = match &claims.act {
            Some(act) => self.named(ActorKind::Agent, &act.sub).on_behalf_of(actor),
            None => actor,
        };
        Some(roles.into_iter().fold(actor, Actor::role))
    }

    fn named(&self, kind: ActorKind, subject: &str) -> Actor {
        let actor = match kind {
            ActorKind::User => Actor::user(subject),
            ActorKind::Agent => Actor::agent(subject),
            _ => Actor::service(subject),
        };
        actor.issuer(&self.0.issuer).authenticated_by("jwt")
    }

    fn roles(&self, claims: &Map<String, Value>) -> BTreeSet<String> {
        let mut path = self.0.roles_claim.iter();
        let first = path.next().and_then(|name| claims.get(name));
        let found = path.fold(first, |value, name| value?.get(name));
        let said: Vec<&str> = match found {
            Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(roles)) => roles.split_whitespace().collect(),
            _ => Vec::new(),
        };
        let mut roles = self.0.granted_roles.clone();
        for role in said {
            roles.extend(self.0.mapped_roles.get(role).into_iter().flatten().cloned());
            roles.insert(role.to_owned());
        }
        roles
    }
}

impl Claims {
    /// Whether a client got the token for itself, and not for a person.
    fn is_of_a_client(&self) -> bool {
        let text = |name: &str| self.others.get(name).and_then(Value::as_str);
        let clients = [self.client_id.as_deref(), self.azp.as_deref(), text("appid"), text("cid")];
        let is_grant = |grant: &String| matches!(grant.as_str(), "client-credentials" | "client_credentials");
        let has_grant = match &self.gty {
            Some(Texts::One(grant)) => is_grant(grant),
            Some(Texts::Several(grants)) => grants.iter().any(is_grant),
            None => false,
        };
        clients.contains(&Some(self.sub.as_str()))
            || has_grant
            || text("idtyp") == Some("app")
            || (text("oid") == Some(self.sub.as_str()) && !self.others.contains_key("scp"))
            || text("preferred_username").is_some_and(|name| name.starts_with("service-account-"))
    }
}
