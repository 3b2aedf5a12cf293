//! Messages to people.

use opsorch::{ErrorKind, Message};
use serde_json::json;

use super::Desk;
use super::simulated::slack::user;

#[tokio::test]
async fn a_person_is_found_by_id_name_or_address() {
    let desk = Desk::new().await;
    for person in ["U0ADA", "@U0ADA", "@ada", "@Ada L", "ada@example.com"] {
        let sent = desk.send(Message::new(person, format!("hello {person}"))).await.unwrap();
        assert_eq!(sent.channel, "C2", "always the one conversation with her");
    }
    assert_eq!(desk.slack.calls("conversations.open"), vec![json!({ "users": "U0ADA" }); 5]);
}

#[tokio::test]
async fn several_people_are_one_conversation() {
    let desk = Desk::new().await;
    desk.send(Message::new("@ada, bob@example.com,U0ADA", "hello")).await.unwrap();
    assert_eq!(desk.slack.calls("conversations.open"), [json!({ "users": "U0ADA,U0BOB" })]);
    let nine: Vec<String> = (0..9).map(|number| format!("U{number}X")).collect();
    let error = desk.send(Message::new(nine.join(","), "hello")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "channel".into() });
    assert_eq!(desk.slack.calls("conversations.open").len(), 1);
}

#[tokio::test]
async fn a_name_of_several_people_is_refused_with_their_ids() {
    let desk = Desk::new().await;
    let error = desk.send(Message::new("@bobby", "hello")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "channel".into() });
    assert!(error.to_string().contains("U0BOB (@bob), U0BEN (@ben)"), "{error}");
    // One is called `bobby`, the other shows that name: it is not told which was meant.
    desk.slack.with(|world| world.users.push(user("U0BY", "bobby", "", "by@example.com")));
    assert!(desk.send(Message::new("@bobby", "hello")).await.is_err());
    assert!(desk.slack.calls("chat.postMessage").is_empty());
}

#[tokio::test]
async fn an_unknown_person_is_not_found_and_nobody_else_is() {
    let desk = Desk::new().await;
    desk.slack.with(|world| {
        let mut gone = user("U0GONE", "gone", "gone", "gone@example.com");
        gone["deleted"] = json!(true);
        world.users.push(gone);
    });
    for person in ["@ad", "@gone", "@ADA", "nobody@example.com", "U0NOBODY"] {
        let error = desk.send(Message::new(person, "hello")).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{person}: {error}");
        assert!(!error.may_have_applied());
    }
    let bot = desk.send(Message::new("U0BOT", "hello")).await.unwrap_err();
    assert_eq!(*bot.kind(), ErrorKind::Forbidden);
    assert!(desk.slack.calls("chat.postMessage").is_empty());
}

#[tokio::test]
async fn an_organisations_token_names_the_workspace() {
    let desk = Desk::of(super::config().team("T0TEAM")).await;
    desk.send(Message::new("@ada", "hello")).await.unwrap();
    assert_eq!(desk.slack.calls("users.list")[0]["team_id"], "T0TEAM");
}
