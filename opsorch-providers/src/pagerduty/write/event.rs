//! Raises, acknowledges and resolves alerts, by Events API v2.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::capability::{AlertRaiser, AlertResponder};
use opsorch::gate::Approved;
use opsorch::secret::Secret;
use opsorch::transport::{Budget, Client, Limit};
use opsorch::{
    AcknowledgeAlert, Alert, AlertStatusLevel, Context, Error, ErrorKind, Fields, RaiseAlert, ResolveAlert, Result,
};
use serde_json::{Value, json};

use crate::pagerduty::api::answered;
use crate::pagerduty::map::alert::{DESCRIPTION, event_severity};
use crate::pagerduty::read::alert::Alerts;
use crate::pagerduty::wire::{Enqueued, Event, Payload};

/// The longest title: what is longer PagerDuty would cut.
const LONGEST_SUMMARY: usize = 1_024;

/// The longest key.
const LONGEST_KEY: usize = 255;

/// The largest event, in bytes.
const LARGEST_EVENT: usize = 512 * 1_024;

/// The source of an alert that names none.
const SOURCE: &str = "opsorch";

/// The members of `metadata` that stand beside the payload of an event, and those that stand in it.
const BESIDE: [&str; 4] = ["client", "client_url", "links", "images"];
const WITHIN: [&str; 3] = ["component", "group", "class"];

/// What PagerDuty takes under one integration key: 120 events a minute by its documentation.
pub(in crate::pagerduty) fn budget() -> Budget {
    Budget::new().limit(Limit::new("events", 120, Duration::from_secs(60)))
}

/// Sends events under one integration key, which also says on which service alerts are.
pub(in crate::pagerduty) struct Events {
    client: Client,
    routing_key: Secret,
    alerts: Alerts,
}

/// The key stays unseen.
impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("client", &self.client).field("alerts", &self.alerts).finish_non_exhaustive()
    }
}

impl Events {
    pub(in crate::pagerduty) fn new(client: Client, routing_key: Secret, alerts: Alerts) -> Self {
        Self { client, routing_key, alerts }
    }

    /// Sends an event; the key that it has. It is accepted here, and takes effect in a moment.
    async fn send(&self, cx: &Context, event: &Event<'_>) -> Result<String> {
        let body = serde_json::to_vec(event).map_err(|_| Error::invalid("fields", "it cannot be written as JSON"))?;
        if body.len() > LARGEST_EVENT {
            let message = format!("expected an event of at most {LARGEST_EVENT} bytes, got {}", body.len());
            return Err(Error::invalid("fields", message).not_applied());
        }
        let reply = self.client.post("v2/enqueue").body("application/json", body).send_any(cx).await?;
        // The key is the only credential, and an unknown one is refused as an event that cannot be read.
        if reply.status.as_u16() == 400 && String::from_utf8_lossy(&reply.body).to_lowercase().contains("routing key") {
            return Err(reply.error(ErrorKind::Unauthenticated));
        }
        let accepted: Enqueued = answered(reply)?.json()?;
        match accepted.status.as_str() {
            "success" => {
                Ok(accepted.dedup_key.filter(|key| !key.is_empty()).unwrap_or_else(|| event.dedup_key.to_owned()))
            }
            other => Err(Error::unexpected(format!(
                "expected the status `success` of an event, got `{}`",
                opsorch::visible(other)
            ))),
        }
    }

    fn event<'a>(&'a self, action: &'static str, key: &'a str) -> Event<'a> {
        let routing_key = self.routing_key.expose();
        Event { routing_key, event_action: action, dedup_key: key, payload: None, more: Fields::new() }
    }

    /// Brings an alert to another status. PagerDuty drops an event about an alert that is not open without a word, so that
    /// the alert is looked at before.
    async fn respond(&self, cx: &Context, key: &str, reason: Option<&str>, to: AlertStatusLevel) -> Result<Alert> {
        if reason.is_some() {
            let message = "PagerDuty keeps no reason here; leave it out, and append it to the timeline of the incident";
            return Err(Error::unsupported(message));
        }
        let before = self.alerts.find(cx, key).await.map_err(Error::not_applied)?;
        match before.status.level() {
            level if level == to => return Ok(before),
            AlertStatusLevel::Resolved => {
                return Err(Error::conflict(format!("the alert `{}` is resolved", opsorch::visible(key))));
            }
            _ => {}
        }
        let action = if to == AlertStatusLevel::Resolved { "resolve" } else { "acknowledge" };
        self.send(cx, &self.event(action, key)).await?;
        Ok(match self.alerts.find(cx, key).await {
            Ok(after) if after.status.level() == to => after,
            // It is accepted, and will be so in a moment.
            Ok(after) => awaited(after, to),
            Err(_) => awaited(before, to),
        })
    }
}

