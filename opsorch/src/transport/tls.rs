//! TLS beyond the default: the certificate a client shows, and the authorities it trusts.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::secret::Secret;
use crate::{Error, Result};

/// The longest PEM text: 1 MiB, several times the bundle of every public authority.
const PEM_LIMIT: usize = 1024 * 1024;

/// How to do TLS with one vendor: a certificate to show (mutual TLS), a private authority to trust, or both.
///
/// Given to [`Client::tls`](super::Client::tls). Two are equal where their texts are; a [`Transport`](super::Transport)
/// may keep connections for each. Cheap to clone. `Debug` shows no text of a key or a certificate.
///
/// ```
/// use opsorch::Result;
/// use opsorch::secret::Secret;
/// use opsorch::transport::{Client, Tls};
///
/// fn with_tls(client: Client, certificate_and_key: Secret, authority: &str) -> Result<Client> {
///     Ok(client.tls(Tls::new().identity(certificate_and_key)?.roots(authority)?))
/// }
///
/// let error = Tls::new().identity(Secret::new("s3cr3t")).unwrap_err();
/// assert_eq!(error.to_string(), "invalid identity: expected a certificate and its private key in PEM, got no certificate");
/// ```
#[derive(Clone)]
pub struct Tls {
    identity: Option<Arc<Secret>>,
    roots: Option<Arc<str>>,
    digest: [u8; 32],
}

impl Tls {
    /// No certificate to show; trust in what the system trusts.
    pub fn new() -> Self {
        Self::of(None, None)
    }

    /// Sets the client's certificate: PEM of its chain, the client's own first, and of its private key, unencrypted.
    ///
    /// It is a credential: a redirect does not take it to another origin.
    ///
    /// # Errors
    /// `Invalid` for PEM without certificate, without or with several keys, with an encrypted key, or above 1 MiB. With
    /// the feature `reqwest` also for what does not parse and for a key of another certificate.
    pub fn identity(self, pem: Secret) -> Result<Self> {
        check_identity(pem.expose()).map_err(|problem| Error::invalid("identity", problem))?;
        #[cfg(feature = "reqwest")]
        super::reqwest::check_identity(&pem)?;
        Ok(Self::of(Some(Arc::new(pem)), self.roots))
    }

    /// Sets the authorities to trust, as PEM: these **in place of** the system's, so that nobody but the private
    /// authority can vouch for the vendor. To trust public authorities too, add their certificates to the text.
    ///
    /// They hold for redirects as well.
    ///
    /// # Errors
    /// `Invalid` for PEM without certificate, with a private key, or above 1 MiB. With the feature `reqwest` also for
    /// what does not parse.
    pub fn roots(self, pem: &str) -> Result<Self> {
        check_roots(pem).map_err(|problem| Error::invalid("roots", problem))?;
        #[cfg(feature = "reqwest")]
        super::reqwest::check_roots(pem)?;
        Ok(Self::of(self.identity, Some(pem.into())))
    }

    /// The certificate chain and private key to show, for a [`Transport`](super::Transport).
    pub fn identity_pem(&self) -> Option<&Secret> {
        self.identity.as_deref()
    }

    /// The only authorities to trust, for a [`Transport`](super::Transport); `None` for those of the system.
    pub fn roots_pem(&self) -> Option<&str> {
        self.roots.as_deref()
    }

    /// What holds for another origin: the authorities, never the identity.
    pub(super) fn for_others(&self) -> Option<Self> {
        self.roots.clone().map(|roots| Self::of(None, Some(roots)))
    }

    fn of(identity: Option<Arc<Secret>>, roots: Option<Arc<str>>) -> Self {
        let mut sum = Sha256::new();
        for part in [identity.as_deref().map(Secret::expose), roots.as_deref()] {
            // No text is empty, so that none and some differ.
            let part = part.unwrap_or_default();
            sum.update((part.len() as u64).to_be_bytes());
            sum.update(part);
        }
        Self { identity, roots, digest: sum.finalize().into() }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Tls {}

impl Hash for Tls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificates = |pem| sections(pem).filter(|label| *label == CERTIFICATE).count();
        f.debug_struct("Tls")
            .field("identity", &self.identity)
            .field("roots", &self.roots_pem().map(certificates))
            .finish()
    }
}

const CERTIFICATE: &str = "CERTIFICATE";

