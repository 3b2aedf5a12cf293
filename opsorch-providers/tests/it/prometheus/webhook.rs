//! What Alertmanager sends by itself: who may send it, what it says, and what is refused.

use opsorch::capability::{Delivery, Webhook, WebhookEvent};
use opsorch::secret::SecretRef;
use opsorch::transport::{HeaderMap, HeaderValue, ReqwestTransport};
use opsorch::{Alert, AlertStatusLevel, ErrorKind, Result, SeverityLevel};
use opsorch_providers::prometheus::{PrometheusConfig, WebhookAuth};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::alertmanager::{CANARY, Desk};

fn config() -> PrometheusConfig {
    let url = "http://alertmanager.internal:9093".parse().unwrap();
    PrometheusConfig::alertmanager_only(url).webhook(WebhookAuth::Bearer(SecretRef::env("WEBHOOK")))
}

fn basic() -> PrometheusConfig {
    config().webhook(WebhookAuth::Basic { user: "am".to_owned(), password: SecretRef::env("WEBHOOK") })
}

/// A message of one alert, as 0.33 sends it.
fn message() -> Value {
    json!({
        "receiver": "hook",
        "status": "firing",
        "alerts": [firing()],
        "notification_reason": "first notification",
        "groupLabels": { "alertname": "TargetDown" },
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://vm:19093",
        "version": "4",
        "groupKey": "{}:{alertname=\"TargetDown\"}",
        "truncatedAlerts": 0,
    })
}

fn firing() -> Value {
    json!({
        "status": "firing",
        "labels": { "alertname": "TargetDown", "severity": "page", "service": "api" },
        "annotations": { "summary": "target down", "runbook_url": "https://example.org/rb" },
        "startsAt": "2026-11-21T03:25:22.821Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://vm:19090/graph",
        "fingerprint": "e0ebab1a85bfb414",
    })
}

fn resolved() -> Value {
    json!({
        "status": "resolved",
        "labels": { "alertname": "TargetDown", "severity": "critical" },
        "annotations": null,
        "startsAt": "2026-11-21T03:00:00Z",
        "endsAt": "2026-11-21T03:20:00Z",
        "fingerprint": "00000000000000aa",
    })
}

fn with(mut message: Value, name: &str, value: Value) -> Value {
    message[name] = value;
    message
}

async fn send(desk: &Desk, authorization: &[&str], body: impl Into<Vec<u8>>) -> Result<Delivery> {
    let mut map = HeaderMap::new();
    for value in authorization {
        map.append("authorization", HeaderValue::from_str(value).unwrap());
    }
    desk.ops.receive(&desk.cx, "prom", &Webhook::new(map, body.into())).await
}

async fn receive(config: PrometheusConfig, message: &Value) -> Result<Delivery> {
    send(&Desk::of(config).await, &[&format!("Bearer {CANARY}")], message.to_string()).await
}

fn alerts(delivery: &Delivery) -> Vec<&Alert> {
    let mut alerts = Vec::new();
    for event in &delivery.events {
        let WebhookEvent::Alert(alert) = event else { panic!("expected an alert, got {event:?}") };
        alerts.push(alert);
    }
    alerts
}

#[tokio::test]
async fn an_alert_that_fires_is_what_the_message_says_of_it() {
    let delivery = receive(config(), &message()).await.unwrap();
    let [alert] = alerts(&delivery)[..] else { panic!("expected one alert") };
    assert_eq!(alert.id.as_str(), "e0ebab1a85bfb414");
    assert_eq!(alert.title, "TargetDown");
    assert_eq!(alert.description.as_deref(), Some("target down"));
    assert_eq!((alert.status.as_str(), alert.status_raw.as_deref()), ("firing", Some("firing")));
    assert_eq!((alert.severity.level(), alert.severity_raw.as_deref()), (SeverityLevel::Unknown, Some("page")));
    assert_eq!(alert.service.as_deref(), Some("api"));
    assert_eq!(alert.created_at, "2026-11-21T03:25:22.821Z".parse().ok());
    assert_eq!(alert.updated_at, None);
    assert_eq!(alert.provider.as_ref().map(|name| name.as_str()), Some("prom"));
    assert_eq!(alert.fields["runbook"], "https://example.org/rb");
    assert_eq!(alert.fields["generatorURL"], "http://vm:19090/graph");
    assert_eq!(alert.fields.get("endsAt"), None, "the year 1 is no time");
    assert_eq!(
        json!(alert.metadata),
        json!({
            "source": "webhook",
            "receiver": "hook",
            "groupKey": "{}:{alertname=\"TargetDown\"}",
            "groupLabels": { "alertname": "TargetDown" },
            "externalURL": "http://vm:19093",
            "notificationReason": "first notification",
        })
    );
    assert_eq!(delivery.truncated, None);
}

