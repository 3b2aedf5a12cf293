//! Slack: one message a second to a channel, and 50 updates a minute.

use opsorch::secret::SecretRef;
use opsorch::{Message, UpdateMessage};
use opsorch_providers::slack::SlackConfig;
use opsorch_testkit::double::{body, json};
use serde_json::json;

use super::*;

fn is(request: &Request, method: &str) -> u64 {
    request.url.path().ends_with(method).into()
}

fn vendor() -> Arc<Vendor> {
    let limits = vec![
        Enforced::sliding(1, SECOND, |request| is(request, "chat.postMessage")).each(channel),
        Enforced::sliding(50, MINUTE, |request| is(request, "chat.update")),
    ];
    Vendor::new(
        limits,
        |_, _, _| Vec::new(),
        |request| match request.url.path().rsplit('/').next() {
            Some("chat.getPermalink") => {
                json(StatusCode::OK, &json!({ "ok": true, "permalink": "https://acme.slack.com/archives/C1/p1" }))
            }
            _ => json(StatusCode::OK, &json!({ "ok": true, "channel": channel(request), "ts": "1503435956.000247" })),
        },
    )
}

fn channel(request: &Request) -> String {
    match is(request, "chat.postMessage") {
        1 => body(request)["channel"].as_str().unwrap().to_owned(),
        _ => "C1".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_requests_meet_no_429_and_use_what_is_allowed() {
    let vendor = vendor();
    let ops = plane(&vendor, SlackConfig::new(SecretRef::literal("canary"))).await;
    // Each costs two requests: for the address of the message too.
    let took = flood(CALLS / 2, |cx, number| {
        let ops = ops.clone();
        async move {
            // 500 messages to each of nine channels, and 500 updates, every caller the same.
            let number = number / CALLERS;
            let messages = ops.messages(&cx);
            if number % 10 == 9 {
                let update = UpdateMessage::new("1503435956.000247", "C1", "still full");
                drop(messages.update(update).await.unwrap());
            } else {
                drop(messages.send(Message::new(format!("C{}", 100 + number % 10), "disk full")).await.unwrap());
            }
        }
    })
    .await;
    check(&vendor, 9 * MINUTE, &took);
    assert_eq!(vendor.seen.lock().unwrap().requests, 10_000);
}
