//! The header `Authorization` of a webhook, where that is what its sender proves itself with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::secret::Secret;
use opsorch::transport::HeaderMap;
use opsorch::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// A value of the header that is expected. Only its digest is kept: two digests are compared in the same time whatever
/// was sent, also of another length.
pub(crate) struct Authorization {
    scheme: String,
    digest: [u8; 32],
}

impl Authorization {
    /// A credential of a scheme, such as `Bearer`.
    pub(crate) fn new(scheme: impl Into<String>, credential: &Secret) -> Self {
        Self { scheme: scheme.into(), digest: Sha256::digest(credential.expose()).into() }
    }

    /// A user and a password. A user with a `:` in it cannot be sent.
    pub(crate) fn basic(user: &str, password: &Secret) -> Self {
        let pair = Secret::new(format!("{user}:{}", password.expose()));
        Self::new("Basic", &Secret::new(STANDARD.encode(pair.expose())))
    }
}

/// Shows no digest either: a weak password could be guessed from it.
impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization({} ***)", self.scheme)
    }
}

/// Checks that the header is there once and is one of those that are expected. All are tried, so that the time does not
/// tell which one it was.
///
/// # Errors
/// `Unauthenticated`.
pub(crate) fn check(expected: &[Authorization], headers: &HeaderMap) -> Result<()> {
    let refusal = |message: &'static str| {
        let schemes: Vec<_> = expected.iter().map(|one| one.scheme.as_str()).collect();
        Error::new(ErrorKind::Unauthenticated, message).with_context("expected", schemes.join(" or "))
    };
    let mut all = headers.get_all("authorization").iter();
    let (Some(header), None) = (all.next(), all.next()) else {
        return Err(refusal("expected one header `Authorization`"));
    };
    let header = header.as_bytes();
    let end = header.iter().position(|byte| *byte == b' ').unwrap_or(header.len());
    let (scheme, credential) = header.split_at(end);
    let is_of = |one: &&Authorization| scheme.eq_ignore_ascii_case(one.scheme.as_bytes());
    if !expected.iter().any(|one| is_of(&one)) {
        return Err(refusal("the header `Authorization` has another scheme than expected"));
    }
    let digest: [u8; 32] = Sha256::digest(credential.trim_ascii()).into();
    let equal = |one: &Authorization| digest.ct_eq(&one.digest);
    let is_known = expected.iter().filter(is_of).fold(Choice::from(0), |known, one| known | equal(one));
    match bool::from(is_known) {
        true => Ok(()),
        false => Err(refusal("the credential is another one than expected")),
    }
}

#[cfg(test)]
mod tests {
    use opsorch::transport::HeaderValue;

    use super::*;

    fn is_let_in(expected: &[Authorization], headers: &[&str]) -> bool {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append("authorization", HeaderValue::from_str(value).unwrap());
        }
        check(expected, &map).is_ok()
    }

    #[test]
    fn any_of_several_is_enough_and_only_under_its_own_scheme() {
        let secret = Secret::new;
        let expected = [
            Authorization::new("Bearer", &secret("old")),
            Authorization::new("Bearer", &secret("new")),
            Authorization::basic("am", &secret("password")),
        ];
        for header in ["Bearer old", "bearer new", "BASIC YW06cGFzc3dvcmQ="] {
            assert!(is_let_in(&expected, &[header]), "{header}");
        }
        for header in
            ["Bearer", "Bearer ol", "Bearer older", "Basic old", "Bearer YW06cGFzc3dvcmQ=", "Token old", "old", ""]
        {
            assert!(!is_let_in(&expected, &[header]), "{header}");
        }
        assert!(!is_let_in(&expected, &[]) && !is_let_in(&expected, &["Bearer old", "Bearer old"]));
        assert!(!is_let_in(&[], &["Bearer old"]), "where nothing is expected nobody is let in");
    }
}
