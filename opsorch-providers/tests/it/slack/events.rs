//! The Events API.

use std::time::Duration;

use opsorch::capability::{Delivery, OtherEvent, Webhook, WebhookEvent};
use opsorch::secret::SecretRef;
use opsorch::{Clock, Error, ErrorKind, ManualClock, Result, Time};
use serde_json::{Value, json};

use super::signing::{KEY, signed, signed_by, with};
use super::{Desk, config};

async fn desk() -> Desk {
    Desk::of(config().signing_secret(SecretRef::literal(KEY))).await
}

async fn receive(desk: &Desk, webhook: &Webhook) -> Result<Delivery> {
    desk.ops.receive(&desk.cx, "slack", webhook).await
}

async fn event(desk: &Desk, event: Value) -> Delivery {
    let body = json!({
        "type": "event_callback", "team_id": "T0TEAM", "api_app_id": "A0APP", "event_id": "Ev1", "event_time": 1_767_225_600,
        "authorizations": [{ "user_id": "U0BOT", "is_bot": true }], "event": event,
    });
    receive(desk, &signed(&desk.clock, &body.to_string())).await.unwrap()
}

fn other(delivery: &Delivery) -> &OtherEvent {
    match delivery.events.as_slice() {
        [WebhookEvent::Other(event)] => event,
        events => panic!("{events:?}"),
    }
}

fn assert_unauthenticated(result: Result<Delivery>) -> Error {
    let error = result.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
    assert!(!error.to_string().contains(KEY));
    error
}

#[tokio::test]
async fn a_message_has_its_channel_thread_author_and_text() {
    let desk = desk().await;
    let delivery = event(
        &desk,
        json!({
            "type": "message", "channel": "C1", "channel_type": "channel", "user": "U0ADA", "text": "on it",
            "ts": "1767225600.000100", "thread_ts": "1767225500.000000",
        }),
    )
    .await;
    assert_eq!(delivery.id.as_deref(), Some("Ev1"));
    let event = other(&delivery);
    assert_eq!(event.kind, "message");
    assert_eq!(
        json!(event.fields),
        json!({
            "channel": "C1", "channelType": "channel", "user": "U0ADA", "text": "on it", "ts": "1767225600.000100",
            "threadRef": "1767225500.000000", "team": "T0TEAM", "eventTime": 1_767_225_600,
        })
    );
}

#[tokio::test]
async fn the_text_of_a_changed_message_is_the_new_one() {
    let desk = desk().await;
    let changed = json!({
        "type": "message", "subtype": "message_changed", "channel": "C1", "ts": "1767225700.000000",
        "message": { "user": "U0ADA", "text": "solved", "ts": "1767225600.000100" },
        "previous_message": { "user": "U0ADA", "text": "on it", "ts": "1767225600.000100" },
    });
    let delivery = event(&desk, changed).await;
    let fields = &other(&delivery).fields;
    assert_eq!(
        (&fields["text"], &fields["ts"], &fields["subtype"]),
        (&json!("solved"), &json!("1767225600.000100"), &json!("message_changed"))
    );
    let deleted = json!({
        "type": "message", "subtype": "message_deleted", "channel": "C1", "deleted_ts": "1767225600.000100",
        "previous_message": { "user": "U0ADA", "text": "on it", "ts": "1767225600.000100" },
    });
    assert_eq!(other(&event(&desk, deleted).await).fields["text"], "on it");
}

#[tokio::test]
async fn what_this_app_wrote_is_no_event() {
    let desk = desk().await;
    for own in [
        json!({ "type": "message", "subtype": "bot_message", "bot_id": "B0BOT", "app_id": "A0APP", "text": "x" }),
        json!({ "type": "message", "bot_profile": { "app_id": "A0APP" }, "text": "x" }),
        json!({ "type": "message", "user": "U0BOT", "text": "x" }),
        json!({ "type": "message", "subtype": "message_changed", "message": { "app_id": "A0APP", "text": "x" } }),
    ] {
        let delivery = event(&desk, own).await;
        assert!(delivery.events.is_empty() && delivery.id.is_some());
    }
    let foreign =
        event(&desk, json!({ "type": "message", "subtype": "bot_message", "bot_id": "B1", "app_id": "A1" })).await;
    assert_eq!(other(&foreign).fields["botId"], "B1");
}

#[tokio::test]
async fn a_challenge_is_answered_and_only_if_slack_sent_it() {
    let desk = desk().await;
    let body = json!({ "type": "url_verification", "challenge": "3eZbrw1a" }).to_string();
    let delivery = receive(&desk, &signed(&desk.clock, &body)).await.unwrap();
    assert_eq!(delivery.answer.as_deref(), Some("3eZbrw1a"));
    assert_unauthenticated(receive(&desk, &with("1767225600", &format!("v0={}", "0".repeat(64)), &body)).await);
}

