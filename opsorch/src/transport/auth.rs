//! How a client proves who it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::{Error, Result};

/// How a client proves who it is: always in a header, never in the URL.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer TOKEN` (RFC 6750).
    Bearer(Secret),
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user, who is not secret.
        user: String,
        /// The password, or the token in its place.
        password: Secret,
    },
    /// A header of the vendor's own.
    Header {
        /// The name of the header.
        name: String,
        /// What stands before the secret, such as `Token token=`.
        prefix: String,
        /// The secret.
        value: Secret,
    },
}

impl Auth {
    /// `Authorization: Bearer TOKEN`.
    pub fn bearer(token: Secret) -> Self {
        Self::Bearer(token)
    }

    /// `Authorization: Basic …`.
    pub fn basic(user: impl Into<String>, password: Secret) -> Self {
        Self::Basic { user: user.into(), password }
    }

    /// A header of the vendor's own, such as `DD-API-KEY`.
    pub fn header(name: impl Into<String>, value: Secret) -> Self {
        Self::Header { name: name.into(), prefix: String::new(), value }
    }

    /// `Authorization` with a scheme of the vendor's own before the secret, such as `ApiKey ` or `Token token=`.
    pub fn scheme(prefix: impl Into<String>, value: Secret) -> Self {
        Self::Header { name: AUTHORIZATION.to_string(), prefix: prefix.into(), value }
    }

    /// The header that says it, and the secrets that must not be seen in anything that comes back.
    pub(super) fn into_parts(self) -> Result<Option<AuthParts>> {
        let (name, text, secrets) = match self {
            Self::None => return Ok(None),
            Self::Bearer(token) => (AUTHORIZATION, joined("Bearer ", &token), vec![token]),
            Self::Basic { user, .. } if user.contains(':') => {
                return Err(Error::invalid("auth", "the user of Basic authentication cannot hold a colon"));
            }
            Self::Basic { user, password } => {
                let pair = STANDARD.encode(joined(&format!("{user}:"), &password).as_bytes());
                let pair = Secret::new(pair);
                (AUTHORIZATION, joined("Basic ", &pair), vec![password, pair])
            }
            Self::Header { name, prefix, value } => (header_name(&name)?, joined(&prefix, &value), vec![value]),
        };
        if secrets.iter().any(|secret| secret.expose().is_empty()) {
            return Err(Error::invalid("auth", "the credential is empty"));
        }
        // The error of a failed conversion is dropped on purpose: whether it shows the value is not ours to decide.
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            Error::invalid("auth", format!("the credential holds a character that the header {name} cannot carry"))
        })?;
        value.set_sensitive(true);
        Ok(Some(AuthParts { name, value, secrets }))
    }
}

pub(super) struct AuthParts {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
    pub(super) secrets: Vec<Secret>,
}

fn joined(prefix: &str, secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new([prefix, secret.expose()].concat())
}

fn header_name(name: &str) -> Result<HeaderName> {
    HeaderName::try_from(name).map_err(|error| {
        Error::invalid("auth", format!("expected the name of a header, got {name:?}")).with_source(error)
    })
}
