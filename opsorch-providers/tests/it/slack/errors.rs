//! What Slack's errors mean.

use std::time::Duration;

use opsorch::capability::Health;
use opsorch::secret::SecretRef;
use opsorch::transport::{Reply, StatusCode};
use opsorch::{Actor, Context, Error, ErrorKind, Message, Operation, UpdateMessage};
use opsorch_providers::slack::SlackConfig;
use opsorch_testkit::double::{SECRET, json};
use serde_json::json;

use super::Desk;
use super::simulated::slack::{Trouble, rate_limited};

async fn refused(word: &str) -> Error {
    let desk = Desk::new().await;
    desk.slack.refuse("chat.postMessage", word);
    desk.send(Message::new("#ops", "disk full")).await.unwrap_err()
}

#[tokio::test]
async fn a_word_has_its_kind_although_the_status_is_200() {
    let invalid = |field: &str| ErrorKind::Invalid { field: field.into() };
    for (word, kind) in [
        ("invalid_auth", ErrorKind::Unauthenticated),
        ("not_authed", ErrorKind::Unauthenticated),
        ("token_revoked", ErrorKind::Unauthenticated),
        ("token_expired", ErrorKind::Unauthenticated),
        ("account_inactive", ErrorKind::Unauthenticated),
        ("missing_scope", ErrorKind::Forbidden),
        ("not_in_channel", ErrorKind::Forbidden),
        ("restricted_action", ErrorKind::Forbidden),
        ("channel_not_found", ErrorKind::NotFound),
        ("is_archived", ErrorKind::Conflict),
        ("msg_too_long", invalid("body")),
        ("msg_blocks_too_long", invalid("body")),
        ("invalid_blocks", invalid("body")),
        ("no_text", invalid("body")),
        ("missing_argument", invalid("request")),
        ("ratelimited", ErrorKind::RateLimited { retry_after: None }),
        ("method_deprecated", ErrorKind::Unsupported),
    ] {
        let error = refused(word).await;
        assert_eq!(*error.kind(), kind, "{word}");
        assert!(error.to_string().contains(word) && !error.may_have_applied(), "{error}");
    }
    for word in ["internal_error", "fatal_error", "service_unavailable"] {
        let error = refused(word).await;
        assert_eq!(*error.kind(), ErrorKind::Unavailable);
        assert!(error.may_have_applied(), "{word}");
    }
}

#[tokio::test]
async fn an_unknown_word_is_unexpected_and_named() {
    let error = refused("a_word_of_next_year").await;
    assert_eq!(*error.kind(), ErrorKind::Unexpected);
    assert!(error.to_string().contains("a_word_of_next_year") && error.may_have_applied(), "{error}");
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let desk = Desk::new().await;
    let answer = json!({ "ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "users:read" });
    desk.slack.trouble("chat.postMessage", Trouble::Answer(json(StatusCode::OK, &answer)));
    let error = desk.send(Message::new("#ops", "disk full")).await.unwrap_err();
    assert!(error.to_string().contains("needed scope: chat:write"), "{error}");
}

#[tokio::test]
async fn an_answer_that_repeats_the_token_is_not_repeated() {
    let desk = Desk::new().await;
    let answer = json!({
        "ok": false, "error": SECRET, "needed": SECRET, "response_metadata": { "messages": [format!("[ERROR] {SECRET}")] },
    });
    desk.slack.trouble("chat.postMessage", Trouble::Answer(json(StatusCode::OK, &answer)));
    let error = desk.send(Message::new("#ops", "disk full")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_method_that_is_limited_is_left_alone_for_as_long_as_slack_asks() {
    let mut desk = Desk::of(SlackConfig::new(SecretRef::literal(SECRET))).await;
    desk.cx = desk.cx.timeout(Duration::from_secs(15));
    let sent = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    desk.slack.trouble("chat.postMessage", Trouble::Answer(rate_limited(30)));
    let wait = |error: &Error| match error.kind() {
        ErrorKind::RateLimited { retry_after } => *retry_after,
        other => panic!("{other:?}"),
    };
    tokio::time::advance(Duration::from_secs(1)).await;
    let error = desk.send(Message::new("#ops", "still full")).await.unwrap_err();
    assert_eq!(wait(&error), Some(Duration::from_secs(30)));
    assert!(!error.may_have_applied());

    // Nobody waits who cannot wait as long.
    tokio::time::advance(Duration::from_secs(10)).await;
    let (one, other) = tokio::join!(desk.send(Message::new("#ops", "a")), desk.send(Message::new("#ops", "b")));
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert_eq!(wait(&error), Some(Duration::from_secs(20)));
        assert!(!error.may_have_applied());
    }
    assert_eq!(desk.slack.calls("chat.postMessage").len(), 2, "nothing is sent meanwhile");
    desk.update(UpdateMessage::new(&sent.id, "C1", "another method is another limit")).await.unwrap();

    tokio::time::advance(Duration::from_secs(20)).await;
    desk.cx = Context::new(Actor::user("ada"));
    desk.send(Message::new("#ops", "solved")).await.unwrap();
}

#[tokio::test]
async fn a_limit_in_the_middle_of_a_list_is_that_of_the_call() {
    let desk = Desk::new().await;
    desk.slack.trouble("users.list", Trouble::Fine);
    desk.slack.trouble("users.list", Trouble::Answer(rate_limited(7)));
    let error = desk.send(Message::new("@ada", "hello")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    assert!(!error.may_have_applied());
}

#[tokio::test]
async fn a_page_of_a_proxy_and_a_lost_answer_leave_it_open() {
    let desk = Desk::new().await;
    let page = Reply::new(StatusCode::BAD_GATEWAY).body("<html>Bad gateway</html>");
    desk.slack.trouble("chat.postMessage", Trouble::Answer(page));
    let error = desk.send(Message::new("#ops", "disk full")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(error.may_have_applied());
    desk.slack.trouble("chat.postMessage", Trouble::Lost);
    let error = desk.send(Message::new("#ops", "disk full")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert!(error.may_have_applied());
    assert_eq!(desk.slack.calls("chat.postMessage").len(), 2, "each was sent once");
}

#[tokio::test]
async fn health_names_what_the_token_lacks() {
    let desk = Desk::new().await;
    let health = |desk: &Desk| {
        let (ops, cx) = (desk.ops.clone(), desk.cx.clone());
        async move { ops.health(&cx, "slack").await }
    };
    let fine: Health = health(&desk).await.unwrap();
    assert!(fine.is_healthy() && fine.operations.contains(Operation::MessagingSend));

    desk.slack.with(|world| world.scopes = "users:read,channels:read");
    let lacking = health(&desk).await.unwrap();
    assert!(lacking.operations.is_empty());
    assert!(lacking.problems[0].message.contains("chat:write"), "{lacking:?}");

    desk.slack.refuse("auth.test", "token_revoked");
    let revoked = health(&desk).await.unwrap();
    assert!(revoked.problems[0].message.contains("token_revoked"), "{revoked:?}");

    desk.slack.trouble("auth.test", Trouble::Answer(Reply::new(StatusCode::BAD_GATEWAY)));
    assert_eq!(*health(&desk).await.unwrap_err().kind(), ErrorKind::Unavailable, "nothing was learned");
    assert!(desk.slack.with(|world| world.asked.iter().all(|asked| asked.method == "auth.test")), "it changes nothing");
}
