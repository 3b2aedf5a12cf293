//! References to secrets: what a configuration holds in their place.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Secret;
use super::store::check_name;
use crate::{Error, Result};

/// What a literal is written as, so that a configuration can be written down without it.
const REDACTED: &str = "redacted:";

/// Where a secret is to be found. In a configuration it is text:
///
/// | text | means |
/// |---|---|
/// | `env:NAME` | the environment variable |
/// | `file:PATH` | the content of the file, without one newline at its end |
/// | `secret:NAME` | the secret of this name in the [store](super::SecretStore) of the control plane |
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
    /// A secret of the configured store, by its name there.
    Stored(String),
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

    /// A reference to a secret of the configured store.
    pub fn stored(name: impl Into<String>) -> Self {
        Self::Stored(name.into())
    }

    /// The secret itself.
    pub fn literal(value: impl Into<String>) -> Self {
        Self::Literal(Secret::new(value))
    }

    pub(super) fn error(&self, message: impl Into<Cow<'static, str>>) -> Error {
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
            Some(("secret", name)) => {
                check_name(name)?;
                (name, Self::stored as fn(String) -> Self)
            }
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
                    "this looks like a reference of a kind that is not known; expected env:NAME, file:PATH or \
                     secret:NAME (in lower case), or literal:VALUE for a value that begins like this",
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
            ("", _) => {
                Err(Error::invalid("secret", "expected env:NAME, file:PATH, secret:NAME or a value, got nothing"))
            }
            (value, make) => Ok(make(value.to_owned())),
        }
    }
}

/// Whether what stands before a colon was meant to name a place, misspelt or of a kind that others have: sent to a vendor
/// as it is, it would be a wrong credential at best.
fn looks_like_a_reference(word: &str) -> bool {
    const PLACES: [&str; 15] = [
        "env",
        "evn",
        "environment",
        "file",
        "path",
        "literal",
        "redacted",
        "secret",
        "secrets",
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
            Self::Stored(name) => write!(f, "secret:{name}"),
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
            (Self::Stored(one), Self::Stored(other)) => one == other,
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
            "description": "Where the secret is: `env:NAME`, `file:PATH`, `secret:NAME` of the secret store, or the \
                            value itself (`literal:VALUE` for a value that begins like a reference).",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CANARY: &str = "canary-5f1d";

    #[test]
    fn a_misspelt_reference_is_not_taken_for_a_secret() {
        for text in [
            "ENV:TOKEN",
            "Secret:TOKEN",
            "secrets:TOKEN",
            "evn:TOKEN",
            "Env:TOKEN",
            "File:/x",
            "vault:a/b",
            " env:TOKEN",
            "$TOKEN",
            "${TOKEN}",
        ] {
            let error = text.parse::<SecretRef>().unwrap_err().to_string();
            assert!(error.contains("env:NAME") && !error.contains("TOKEN"), "{text}: {error}");
        }
        for text in ["xoxb-1:2", "a:b", "literal:vault:a/b", "literal:$TOKEN"] {
            assert!(matches!(text.parse(), Ok(SecretRef::Literal(_))), "{text}");
        }
    }

    #[test]
    fn references_round_trip_and_literals_are_redacted() {
        for text in ["env:JIRA_TOKEN", "secret:jira/token", "file:/run/secrets/jira token", "file:C:\\keys\\jira"] {
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
        for text in ["", "env:", "file:", "literal:", "env:A=B", "secret:", "secret:/a", "secret:a//b", "secret:../a"] {
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
}
