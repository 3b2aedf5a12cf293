//! Receives what PagerDuty sends by itself: webhooks v3.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{Delivery, OtherEvent, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::secret::{Secret, SecretRef};
use opsorch::transport::HeaderMap;
use opsorch::{BuildEnv, Context, Error, ErrorKind, Fields, Result, Time};
use serde::Deserialize;
use serde_json::Value;

use super::map::Map;
use super::wire::{Incident, Note, Reference};
use crate::signature::is_signed;

/// The header with the signatures, one for each secret that the subscription has.
const SIGNATURE: &str = "x-pagerduty-signature";

/// The header with the id of a delivery. It is not signed.
const DELIVERY: &str = "x-webhook-id";

/// The signatures that are tried. A subscription has two while its secret is replaced.
const MOST_SIGNATURES: usize = 10;

/// The largest body that is read: 4 MiB.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Receives the events of webhook subscriptions.
#[derive(Debug)]
pub(super) struct PagerDutyWebhook {
    secrets: Vec<Secret>,
    map: Arc<Map>,
}

impl PagerDutyWebhook {
    /// # Errors
    /// `Invalid` for a secret that cannot be found.
    pub(super) async fn new(references: &[SecretRef], env: &BuildEnv, map: Arc<Map>) -> Result<Self> {
        let mut secrets = Vec::new();
        for reference in references {
            secrets.push(env.secret(reference).await?);
        }
        Ok(Self { secrets, map })
    }

    /// Whether one of the secrets made one of the signatures. Signatures of versions to come are passed over.
    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<()> {
        let refusal = |message| {
            let hint = "`webhook_secrets` must hold the secret that PagerDuty showed when the subscription was made";
            Error::new(ErrorKind::Unauthenticated, message).with_context("hint", hint)
        };
        let values = headers.get_all(SIGNATURE).iter().filter_map(|value| value.to_str().ok());
        let signatures: Vec<&str> =
            values.flat_map(|value| value.split(',')).filter_map(|one| one.trim().strip_prefix("v1=")).collect();
        if signatures.is_empty() {
            return Err(refusal("expected a signature `v1=…` in the header `X-PagerDuty-Signature`"));
        }
        let is_ours = |signature: &&str| is_signed(&self.secrets, &[body], signature);
        match signatures.iter().take(MOST_SIGNATURES).any(is_ours) {
            true => Ok(()),
            false => Err(refusal("the body was not signed with a secret that is known here")),
        }
    }
}

#[async_trait]
impl WebhookReceiver for PagerDutyWebhook {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        if webhook.body.len() > BODY_LIMIT {
            let message = format!("expected at most {BODY_LIMIT} bytes, got {}", webhook.body.len());
            return Err(Error::invalid("body", message));
        }
        self.check(&webhook.headers, &webhook.body)?;
        let Envelope { event } = serde_json::from_slice(&webhook.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::invalid("body", format!("expected an event of webhooks v3: line {line} column {column}"))
        })?;
        // The event's own id is signed, so that a repetition cannot pass for another event.
        let header = || webhook.headers.get(DELIVERY)?.to_str().ok().map(str::to_owned);
        let id = event.id.clone().filter(|id| !id.is_empty()).or_else(header);
        let mut delivery = Delivery::new(vec![self.mapped(event)]);
        delivery.id = id;
        Ok(delivery)
    }
}

impl PagerDutyWebhook {
    /// What an event says, by what its data is. What the data cannot be read as is passed on as it came.
    fn mapped(&self, event: Event) -> WebhookEvent {
        let kind = event.data.get("type").and_then(Value::as_str).unwrap_or_default();
        let known = match kind {
            "incident" => Incident::deserialize(&event.data).ok().map(|incident| {
                let mut incident = self.map.incident(incident);
                incident.updated_at = incident.updated_at.or(event.occurred_at);
                WebhookEvent::Incident(incident.metadata("event_type", event.event_type.as_str()))
            }),
            "incident_note" => self.note(&event),
            _ => None,
        };
        known.unwrap_or_else(|| other(event))
    }

    /// A note, which names the incident that it is of.
    fn note(&self, event: &Event) -> Option<WebhookEvent> {
        let incident = event.data.pointer("/incident/id")?.as_str()?;
        let mut note = Note::deserialize(&event.data).ok()?;
        note.created_at = note.created_at.or(event.occurred_at);
        note.user = note.user.or_else(|| event.agent.clone());
        let entry = self.map.note(&incident.into(), note);
        Some(WebhookEvent::Timeline(entry.metadata("event_type", event.event_type.as_str())))
    }
}

fn other(event: Event) -> WebhookEvent {
    let mut fields = Fields::new();
    fields.insert("data".to_owned(), event.data);
    let texts = [
        ("resource_type", event.resource_type),
        ("occurred_at", event.occurred_at.map(|at| at.to_rfc3339())),
        ("agent", event.agent.and_then(|agent| agent.id)),
    ];
    fields.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::String(text?)))));
    WebhookEvent::Other(OtherEvent::new(event.event_type, fields))
}

#[derive(Deserialize)]
struct Envelope {
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    id: Option<String>,
    event_type: String,
    #[serde(default)]
    resource_type: Option<String>,
    #[serde(default)]
    occurred_at: Option<Time>,
    #[serde(default)]
    agent: Option<Reference>,
    #[serde(default)]
    data: Value,
}
