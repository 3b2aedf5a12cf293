//! Secrets: text that cannot be printed, references to it, and where they are looked up.
//!
//! A configuration holds a [`SecretRef`]; a [`SecretSource`] turns it into a [`Secret`] when a provider is built.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opsorch::Result<()> {
//! use opsorch::secret::{SecretRef, SecretSource, StaticSecrets};
//!
//! let reference: SecretRef = "env:JIRA_TOKEN".parse()?;
//! let secrets = StaticSecrets::new([("JIRA_TOKEN", "s3cr3t")]);
//! let token = secrets.resolve(&reference).await?;
//!
//! assert_eq!(token.expose(), "s3cr3t");
//! assert_eq!(format!("{token:?} from {reference}"), "Secret(***) from env:JIRA_TOKEN");
//! # Ok(())
//! # }
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Error, Result};

/// The largest file that is read as a secret: 64 KiB, far above any token or key.
const FILE_LIMIT: usize = 64 * 1024;

/// What a literal is written as, so that a configuration can be written down without it.
const REDACTED: &str = "redacted:";

/// Text that cannot be printed: no `Display`, no `Serialize`, and a `Debug` without the text.
///
/// The memory is wiped when it is dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Keeps this text secret from here on.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one place that needs it, never for a log, an error or a URL.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is this text, in a time that does not tell how much of it is right.
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Where a secret is to be found. In a configuration it is text:
///
/// | text | means |
/// |---|---|
/// | `env:NAME` | the environment variable |
/// | `file:PATH` | the content of the file, without one newline at its end |
/// | `literal:VALUE` | the value itself, whatever it begins with |
/// | anything else | the value itself |
///
/// A literal is never printed, and is written as `redacted:`, which cannot be read again.
#[derive(Clone)]
#[non_exhaustive]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
    /// The secret itself.
    Literal(Secret),
}

impl SecretRef {
    /// A reference to an environment variable.
    pub fn env(name: impl Into<String>) -> Self {
        Self::Env(name.into())
    }

    /// A reference to a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// The secret itself.
    pub fn literal(value: impl Into<String>) -> Self {
        Self::Literal(Secret::new(value))
    }

    fn error(&self, message: impl Into<Cow<'static, str>>) -> Error {
        Error::invalid(self.to_string(), message)
    }
}

impl FromStr for SecretRef {
    type Err = Error;

    /// Reads the text of a configuration.
    ///
    /// # Errors
    /// `Invalid` for an empty name, path or value, and for `redacted:`. No error shows the text.
    fn from_str(text: &str) -> Result<Self> {
        let reference = match text.split_once(':') {
            Some(("env", name)) if name.contains(['=', '\0']) => {
                return Err(Error::invalid("secret", "the name of an environment variable holds no `=` and no NUL"));
            }
            Some(("env", name)) => (name, Self::env as fn(String) -> Self),
            Some(("file", path)) => (path, Self::file as fn(String) -> Self),
            Some(("literal", value)) => (value, Self::literal as fn(String) -> Self),
            Some(("redacted", _)) => {
                return Err(Error::invalid(
                    "secret",
                    "a literal secret was redacted when this configuration was written; \
                     put a reference such as env:NAME or file:PATH in its place",
                ));
            }
            Some((word, _)) if looks_like_a_reference(word) => {
                return Err(Error::invalid(
                    "secret",
                    "this looks like a reference of a kind that is not known; expected env:NAME or file:PATH \
                     (in lower case), or literal:VALUE for a value that begins like this",
                ));
            }
            _ if text.starts_with('$') => {
                return Err(Error::invalid(
                    "secret",
                    "variables are not expanded here; expected env:NAME, or literal:VALUE",
                ));
            }
            _ => (text, Self::literal as fn(String) -> Self),
        };
        match reference {
            ("", _) => Err(Error::invalid("secret", "expected env:NAME, file:PATH or a value, got nothing")),
            (value, make) => Ok(make(value.to_owned())),
        }
    }
}