#[async_trait]
impl AlertRaiser for Events {
    async fn raise(&self, cx: &Context, input: Approved<'_, RaiseAlert>) -> Result<Alert> {
        let severity = check(&input)?;
        let mut details = input.fields.clone();
        if let Some(description) = &input.description {
            details.insert(DESCRIPTION.to_owned(), json!(description));
        }
        let part = |names: &[&str]| -> Fields {
            let members = input.metadata.iter().filter(|(name, _)| names.contains(&name.as_str()));
            members.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let mut event = self.event("trigger", &input.dedup_key);
        event.more = part(&BESIDE);
        event.payload = Some(Payload {
            summary: &input.title,
            source: input.source.as_deref().unwrap_or(SOURCE),
            severity,
            custom_details: details,
            more: part(&WITHIN),
        });
        let key = self.send(cx, &event).await?;
        Ok(match self.alerts.find(cx, &key).await {
            Ok(alert) if alert.status.level() != AlertStatusLevel::Resolved => alert,
            // The one that is there is an earlier one, or there is none yet.
            _ => raised(&input, key, severity),
        })
    }
}

#[async_trait]
impl AlertResponder for Events {
    async fn acknowledge(&self, cx: &Context, input: Approved<'_, AcknowledgeAlert>) -> Result<Alert> {
        self.respond(cx, input.id.as_str(), input.reason.as_deref(), AlertStatusLevel::Acknowledged).await
    }

    async fn resolve(&self, cx: &Context, input: Approved<'_, ResolveAlert>) -> Result<Alert> {
        self.respond(cx, input.id.as_str(), input.reason.as_deref(), AlertStatusLevel::Resolved).await
    }
}

/// Refuses what PagerDuty would cut or drop; its word for the severity.
fn check(input: &RaiseAlert) -> Result<&'static str> {
    if input.title.trim().is_empty() {
        return Err(Error::invalid("title", "expected a title, got a blank one"));
    }
    let length = input.title.chars().count();
    if length > LONGEST_SUMMARY {
        return Err(Error::invalid("title", format!("expected at most {LONGEST_SUMMARY} characters, got {length}")));
    }
    let length = input.dedup_key.chars().count();
    if length == 0 || length > LONGEST_KEY {
        let message = format!("expected 1 to {LONGEST_KEY} characters, got {length}");
        return Err(Error::invalid("dedupKey", message));
    }
    if input.service.is_some() {
        let message = "the integration key says on which service the alert is; leave `service` out";
        return Err(Error::unsupported(message));
    }
    if input.description.is_some() && input.fields.contains_key(DESCRIPTION) {
        return Err(Error::invalid("fields.description", "a description is given twice"));
    }
    let known = || BESIDE.into_iter().chain(WITHIN);
    if let Some(unknown) = input.metadata.keys().find(|name| !known().any(|known| known == name.as_str())) {
        let known: Vec<&str> = known().collect();
        let message = format!("an event has no member `{unknown}`; it has: {}", known.join(", "));
        return Err(Error::unsupported(message));
    }
    event_severity(&input.severity).ok_or_else(|| {
        let message =
            format!("PagerDuty has no severity `{}` of alerts; it has: critical, high, medium, info", input.severity);
        Error::unsupported(message)
    })
}

/// An alert that was accepted and cannot be read yet.
fn raised(input: &RaiseAlert, key: String, severity: &'static str) -> Alert {
    let mut alert = Alert::new(key, &*input.title, AlertStatusLevel::Firing, input.severity.level());
    alert.severity_raw = Some(severity.to_owned());
    alert.description.clone_from(&input.description);
    alert.fields.clone_from(&input.fields);
    alert.metadata("pending", true)
}

/// An alert as it will be.
fn awaited(alert: Alert, to: AlertStatusLevel) -> Alert {
    let mut alert = alert;
    alert.status = to.into();
    alert.metadata("pending", Value::Bool(true))
}
