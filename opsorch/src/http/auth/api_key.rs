//! Keys that are made here: of each only the hash is kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use opsorch_schema::{Actor, Digest, Time};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Principal;
use crate::gate::Access;
use crate::secret::Secret;
use crate::{Error, ErrorKind, Result};

/// What every key begins with, so that a scanner for leaked secrets knows one.
const PREFIX: &str = "opsorch_";

/// A key that lets its holder in as an actor. Only its SHA-256 is kept: a key has 256 random bits, so that nothing slower
/// is needed.
#[derive(Clone)]
pub struct ApiKey {
    hash: Digest,
    actor: Actor,
    expires_at: Option<Time>,
}

impl ApiKey {
    /// Makes a key for an actor. The text is for its holder alone, and is kept nowhere.
    ///
    /// # Errors
    /// `Unavailable` if the system has no random numbers.
    pub fn generate(actor: Actor) -> Result<(Secret, Self)> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| {
            Error::new(ErrorKind::Unavailable, format!("the system has no random numbers: {error}"))
        })?;
        let secret = Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*bytes)));
        let key = Self::hashed(Self::hash(&secret), actor);
        Ok((secret, key))
    }

    /// A key that was made before, by its [`hash`](Self::hash).
    pub fn hashed(hash: Digest, actor: Actor) -> Self {
        Self::exactly(hash, actor.authenticated_by("api-key"))
    }

    /// The hash of a key, for a configuration.
    pub fn hash(key: &Secret) -> Digest {
        Digest::from_sha256(sha256(key.expose()))
    }

    /// Sets when it ends.
    pub fn expires_at(mut self, time: Time) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// As [`hashed`](Self::hashed), authenticated in another way.
    pub(super) fn exactly(hash: Digest, actor: Actor) -> Self {
        Self { hash, actor, expires_at: None }
    }
}

/// Shows whose it is.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = format_args!("{}", self.actor);
        f.debug_struct("ApiKey").field("actor", &whose).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// All keys, found by a part of the hash. That part tells nobody anything about a key; the whole is compared in
/// constant time.
pub(super) struct ApiKeys(HashMap<[u8; 4], Vec<Known>>);

struct Known {
    hash: Digest,
    principal: Principal,
    expires_at: Option<Time>,
}

impl ApiKeys {
    pub(super) fn new(keys: Vec<ApiKey>, access: &Arc<dyn Access>) -> Result<Self> {
        let mut found: HashMap<[u8; 4], Vec<Known>> = HashMap::new();
        for ApiKey { hash, actor, expires_at } in keys {
            let alike = found.entry(place(&hash)).or_default();
            if alike.iter().any(|known| known.hash == hash) {
                return Err(Error::invalid("api_keys", format!("the key of {actor} is somebody else's too")));
            }
            alike.push(Known { hash, principal: Principal::new(actor, Arc::clone(access)), expires_at });
        }
        Ok(Self(found))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Whose key it is, at this time.
    pub(super) fn find(&self, token: &str, now: Time) -> Option<Principal> {
        let hash = Digest::from_sha256(sha256(token));
        let alike = self.0.get(&place(&hash))?;
        let is_it = |known: &&Known| known.hash.as_str().as_bytes().ct_eq(hash.as_str().as_bytes()).into();
        let known = alike.iter().find(is_it)?;
        let in_time = known.expires_at.is_none_or(|end| now < end);
        in_time.then(|| known.principal.clone())
    }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The first digits of a hash, past `sha256:`.
fn place(hash: &Digest) -> [u8; 4] {
    let digits = hash.as_str().bytes().skip("sha256:".len());
    let mut place = [0; 4];
    place.iter_mut().zip(digits).for_each(|(to, from)| *to = from);
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::OpenAccess;
    use crate::{Clock, ManualClock};

    fn keys(keys: Vec<ApiKey>) -> Result<ApiKeys> {
        ApiKeys::new(keys, &(Arc::new(OpenAccess) as Arc<dyn Access>))
    }

    #[test]
    fn a_key_lets_its_holder_in_until_it_ends() {
        let clock = ManualClock::default();
        let (secret, key) = ApiKey::generate(Actor::user("alice")).unwrap();
        let keys = keys(vec![key.expires_at(clock.now() + std::time::Duration::from_secs(60))]).unwrap();
        let found = keys.find(secret.expose(), clock.now()).expect("it is alice's");
        assert_eq!(found.actor().to_string(), "user alice@local");
        assert_eq!(found.actor().authentication, "api-key");
        clock.advance(std::time::Duration::from_secs(60));
        assert!(keys.find(secret.expose(), clock.now()).is_none(), "it has ended");
    }

    #[test]
    fn no_other_text_is_a_key_not_even_the_hash() {
        let (secret, key) = ApiKey::generate(Actor::user("alice")).unwrap();
        let hash = ApiKey::hash(&secret);
        let keys = keys(vec![key]).unwrap();
        let now = ManualClock::default().now();
        for wrong in ["", "opsorch_", hash.as_str(), &secret.expose()[..50], &format!("{}x", secret.expose())] {
            assert!(keys.find(wrong, now).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_and_shows_nothing() {
        let (secret, key) = ApiKey::generate(Actor::user("alice")).unwrap();
        let shown = format!("{key:?}");
        assert!(!shown.contains(secret.expose()) && !shown.contains("sha256"), "{shown}");
        assert!(keys(vec![key.clone(), key]).is_err());
    }
}
