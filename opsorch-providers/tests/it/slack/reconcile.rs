//! What became of a message whose answer was lost.

use opsorch::{Entry, Message, OutcomeStatus, UpdateMessage};
use serde_json::{Value, json};

use super::Desk;
use super::simulated::slack::Trouble;

/// Asks what became of the last change.
async fn reconciled(desk: &Desk) -> Option<Entry> {
    let entries = desk.ops.audit().entries(0, 1_000).await.unwrap();
    let grant = entries.iter().rev().find_map(|entry| entry.grant.clone()).unwrap();
    desk.ops.reconcile(&desk.cx, &grant).await.unwrap()
}

fn is_applied(entry: Option<Entry>) -> bool {
    entry.and_then(|entry| entry.outcome).is_some_and(|outcome| outcome.status == OutcomeStatus::Applied)
}

async fn lose(desk: &Desk, message: Message) {
    desk.slack.trouble("chat.postMessage", Trouble::Lost);
    assert!(desk.send(message).await.unwrap_err().may_have_applied());
}

#[tokio::test]
async fn a_message_that_was_sent_is_found_among_others() {
    let desk = Desk::new().await;
    lose(&desk, Message::new("#ops", "disk full")).await;
    for number in 0..5 {
        desk.slack.with(|world| world.chat.post("C1", "U0ADA", format!("chatter {number}")).is_some());
    }
    assert!(is_applied(reconciled(&desk).await));
    assert_eq!(desk.slack.calls("chat.postMessage").len(), 1, "it only looks");
    let asked = desk.slack.calls("conversations.history");
    assert!(asked.len() > 2 && asked[0]["include_all_metadata"] == "true", "{asked:?}");
    let oldest: f64 = asked[0]["oldest"].as_str().unwrap().parse().unwrap();
    assert!(oldest > 1_766_000_000.0, "no more than the time of the attempt is read: {oldest}");
}

#[tokio::test]
async fn a_reply_that_was_sent_is_found_in_its_thread() {
    let desk = Desk::new().await;
    let first = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    lose(&desk, Message::new("C1", "looking").thread_ref(first.id.as_str())).await;
    assert!(is_applied(reconciled(&desk).await));
}

#[tokio::test]
async fn one_that_is_not_found_may_still_come() {
    let desk = Desk::new().await;
    desk.slack.refuse("chat.postMessage", "internal_error");
    assert!(desk.send(Message::new("#ops", "disk full")).await.unwrap_err().may_have_applied());
    assert!(!is_applied(reconciled(&desk).await));
}

#[tokio::test]
async fn a_key_that_somebody_copied_proves_nothing() {
    let desk = Desk::new().await;
    desk.slack.refuse("chat.postMessage", "internal_error");
    assert!(desk.send(Message::new("#ops", "disk full")).await.is_err());
    let metadata: Value = desk.slack.calls("chat.postMessage")[0]["metadata"].clone();
    desk.slack.with(|world| {
        let copy = world.chat.post("C1", "B0OTHER", "disk full").unwrap();
        copy.fields.insert("metadata".into(), metadata);
    });
    assert!(!is_applied(reconciled(&desk).await));
}

#[tokio::test(start_paused = true)]
async fn half_a_message_is_not_a_message() {
    let desk = Desk::new().await;
    let long = Message::new("#ops", "x ".repeat(10_000));
    desk.slack.trouble("chat.postMessage", Trouble::Fine);
    desk.slack.refuse("chat.postMessage", "is_archived");
    assert!(desk.send(long.clone()).await.unwrap_err().may_have_applied());
    assert!(!is_applied(reconciled(&desk).await), "a part is missing");

    desk.slack.trouble("chat.postMessage", Trouble::Fine);
    desk.slack.trouble("chat.postMessage", Trouble::Lost);
    assert!(desk.send(long).await.unwrap_err().may_have_applied());
    assert!(is_applied(reconciled(&desk).await), "the last part was there");
}

#[tokio::test]
async fn a_replacement_is_found_by_its_key() {
    let desk = Desk::new().await;
    let sent = desk.send(Message::new("#ops", "disk full")).await.unwrap();
    desk.slack.refuse("chat.update", "internal_error");
    assert!(desk.update(UpdateMessage::new(&sent.id, "C1", "solved")).await.is_err());
    assert!(!is_applied(reconciled(&desk).await));
    desk.slack.trouble("chat.update", Trouble::Lost);
    assert!(desk.update(UpdateMessage::new(&sent.id, "C1", "solved")).await.is_err());
    assert!(is_applied(reconciled(&desk).await));
    assert_eq!(desk.slack.messages("C1")[0].fields["metadata"]["event_type"], json!("opsorch_message"));
}
