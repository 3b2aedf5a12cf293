//! Messages, and the outbox that people follow.

use std::fs;
use std::path::Path;
use std::time::Duration;

use opsorch::{Block, ErrorKind, LogQuery, Message, UpdateMessage};
use opsorch_providers::local::LocalConfig;
use serde_json::{Value, json};

use super::{Desk, assert_invalid, done, folder, time};

async fn with_outbox(folder: &Path) -> Desk {
    let outbox = folder.join("messages.jsonl");
    Desk::of(LocalConfig::new(folder).metrics(false).outbox(&outbox).log(outbox.to_str().unwrap())).await
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("messages.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_message_is_sent_answered_and_replaced() {
    let folder = folder();
    let desk = with_outbox(folder.path()).await;
    let messaging = desk.ops.messages(&desk.cx);
    let sent = done(messaging.send(Message::new("#ops", "disk full\non db-1")).await.unwrap());
    assert_eq!((sent.id.as_str(), sent.channel.as_str()), ("MSG-1", "#ops"));
    assert_eq!(sent.sent_at, Some(time("2026-01-01T00:00:00Z")));
    desk.clock.advance(Duration::from_secs(60));
    let answer = Message::new("#ops", "").thread_ref("MSG-1").block(Block::header("on it"));
    done(messaging.send(answer).await.unwrap());
    let replaced = done(messaging.update(UpdateMessage::new("MSG-1", "#ops", "disk was full")).await.unwrap());
    assert_eq!((replaced.id, replaced.sent_at), (sent.id, sent.sent_at));

    let who = "agent triage@local for user alice@local";
    let expected = [
        json!({ "time": "2026-01-01T00:00:00Z", "id": "MSG-1", "channel": "#ops", "message": "disk full\non db-1" }),
        json!({ "time": "2026-01-01T00:01:00Z", "id": "MSG-2", "channel": "#ops", "message": "", "threadRef": "MSG-1",
            "blocks": [{ "type": "header", "text": "on it" }] }),
        json!({ "time": "2026-01-01T00:01:00Z", "id": "MSG-1", "channel": "#ops", "message": "disk was full",
            "edited": true }),
    ];
    let expected = expected.map(|mut line| {
        line["sender"] = json!(who);
        line
    });
    assert_eq!(lines(folder.path()), expected);
}

#[tokio::test]
async fn an_outbox_among_the_logs_can_be_searched() {
    let folder = folder();
    let desk = with_outbox(folder.path()).await;
    done(desk.ops.messages(&desk.cx).send(Message::new("#ops", "disk full\n{\"message\":\"forged\"}")).await.unwrap());
    let query = LogQuery::new(time("2025-12-31T00:00:00Z"), time("2026-01-02T00:00:00Z"));
    let found = desk.ops.logs(&desk.cx).query(query).await.unwrap().items;
    assert_eq!(found.len(), 1, "one message is one line");
    assert_eq!(found[0].message, "disk full\n{\"message\":\"forged\"}");
}

#[tokio::test]
async fn an_unknown_channel_or_message_is_not_found_and_the_known_are_listed() {
    let folder = folder();
    let desk = Desk::of(LocalConfig::new(folder.path()).metrics(false).channel("#ops").channel("#dev")).await;
    let messaging = desk.ops.messages(&desk.cx);
    done(messaging.send(Message::new("#ops", "x")).await.unwrap());
    let error = messaging.send(Message::new("#op", "x")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`#op`; there are: #ops, #dev"), "{error}");
    for error in [
        messaging.send(Message::new("#ops", "x").thread_ref("MSG-2")).await.unwrap_err(),
        messaging.send(Message::new("#dev", "x").thread_ref("MSG-1")).await.unwrap_err(),
        messaging.update(UpdateMessage::new("MSG-2", "#ops", "x")).await.unwrap_err(),
        messaging.update(UpdateMessage::new("MSG-1", "#dev", "x")).await.unwrap_err(),
    ] {
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`MSG-"), "{error}");
    }
    assert_invalid(messaging.send(Message::new("#ops", " ")).await, "body");
    assert_invalid(messaging.send(Message::new("", "x")).await, "channel");
}

#[tokio::test]
async fn a_message_that_the_outbox_does_not_take_is_not_sent() {
    let folder = folder();
    let desk = with_outbox(folder.path()).await;
    let outbox = folder.path().join("messages.jsonl");
    fs::create_dir(&outbox).unwrap();
    let messaging = desk.ops.messages(&desk.cx);
    let error = messaging.send(Message::new("#ops", "x")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(!error.may_have_applied() && error.to_string().contains("messages.jsonl"), "{error}");
    fs::remove_dir(&outbox).unwrap();
    let sent = done(messaging.send(Message::new("#ops", "x")).await.unwrap());
    assert_eq!(sent.id.as_str(), "MSG-1", "no number was spent");
}

#[tokio::test]
async fn a_line_that_a_crash_has_cut_does_not_take_the_next_with_it() {
    let folder = folder();
    fs::write(folder.path().join("messages.jsonl"), "{\"time\":\"2026-").unwrap();
    let desk = with_outbox(folder.path()).await;
    done(desk.ops.messages(&desk.cx).send(Message::new("#ops", "x")).await.unwrap());
    let text = fs::read_to_string(folder.path().join("messages.jsonl")).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((last["message"].as_str(), text.lines().count()), (Some("x"), 2));
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_an_outbox_that_is_made() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let desk = with_outbox(folder.path()).await;
    done(desk.ops.messages(&desk.cx).send(Message::new("#ops", "x")).await.unwrap());
    let mode = fs::metadata(folder.path().join("messages.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
