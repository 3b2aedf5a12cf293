//! What is sent, what comes back, and where it goes in a thread.

use opsorch::transport::StatusCode;
use opsorch::{Block, ErrorKind, Message, UpdateMessage};
use opsorch_testkit::double::json;
use serde_json::json;

use super::Desk;
use super::simulated::slack::Trouble;

#[tokio::test]
async fn a_message_is_posted_once_in_json_with_a_text_and_blocks() {
    let desk = Desk::new().await;
    let sent = desk.send(Message::new("#ops", "disk **full** on [db-1](https://db/1)")).await.unwrap();

    let mut posted = desk.slack.calls("chat.postMessage");
    assert_eq!(posted.len(), 1);
    let key = posted[0]["metadata"]["event_payload"]["key"].take();
    assert!(key.as_str().is_some_and(|key| key.len() > 16), "{key}");
    let text = "disk *full* on <https://db/1|db-1>";
    assert_eq!(
        posted[0],
        json!({
            "channel": "#ops",
            "text": text,
            "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": text } }],
            "metadata": { "event_type": "opsorch_message", "event_payload": { "key": null, "part": 1, "parts": 1 } },
        })
    );
    assert_eq!((sent.id.as_str(), sent.channel.as_str()), ("1767225600.000000", "C1"));
    assert_eq!(sent.sent_at.unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00");
    assert_eq!(sent.url.unwrap().as_str(), "https://acme.slack.com/archives/C1/p1767225600000000");
    assert!(sent.metadata.is_empty());
}

#[tokio::test]
async fn a_permalink_that_fails_does_not_fail_the_message() {
    for word in ["message_not_found", "missing_scope", "fatal_error", "a_new_word"] {
        let desk = Desk::new().await;
        desk.slack.refuse("chat.getPermalink", word);
        let sent = desk.send(Message::new("#ops", "disk full")).await.unwrap();
        assert_eq!(sent.url, None);
    }
}

#[tokio::test]
async fn warnings_are_passed_on() {
    let desk = Desk::new().await;
    let answer = json!({
        "ok": true, "channel": "C1", "ts": "1767225600.000100", "warning": "superfluous_charset",
        "response_metadata": { "warnings": ["superfluous_charset", "missing_text"] },
    });
    desk.slack.trouble("chat.postMessage", Trouble::Answer(json(StatusCode::OK, &answer)));
    let sent = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    assert_eq!(sent.metadata["warnings"], json!(["missing_text", "superfluous_charset"]));
    assert_eq!(sent.id.as_str(), "1767225600.000100", "an id is text, with its zeros");
}

#[tokio::test]
async fn a_reply_to_a_reply_goes_to_the_thread() {
    let desk = Desk::new().await;
    let first = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    let reply = desk.send(Message::new("#ops", "looking").thread_ref(first.id.as_str())).await.unwrap();
    let again = desk.send(Message::new("C1", "solved").thread_ref(reply.id.as_str())).await.unwrap();
    assert_eq!(again.metadata["threadRef"], json!(first.id));
    let threads: Vec<_> = desk.slack.messages("C1").into_iter().map(|message| (message.text, message.thread)).collect();
    let root = Some(first.id.to_string());
    assert_eq!(threads, [("disk full".into(), None), ("looking".into(), root.clone()), ("solved".into(), root)]);
}