/// Whether what stands before a colon was meant to name a place, misspelt or of a kind that others have: sent to a vendor
/// as it is, it would be a wrong credential at best.
fn looks_like_a_reference(word: &str) -> bool {
    const PLACES: [&str; 14] = [
        "env",
        "evn",
        "environment",
        "file",
        "path",
        "literal",
        "redacted",
        "secret",
        "vault",
        "kms",
        "aws",
        "gcp",
        "azure",
        "op",
    ];
    PLACES.iter().any(|place| word.trim().eq_ignore_ascii_case(place))
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Literal(_) => f.write_str("literal"),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({self})")
    }
}

impl PartialEq for SecretRef {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Env(one), Self::Env(other)) => one == other,
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Literal(one), Self::Literal(other)) => one.matches(other.expose()),
            _ => false,
        }
    }
}

impl Eq for SecretRef {}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Literal(_) => serializer.serialize_str(REDACTED),
            Self::File(path) if path.to_str().is_none() => {
                Err(serde::ser::Error::custom("the path of a secret's file is not UTF-8"))
            }
            reference => serializer.collect_str(reference),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `deserialize_str` would leave the refusal of another type, value included, to the format.
        deserializer.deserialize_any(ReferenceVisitor)
    }
}

/// Reads a reference. serde's own message for another type would print the value: a password may be a number.
struct ReferenceVisitor;

impl ReferenceVisitor {
    fn not_text<E: de::Error>(self) -> Result<SecretRef, E> {
        Err(E::custom("expected text such as env:NAME or file:PATH; put the value in quotes"))
    }
}

impl de::Visitor<'_> for ReferenceVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text such as env:NAME or file:PATH")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
        text.parse().map_err(|error: Error| E::custom(error.message()))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretRef, E> {
        self.not_text()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
        self.not_text()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<SecretRef, E> {
        self.not_text()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretRef, E> {
        self.not_text()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<SecretRef, E> {
        self.not_text()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
        self.not_text()
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<SecretRef, E> {
        self.not_text()
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "Where the secret is: `env:NAME`, `file:PATH`, or the value itself (`literal:VALUE` for a \
                            value that begins like a reference).",
        })
    }
}

/// Where secrets are looked up: for those who keep them in a vault of their own.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync + 'static {
    /// The secret that this reference means.
    ///
    /// # Errors
    /// `Invalid`, naming the reference, where there is no such secret or it is empty. An error never shows a value.
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret>;
}

/// The environment variables and files of this process.
///
/// Refused, with an error that names the reference: a variable that is not set, a file that cannot be read or is larger
/// than 64 KiB, a value that is empty or not UTF-8.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemSecrets;

#[async_trait]
impl SecretSource for SystemSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        let text = match reference {
            SecretRef::Env(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => {
                    return Err(reference.error("the environment variable is not set"));
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(reference.error("the environment variable is not UTF-8"));
                }
            },
            SecretRef::File(_) => {
                // A file may be on a network mount or a pipe: it must not hold up the runtime.
                let reference = reference.clone();
                let reading = tokio::task::spawn_blocking(move || read_file(&reference));
                reading.await.map_err(|error| Error::unexpected("reading a secret failed").with_source(error))??
            }
            SecretRef::Literal(secret) => return Ok(secret.clone()),
        };
        not_empty(reference, Secret::new(text))
    }
}

/// Secrets given by the embedding program: for tests, and where they come from elsewhere.
///
/// `env:NAME` and `file:PATH` are looked up as `NAME` and `PATH`; a literal is itself.
#[derive(Clone, Debug, Default)]
pub struct StaticSecrets(BTreeMap<String, Secret>);

impl StaticSecrets {
    /// These secrets by name.
    pub fn new<N: Into<String>, S: Into<String>>(secrets: impl IntoIterator<Item = (N, S)>) -> Self {
        Self(secrets.into_iter().map(|(name, secret)| (name.into(), Secret::new(secret))).collect())
    }

    fn find(&self, reference: &SecretRef, name: &str) -> Result<Secret> {
        self.0.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            reference.error(format!("there is no such secret; known are: {}", known.join(", ")))
        })
    }
}

