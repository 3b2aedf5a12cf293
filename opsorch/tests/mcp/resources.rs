//! Resources and prompts.

use opsorch::Actor;
use opsorch::http::Role;
use serde_json::{Value, json};

use crate::support::{Client, LEGACY, MODERN, World, user};

fn names(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn everything_that_is_listed_can_be_read() {
    let world = World::new().await;
    for version in [LEGACY, MODERN] {
        let mut client = world.http(user(Role::Viewer), version);
        let listed = client.ask("resources/list", json!({})).await;
        for uri in names(&listed["resources"], "uri") {
            let read = client.ask("resources/read", json!({ "uri": uri })).await;
            assert!(read["contents"].as_array().is_some_and(|contents| !contents.is_empty()), "{uri}");
        }
        let templates = client.ask("resources/templates/list", json!({})).await;
        let templates = names(&templates["resourceTemplates"], "uriTemplate");
        assert_eq!(templates, ["opsorch://incidents/{id}{?on}", "opsorch://approvals/{id}"]);
        let read = client.ask("resources/read", json!({ "uri": "opsorch://incidents/inc-1?on=tracker" })).await;
        let found: Value = serde_json::from_str(read["contents"][1]["text"].as_str().unwrap()).unwrap();
        assert_eq!(found["incident"]["answer"]["id"], "inc-1");
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_permitted_is_an_error() {
    let world = World::new().await;
    let code = async |client: &mut crate::support::Http, uri: &str| {
        let answer = client.send("resources/read", json!({ "uri": uri })).await;
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{uri}: {answer}"))
    };
    let mut viewer = world.http(user(Role::Viewer), LEGACY);
    assert_eq!(code(&mut viewer, "opsorch://nowhere").await, -32002);
    assert_eq!(code(&mut viewer, "opsorch://incidents/nope").await, -32002);
    assert_eq!(code(&mut viewer, "file:///etc/passwd").await, -32002);
    assert_eq!(code(&mut world.admin(), "opsorch://nowhere").await, -32602, "as the newer revision has it");
    let mut nobody = world.http(Actor::user("nobody"), LEGACY);
    for uri in ["opsorch://providers", "opsorch://approvals", "opsorch://incidents/inc-1", "opsorch://approvals/x"] {
        assert_eq!(code(&mut nobody, uri).await, -32602, "{uri}");
    }
    let listed = nobody.ask("resources/list", json!({})).await;
    assert_eq!(names(&listed["resources"], "uri"), ["opsorch://docs/agents", "opsorch://docs/operations"]);
}

#[tokio::test]
async fn prompts_are_listed_and_got_with_their_arguments() {
    let mut client = World::new().await.admin();
    let listed = client.ask("prompts/list", json!({})).await;
    assert_eq!(names(&listed["prompts"], "name"), ["triage-incident", "hand-over"]);
    let prompt = json!({ "name": "triage-incident", "arguments": { "incident": "inc-7" } });
    let got = client.ask("prompts/get", prompt).await;
    assert!(got["messages"][0]["content"]["text"].as_str().unwrap().contains("\"inc-7\""), "{got}");
    let without = client.send("prompts/get", json!({ "name": "triage-incident" })).await;
    assert_eq!(without["error"]["code"], -32602, "{without}");
    client.ask("prompts/get", json!({ "name": "hand-over" })).await;
}
