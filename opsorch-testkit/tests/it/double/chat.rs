//! Chats: Slack, whose errors are 200 and whose last cursor is empty.

use opsorch::ManualClock;
use opsorch::transport::{Reply, Request, StatusCode};
use opsorch_testkit::double::{Chat, Served, Wire, body, by_cursor, json as answer, parameter, path};
use serde_json::{Value, json};

use super::{Vendor, read};

/// A wire that remembers something of its own: how often it was asked.
struct Slack {
    asked: usize,
}

impl Wire<Chat> for Slack {
    fn answer(&mut self, chat: &mut Chat, request: &Request) -> Reply {
        self.asked += 1;
        let mut said = slack(chat, request).unwrap_or_else(|error| json!({ "ok": false, "error": error }));
        said["asked"] = self.asked.into();
        answer(StatusCode::OK, &said)
    }
}

fn slack(chat: &mut Chat, request: &Request) -> Result<Value, &'static str> {
    let (path, body) = (path(request), body(request));
    let text = |name: &str| parameter(request, name).or(body[name].as_str().map(str::to_owned));
    let channel = text("channel").ok_or("invalid_arguments")?;
    let channel = chat.channel(&channel).ok_or("channel_not_found")?;
    let (id, archived) = (channel.id.clone(), channel.archived);
    match path[1].as_str() {
        "chat.postMessage" if archived => Err("is_archived"),
        "chat.postMessage" => {
            let said = text("text").ok_or("no_text")?;
            let message = match text("thread_ts") {
                Some(parent) => chat.reply(&id, &parent, "bot", said),
                None => chat.post(&id, "bot", said),
            };
            Ok(json!({ "ok": true, "channel": id, "ts": message.ok_or("thread_not_found")?.ts }))
        }
        "chat.update" => {
            let (ts, said) = (text("ts").ok_or("invalid_arguments")?, text("text").ok_or("no_text")?);
            let message = chat.edit(&id, &ts, |message| message.text = said).ok_or("message_not_found")?;
            Ok(json!({ "ok": true, "ts": message.ts, "text": message.text }))
        }
        "conversations.replies" => {
            let ts = text("ts").ok_or("invalid_arguments")?;
            let cursor = text("cursor").filter(|cursor| !cursor.is_empty());
            let part = by_cursor(chat.thread(&id, &ts), &ts, cursor.as_deref(), 2).map_err(|_| "invalid_cursor")?;
            let texts: Vec<&str> = part.items.iter().map(|message| message.text.as_str()).collect();
            let next = part.next.unwrap_or_default();
            Ok(json!({ "ok": true, "messages": texts, "response_metadata": { "next_cursor": next } }))
        }
        _ => Err("unknown_method"),
    }
}

async fn a_slack() -> Vendor {
    let mut chat = Chat::new(ManualClock::default());
    chat.open("incidents");
    chat.open("old").archived = true;
    Vendor::of(Served::new(chat, Slack { asked: 0 })).await
}

async fn post(slack: &Vendor, message: Value) -> Value {
    read(&slack.post("api/chat.postMessage", &message).await, StatusCode::OK)
}

#[tokio::test]
async fn a_message_is_posted_answered_and_changed() {
    let slack = a_slack().await;
    let posted = post(&slack, json!({ "channel": "incidents", "text": "disk full" })).await;
    assert_eq!((&posted["channel"], &posted["ts"]), (&json!("C1"), &json!("1767225600.000000")));
    let ts = posted["ts"].clone();
    for text in ["on it", "done"] {
        let reply = post(&slack, json!({ "channel": "C1", "text": text, "thread_ts": ts })).await;
        assert_eq!(reply["ok"], true);
    }
    let change = json!({ "channel": "C1", "ts": ts, "text": "disk was full" });
    assert_eq!(read(&slack.post("api/chat.update", &change).await, StatusCode::OK)["text"], "disk was full");

    let (mut texts, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = [("channel", "C1"), ("ts", ts.as_str().unwrap()), ("cursor", &cursor)];
        let page = read(&slack.get("api/conversations.replies", &query).await, StatusCode::OK);
        texts.extend(page["messages"].as_array().unwrap().clone());
        page["response_metadata"]["next_cursor"].as_str().unwrap().clone_into(&mut cursor);
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(texts, ["disk was full", "on it", "done"]);
}

#[tokio::test]
async fn a_refusal_is_in_the_words_of_the_wire() {
    let slack = a_slack().await;
    let first = post(&slack, json!({ "channel": "C1", "text": "a" })).await["ts"].clone();
    let reply = post(&slack, json!({ "channel": "C1", "text": "b", "thread_ts": first })).await["ts"].clone();
    for (message, error) in [
        (json!({ "channel": "nowhere", "text": "x" }), "channel_not_found"),
        (json!({ "channel": "old", "text": "x" }), "is_archived"),
        (json!({ "channel": "C1", "text": "x", "thread_ts": reply }), "thread_not_found"),
        (json!({ "channel": "C1", "text": "x", "thread_ts": "1.000000" }), "thread_not_found"),
    ] {
        assert_eq!(post(&slack, message).await["error"], error);
    }
    let unknown = slack.post("api/chat.update", &json!({ "channel": "C1", "ts": "1.000000", "text": "x" })).await;
    let unknown = read(&unknown, StatusCode::OK);
    assert_eq!((&unknown["error"], &unknown["asked"]), (&json!("message_not_found"), &json!(7)));
}

#[test]
fn a_time_names_one_message_even_where_the_clock_goes_back() {
    let clock = ManualClock::default();
    let mut chat = Chat::new(clock.clone());
    chat.open("a");
    let mut times = Vec::new();
    for seconds in [60, 0, 30] {
        clock.set(opsorch::Clock::now(&ManualClock::default()) + std::time::Duration::from_secs(seconds));
        times.extend((0..2).map(|_| chat.post("a", "bot", "x").unwrap().ts.clone()));
    }
    assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
    assert!(chat.delete("a", &times[0]).is_some() && chat.delete("a", &times[0]).is_none());
    assert_eq!(chat.history("a").next().unwrap().ts, times[5], "the newest first");
    assert_eq!(chat.history("a").count(), 5);
}

#[test]
fn an_idempotency_key_makes_one_message() {
    let mut chat = Chat::new(ManualClock::default());
    chat.open("a");
    let first = chat.post_once("key", "a", "bot", "x").unwrap().ts.clone();
    chat.post("a", "bot", "y");
    assert_eq!(chat.post_once("key", "a", "bot", "again").unwrap().ts, first);
    assert!(chat.post_once("other", "nowhere", "bot", "x").is_none());
    assert_eq!(chat.history("a").count(), 2);
}
