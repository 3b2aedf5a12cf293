//! Receives what Datadog sends by itself: notifications of monitors, as the template in the documents makes them.
//!
//! Datadog signs nothing. It proves itself with a secret in a header of its own, which is looked at before anything else.

use std::fmt;

use async_trait::async_trait;
use opsorch::capability::{Delivery, OtherEvent, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::secret::{Secret, SecretRef};
use opsorch::transport::HeaderMap;
use opsorch::{BuildEnv, Context, Error, ErrorKind, Fields, Result};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use url::form_urlencoded;

use super::api::Datadog;
use super::map::webhook::{alert, said};
use super::wire::webhook::{Notification, VERSION};
use crate::fields::put;

/// The header with the secret.
const HEADER: &str = "x-opsorch-secret";

/// The largest body that is read: 1 MiB. A notification is some kilobytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// The shortest secret that is taken: what is shorter can be guessed.
const SHORTEST_SECRET: usize = 16;

/// Receives notifications. Only the digests of the secrets are kept: two digests are compared in the same time whatever
/// was sent, also of another length.
pub(super) struct DatadogWebhook {
    digests: Vec<[u8; 32]>,
    datadog: Datadog,
}

impl DatadogWebhook {
    /// # Errors
    /// `Invalid` for a secret that cannot be found, or is too short.
    pub(super) async fn new(references: &[SecretRef], env: &BuildEnv, datadog: Datadog) -> Result<Self> {
        let mut digests = Vec::new();
        for (index, reference) in references.iter().enumerate() {
            let secret: Secret = env.secret(reference).await?;
            if secret.expose().trim().len() < SHORTEST_SECRET {
                let message = format!("expected a secret of at least {SHORTEST_SECRET} characters");
                return Err(Error::invalid(format!("webhook_secrets[{index}]"), message));
            }
            digests.push(Sha256::digest(secret.expose().trim()).into());
        }
        Ok(Self { digests, datadog })
    }

    /// Whether one of the secrets came along. Every one is compared, so that the time does not tell which it was.
    fn check(&self, headers: &HeaderMap) -> Result<()> {
        let refusal = |message| {
            let hint = "the webhook's custom headers must have `X-Opsorch-Secret` with a secret of `webhook_secrets`";
            Error::new(ErrorKind::Unauthenticated, message).with_context("hint", hint)
        };
        let mut all = headers.get_all(HEADER).iter();
        let (Some(header), None) = (all.next(), all.next()) else {
            return Err(refusal("expected one header `X-Opsorch-Secret`"));
        };
        let digest: [u8; 32] = Sha256::digest(header.as_bytes().trim_ascii()).into();
        let is_known = self.digests.iter().fold(Choice::from(0), |known, one| known | one.ct_eq(&digest));
        match bool::from(is_known) {
            true => Ok(()),
            false => Err(refusal("the secret is another one than expected")),
        }
    }
}

/// Shows no digest either: a weak secret could be guessed from it.
impl fmt::Debug for DatadogWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatadogWebhook").field("secrets", &self.digests.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl WebhookReceiver for DatadogWebhook {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        self.check(&webhook.headers)?;
        if webhook.body.len() > BODY_LIMIT {
            return Err(invalid(format!("expected at most {BODY_LIMIT} bytes, got {}", webhook.body.len())));
        }
        let notification = parse(&webhook.body)?;
        let event = match alert(&self.datadog, &notification) {
            Some(alert) => WebhookEvent::Alert(alert),
            None => other(&notification),
        };
        let mut delivery = Delivery::new(vec![event]);
        // An event is notified of once for each transition; it is sent again under the same id.
        delivery.id = said(&notification.id).map(|id| match said(&notification.alert_transition) {
            Some(transition) => format!("{id}/{transition}"),
            None => id.to_owned(),
        });
        Ok(delivery)
    }
}

/// The body is JSON, or a form with the JSON as `payload`, as Datadog sends it where "Encode as form" is checked.
fn parse(body: &[u8]) -> Result<Notification> {
    let form;
    let json: &[u8] = match body.trim_ascii_start().first() {
        Some(b'{') => body,
        _ => {
            form = form_urlencoded::parse(body).find(|(name, _)| name == "payload").map(|(_, value)| value);
            form.as_deref().unwrap_or_default().as_bytes()
        }
    };
    let notification: Notification = serde_json::from_slice(json).map_err(|error| {
        let problem = match error.is_data() {
            true => "expected what the template in the documents makes, got another shape",
            false => "expected JSON, or a form with JSON as `payload`",
        };
        invalid(format!("{problem}: line {} column {}", error.line(), error.column()))
    })?;
    match notification.opsorch == VERSION {
        true => Ok(notification),
        false => Err(invalid(format!(
            "expected version `{VERSION}` of the template, got `{}`",
            opsorch::visible(&notification.opsorch)
        ))),
    }
}

/// A notification that is about no monitor, such as that of somebody's comment.
fn other(notification: &Notification) -> WebhookEvent {
    let mut fields = Fields::new();
    put(&mut fields, "id", said(&notification.id));
    put(&mut fields, "title", said(&notification.event_title));
    put(&mut fields, "message", said(&notification.message));
    put(&mut fields, "link", said(&notification.link));
    put(&mut fields, "tags", said(&notification.tags));
    let kind = said(&notification.event_type).unwrap_or("notification");
    WebhookEvent::Other(OtherEvent::new(kind, fields))
}

fn invalid(message: String) -> Error {
    Error::invalid("body", message)
}
