//! What a message says, and what is refused.

use opsorch::{AlertStatusLevel, ErrorKind, SeverityLevel};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::desk::{
    CANARY, Desk, SIGNATURE, alerts, firing, message, receive, resolved, signature, signed, with, without,
};

#[tokio::test]
async fn an_alert_that_fires_is_what_the_message_says_of_it() {
    let delivery = receive(&message()).await.unwrap();
    let [alert] = alerts(&delivery)[..] else { panic!("expected one alert") };
    assert_eq!((alert.id.as_str(), alert.title.as_str()), ("c6eadffa33fcdf37", "HighMemory"));
    assert_eq!(alert.description.as_deref(), Some("memory is high"));
    assert_eq!((alert.status.level(), alert.status_raw.as_deref()), (AlertStatusLevel::Firing, Some("firing")));
    assert_eq!((alert.severity.level(), alert.severity_raw.as_deref()), (SeverityLevel::Critical, Some("critical")));
    assert_eq!(alert.service.as_deref(), Some("api"));
    assert_eq!(alert.created_at, "2026-01-01T07:51:03.157076Z".parse().ok());
    assert_eq!(alert.updated_at, None);
    assert_eq!(alert.provider.as_ref().map(|name| name.as_str()), Some("grafana"));
    assert_eq!(alert.url.as_ref().unwrap().as_str(), firing()["generatorURL"]);
    assert_eq!(
        json!(alert.fields),
        json!({
            "labels": firing()["labels"], "annotations": firing()["annotations"], "runbook": "https://example.org/rb",
            "values": { "B": 44.25, "C": 1 }, "valueString": firing()["valueString"],
            "generatorURL": firing()["generatorURL"], "silenceURL": firing()["silenceURL"],
            "dashboardURL": firing()["dashboardURL"], "panelURL": firing()["panelURL"],
        })
    );
    assert_eq!(
        json!(alert.metadata),
        json!({
            "source": "webhook", "receiver": "opsorch", "orgId": 3, "groupKey": "{}:{alertname=\"HighMemory\"}",
            "groupLabels": { "alertname": "HighMemory" }, "externalURL": "https://grafana.example.org/",
        })
    );
    assert_eq!(delivery.truncated, None);
}

#[tokio::test]
async fn a_group_may_hold_alerts_that_fire_and_alerts_that_ended() {
    let delivery = receive(&with(message(), "alerts", json!([firing(), resolved()]))).await.unwrap();
    let [first, second] = alerts(&delivery)[..] else { panic!("expected two alerts") };
    assert_eq!(first.status.level(), AlertStatusLevel::Firing);
    assert_eq!(second.status.level(), AlertStatusLevel::Resolved);
    assert_eq!(second.updated_at, "2026-01-01T03:20:00Z".parse().ok());
    assert_eq!(second.fields["endsAt"], "2026-01-01T03:20:00Z");
    assert_eq!(second.fields["imageURL"], "https://grafana.example.org/shot.png");
    assert_eq!(second.severity.level(), SeverityLevel::Unknown);
    assert_eq!(second.url.as_ref().unwrap().as_str(), "https://grafana.example.org/", "empty addresses are none");
}

#[tokio::test]
async fn a_word_that_nobody_knows_stays_and_an_absent_one_is_that_of_the_group() {
    let odd = with(firing(), "status", json!("Simmering"));
    let silent = without(firing(), "status");
    let delivery = receive(&with(message(), "alerts", json!([odd, silent]))).await.unwrap();
    let [first, second] = alerts(&delivery)[..] else { panic!("expected two alerts") };
    assert_eq!((first.status.as_str(), first.status_raw.as_deref()), ("Simmering", Some("Simmering")));
    assert_eq!(first.status.level(), AlertStatusLevel::Unknown);
    assert_eq!(second.status.level(), AlertStatusLevel::Firing);
    let severe = with(firing(), "labels", json!({ "alertname": "A", "severity": "ultraviolet" }));
    let delivery = receive(&with(message(), "alerts", json!([severe]))).await.unwrap();
    assert_eq!(alerts(&delivery)[0].severity.as_str(), "ultraviolet");
}

