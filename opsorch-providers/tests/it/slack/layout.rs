//! Long messages: split within Slack's limits, with nothing lost.

use opsorch::{Block, ErrorKind, Message};
use serde_json::Value;

use super::Desk;

/// Everything that the blocks of all messages say, without marks and white space.
fn said(posted: &[Value]) -> String {
    fn collect(value: &Value, text: &mut String) {
        match value {
            Value::String(it) => *text += it,
            Value::Array(items) => items.iter().for_each(|item| collect(item, text)),
            Value::Object(members) => {
                members.iter().filter(|(name, _)| *name != "type").for_each(|(_, member)| collect(member, text));
            }
            _ => {}
        }
    }
    let mut text = String::new();
    posted.iter().for_each(|message| collect(&message["blocks"], &mut text));
    text.replace("&lt;", "<")
        .replace("&amp;", "&")
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '*')
        .collect()
}

async fn send(desk: &Desk, message: Message) -> Vec<Value> {
    desk.send(message).await.unwrap();
    desk.slack.calls("chat.postMessage")
}

#[tokio::test(start_paused = true)]
async fn a_long_body_becomes_sections_and_messages_of_one_thread() {
    let desk = Desk::new().await;
    let body: String = (0..6_000).map(|number| format!("word{number}<&👩‍🚒 ")).collect();
    let posted = send(&desk, Message::new("#ops", &body)).await;
    assert!(posted.len() > 4, "{}", posted.len());
    let expected: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
    assert_eq!(said(&posted), expected);
    let messages = desk.slack.messages("C1");
    assert!(messages[1..].iter().all(|message| message.thread.as_ref() == Some(&messages[0].ts)));
    assert!(messages.iter().all(|message| !message.text.is_empty() && message.text.chars().count() <= 4_000));
    let parts: Vec<_> =
        posted.iter().map(|message| message["metadata"]["event_payload"]["part"].as_u64().unwrap()).collect();
    assert_eq!(parts, (1..=posted.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn there_is_a_second_between_the_messages_of_a_thread() {
    let desk = Desk::new().await;
    let before = tokio::time::Instant::now();
    let posted = send(&desk, Message::new("#ops", "word ".repeat(6_000))).await;
    assert_eq!(before.elapsed().as_secs(), posted.len() as u64 - 1);
}

#[tokio::test(start_paused = true)]
async fn the_borders_of_the_limits_are_kept() {
    for (length, sections) in [(2_999, 1), (3_000, 1), (3_001, 2), (6_001, 3)] {
        let desk = Desk::new().await;
        let posted = send(&desk, Message::new("#ops", "x".repeat(length))).await;
        assert_eq!(posted[0]["blocks"].as_array().unwrap().len(), sections, "{length}");
        assert_eq!(said(&posted).len(), length);
    }
    // An escaped character is five, and an emoji at the border is not cut.
    let desk = Desk::new().await;
    let body = format!("{}&{}", "x".repeat(2_998), "👩‍🚒".repeat(3));
    let posted = send(&desk, Message::new("#ops", &body)).await;
    assert_eq!(said(&posted), body);
    assert!(posted[0]["blocks"][1]["text"]["text"].as_str().unwrap().starts_with("&amp;👩‍🚒"));
}

#[tokio::test(start_paused = true)]
async fn more_than_fifty_blocks_and_long_titles_are_split() {
    let desk = Desk::new().await;
    let mut message = Message::new("#ops", "fifty-one");
    for number in 0..51 {
        message = message.block(Block::section(format!("line {number}"))).block(Block::divider());
    }
    message = message.block(Block::header("h".repeat(151))).block(Block::section("f").field("long", "v".repeat(2_500)));
    let posted = send(&desk, message).await;
    assert_eq!(posted.len(), 3);
    assert_eq!(posted[0]["blocks"].as_array().unwrap().len(), 50);
    assert_eq!(posted[0]["text"], "fifty-one");
    let said = said(&posted);
    assert!((0..51).all(|number| said.contains(&format!("line{number}"))));
    assert!(said.contains(&"h".repeat(151)) && said.contains(&"v".repeat(2_500)));
}

#[tokio::test(start_paused = true)]
async fn many_fields_are_several_sections() {
    let desk = Desk::new().await;
    let block = (0..23).fold(Block::new("section"), |block, number| block.field(format!("f{number:02}"), "v"));
    let posted = send(&desk, Message::new("#ops", "x").block(block)).await;
    let fields: Vec<usize> =
        posted[0]["blocks"].as_array().unwrap().iter().map(|block| block["fields"].as_array().unwrap().len()).collect();
    assert_eq!(fields, [10, 10, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_for_a_thread_is_refused_before_sending() {
    let desk = Desk::new().await;
    let error = desk.send(Message::new("#ops", "x".repeat(300_000))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() });
    let cx = desk.cx.clone().timeout(std::time::Duration::from_secs(3));
    let error = desk.ops.messages(&cx).send(Message::new("#ops", "x".repeat(100_000))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert!(!error.may_have_applied());
    assert!(desk.slack.calls("chat.postMessage").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_a_part_was_sent_says_so() {
    let desk = Desk::new().await;
    desk.slack.trouble("chat.postMessage", super::simulated::slack::Trouble::Fine);
    desk.slack.refuse("chat.postMessage", "is_archived");
    let error = desk.send(Message::new("#ops", "x ".repeat(10_000))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Conflict);
    assert!(error.may_have_applied(), "the first of them is there");
    assert!(error.to_string().contains("sent: 1 of 2 messages, the first is 1767225600.000000 in C1"), "{error}");
}