#[tokio::test]
async fn a_repetition_has_the_same_id() {
    let desk = desk().await;
    let first = event(&desk, json!({ "type": "app_mention", "text": "hi" })).await;
    desk.clock.advance(Duration::from_secs(60));
    let again = event(&desk, json!({ "type": "app_mention", "text": "hi" })).await;
    assert_eq!(first, again);
    assert_eq!(other(&first).kind, "app_mention");
    assert_eq!(other(&first).fields["text"], "hi");
}

#[tokio::test]
async fn held_back_and_unknown_things_are_said() {
    let desk = desk().await;
    let limited = json!({ "type": "app_rate_limited", "minute_rate_limited": 1 }).to_string();
    assert!(receive(&desk, &signed(&desk.clock, &limited)).await.unwrap().truncated.is_some());
    let unknown = json!({ "type": "of_next_year" }).to_string();
    assert_eq!(other(&receive(&desk, &signed(&desk.clock, &unknown)).await.unwrap()).kind, "of_next_year");
}

#[tokio::test]
async fn the_example_of_slacks_documentation_is_signed() {
    // docs.slack.dev, "Verifying requests from Slack".
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
                channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
                response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
                trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let desk = desk().await;
    let at = |seconds: i64| desk.clock.set(Time::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap()));
    let webhook = with("1531420618", signature, body);
    for now in [1_531_420_618, 1_531_420_918, 1_531_420_558] {
        at(now);
        // It is a slash command: signed, and no event.
        assert_eq!(*receive(&desk, &webhook).await.unwrap_err().kind(), ErrorKind::Invalid { field: "body".into() });
    }
    for now in [1_531_420_919, 1_531_420_557, 1_531_410_618] {
        at(now);
        assert_unauthenticated(receive(&desk, &webhook).await);
    }
}

#[tokio::test]
async fn what_is_not_signed_so_is_refused() {
    let desk = desk().await;
    let now = desk.clock.now().timestamp();
    let body = json!({ "type": "url_verification", "challenge": "x" }).to_string();
    let right = signed(&desk.clock, &body);
    let header = |name: &str| right.headers[name].to_str().unwrap().to_owned();
    let (stamp, signature) = (header("x-slack-request-timestamp"), header("x-slack-signature"));
    receive(&desk, &right).await.unwrap();

    for (stamp, signature, body) in [
        (&*stamp, &*signature, &*format!("{body} ")),
        (&stamp, &signature[..signature.len() - 1], &body),
        (&stamp, &signature[3..], &body),
        (&stamp, &signature.replace("v0=", "v1="), &body),
        (&stamp, "v0=", &body),
        (&(now + 1).to_string(), &signature, &body),
        (&format!("0{stamp}"), &signature, &body),
        ("soon", &signature, &body),
    ] {
        assert_unauthenticated(receive(&desk, &with(stamp, signature, body)).await);
    }
    for missing in ["x-slack-signature", "x-slack-request-timestamp"] {
        let mut webhook = right.clone();
        webhook.headers.remove(missing);
        assert_unauthenticated(receive(&desk, &webhook).await);
    }
    let mut twice = right.clone();
    twice.headers.append("x-slack-signature", right.headers["x-slack-signature"].clone());
    assert_unauthenticated(receive(&desk, &twice).await);
    assert_unauthenticated(receive(&desk, &signed_by("another key", now, &body)).await);
    // A form whose fields were put in another order has other bytes.
    let form = signed(&desk.clock, "a=1&b=2");
    assert_unauthenticated(receive(&desk, &Webhook::new(form.headers, "b=2&a=1")).await);
}

#[tokio::test]
async fn both_keys_count_while_one_replaces_the_other() {
    let config = config().signing_secret(SecretRef::literal("the next one")).signing_secret(SecretRef::literal(KEY));
    let desk = Desk::of(config).await;
    let body = json!({ "type": "url_verification", "challenge": "x" }).to_string();
    let now = ManualClock::default().now().timestamp();
    for key in [KEY, "the next one"] {
        receive(&desk, &signed_by(key, now, &body)).await.unwrap();
    }
    assert_unauthenticated(receive(&desk, &signed_by("the last one", now, &body)).await);
}

#[tokio::test]
async fn a_signed_body_that_makes_no_sense_is_invalid_and_not_shown() {
    let desk = desk().await;
    for body in [
        "",
        "[]",
        "{",
        "{\"type\":\"event_callback\"}",
        "{\"type\":\"event_callback\",\"event_id\":\"E\",\"event\":{}}",
        "{\"type\":\"url_verification\"}",
    ] {
        let error = receive(&desk, &signed(&desk.clock, body)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{body}: {error}");
    }
    let large = format!("{{\"type\":\"{}\"}}", "x".repeat(1024 * 1024));
    assert!(receive(&desk, &signed(&desk.clock, &large)).await.unwrap_err().to_string().contains("at most"));
}
