#![doc = include_str!("grafana/docs.md")]

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::secret::SecretRef;
use opsorch::{BuildEnv, Provider, ProviderConfig, ProviderName, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::webhook::GrafanaWebhook;

mod map;
mod webhook;
mod wire;

/// The name of this kind.
pub const KIND: &str = "grafana";

/// The configuration of a Grafana that sends its alerts here.
///
/// ```
/// use opsorch_providers::grafana::GrafanaConfig;
///
/// let config: GrafanaConfig = serde_json::from_str(
///     r#"{
///         "webhook_secrets": ["env:GRAFANA_WEBHOOK_SECRET"],
///         "timestamp_header": "X-Grafana-Alerting-Timestamp"
///     }"#,
/// )?;
/// assert_eq!(config.signature_header, "X-Grafana-Alerting-Signature");
/// assert_eq!(config.service_label, "service");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GrafanaConfig {
    /// The secrets that contact points sign with, any of which will do; several are for the time of a rotation. With one,
    /// a message without a signature is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhook_secrets: Vec<SecretRef>,
    /// The header with the signature: `X-Grafana-Alerting-Signature` by default, as in Grafana.
    pub signature_header: String,
    /// The header with the time stamp that is signed too, if the contact point names one. Grafana has no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<String>,
    /// The values of the header `Authorization`, any of which will do. With one, a message without it is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<WebhookCredential>,
    /// The label that holds the service: `service` by default.
    pub service_label: String,
}

impl Default for GrafanaConfig {
    fn default() -> Self {
        Self {
            webhook_secrets: Vec::new(),
            signature_header: "X-Grafana-Alerting-Signature".to_owned(),
            timestamp_header: None,
            credentials: Vec::new(),
            service_label: "service".to_owned(),
        }
    }
}

/// What a Grafana that sends webhooks here proves itself with: its contact point must say the same.
///
/// ```
/// use opsorch_providers::grafana::WebhookCredential;
///
/// for text in [
///     r#"{ "bearer": "env:TOKEN" }"#,
///     r#"{ "basic": { "user": "grafana", "password": "file:/run/secrets/password" } }"#,
///     r#"{ "scheme": { "name": "Token", "credentials": "env:TOKEN" } }"#,
/// ] {
///     serde_json::from_str::<WebhookCredential>(text)?;
/// }
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum WebhookCredential {
    /// `Authorization: Bearer …`: the contact point's authorization header, with the scheme that it has by default.
    Bearer(SecretRef),
    /// `Authorization: Basic …`: the contact point's basic authentication.
    Basic {
        /// The user, who is not secret.
        user: String,
        /// The password.
        password: SecretRef,
    },
    /// The contact point's authorization header with another scheme.
    Scheme {
        /// The name of the scheme.
        name: String,
        /// What comes after it.
        credentials: SecretRef,
    },
}

impl GrafanaConfig {
    /// Messages that are signed with this secret.
    pub fn signed(secret: SecretRef) -> Self {
        Self::default().webhook_secret(secret)
    }

    /// Messages that come with this credential. Grafana signs since its release 12; before, this is all there is.
    pub fn authorized(credential: WebhookCredential) -> Self {
        Self::default().credential(credential)
    }

    /// Adds a secret that messages may be signed with.
    pub fn webhook_secret(mut self, secret: SecretRef) -> Self {
        self.webhook_secrets.push(secret);
        self
    }

    /// Sets the header with the time stamp that is signed too.
    pub fn timestamp_header(mut self, name: impl Into<String>) -> Self {
        self.timestamp_header = Some(name.into());
        self
    }

    /// Adds a credential that messages may come with.
    pub fn credential(mut self, credential: WebhookCredential) -> Self {
        self.credentials.push(credential);
        self
    }
}

#[async_trait]
impl ProviderConfig for GrafanaConfig {
    const KIND: &'static str = KIND;

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let webhook = GrafanaWebhook::new(&self, env).await?;
        Ok(Provider::new(name).kind(KIND).with_webhook_receiver(Arc::new(webhook)))
    }
}
