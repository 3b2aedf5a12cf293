//! Receives what Slack's Events API sends.

use std::borrow::Cow;

use async_trait::async_trait;
use opsorch::capability::{Delivery, OtherEvent, Webhook, WebhookEvent, WebhookReceiver};
use opsorch::{Context, Error, Fields, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::proof::Proof;

/// The largest request that is read: 1 MiB.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;

/// Receives events.
#[derive(Debug)]
pub(super) struct Events {
    proof: Proof,
}

impl Events {
    pub(super) fn new(proof: Proof) -> Self {
        Self { proof }
    }
}

#[async_trait]
impl WebhookReceiver for Events {
    async fn receive(&self, _: &Context, webhook: &Webhook) -> Result<Delivery> {
        self.proof.check(webhook)?;
        limit(&webhook.body)?;
        let envelope: Envelope<'_> = serde_json::from_slice(&webhook.body).map_err(|error| {
            let message = "expected an event as Slack sends it, in JSON; buttons go to `SlackInteractions`";
            Error::invalid("body", format!("{message}: line {} column {}", error.line(), error.column()))
        })?;
        match &*envelope.kind {
            "url_verification" => match envelope.challenge {
                Some(challenge) => Ok(Delivery::new(Vec::new()).answer(challenge)),
                None => Err(Error::invalid("body.challenge", "expected a challenge to answer with")),
            },
            "event_callback" => callback(envelope),
            "app_rate_limited" => {
                Ok(Delivery::new(Vec::new()).truncated("Slack held events back: there were too many"))
            }
            other => Ok(Delivery::new(vec![event(other, Fields::new())])),
        }
    }
}

/// What all that Slack sends to an app has around it.
#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    challenge: Option<String>,
    #[serde(default)]
    event_id: Option<String>,
    #[serde(default)]
    event_time: Option<i64>,
    #[serde(default)]
    team_id: Option<String>,
    #[serde(default)]
    api_app_id: Option<String>,
    #[serde(default)]
    authorizations: Vec<Authorization>,
    #[serde(default)]
    event: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Authorization {
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    is_bot: bool,
}

fn callback(envelope: Envelope<'_>) -> Result<Delivery> {
    let id = envelope.event_id.as_deref().filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Error::invalid("body.event_id", "expected the id of the event"))?.to_owned();
    let Some(kind) = text(&envelope.event, "type") else {
        return Err(Error::invalid("body.event.type", "expected the type of the event"));
    };
    let events = match kind {
        _ if is_own(&envelope) => Vec::new(),
        "message" => vec![event("message", message(&envelope))],
        other => vec![event(other, envelope.event.clone().into_iter().collect())],
    };
    Ok(Delivery::new(events).id(id))
}

/// Whether this app wrote it: an app that answers itself never stops.
fn is_own(envelope: &Envelope<'_>) -> bool {
    // A message that was changed or deleted stands inside.
    let inner = ["message", "previous_message"].iter().find_map(|name| envelope.event.get(*name)?.as_object());
    let said = inner.unwrap_or(&envelope.event);
    let app = envelope.api_app_id.as_deref().filter(|app| !app.is_empty());
    let by_profile = said.get("bot_profile").and_then(|profile| profile.get("app_id")).and_then(Value::as_str);
    let by_app = app.is_some_and(|app| text(said, "app_id") == Some(app) || by_profile == Some(app));
    let user = text(said, "user").filter(|user| !user.is_empty());
    by_app || envelope.authorizations.iter().any(|bot| bot.is_bot && Some(bot.user_id.as_str()) == user)
}

/// What a message says. The text of one that was changed is inside the event.
fn message(envelope: &Envelope<'_>) -> Fields {
    let event = &envelope.event;
    let changed = event.get("message").and_then(Value::as_object);
    let deleted = event.get("previous_message").and_then(Value::as_object);
    let said = match text(event, "subtype") {
        Some("message_changed") => changed.unwrap_or(event),
        Some("message_deleted") => deleted.unwrap_or(event),
        _ => event,
    };
    let mut fields = Fields::new();
    let here = [("channel", "channel"), ("channelType", "channel_type"), ("subtype", "subtype")];
    let there = [("ts", "ts"), ("threadRef", "thread_ts"), ("user", "user"), ("botId", "bot_id"), ("text", "text")];
    for (from, names) in [(event, here.as_slice()), (said, there.as_slice())] {
        let known = names.iter().filter_map(|(name, theirs)| Some(((*name).to_owned(), from.get(*theirs)?.clone())));
        fields.extend(known.filter(|(_, value)| !value.is_null()));
    }
    fields.extend(envelope.team_id.as_ref().map(|team| ("team".to_owned(), json!(team))));
    fields.extend(envelope.event_time.map(|time| ("eventTime".to_owned(), json!(time))));
    fields
}

fn event(kind: &str, fields: Fields) -> WebhookEvent {
    WebhookEvent::Other(OtherEvent::new(kind, fields))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// Refuses what is too large to be meant.
pub(super) fn limit(body: &[u8]) -> Result<()> {
    match body.len() {
        0..=BODY_LIMIT => Ok(()),
        more => Err(Error::invalid("body", format!("expected at most {BODY_LIMIT} bytes, got {more}"))),
    }
}