#[tokio::test]
async fn fields_of_other_releases_are_passed_over_and_absent_ones_are_absent() {
    let newer = with(message(), "invented", json!({ "deep": [1, { "er": null }] }));
    let newer = with(newer, "alerts", json!([with(firing(), "invented", json!([[[]]]))]));
    assert_eq!(alerts(&receive(&newer).await.unwrap())[0].id.as_str(), "c6eadffa33fcdf37");

    let least = json!({ "alerts": [{ "labels": { "alertname": "A" } }] });
    let delivery = receive(&least).await.unwrap();
    let [alert] = alerts(&delivery)[..] else { panic!("expected one alert") };
    assert_eq!((alert.title.as_str(), alert.url.as_ref(), alert.created_at), ("A", None, None));
    assert_eq!(alert.status.level(), AlertStatusLevel::Unknown);
}

#[tokio::test]
async fn a_missing_fingerprint_is_computed_from_the_labels() {
    let labels = json!({
        "alertname": "TargetDown", "env": "test", "instance": "127.0.0.1:1",
        "job": "dead", "severity": "critical", "team": "core",
    });
    let delivery = receive(&with(message(), "alerts", json!([{ "labels": labels }]))).await.unwrap();
    assert_eq!(alerts(&delivery)[0].id.as_str(), "e0ebab1a85bfb414");
    let error = receive(&with(message(), "alerts", json!([firing(), {}]))).await.unwrap_err();
    assert!(error.to_string().contains("alerts[1] has neither labels nor a fingerprint"), "{error}");
}

#[tokio::test]
async fn only_web_addresses_without_passwords_are_pages() {
    for address in ["javascript:alert(1)", "file:///etc/passwd", "https://user:pass@example.org/", "/d/xyz", "http://"]
    {
        let mut alert = firing();
        for name in ["generatorURL", "panelURL", "dashboardURL"] {
            alert[name] = json!(address);
        }
        let message = with(with(message(), "alerts", json!([alert])), "externalURL", json!(address));
        assert_eq!(alerts(&receive(&message).await.unwrap())[0].url, None, "{address}");
    }
    let panel = with(message(), "alerts", json!([with(firing(), "generatorURL", json!("?orgId=1"))]));
    let delivery = receive(&panel).await.unwrap();
    assert_eq!(alerts(&delivery)[0].url.as_ref().unwrap().as_str(), firing()["panelURL"]);
}

#[tokio::test]
async fn alerts_that_were_left_out_are_told_of_and_none_at_all_are_none() {
    let delivery = receive(&with(message(), "truncatedAlerts", json!(7))).await.unwrap();
    let reason = "Grafana left 7 alerts out, because of the contact point's maximum of alerts";
    assert_eq!((delivery.truncated.as_deref(), delivery.events.len()), (Some(reason), 1));
    let delivery = receive(&with(message(), "alerts", json!([]))).await.unwrap();
    assert!(delivery.events.is_empty() && delivery.truncated.is_none());
    receive(&with(message(), "truncatedAlerts", json!(null))).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_sent_again_has_the_same_id_until_something_changes() {
    let id = async |message: Value| receive(&message).await.unwrap().id.unwrap();
    let two = with(message(), "alerts", json!([firing(), resolved()]));
    let again = with(with(two.clone(), "alerts", json!([resolved(), firing()])), "title", json!("again"));
    assert_eq!(id(two.clone()).await, id(again).await);
    let changed =
        |name: &str, value: Value| with(two.clone(), "alerts", json!([with(firing(), name, value), resolved()]));
    for other in [
        with(two.clone(), "groupKey", json!("{}:{}")),
        with(two.clone(), "receiver", json!("another")),
        with(two.clone(), "orgId", json!(4)),
        with(two.clone(), "externalURL", json!("https://other.example.org/")),
        with(two.clone(), "truncatedAlerts", json!(1)),
        with(two.clone(), "alerts", json!([firing()])),
        changed("status", json!("resolved")),
        changed("startsAt", json!("2026-01-01T10:00:00Z")),
        changed("fingerprint", json!("00000000000000bb")),
        changed("annotations", json!({ "summary": "worse" })),
    ] {
        assert_ne!(id(two.clone()).await, id(other.clone()).await, "{other}");
    }
}

#[tokio::test]
async fn a_message_of_another_shape_is_refused_with_what_was_expected() {
    for (body, words) in [
        (without(message(), "alerts"), "got a message without; a contact point with a payload of its own"),
        (with(message(), "alerts", json!(null)), "got a message without"),
        (json!({ "text": "HighMemory fires" }), "got a message without"),
        (json!({ "ruleName": "legacy", "state": "alerting", "evalMatches": [] }), "got a message without"),
        (json!("1"), "another shape"),
        (json!(null), "another shape"),
        (with(message(), "alerts", json!({})), "another shape"),
        (with(message(), "alerts", json!([1])), "another shape"),
        (with(message(), "alerts", json!([with(firing(), "startsAt", json!("today"))])), "another shape"),
        (with(message(), "alerts", json!([with(firing(), "labels", json!({ "a": 1 }))])), "another shape"),
        (with(message(), "truncatedAlerts", json!(-1)), "another shape"),
    ] {
        let error = receive(&body).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() }, "{error}");
        assert!(error.to_string().contains(words), "{body}: {error}");
    }
}

