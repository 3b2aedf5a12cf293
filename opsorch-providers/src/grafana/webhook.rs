//! Receives what Grafana sends by itself.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{Delivery, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::secret::Secret;
use opsorch::transport::{HeaderMap, HeaderName};
use opsorch::{BuildEnv, Clock, Context, Error, ErrorKind, Result};
use serde_json::json;

use super::map::to_alert;
use super::wire::Message;
use super::{GrafanaConfig, WebhookCredential};
use crate::authorization::{self, Authorization};
use crate::notification::{check_identity, check_size, content_id, invalid, read_json};
use crate::replay::{Seen, check_age, seconds};
use crate::signature::is_signed;

/// Receives the messages of a Grafana.
#[derive(Debug)]
pub(super) struct GrafanaWebhook {
    authorizations: Vec<Authorization>,
    signature: Option<Signature>,
    service_label: String,
}

impl GrafanaWebhook {
    /// # Errors
    /// `Invalid` for a configuration by which anybody could send alerts, for a secret that cannot be found, and for what
    /// is no header, scheme, user or label.
    pub(super) async fn new(config: &GrafanaConfig, env: &BuildEnv) -> Result<Self> {
        if config.webhook_secrets.is_empty() && config.credentials.is_empty() {
            let message =
                "expected what Grafana signs with, or `credentials`; without either anybody could send alerts";
            return Err(Error::invalid("webhook_secrets", message));
        }
        if config.service_label.trim().is_empty() {
            return Err(Error::invalid("service_label", "expected the name of a label, got a blank one"));
        }
        let mut authorizations = Vec::new();
        for (index, credential) in config.credentials.iter().enumerate() {
            authorizations.push(resolve(index, credential, env).await?);
        }
        let signature = Signature::new(config, env).await?;
        Ok(Self { authorizations, signature, service_label: config.service_label.clone() })
    }

    /// Everything that is configured must be proved, before anything of the body is read.
    fn check(&self, webhook: &Webhook) -> Result<()> {
        if !self.authorizations.is_empty() {
            let hint = "the contact point must have one of the credentials that are configured here";
            authorization::check(&self.authorizations, &webhook.headers)
                .map_err(|error| error.with_context("hint", hint))?;
        }
        check_size(&webhook.body)?;
        self.signature.as_ref().map_or(Ok(()), |signature| signature.check(webhook))
    }
}

#[async_trait]
impl WebhookReceiver for GrafanaWebhook {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        self.check(webhook)?;
        let mut message: Message = read_json(&webhook.body, "Grafana")?;
        let alerts = message.alerts.take().ok_or_else(|| {
            let hint = "a contact point with a payload of its own cannot be read here";
            invalid(format!("expected `alerts`, got a message without; {hint}"))
        })?;
        let alerts = alerts.all("set the contact point's maximum of alerts")?;
        let mut mapped = Vec::with_capacity(alerts.len());
        for (index, alert) in alerts.into_iter().enumerate() {
            check_identity(index, &alert.labels, &alert.fingerprint)?;
            mapped.push(to_alert(alert, &message, &self.service_label));
        }
        let Message { receiver, org_id, external_url, group_key, truncated_alerts: left_out, .. } = message;
        let id = content_id(&json!([external_url, org_id, receiver, group_key, left_out]), &mapped);
        let delivery = Delivery::new(mapped.into_iter().map(WebhookEvent::Alert).collect()).id(id);
        Ok(match left_out {
            0 => delivery,
            _ => delivery.truncated(format!(
                "Grafana left {left_out} alerts out, because of the contact point's maximum of alerts"
            )),
        })
    }
}

/// The credential with its secret looked up.
async fn resolve(index: usize, credential: &WebhookCredential, env: &BuildEnv) -> Result<Authorization> {
    Ok(match credential {
        WebhookCredential::Bearer(token) => Authorization::new("Bearer", &env.secret(token).await?),
        WebhookCredential::Basic { user, .. } if user.contains(':') => {
            return Err(Error::invalid(format!("credentials[{index}].basic.user"), "expected a user without `:`"));
        }
        WebhookCredential::Basic { user, password } => Authorization::basic(user, &env.secret(password).await?),
        WebhookCredential::Scheme { name, credentials } => {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message = format!("expected the name of a scheme, such as `Token`, got `{name}`");
                return Err(Error::invalid(format!("credentials[{index}].scheme.name"), message));
            }
            Authorization::new(name, &env.secret(credentials).await?)
        }
    })
}

/// The signature that a message must have: HMAC-SHA256 of the body or, with a time stamp, of `stamp:body`.
struct Signature {
    keys: Vec<Secret>,
    header: HeaderName,
    stamp: Option<Stamp>,
}

/// What a time stamp is good for: a request that is too old or was received before is refused.
struct Stamp {
    header: HeaderName,
    clock: Arc<dyn Clock>,
    seen: Seen,
}

impl Signature {
    async fn new(config: &GrafanaConfig, env: &BuildEnv) -> Result<Option<Self>> {
        let header = header("signature_header", &config.signature_header)?;
        let stamp = config.timestamp_header.as_ref().map(|name| self::header("timestamp_header", name)).transpose()?;
        if stamp.is_some() && config.webhook_secrets.is_empty() {
            let message = "expected `webhook_secrets` too: a time stamp that nobody signed says nothing";
            return Err(Error::invalid("timestamp_header", message));
        }
        if stamp.as_ref() == Some(&header) {
            return Err(Error::invalid("timestamp_header", "expected another header than that of the signature"));
        }
        let mut keys = Vec::new();
        for reference in &config.webhook_secrets {
            keys.push(env.secret(reference).await?);
        }
        let stamp = stamp.map(|header| Stamp { header, clock: env.clock(), seen: Seen::default() });
        Ok((!keys.is_empty()).then_some(Self { keys, header, stamp }))
    }

    fn check(&self, webhook: &Webhook) -> Result<()> {
        let signature = one(&webhook.headers, &self.header)?;
        let Some(Stamp { header, clock, seen }) = &self.stamp else {
            return self.check_bytes(&[&webhook.body], signature);
        };
        let stamp = one(&webhook.headers, header)?;
        let at = seconds(stamp).ok_or_else(|| refusal("expected the seconds since 1970 as the time stamp"))?;
        self.check_bytes(&[stamp.as_bytes(), b":", &webhook.body], signature)?;
        let now = clock.now().timestamp();
        check_age(at, now)?;
        seen.once(signature, at, now)
    }

    fn check_bytes(&self, parts: &[&[u8]], signature: &str) -> Result<()> {
        match is_signed(&self.keys, parts, signature) {
            true => Ok(()),
            false => {
                let hint = "`webhook_secrets` must hold the secret of the contact point, and `timestamp_header` must be \
                            its timestamp header, or absent where it has none";
                Err(refusal("the body was not signed with a secret that is known here").with_context("hint", hint))
            }
        }
    }
}

/// Shows no key.
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = self.stamp.as_ref().map(|stamp| &stamp.header);
        write!(f, "Signature({} keys, {}, {stamp:?})", self.keys.len(), self.header)
    }
}

fn header(field: &'static str, name: &str) -> Result<HeaderName> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Error::invalid(field, format!("expected the name of a header, got `{name}`")))
}

/// The value of a header that must come exactly once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next().and_then(|value| value.to_str().ok()), all.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(refusal("expected this header once").with_context("header", name.as_str().to_owned())),
    }
}

fn refusal(message: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}
