//! A plugin's own configuration: any JSON, with references to secrets in it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::secret::{Secret, SecretRef};
use crate::{BuildEnv, Result};

/// What a secret in clear is written as.
const REDACTED: &str = "redacted:";

/// Text with one of these begins a reference.
const REFERENCES: [&str; 5] = ["env:", "file:", "secret:", "literal:", REDACTED];

/// Names under which secrets are kept, in lower case and without `_` and `-`; a name that ends in one is one too, and
/// everything below it is secret.
const SECRET_NAMES: [&str; 14] = [
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "apikey",
    "appkey",
    "accesskey",
    "secretkey",
    "signingkey",
    "privatekey",
    "credentials",
    "authorization",
];

/// What a plugin gets as its configuration: an object that the host does not look into, but for references to secrets.
///
/// Text that begins with `env:`, `file:` or `secret:`, at any depth, is replaced by the secret it refers to; `literal:` takes the rest as it
/// is. Neither `Debug` nor serialising shows a secret in clear.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// These settings.
    pub fn new(settings: Map<String, Value>) -> Self {
        Self(settings)
    }

    /// The object with its secrets in clear, and the secrets, to take them out of what the plugin says.
    pub(super) async fn resolve(&self, env: &BuildEnv) -> Result<(Value, Vec<Secret>)> {
        let mut references = Vec::new();
        let mut known = Vec::new();
        find(&self.0, false, &mut references, &mut known);
        let mut found = Vec::new();
        for text in references {
            let reference: SecretRef = text.parse()?;
            let secret = env.secret(&reference).await?;
            known.push(secret.clone());
            found.push((text, secret));
        }
        let mut value = Value::Object(self.0.clone());
        replace(&mut value, &found);
        Ok((value, known))
    }
}

/// Finds references, and secrets that stand in clear.
fn find(settings: &Map<String, Value>, is_secret: bool, references: &mut Vec<String>, clear: &mut Vec<Secret>) {
    for (name, value) in settings {
        visit(value, is_secret || is_secret_name(name), references, clear);
    }
}

fn visit(value: &Value, is_secret: bool, references: &mut Vec<String>, clear: &mut Vec<Secret>) {
    match value {
        Value::String(text) if is_reference(text) => references.push(text.clone()),
        Value::String(text) if is_secret && !text.is_empty() => clear.push(Secret::new(text.as_str())),
        Value::Number(number) if is_secret => clear.push(Secret::new(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| visit(item, is_secret, references, clear)),
        Value::Object(members) => find(members, is_secret, references, clear),
        _ => {}
    }
}

fn replace(value: &mut Value, found: &[(String, Secret)]) {
    match value {
        Value::String(text) => {
            if let Some((_, secret)) = found.iter().find(|(reference, _)| reference == text) {
                *text = secret.expose().to_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, found)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, found)),
        _ => {}
    }
}

fn is_reference(text: &str) -> bool {
    REFERENCES.iter().any(|start| text.starts_with(start))
}

fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|character| !matches!(character, '_' | '-')).collect();
    let plain = plain.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|known| plain.ends_with(known))
}

/// The settings as they may be written down.
fn without_secrets(value: &Value, is_secret: bool) -> Value {
    match value {
        Value::String(text) if text.starts_with("literal:") => REDACTED.into(),
        Value::String(text) if is_secret && !is_reference(text) && !text.is_empty() => REDACTED.into(),
        Value::Number(_) if is_secret => REDACTED.into(),
        Value::Array(items) => items.iter().map(|item| without_secrets(item, is_secret)).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                (name.clone(), without_secrets(value, is_secret || is_secret_name(name)))
            };
            Value::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        without_secrets(&Value::Object(self.0.clone()), false).serialize(serializer)
    }
}

/// Shows the names, not the values: any may be a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::secret::StaticSecrets;

    fn settings(value: Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    #[tokio::test]
    async fn references_are_replaced_at_any_depth_and_other_text_is_left() {
        let env =
            BuildEnv::new().with_secrets(Arc::new(StaticSecrets::new([("TOKEN", "canary-1"), ("B", "canary-2")])));
        let settings = settings(json!({
            "url": "https://example.org", "token": "env:TOKEN", "note": "literal:env:X",
            "nested": { "list": ["secret:B", 3, null] }, "password": "in-clear",
        }));
        let (value, secrets) = settings.resolve(&env).await.unwrap();
        assert_eq!(
            value,
            json!({
                "url": "https://example.org", "token": "canary-1", "note": "env:X",
                "nested": { "list": ["canary-2", 3, null] }, "password": "in-clear",
            })
        );
        for secret in ["canary-1", "canary-2", "in-clear"] {
            assert!(secrets.iter().any(|known| known.matches(secret)), "{secret}");
        }
    }

    #[tokio::test]
    async fn a_missing_secret_is_named() {
        let env = BuildEnv::new().with_secrets(Arc::new(StaticSecrets::default()));
        let error = settings(json!({ "token": "env:NOPE" })).resolve(&env).await.unwrap_err();
        assert!(error.to_string().contains("env:NOPE"), "{error}");
    }

    #[test]
    fn what_is_written_down_has_references_and_no_secret() {
        let settings = settings(json!({
            "token": "env:TOKEN", "apiToken": "canary-1", "auth": { "API_KEY": "canary-2" }, "x": "literal:canary-3",
            "url": "https://example.org", "password": "",
        }));
        let written = serde_json::to_string(&settings).unwrap();
        assert!(!written.contains("canary"), "{written}");
        assert!(written.contains("env:TOKEN") && written.contains("https://example.org"), "{written}");
        assert!(!format!("{settings:?}").contains("canary"));
    }

    #[tokio::test]
    async fn what_is_below_the_name_of_a_secret_is_secret() {
        let settings = settings(json!({
            "credentials": { "user": "canary-1", "more": [{ "value": "canary-2" }] }, "passwords": { "pwd": 4_711_000 },
            "secret_access_key": "canary-3", "Authorization": "canary-4", "retries": 3, "projectKey": "OPS",
        }));
        let written = serde_json::to_string(&settings).unwrap();
        assert!(!written.contains("canary") && !written.contains("4711000"), "{written}");
        assert!(written.contains("OPS") && written.contains("\"retries\":3"), "{written}");
        let (value, secrets) = settings.resolve(&BuildEnv::new()).await.unwrap();
        assert_eq!(value["credentials"]["user"], "canary-1", "the plugin gets it");
        for secret in ["canary-1", "canary-2", "canary-3", "canary-4", "4711000"] {
            assert!(secrets.iter().any(|known| known.matches(secret)), "{secret}");
        }
    }
}