/// The labels of a PEM text's sections, such as `CERTIFICATE`.
fn sections(pem: &str) -> impl Iterator<Item = &str> {
    pem.lines().filter_map(|line| line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
}

fn is_key(label: &str) -> bool {
    label.ends_with("PRIVATE KEY")
}

/// No problem quotes the text, not even its labels: it may be any secret that was put in the wrong place.
fn check_identity(pem: &str) -> Result<(), &'static str> {
    if pem.len() > PEM_LIMIT {
        return Err("expected at most 1 MiB of PEM");
    }
    let keys: Vec<&str> = sections(pem).filter(|label| is_key(label)).collect();
    match keys.as_slice() {
        _ if !sections(pem).any(|label| label == CERTIFICATE) => {
            Err("expected a certificate and its private key in PEM, got no certificate")
        }
        [] => Err("expected a certificate and its private key in PEM, got no private key"),
        ["ENCRYPTED PRIVATE KEY"] => Err("expected a private key without passphrase, got an encrypted one"),
        [_] => Ok(()),
        _ => Err("expected one private key, got several"),
    }
}

fn check_roots(pem: &str) -> Result<(), &'static str> {
    if pem.len() > PEM_LIMIT {
        return Err("expected at most 1 MiB of PEM");
    }
    if sections(pem).any(is_key) {
        return Err("expected certificates alone, got a private key; a key belongs into the identity");
    }
    match sections(pem).any(|label| label == CERTIFICATE) {
        true => Ok(()),
        false => Err("expected the certificate of an authority in PEM, got no certificate"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &str = "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n";

    fn key(kind: &str) -> String {
        format!("-----BEGIN {kind}PRIVATE KEY-----\r\ncanary\r\n-----END {kind}PRIVATE KEY-----\r\n")
    }

    fn hidden(error: &Error) -> String {
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary"), "{text}");
        text
    }

    #[test]
    fn an_identity_is_certificates_and_one_readable_key() {
        let cases = [
            ("canary".to_owned(), "got no certificate"),
            (key(""), "got no certificate"),
            (CHAIN.to_owned(), "got no private key"),
            (format!("{CHAIN}-----BEGIN PUBLIC KEY-----\ncanary"), "got no private key"),
            (format!("{CHAIN}{}", key("ENCRYPTED ")), "got an encrypted one"),
            (format!("{CHAIN}{}{}", key("RSA "), key("EC ")), "got several"),
            (format!("{CHAIN}{}", "canary".repeat(PEM_LIMIT / 6)), "at most 1 MiB"),
        ];
        for (pem, expected) in cases {
            let error = Tls::new().identity(Secret::new(pem)).unwrap_err();
            assert!(hidden(&error).contains(expected), "{expected}: {error}");
        }
        for kind in ["", "RSA ", "EC "] {
            assert_eq!(check_identity(&format!("{}{CHAIN}{CHAIN}", key(kind))), Ok(()));
        }
    }

    #[test]
    fn roots_are_certificates_and_no_key() {
        let cases = [
            ("canary".to_owned(), "got no certificate"),
            (format!("{CHAIN}{}", key("ENCRYPTED ")), "got a private key"),
            (CHAIN.repeat(PEM_LIMIT / CHAIN.len() + 1), "at most 1 MiB"),
        ];
        for (pem, expected) in cases {
            let error = Tls::new().roots(&pem).unwrap_err();
            assert!(hidden(&error).contains(expected), "{expected}: {error}");
        }
        assert_eq!(check_roots(&CHAIN.repeat(150)), Ok(()));
    }

    #[test]
    fn equality_is_that_of_both_texts_each_in_its_place() {
        let of = |identity: Option<&str>, roots: Option<&str>| {
            Tls::of(identity.map(|text| Arc::new(Secret::new(text))), roots.map(Arc::from))
        };
        let all =
            [of(None, None), of(Some("a"), None), of(None, Some("a")), of(Some("a"), Some("b")), of(Some("ab"), None)];
        for (index, left) in all.iter().enumerate() {
            for (other, right) in all.iter().enumerate() {
                assert_eq!(left == right, index == other, "{index} {other}");
            }
        }
        assert_eq!(of(Some("a"), Some("b")), of(Some("a"), Some("b")));
        assert_eq!(of(Some("a"), Some("b")).for_others(), Some(of(None, Some("b"))));
        assert_eq!(of(Some("a"), None).for_others(), None);
        let debug = format!("{:?}", of(Some("canary"), Some(CHAIN)));
        assert_eq!(debug, "Tls { identity: Some(Secret(***)), roots: Some(1) }");
    }
}