#[async_trait]
impl SecretSource for StaticSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        let secret = match reference {
            SecretRef::Env(name) => self.find(reference, name)?,
            SecretRef::File(path) => self.find(reference, &path.to_string_lossy())?,
            SecretRef::Literal(secret) => secret.clone(),
        };
        not_empty(reference, secret)
    }
}

fn not_empty(reference: &SecretRef, secret: Secret) -> Result<Secret> {
    match secret.expose() {
        "" => Err(reference.error("the secret is empty")),
        _ => Ok(secret),
    }
}

fn read_file(reference: &SecretRef) -> Result<String> {
    let SecretRef::File(path) = reference else {
        return Err(reference.error("expected a reference to a file"));
    };
    let bytes = read_limited(path).map_err(|error| reference.error("the file cannot be read").with_source(error))?;
    if bytes.len() > FILE_LIMIT {
        return Err(reference.error("the file is larger than 64 KiB; is it the right one?"));
    }
    // The error of a failed conversion holds the bytes, so it is dropped.
    let text = std::str::from_utf8(&bytes).map_err(|_| reference.error("the file is not UTF-8"))?;
    let line = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text));
    Ok(line.unwrap_or(text).to_owned())
}

/// At most one byte more than the limit. The buffer never grows, because growing would leave copies behind.
fn read_limited(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let most = FILE_LIMIT + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CANARY: &str = "canary-5f1d";

    /// Everything an error can print, its sources included.
    fn printed(error: &Error) -> String {
        let mut text = format!("{error} {error:?} {error:#?}");
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            text += &format!(" {error} {error:?}");
            source = error.source();
        }
        text
    }

    async fn resolve_file(content: &[u8]) -> Result<Secret> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        SystemSecrets.resolve(&SecretRef::file(path)).await
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new(CANARY);
        let reference = SecretRef::literal(CANARY);
        let source = StaticSecrets::new([("TOKEN", CANARY)]);
        let printed = format!("{secret:?} {secret:#?} {reference} {reference:?} {reference:#?} {source:?} {source:#?}");
        assert!(!printed.contains("canary"), "{printed}");
        assert_eq!(format!("{:?}", SecretRef::env("TOKEN")), "SecretRef(env:TOKEN)");
    }

    #[test]
    fn a_misspelt_reference_is_not_taken_for_a_secret() {
        for text in ["ENV:TOKEN", "evn:TOKEN", "Env:TOKEN", "File:/x", "vault:a/b", " env:TOKEN", "$TOKEN", "${TOKEN}"]
        {
            let error = text.parse::<SecretRef>().unwrap_err().to_string();
            assert!(error.contains("env:NAME") && !error.contains("TOKEN"), "{text}: {error}");
        }
        for text in ["xoxb-1:2", "a:b", "literal:vault:a/b", "literal:$TOKEN"] {
            assert!(matches!(text.parse(), Ok(SecretRef::Literal(_))), "{text}");
        }
    }

    #[test]
    fn a_secret_matches_itself_only() {
        let secret = Secret::new(CANARY);
        assert!(secret.matches(CANARY));
        assert!(!secret.matches("canary-5f1e"));
        assert!(!secret.matches("canary"));
        assert!(!secret.matches(""));
    }

    #[test]
    fn references_round_trip_and_literals_are_redacted() {
        for text in ["env:JIRA_TOKEN", "file:/run/secrets/jira token", "file:C:\\keys\\jira"] {
            let reference: SecretRef = serde_json::from_value(json!(text)).unwrap();
            assert_eq!(serde_json::to_value(&reference).unwrap(), json!(text));
        }
        for text in [CANARY, "literal:env:HOME", "https://h/x"] {
            let reference: SecretRef = serde_json::from_value(json!(text)).unwrap();
            assert!(matches!(reference, SecretRef::Literal(_)), "{text}");
            assert_eq!(serde_json::to_value(&reference).unwrap(), json!("redacted:"));
        }
        assert_eq!("literal:env:HOME".parse::<SecretRef>().unwrap(), SecretRef::literal("env:HOME"));
        assert_ne!(SecretRef::literal("HOME"), SecretRef::env("HOME"));
    }

    #[test]
    fn a_redacted_literal_cannot_be_read_again() {
        let error = serde_json::from_value::<SecretRef>(json!("redacted:")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a literal secret was redacted when this configuration was written; \
             put a reference such as env:NAME or file:PATH in its place"
        );
    }

    #[test]
    fn what_is_no_reference_is_refused_without_being_shown() {
        for text in ["", "env:", "file:", "literal:", "env:A=B"] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(matches!(error.kind(), crate::ErrorKind::Invalid { .. }), "{error}");
        }
        for value in [json!(5511), json!(-5511), json!(55.11), json!(true)] {
            let error = serde_json::from_value::<SecretRef>(value).unwrap_err().to_string();
            assert!(error.starts_with("expected text"), "{error}");
            assert!(!error.contains("55") && !error.contains("true"), "{error}");
        }
    }

    #[test]
    fn the_schema_is_a_string() {
        assert_eq!(schemars::schema_for!(SecretRef).as_value()["type"], "string");
    }

    #[tokio::test]
    async fn the_environment_is_read_and_a_missing_variable_named() {
        let found = SystemSecrets.resolve(&SecretRef::env("CARGO_MANIFEST_DIR")).await.unwrap();
        assert!(found.matches(env!("CARGO_MANIFEST_DIR")));

        let error = SystemSecrets.resolve(&SecretRef::env("OPSORCH_NO_SUCH_VARIABLE")).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid env:OPSORCH_NO_SUCH_VARIABLE: the environment variable is not set");
    }

    #[tokio::test]
    async fn one_newline_at_the_end_of_a_file_is_cut() {
        for (content, expected) in [
            ("s3cr3t", "s3cr3t"),
            ("s3cr3t\n", "s3cr3t"),
            ("s3cr3t\r\n", "s3cr3t"),
            ("a\nb\n\n", "a\nb\n"),
            (" a ", " a "),
        ] {
            assert_eq!(resolve_file(content.as_bytes()).await.unwrap().expose(), expected);
        }
    }

    #[tokio::test]
    async fn a_file_of_64_kib_is_read_and_a_larger_one_refused() {
        assert_eq!(resolve_file(&vec![b'x'; 64 * 1024]).await.unwrap().expose().len(), 64 * 1024);
        let error = resolve_file(&vec![b'x'; 64 * 1024 + 1]).await.unwrap_err();
        assert!(error.message().contains("larger than 64 KiB"), "{error}");
    }

    #[tokio::test]
    async fn a_bad_file_is_named_and_its_content_is_not_shown() {
        let not_utf8 = [CANARY.as_bytes(), b"\xff"].concat();
        for content in [b"".as_slice(), b"\n", b"\r\n", &not_utf8] {
            let error = resolve_file(content).await.unwrap_err();
            let printed = printed(&error);
            assert!(printed.contains("file:") && printed.contains("token"), "{printed}");
            assert!(!printed.contains("canary") && !printed.contains("99, 97, 110"), "{printed}");
        }
        let missing = SystemSecrets.resolve(&SecretRef::file("/nonexistent/token")).await.unwrap_err();
        assert!(
            missing.to_string().starts_with("invalid file:/nonexistent/token: the file cannot be read"),
            "{missing}"
        );
    }

    #[tokio::test]
    async fn given_secrets_are_found_by_name_and_an_unknown_one_lists_the_known() {
        let source = StaticSecrets::new([("A", CANARY), ("/run/b", "other"), ("EMPTY", "")]);
        assert!(source.resolve(&SecretRef::env("A")).await.unwrap().matches(CANARY));
        assert!(source.resolve(&SecretRef::file("/run/b")).await.unwrap().matches("other"));
        assert!(source.resolve(&SecretRef::literal("x")).await.unwrap().matches("x"));
        assert!(source.resolve(&SecretRef::env("EMPTY")).await.is_err());

        let error = source.resolve(&SecretRef::env("C")).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid env:C: there is no such secret; known are: /run/b, A, EMPTY");
        assert!(!printed(&error).contains("canary"));
    }
}