#[tokio::test]
async fn a_group_may_hold_alerts_that_fire_and_alerts_that_ended() {
    let delivery = receive(config(), &with(message(), "alerts", json!([firing(), resolved()]))).await.unwrap();
    let [first, second] = alerts(&delivery)[..] else { panic!("expected two alerts") };
    assert_eq!(first.status.level(), AlertStatusLevel::Firing);
    assert_eq!(second.status.level(), AlertStatusLevel::Resolved);
    assert_eq!(second.severity.level(), SeverityLevel::Critical);
    assert_eq!(second.fields["endsAt"], "2026-11-21T03:20:00Z");
    assert_eq!(second.updated_at, "2026-11-21T03:20:00Z".parse().ok());
}

#[tokio::test]
async fn a_message_of_an_older_alertmanager_with_fields_of_a_newer_one_is_read() {
    let mut older = message();
    older.as_object_mut().unwrap().remove("notification_reason");
    let newer = with(older.clone(), "invented", json!({ "deep": [1, { "er": null }] }));
    for message in [older, newer] {
        let delivery = receive(config(), &message).await.unwrap();
        assert_eq!(alerts(&delivery)[0].metadata.get("notificationReason"), None);
    }
}

#[tokio::test]
async fn a_missing_fingerprint_is_computed_as_alertmanager_does() {
    let labels = json!({
        "alertname": "TargetDown", "env": "test", "instance": "127.0.0.1:1",
        "job": "dead", "severity": "critical", "team": "core",
    });
    let alert = json!({ "labels": labels });
    let delivery = receive(config(), &with(message(), "alerts", json!([alert]))).await.unwrap();
    let alert = alerts(&delivery)[0];
    assert_eq!(alert.id.as_str(), "e0ebab1a85bfb414");
    assert_eq!(alert.status.level(), AlertStatusLevel::Firing, "that of the group");

    let error = receive(config(), &with(message(), "alerts", json!([firing(), {}]))).await.unwrap_err();
    assert!(error.to_string().contains("alerts[1] has neither labels nor a fingerprint"), "{error}");
}

#[tokio::test]
async fn the_page_is_the_configured_one_else_the_senders_if_it_is_a_web_address() {
    let expected = "#/alerts?silenced=true&inhibited=true&filter=%7Balertname%3D%22TargetDown%22%2C%20\
                    service%3D%22api%22%2C%20severity%3D%22page%22%7D";
    let url = |delivery: &Delivery| alerts(delivery)[0].url.as_ref().map(|url| url.to_string());
    let delivery = receive(config(), &message()).await.unwrap();
    assert_eq!(url(&delivery), Some(format!("http://vm:19093/{expected}")));

    let mut external = config();
    external.alertmanager_external_url = "https://example.org/am".parse().ok();
    let delivery = receive(external, &message()).await.unwrap();
    assert_eq!(url(&delivery), Some(format!("https://example.org/am/{expected}")));

    for address in ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "/relative", "", "http://"] {
        let delivery = receive(config(), &with(message(), "externalURL", json!(address))).await.unwrap();
        assert_eq!(url(&delivery), None, "{address}");
    }
}

#[tokio::test]
async fn alerts_that_were_left_out_are_told_of() {
    let delivery = receive(config(), &with(message(), "truncatedAlerts", json!(7))).await.unwrap();
    assert_eq!(delivery.truncated.as_deref(), Some("Alertmanager left 7 alerts out, because of `max_alerts`"));
    assert_eq!(delivery.events.len(), 1);
}

