//! A control plane over one provider, `grafana`, and messages as Grafana sends them.

use opsorch::capability::{Delivery, Webhook, WebhookEvent};
use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue};
use opsorch::{Actor, Alert, Context, ManualClock, OpsOrch, Result};
use opsorch_providers::grafana::{GrafanaConfig, WebhookCredential};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Secrets that must be seen nowhere.
pub(super) const CANARY: &str = "canary-0c7e41";
pub(super) const NEXT: &str = "canary-next-5d2f";

pub(super) const SIGNATURE: &str = "X-Grafana-Alerting-Signature";
pub(super) const TIMESTAMP: &str = "X-Grafana-Alerting-Timestamp";

pub(super) struct Desk {
    pub(super) ops: OpsOrch,
    pub(super) clock: ManualClock,
    cx: Context,
}

impl Desk {
    pub(super) async fn of(config: GrafanaConfig) -> Self {
        Self::built(config).await.unwrap()
    }

    pub(super) async fn built(config: GrafanaConfig) -> Result<Self> {
        let clock = ManualClock::default();
        let secrets = StaticSecrets::new([("WEBHOOK", CANARY), ("NEXT", NEXT)]);
        let builder = OpsOrch::builder().configure("grafana", config).clock(clock.clone()).secrets(secrets);
        Ok(Self { ops: builder.build().await?, clock, cx: Context::new(Actor::service("server")) })
    }

    pub(super) async fn send(&self, headers: &[(&str, String)], body: impl Into<Vec<u8>>) -> Result<Delivery> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        self.ops.receive(&self.cx, "grafana", &Webhook::new(map, body.into())).await
    }

    /// The seconds since 1970 that it is now, and with this difference.
    pub(super) fn stamp(&self, difference: i64) -> String {
        use opsorch::Clock;
        (self.clock.now().timestamp() + difference).to_string()
    }
}

pub(super) fn signed() -> GrafanaConfig {
    GrafanaConfig::signed(SecretRef::env("WEBHOOK"))
}

pub(super) fn bearer() -> WebhookCredential {
    WebhookCredential::Bearer(SecretRef::env("WEBHOOK"))
}

/// HMAC-SHA256, made of SHA-256 as RFC 2104 says, so that it is not the provider's own code that signs.
pub(super) fn signature(key: &str, bytes: impl AsRef<[u8]>) -> String {
    let mut padded = [0_u8; 64];
    padded[..key.len()].copy_from_slice(key.as_bytes());
    let pad = |with: u8| padded.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(bytes).finalize();
    let outer: [u8; 32] = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What comes of a message that is signed.
pub(super) async fn receive(message: &Value) -> Result<Delivery> {
    let body = message.to_string();
    Desk::of(signed()).await.send(&[(SIGNATURE, signature(CANARY, &body))], body).await
}

pub(super) fn alerts(delivery: &Delivery) -> Vec<&Alert> {
    let mut alerts = Vec::new();
    for event in &delivery.events {
        let WebhookEvent::Alert(alert) = event else { panic!("expected an alert, got {event:?}") };
        alerts.push(alert);
    }
    alerts
}

/// A message of one alert.
pub(super) fn message() -> Value {
    json!({
        "receiver": "opsorch", "status": "firing", "orgId": 3, "alerts": [firing()],
        "groupLabels": { "alertname": "HighMemory" }, "commonLabels": { "team": "blue" }, "commonAnnotations": {},
        "externalURL": "https://grafana.example.org/", "version": "1", "groupKey": "{}:{alertname=\"HighMemory\"}",
        "truncatedAlerts": 0, "title": "[FIRING:1] HighMemory", "state": "alerting", "message": "**Firing**",
    })
}

pub(super) fn firing() -> Value {
    json!({
        "status": "firing",
        "labels": { "alertname": "HighMemory", "severity": "critical", "service": "api", "team": "blue" },
        "annotations": { "summary": "memory is high", "runbook_url": "https://example.org/rb" },
        "startsAt": "2026-01-01T09:51:03.157076+02:00", "endsAt": "0001-01-01T00:00:00Z",
        "values": { "B": 44.25, "C": 1 },
        "valueString": "[ var='B' labels={} value=44.25 ]",
        "generatorURL": "https://grafana.example.org/alerting/grafana/abc/view?orgId=3",
        "fingerprint": "c6eadffa33fcdf37",
        "silenceURL": "https://grafana.example.org/alerting/silence/new?matcher=alertname%3DHighMemory",
        "dashboardURL": "https://grafana.example.org/d/xyz",
        "panelURL": "https://grafana.example.org/d/xyz?viewPanel=1",
    })
}

pub(super) fn resolved() -> Value {
    json!({
        "status": "resolved", "labels": { "alertname": "DiskFull" }, "annotations": null, "values": null,
        "startsAt": "2026-01-01T03:00:00Z", "endsAt": "2026-01-01T03:20:00Z", "fingerprint": "00000000000000aa",
        "generatorURL": "", "dashboardURL": "", "panelURL": "", "imageURL": "https://grafana.example.org/shot.png",
    })
}

pub(super) fn with(mut message: Value, name: &str, value: Value) -> Value {
    message[name] = value;
    message
}

pub(super) fn without(mut message: Value, name: &str) -> Value {
    message.as_object_mut().unwrap().remove(name);
    message
}
