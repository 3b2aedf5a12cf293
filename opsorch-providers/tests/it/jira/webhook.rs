//! What Jira sends by itself.

use std::time::Duration;

use base64::Engine;
use opsorch::capability::{Delivery, OtherEvent, Webhook, WebhookEvent};
use opsorch::secret::SecretRef;
use opsorch::secret::StaticSecrets;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, ReqwestTransport};
use opsorch::{Actor, Clock, Context, ErrorKind, ManualClock, OpsOrch, Result, TicketStatusLevel};
use opsorch_providers::jira::{Deployment, JiraConfig};
use serde_json::{Value, json};

const OLD: &str = "It's a Secret to Everybody";
const NEW: &str = "another one";

/// Receives with both secrets, as while one is replaced by the other.
async fn receiver() -> (OpsOrch, ManualClock) {
    let url = "https://example.atlassian.net".parse().unwrap();
    let config = JiraConfig::new(Deployment::Cloud, url, "OPS", SecretRef::env("TOKEN"))
        .webhook_secret(SecretRef::env("OLD"))
        .webhook_secret(SecretRef::env("NEW"));
    let clock = ManualClock::default();
    let secrets = StaticSecrets::new([("TOKEN", "token"), ("OLD", OLD), ("NEW", NEW)]);
    let builder = OpsOrch::builder().configure("jira", config).clock(clock.clone()).secrets(secrets);
    (builder.transport(ReqwestTransport::new().unwrap()).build().await.unwrap(), clock)
}

