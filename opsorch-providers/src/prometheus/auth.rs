//! Credentials: those that the servers ask for, and those that their webhooks come with.

use opsorch::secret::SecretRef;
use opsorch::transport::Auth;
use opsorch::{BuildEnv, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a server, or the proxy before it, asks for.
///
/// ```
/// use opsorch_providers::prometheus::Credential;
///
/// for text in [
///     r#"{ "bearer": "env:TOKEN" }"#,
///     r#"{ "basic": { "user": "reader", "password": "file:/run/secrets/password" } }"#,
///     r#"{ "header": { "name": "X-API-Key", "value": "env:KEY" } }"#,
/// ] {
///     serde_json::from_str::<Credential>(text)?;
/// }
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Credential {
    /// `Authorization: Bearer TOKEN`.
    Bearer(SecretRef),
    /// `Authorization: Basic …`.
    Basic {
        /// The user, who is not secret.
        user: String,
        /// The password.
        password: SecretRef,
    },
    /// A header of its own.
    Header {
        /// The name of the header.
        name: String,
        /// Its whole value.
        value: SecretRef,
    },
}

impl Credential {
    /// The credential with its secret looked up.
    pub(super) async fn resolve(&self, env: &BuildEnv) -> Result<Auth> {
        Ok(match self {
            Self::Bearer(token) => Auth::bearer(env.secret(token).await?),
            Self::Basic { user, password } => Auth::basic(user, env.secret(password).await?),
            Self::Header { name, value } => Auth::header(name, env.secret(value).await?),
        })
    }
}

/// What an Alertmanager that sends webhooks here proves itself with: its `http_config` must say the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum WebhookAuth {
    /// `Authorization: Bearer TOKEN`: `authorization.credentials` in its `http_config`.
    Bearer(SecretRef),
    /// `Authorization: Basic …`: `basic_auth` in its `http_config`.
    Basic {
        /// The user, who is not secret.
        user: String,
        /// The password.
        password: SecretRef,
    },
}