async fn send(desk: &Desk, body: impl Into<Vec<u8>>) -> opsorch::Result<opsorch::capability::Delivery> {
    let body = body.into();
    desk.send(&[(SIGNATURE, signature(CANARY, &body))], body).await
}

#[tokio::test]
async fn a_message_beyond_the_limits_is_refused() {
    let desk = Desk::of(signed()).await;
    let most = 4 * 1024 * 1024;
    let padded = |length: usize| {
        let text = message().to_string();
        let blanks = " ".repeat(length - text.len());
        text + &blanks
    };
    send(&desk, padded(most)).await.unwrap();
    let of_alerts = |count: usize| with(message(), "alerts", vec![json!({ "labels": { "a": "b" } }); count].into());
    assert_eq!(send(&desk, of_alerts(10_000).to_string()).await.unwrap().events.len(), 10_000);
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let skipped = message().to_string().replacen('{', &format!("{{\"invented\":{},", deep(1_000_000)), 1);
    send(&desk, skipped).await.unwrap();
    let read = format!(r#"{{"alerts":[{{"labels":{{"a":"b"}},"values":{{"A":{}}}}}]}}"#, deep(200));
    for (body, words) in [
        (padded(most + 1), "expected at most 4194304 bytes, got 4194305"),
        (of_alerts(10_001).to_string(), "expected at most 10000 alerts, got 10001"),
        (read, "expected JSON"),
        ("{".to_owned(), "expected JSON: line 1 column 1"),
        (String::new(), "expected JSON"),
    ] {
        let error = send(&desk, body).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() }, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// What comes of a message is alerts, or an error about the body; never a panic.
async fn survives(desk: &Desk, body: impl Into<Vec<u8>>) {
    if let Err(error) = send(desk, body).await {
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() }, "{error}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        Just(json!("0001-01-01T00:00:00Z")),
    ];
    let name =
        prop_oneof![Just("alerts".to_owned()), Just("labels".to_owned()), Just("status".to_owned()), "[a-z]{0,3}"];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

#[test]
fn no_message_is_too_strange() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let desk = runtime.block_on(Desk::of(signed()));
    let names = ["receiver", "alerts", "status", "orgId", "truncatedAlerts", "groupLabels", "externalURL", "groupKey"];
    let parts = [
        "labels",
        "annotations",
        "startsAt",
        "endsAt",
        "fingerprint",
        "generatorURL",
        "status",
        "values",
        "valueString",
        "silenceURL",
    ];
    proptest!(|(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        value in any_json(),
        name in prop::sample::select(names.to_vec()),
        part in prop::sample::select(parts.to_vec()),
        cut in any::<prop::sample::Index>(),
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