/// HMAC-SHA256 (RFC 2104), by hand: what is tested must not be what tests it.
fn sign(key: &str, body: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key.bytes()).for_each(|(one, other)| *one ^= other);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(body).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    format!("sha256={}", outer.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn webhook(headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Webhook {
    let pair =
        |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    Webhook::new(headers.iter().map(pair).collect::<HeaderMap>(), body.into())
}

async fn receive(body: &Value) -> Result<Delivery> {
    let (ops, _) = receiver().await;
    let body = body.to_string();
    let headers = [("x-hub-signature", &*sign(OLD, body.as_bytes())), ("x-atlassian-webhook-identifier", "delivery-1")];
    ops.receive(&cx(), "jira", &webhook(&headers, body)).await
}

fn cx() -> Context {
    Context::new(Actor::service("web"))
}

fn now() -> i64 {
    ManualClock::default().now().timestamp_millis()
}

/// What Jira sends when a status is changed: the text is wiki markup.
fn updated() -> Value {
    json!({
        "timestamp": now(),
        "webhookEvent": "jira:issue_updated",
        "issue_event_type_name": "issue_generic",
        "user": { "accountId": "alice", "displayName": "Alice" },
        "issue": { "id": "10001", "key": "OPS-1", "self": "https://example.atlassian.net/x", "fields": {
            "summary": "disk full",
            "description": "*wiki* markup",
            "status": { "name": "In Review", "statusCategory": { "key": "indeterminate" } },
            "created": "2025-12-31T23:00:00.000+0000",
            "priority": null,
            "comment": { "comments": [] },
            "customfield_10010": { "value": "Core" },
            "customfield_10011": null,
        } },
        "changelog": { "id": "1", "items": [{ "field": "status", "fromString": "To Do", "toString": "In Review" }] },
    })
}

#[tokio::test]
async fn a_changed_issue_is_a_ticket_as_it_is_now() {
    let delivery = receive(&updated()).await.unwrap();
    assert_eq!(delivery.id.as_deref(), Some("delivery-1"));
    let [WebhookEvent::Ticket(ticket)] = delivery.events.as_slice() else { panic!("{:?}", delivery.events) };
    assert_eq!((ticket.id.as_str(), ticket.key.as_deref()), ("10001", Some("OPS-1")));
    assert_eq!((ticket.status.level(), ticket.status_raw.as_deref()), (TicketStatusLevel::InReview, Some("In Review")));
    assert_eq!(ticket.description.as_deref(), Some("*wiki* markup"));
    assert_eq!(ticket.url.as_ref().unwrap().as_str(), "https://example.atlassian.net/browse/OPS-1");
    assert_eq!(ticket.metadata["changes"][0]["toString"], "In Review");
    assert_eq!((&ticket.metadata["changed_by"], &ticket.metadata["event"]), (&json!("alice"), &json!("issue_generic")));
    assert_eq!(ticket.fields["customfield_10010"]["value"], "Core");
    assert!(!ticket.fields.contains_key("customfield_10011") && !ticket.fields.contains_key("comment"));
    assert_eq!(ticket.provider.as_ref().unwrap().as_str(), "jira");
}

#[tokio::test]
async fn a_comment_is_one_and_what_has_no_place_is_named() {
    let body = json!({
        "timestamp": now(), "webhookEvent": "comment_created", "issue": { "id": "10001", "key": "OPS-1" },
        "comment": { "id": "7", "body": "looking", "author": { "accountId": "bob" }, "created": "2025-12-31T23:00:00.000+0000" },
    });
    let delivery = receive(&body).await.unwrap();
    let [WebhookEvent::Comment(comment)] = delivery.events.as_slice() else { panic!("{:?}", delivery.events) };
    assert_eq!(
        (comment.ticket_id.as_str(), comment.body.as_str(), comment.author.as_deref()),
        ("10001", "looking", Some("bob"))
    );

    let mut deleted = updated();
    deleted["webhookEvent"] = json!("jira:issue_deleted");
    let delivery = receive(&deleted).await.unwrap();
    let [WebhookEvent::Other(OtherEvent { kind, fields, .. })] = delivery.events.as_slice() else {
        panic!("{delivery:?}")
    };
    assert_eq!(
        (kind.as_str(), &fields["key"], &fields["user"]),
        ("jira:issue_deleted", &json!("OPS-1"), &json!("alice"))
    );

    let news =
        receive(&json!({ "timestamp": now(), "webhookEvent": "sprint_started", "sprint": { "id": 1 } })).await.unwrap();
    assert!(matches!(&news.events[..], [WebhookEvent::Other(other)] if other.kind == "sprint_started"));
}

#[tokio::test]
async fn the_published_example_is_signed_and_both_secrets_are_good() {
    // From Atlassian's documentation, "Secure admin webhooks".
    let published = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
    assert_eq!(sign(OLD, b"Hello World!"), published);
    let (ops, _) = receiver().await;
    let error =
        ops.receive(&cx(), "jira", &webhook(&[("x-hub-signature", published)], "Hello World!")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".to_owned() }, "it is signed, and no message");
    let body = updated().to_string();
    for key in [OLD, NEW] {
        let signature = sign(key, body.as_bytes());
        ops.receive(&cx(), "jira", &webhook(&[("x-hub-signature", &signature)], body.clone())).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_signed_is_refused_before_it_is_read() {
    let (ops, _) = receiver().await;
    let body = updated().to_string();
    let right = sign(OLD, body.as_bytes());
    let wrong = sign("wrong", body.as_bytes());
    let jwt = base64::engine::general_purpose::STANDARD.encode("{}");
    let refused: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![("x-hub-signature", &wrong)], &body),
        (vec![("x-hub-signature", &right)], &body[1..]),
        (vec![("x-hub-signature", &right)], "{"),
        (vec![("x-hub-signature", &right[..40])], &body),
        (vec![("x-hub-signature", &right[7..])], &body),
        (vec![("x-hub-signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")], &body),
        (vec![("x-hub-signature-256", &right)], &body),
        (vec![("authorization", &jwt)], &body),
        (vec![], &body),
    ];
    for (headers, body) in refused {
        let error = ops.receive(&cx(), "jira", &webhook(&headers, body)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{headers:?}: {error}");
        assert!(!format!("{error:?}").contains(OLD));
    }
    let mut twice = webhook(&[("x-hub-signature", &right)], body);
    twice.headers.append("x-hub-signature", HeaderValue::from_str(&right).unwrap());
    assert!(ops.receive(&cx(), "jira", &twice).await.is_err());
}

#[tokio::test]
async fn an_old_message_is_refused() {
    let (ops, clock) = receiver().await;
    let body = updated().to_string();
    let message = webhook(&[("x-hub-signature", &sign(OLD, body.as_bytes()))], body);
    clock.advance(Duration::from_secs(3 * 60 * 60));
    ops.receive(&cx(), "jira", &message).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(*ops.receive(&cx(), "jira", &message).await.unwrap_err().kind(), ErrorKind::Unauthenticated);

    for (timestamp, is_received) in [(now() + 300_000, true), (now() + 301_000, false), (i64::MAX, false)] {
        let mut future = updated();
        future["timestamp"] = json!(timestamp);
        assert_eq!(receive(&future).await.is_ok(), is_received, "{timestamp}");
    }
}

#[tokio::test]
async fn what_is_signed_and_makes_no_sense_is_invalid() {
    let mut blank = updated();
    blank["issue"].as_object_mut().unwrap().remove("fields");
    for body in [json!(1), json!({}), json!({ "timestamp": now() }), json!({ "webhookEvent": "x" }), blank] {
        let error = receive(&body).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".to_owned() }, "{error}");
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_received() {
    let config = JiraConfig::new(
        Deployment::Cloud,
        "https://example.atlassian.net".parse().unwrap(),
        "OPS",
        SecretRef::literal("token"),
    );
    let ops =
        OpsOrch::builder().configure("jira", config).transport(ReqwestTransport::new().unwrap()).build().await.unwrap();
    assert!(ops.receive(&cx(), "jira", &webhook(&[], "{}")).await.is_err());
}
