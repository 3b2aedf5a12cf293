//! Webhooks v3: who sent them, and what they say.

use hmac_of::signature;
use opsorch::capability::{Delivery, Webhook, WebhookEvent};
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue};
use opsorch::{ErrorKind, Result};
use serde_json::{Value, json};

use super::desk::Desk;

/// HMAC-SHA256, made of SHA-256 as RFC 2104 says, so that it is not the provider's own code that signs.
mod hmac_of {
    use sha2::{Digest, Sha256};

    pub(super) fn signature(key: &str, body: &[u8]) -> String {
        let mut padded = [0_u8; 64];
        padded[..key.len()].copy_from_slice(key.as_bytes());
        let pad = |with: u8| padded.map(|byte| byte ^ with);
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(body).finalize();
        let outer: [u8; 32] = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into();
        outer.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// An event of this type, with this data.
fn event(kind: &str, data: Value) -> String {
    let event = json!({
        "id": "01CD4DFGHF45", "event_type": kind, "resource_type": "incident",
        "occurred_at": "2026-01-01T00:00:00.169Z", "agent": null, "client": null, "data": data,
    });
    json!({ "event": event }).to_string()
}

fn triggered() -> String {
    event(
        "incident.triggered",
        json!({
            "id": "PGR0VU2", "type": "incident", "title": "café ☃ down", "status": "triggered", "number": 2,
            "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2", "created_at": "2025-12-31T23:59:00Z",
            "incident_key": "d3640fbd", "urgency": "high", "service": { "id": "PF9KMXH", "summary": "API", "type": "service_reference" },
            "assignees": [{ "id": "PTUXL6G", "summary": "User 123", "type": "user_reference" }],
            "priority": { "id": "PSO75BM", "summary": "P1", "type": "priority_reference" },
        }),
    )
}

fn webhook(headers: &[(&'static str, String)], body: &str) -> Webhook {
    let pairs =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let mut map = HeaderMap::new();
    pairs.for_each(|(name, value)| _ = map.append(name, value));
    Webhook::new(map, body.as_bytes().to_vec())
}

async fn receive(headers: &[(&'static str, String)], body: &str) -> Result<Delivery> {
    let desk = Desk::open().await;
    let received = desk.ops.receive(&desk.cx, "pd", &webhook(headers, body)).await;
    assert!(desk.wire.requests().is_empty());
    received
}

fn signed(key: &str, body: &str) -> (&'static str, String) {
    ("x-pagerduty-signature", format!("v1={}", signature(key, body.as_bytes())))
}

/// What a body says that is signed as it should be.
async fn said(body: &str) -> WebhookEvent {
    receive(&[signed("s3cret", body)], body).await.unwrap().events.remove(0)
}

#[test]
fn the_signature_of_the_tests_is_that_of_rfc_4231() {
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(signature("Jefe", b"what do ya want for nothing?"), expected);
}

#[tokio::test]
async fn an_incident_arrives_as_it_is_read() {
    let body = triggered();
    let delivery = receive(&[signed("s3cret", &body), ("x-webhook-id", "another".into())], &body).await.unwrap();
    assert_eq!(delivery.id.as_deref(), Some("01CD4DFGHF45"), "the id that is signed");
    let WebhookEvent::Incident(incident) = &delivery.events[0] else { panic!("{delivery:?}") };
    assert_eq!((incident.id.as_str(), incident.title.as_str()), ("PGR0VU2", "café ☃ down"));
    assert_eq!((incident.status.as_str(), incident.severity.as_str()), ("open", "critical"));
    assert_eq!(incident.service.as_deref(), Some("API"));
    assert_eq!(incident.fields["incident_number"], 2);
    assert_eq!(incident.metadata["assignments"][0]["name"], "User 123");
    assert_eq!(incident.metadata["event_type"], "incident.triggered");
    assert_eq!(incident.updated_at.unwrap().to_rfc3339(), "2026-01-01T00:00:00.169+00:00");
    assert_eq!(incident.provider.as_ref().unwrap().as_str(), "pd");
}

#[tokio::test]
async fn a_published_vector_is_accepted() {
    // Made with another implementation of HMAC.
    let body = "{\"event\":{\"id\":\"5ac64822-4adc-4fda-ade0-410becf0de4f\",\"event_type\":\"incident.triggered\",\
                \"resource_type\":\"incident\",\"occurred_at\":\"2020-10-02T18:45:22.169Z\",\"agent\":null,\"client\":null,\
                \"data\":{\"id\":\"PGR0VU2\",\"type\":\"incident\",\"title\":\"café ☃ down\",\"status\":\"triggered\"}}}";
    let header = "v1=81bf8aad7276f6c644fb153acfaf4ca57e465c6f76e9a146d19570c8fa8044fb";
    receive(&[("x-pagerduty-signature", header.into())], body).await.unwrap();
}

#[tokio::test]
async fn both_secrets_are_good_while_one_is_replaced() {
    let body = triggered();
    let (good, next) = (signature("s3cret", body.as_bytes()), signature("next", body.as_bytes()));
    let zeros = "0".repeat(64);
    for header in [
        format!("v1={good}"),
        format!("v1={next}"),
        format!("v1={zeros},v1={good}"),
        format!("v1={good}, v1={zeros}"),
        format!("v2={zeros},v1={next}"),
    ] {
        receive(&[("x-pagerduty-signature", header)], &body).await.unwrap();
    }
    let several = [("x-pagerduty-signature", format!("v1={zeros}")), ("x-pagerduty-signature", format!("v1={good}"))];
    receive(&several, &body).await.unwrap();
}

#[tokio::test]
async fn what_was_not_signed_here_is_refused_before_it_is_read() {
    let body = triggered();
    let good = signature("s3cret", body.as_bytes());
    let mut refused: Vec<(Vec<(&'static str, String)>, String)> = vec![
        (vec![], body.clone()),
        (vec![signed("another", &body)], body.clone()),
        (vec![signed("s3cret", &body)], body.replace("down", "fine")),
        (vec![signed("s3cret", &body)], body[..body.len() - 1].to_owned()),
        (vec![signed("s3cret", &body)], format!("{body} ")),
        (vec![signed("another", "no JSON")], "no JSON".to_owned()),
    ];
    for header in [
        String::new(),
        "v1=".into(),
        good.clone(),
        format!("v2={good}"),
        format!("V1={good}"),
        format!("v1={}", &good[1..]),
        format!("v1={good}00"),
        format!("sha256={good}"),
        format!("v1={}", "z".repeat(64)),
        // The right one stands behind more than are tried.
        format!("{}v1={good}", format!("v1={},", "0".repeat(64)).repeat(10)),
    ] {
        refused.push((vec![("x-pagerduty-signature", header)], body.clone()));
    }
    for (headers, body) in refused {
        let error = receive(&headers, &body).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{headers:?}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_signed_and_no_event_is_invalid() {
    for body in ["", "no JSON", "[]", "{}", r#"{"event":{}}"#, r#"{"event":{"event_type":5}}"#, r#"{"messages":[]}"#] {
        let error = receive(&[signed("s3cret", body)], body).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() }, "{body}");
    }
    let huge = " ".repeat(4 * 1024 * 1024 + 1);
    let error = receive(&[signed("s3cret", &huge)], &huge).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() });
}

#[tokio::test]
async fn a_repetition_has_the_same_id() {
    let body = triggered();
    let mut ids = Vec::new();
    for delivery in ["d1", "d1", "d2"] {
        let headers = [signed("s3cret", &body), ("x-webhook-id", delivery.into())];
        ids.push(receive(&headers, &body).await.unwrap().id.unwrap());
    }
    assert_eq!(ids, ["01CD4DFGHF45"; 3], "a header that nobody signed makes no new event of it");
    let without = body.replace("01CD4DFGHF45", "");
    let headers = [signed("s3cret", &without), ("x-webhook-id", "d1".into())];
    assert_eq!(receive(&headers, &without).await.unwrap().id.as_deref(), Some("d1"));
}

#[tokio::test]
async fn a_note_is_an_entry_of_its_incidents_timeline() {
    let data = json!({
        "id": "PNOTE", "type": "incident_note", "content": "made room",
        "incident": { "id": "PGR0VU2", "type": "incident_reference" },
    });
    let body = event("incident.annotated", data)
        .replace("\"agent\":null", r#""agent":{"id":"PBOT","type":"bot_user_reference","summary":"Bot"}"#);
    let WebhookEvent::Timeline(entry) = said(&body).await else { panic!("{body}") };
    assert_eq!(
        (entry.incident_id.as_str(), entry.kind.as_str(), entry.body.as_str()),
        ("PGR0VU2", "note", "made room")
    );
    assert_eq!(entry.at.unwrap().to_rfc3339(), "2026-01-01T00:00:00.169+00:00");
    assert_eq!(entry.actor["name"], "Bot");
}

#[tokio::test]
async fn what_has_no_place_and_what_was_never_seen_is_passed_on() {
    for (kind, data) in [
        ("pagey.ping", json!({ "message": "Hello from your friend Pagey!", "type": "ping" })),
        ("service.updated", json!({ "id": "PF9KMXH", "type": "service", "name": "API" })),
        ("incident.invented", json!({ "type": "incident_invented", "id": 5 })),
        ("incident.annotated", json!({ "type": "incident_note", "id": "PNOTE" })),
        ("incident.triggered", json!({ "type": "incident", "id": 5 })),
        ("nothing.at_all", Value::Null),
    ] {
        let body = event(kind, data.clone());
        let WebhookEvent::Other(other) = said(&body).await else { panic!("{body}") };
        assert_eq!((other.kind.as_str(), &other.fields["data"]), (kind, &data));
    }
}