#[tokio::test]
async fn a_message_that_is_not_there_cannot_be_answered() {
    let desk = Desk::new().await;
    for unknown in ["1700000000.000001", "no-such-message", "1700000000", ""] {
        let error = desk.send(Message::new("C1", "looking").thread_ref(unknown)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
        assert!(!error.may_have_applied());
    }
    assert!(desk.slack.messages("C1").is_empty());
}

#[tokio::test]
async fn without_the_right_to_read_a_reply_goes_where_it_is_told() {
    let desk = Desk::new().await;
    let first = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    desk.slack.refuse("conversations.replies", "missing_scope");
    desk.send(Message::new("C1", "looking").thread_ref(first.id.as_str())).await.unwrap();
    assert_eq!(desk.slack.messages("C1")[1].thread.as_deref(), Some(first.id.as_str()));
}

#[tokio::test]
async fn options_of_slack_are_sent_and_unknown_ones_refused() {
    let desk = Desk::new().await;
    let first = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    let reply = Message::new("C1", "solved").thread_ref(first.id.as_str());
    let reply = reply.metadata("reply_broadcast", true).metadata("unfurl_links", false).metadata("unfurl_media", false);
    desk.send(reply).await.unwrap();
    let posted = &desk.slack.calls("chat.postMessage")[1];
    assert_eq!((&posted["reply_broadcast"], &posted["unfurl_links"]), (&json!(true), &json!(false)));

    let unknown = desk.send(Message::new("C1", "x").metadata("icon_emoji", ":fire:")).await.unwrap_err();
    assert_eq!(*unknown.kind(), ErrorKind::Unsupported);
    assert!(unknown.to_string().contains("reply_broadcast, unfurl_links, unfurl_media"), "{unknown}");
    let wrong = desk.send(Message::new("C1", "x").metadata("unfurl_links", "no")).await.unwrap_err();
    assert_eq!(*wrong.kind(), ErrorKind::Invalid { field: "metadata.unfurl_links".into() });
    assert_eq!(desk.slack.calls("chat.postMessage").len(), 2);
}

#[tokio::test]
async fn a_message_is_replaced_by_the_id_of_its_channel() {
    let desk = Desk::new().await;
    let sent = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    for channel in ["C1", "#ops"] {
        let update = UpdateMessage::new(&sent.id, channel, format!("solved, says {channel}"));
        let updated = desk.update(update).await.unwrap();
        assert_eq!((&updated.id, updated.channel.as_str(), &updated.url), (&sent.id, "C1", &sent.url));
        assert_eq!(desk.slack.messages("C1")[0].text, format!("solved, says {channel}"));
    }
    assert!(
        desk.slack.calls("chat.update").iter().all(|call| call["channel"] == "C1" && call["ts"] == sent.id.as_str())
    );
}

#[tokio::test]
async fn a_name_is_looked_for_on_every_page_and_found_exactly() {
    let desk = Desk::new().await;
    desk.slack.with(|world| {
        for name in ["ops-eu", "dev", "opsx"] {
            world.chat.open(name);
        }
        world.chat.open("old").archived = true;
        world.chat.open("last");
    });
    let sent = desk.send(Message::new("#last", "disk full")).await.unwrap();
    desk.update(UpdateMessage::new(&sent.id, "last", "solved")).await.unwrap();
    assert!(desk.slack.calls("conversations.list").len() > 3, "an empty page is followed by another");
    for unknown in ["op", "old", "OPS", "ops "] {
        let result = desk.update(UpdateMessage::new(&sent.id, unknown, "solved")).await;
        let found = result.as_ref().map(|result| result.channel.clone());
        let is_right = if unknown.trim() == "ops" { false } else { result.is_ok() };
        assert!(!is_right, "{unknown} is not {found:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_replaced_says_why() {
    let desk = Desk::new().await;
    let sent = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    for (word, kind) in [
        ("message_not_found", ErrorKind::NotFound),
        ("cant_update_message", ErrorKind::Conflict),
        ("edit_window_closed", ErrorKind::Conflict),
    ] {
        desk.slack.refuse("chat.update", word);
        let error = desk.update(UpdateMessage::new(&sent.id, "C1", "solved")).await.unwrap_err();
        assert_eq!(*error.kind(), kind);
        assert!(error.to_string().contains(word) && !error.may_have_applied(), "{error}");
    }
    let unknown = desk.update(UpdateMessage::new("17", "C1", "solved")).await.unwrap_err();
    assert_eq!(*unknown.kind(), ErrorKind::NotFound);
    let long = desk.update(UpdateMessage::new(&sent.id, "C1", "x ".repeat(7_000))).await.unwrap_err();
    assert_eq!(*long.kind(), ErrorKind::Invalid { field: "body".into() });
    assert_eq!(desk.slack.messages("C1")[0].text, "disk full");
}

#[tokio::test]
async fn blocks_are_laid_out_and_the_body_is_what_notifications_show() {
    let desk = Desk::new().await;
    let message = Message::new("#ops", "disk **full**")
        .block(Block::header("Disk full"))
        .block(Block::section("on *db-1* <!channel>").field("region", "eu & us").field("owner", "**ada**"))
        .block(Block::divider());
    desk.send(message).await.unwrap();
    let posted = &desk.slack.calls("chat.postMessage")[0];
    assert_eq!(posted["text"], "disk *full*");
    let mrkdwn = |text: &str| json!({ "type": "mrkdwn", "text": text });
    assert_eq!(
        posted["blocks"],
        json!([
            { "type": "header", "text": { "type": "plain_text", "text": "Disk full" } },
            { "type": "section", "text": mrkdwn("on _db-1_ &lt;!channel&gt;") },
            { "type": "section", "fields": [mrkdwn("*owner*\n*ada*"), mrkdwn("*region*\neu &amp; us")] },
            { "type": "divider" },
        ])
    );
}

#[tokio::test]
async fn what_is_no_message_is_refused_before_anything_is_sent() {
    let desk = Desk::new().await;
    for (message, field) in [
        (Message::new("#ops", " \n"), "body"),
        (Message::new(" ", "x"), "channel"),
        (Message::new("#ops", "x").block(Block::new("image").text("x")), "blocks[0].type"),
        (Message::new("#ops", "x").block(Block::header(" ")), "blocks[0].text"),
        (Message::new("#ops", "x").block(Block::divider()).block(Block::new("section")), "blocks[1].text"),
        (Message::new("#ops", "x").block(Block::divider().text("x")), "blocks[0].text"),
        (Message::new("#ops", "x").block(Block::header("x").field("a", "b")), "blocks[0].fields"),
    ] {
        let error = desk.send(message).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
    }
    assert!(desk.slack.with(|world| world.asked.is_empty()));
}