#[tokio::test]
async fn a_group_that_is_sent_again_has_the_same_id_until_something_changes() {
    let id = async |message: Value| receive(config(), &message).await.unwrap().id.unwrap();
    let two = with(message(), "alerts", json!([firing(), resolved()]));
    let again =
        with(with(two.clone(), "alerts", json!([resolved(), firing()])), "notification_reason", json!("repeat"));
    assert_eq!(id(two.clone()).await, id(again).await);

    let changed =
        |name: &str, value: Value| with(two.clone(), "alerts", json!([with(firing(), name, value), resolved()]));
    for other in [
        with(two.clone(), "groupKey", json!("{}:{}")),
        with(two.clone(), "receiver", json!("another")),
        with(two.clone(), "truncatedAlerts", json!(1)),
        with(two.clone(), "alerts", json!([firing()])),
        changed("status", json!("resolved")),
        changed("startsAt", json!("2026-11-21T04:00:00Z")),
        changed("fingerprint", json!("00000000000000bb")),
        changed("annotations", json!({ "summary": "worse" })),
    ] {
        assert_ne!(id(two.clone()).await, id(other.clone()).await, "{other}");
    }
}

#[tokio::test]
async fn whoever_cannot_prove_themselves_is_refused_before_the_body_is_looked_at() {
    let bearer = Desk::of(config()).await;
    let basic = Desk::of(basic()).await;
    let user_and_password = "Basic YW06Y2FuYXJ5LTBjN2U0MQ=="; // am:canary-0c7e41
    let right = format!("Bearer {CANARY}");
    for body in ["not JSON".to_owned(), message().to_string(), "x".repeat(5 * 1024 * 1024)] {
        let wrong: [&[&str]; 12] = [
            &[],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer canary-0c7e4"],
            &["Bearer canary-0c7e411"],
            &["Bearer CANARY-0C7E41"],
            &["Bearercanary-0c7e41"],
            &["canary-0c7e41"],
            &[user_and_password],
            &[&right, &right],
            &["Bearer wrong", &right],
        ];
        for authorization in wrong {
            let error = send(&bearer, authorization, body.clone()).await.unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{authorization:?}: {error}");
        }
        for authorization in [&right, "Basic YW06", "Basic YW06Y2FuYXJ5LTBjN2U0MQ", "Basic am:canary-0c7e41"] {
            let error = send(&basic, &[authorization], body.clone()).await.unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{authorization}: {error}");
        }
    }
    let body = message().to_string();
    for authorization in [&right, "bearer canary-0c7e41", "BEARER  canary-0c7e41"] {
        send(&bearer, &[authorization], body.clone()).await.unwrap();
    }
    for authorization in [user_and_password, "basic YW06Y2FuYXJ5LTBjN2U0MQ=="] {
        send(&basic, &[authorization], body.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn the_secret_is_seen_nowhere() {
    let guess = "guess-77";
    for config in [config(), basic()] {
        let desk = Desk::of(config.clone()).await;
        let mut printed = format!("{config:?} {:?} {}", desk.ops, serde_json::to_string(&config).unwrap());
        for authorization in [format!("Bearer {guess}"), format!("Basic {guess}"), guess.to_owned()] {
            let error = send(&desk, &[&authorization], message().to_string()).await.unwrap_err();
            printed += &format!("{error} {error:?}");
        }
        let error = send(&desk, &[&format!("Bearer {CANARY}")], format!("\"{CANARY}\"")).await.unwrap_err();
        printed += &format!("{error} {error:?}");
        assert!(!printed.contains("canary") && !printed.contains("YW06Y2") && !printed.contains(guess), "{printed}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_when_the_provider_is_built() {
    let missing = config().webhook(WebhookAuth::Bearer(SecretRef::env("NO_SUCH_SECRET")));
    let colon = config().webhook(WebhookAuth::Basic { user: "a:b".to_owned(), password: SecretRef::env("WEBHOOK") });
    for (config, words) in [(missing, "NO_SUCH_SECRET"), (colon, "webhook.basic.user")] {
        let error = Desk::over(ReqwestTransport::new().unwrap(), config).await.err().unwrap();
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn without_a_credential_in_the_configuration_no_webhook_is_accepted() {
    let desk = Desk::of(PrometheusConfig::alertmanager_only("http://am:9093".parse().unwrap())).await;
    let error = send(&desk, &["Bearer x"], message().to_string()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn a_message_of_another_kind_is_refused_with_what_was_expected() {
    let mut without = message();
    without.as_object_mut().unwrap().remove("version");
    for (body, words) in [
        (without, "got no version; a webhook with a `payload` of its own cannot be read here"),
        (with(message(), "version", json!("1")), "expected a message of version `4`, got version `1`"),
        (with(message(), "version", json!(4)), "got a version that is no text"),
        (json!({ "text": "TargetDown fires" }), "got no version"),
        (json!([]), "got no version"),
        (json!("4"), "another shape"),
        (json!(null), "another shape"),
        (with(message(), "alerts", json!(null)), "another shape: line 1 column"),
        (with(message(), "alerts", json!({})), "another shape"),
        (with(message(), "alerts", json!([1])), "another shape"),
        (with(message(), "alerts", json!([with(firing(), "startsAt", json!("today"))])), "another shape"),
        (with(message(), "truncatedAlerts", json!(-1)), "another shape"),
    ] {
        let error = receive(config(), &body).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() }, "{error}");
        assert!(error.to_string().contains(words), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_message_beyond_the_limits_is_refused() {
    let desk = Desk::of(config()).await;
    let authorization = format!("Bearer {CANARY}");
    let most = 4 * 1024 * 1024;
    let padded = |length: usize| {
        let text = message().to_string();
        let blanks = " ".repeat(length - text.len());
        text + &blanks
    };
    send(&desk, &[&authorization], padded(most)).await.unwrap();
    let of_alerts = |count: usize| with(message(), "alerts", vec![json!({ "labels": { "a": "b" } }); count].into());
    assert_eq!(receive(config(), &of_alerts(10_000)).await.unwrap().events.len(), 10_000);

    // What nobody knows is skipped, however deep; what is read is not.
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let skipped = message().to_string().replacen('{', &format!("{{\"invented\":{},", deep(1_000_000)), 1);
    send(&desk, &[&authorization], skipped).await.unwrap();
    let read = format!("{{\"version\":{}}}", deep(200));
    let many = of_alerts(10_001).to_string();
    for (body, words) in [
        (padded(most + 1), "expected at most 4194304 bytes, got 4194305"),
        (many, "expected at most 10000 alerts, got 10001"),
        (read, "expected JSON"),
    ] {
        let error = send(&desk, &[&authorization], body).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() }, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// JSON of any shape, in which the names of a message are likely.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        Just(json!("firing")),
        Just(json!("0001-01-01T00:00:00Z")),
    ];
    let name = prop_oneof![
        Just("version".to_owned()),
        Just("alerts".to_owned()),
        Just("labels".to_owned()),
        Just("status".to_owned()),
        Just("startsAt".to_owned()),
        "[a-z]{0,3}",
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

/// What comes of a message is alerts, or an error about the body; never a panic.
async fn survives(desk: &Desk, body: impl Into<Vec<u8>>) {
    if let Err(error) = send(desk, &[&format!("Bearer {CANARY}")], body).await {
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() }, "{error}");
    }
}

#[test]
fn no_message_is_too_strange() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let desk = runtime.block_on(Desk::of(config()));
    let names = ["version", "alerts", "status", "truncatedAlerts", "groupLabels", "externalURL", "groupKey"];
    let parts = ["labels", "annotations", "startsAt", "endsAt", "fingerprint", "generatorURL", "status"];
    proptest!(|(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        value in any_json(),
        name in proptest::sample::select(names.to_vec()),
        part in proptest::sample::select(parts.to_vec()),
        cut in any::<proptest::sample::Index>(),
    )| {
        runtime.block_on(async {
            survives(&desk, bytes).await;
            survives(&desk, value.to_string()).await;
            survives(&desk, with(message(), name, value.clone()).to_string()).await;
            survives(&desk, with(message(), "alerts", json!([with(firing(), part, value)])).to_string()).await;
            let text = message().to_string();
            survives(&desk, &text.as_bytes()[..cut.index(text.len())]).await;
        });
    });
}
