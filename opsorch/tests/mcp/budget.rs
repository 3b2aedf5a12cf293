//! Answers are bounded, never cut silently, and whatever was left out can be read.

use std::collections::BTreeSet;

use opsorch::http::Role;
use opsorch::mcp::McpServer;
use opsorch::{Incident, Time, TimelineEntry};
use serde_json::{Value, json};

use crate::support::{Called, Client, Http, MODERN, World, user};

const BUDGET: usize = McpServer::MIN_RESULT_BUDGET;

/// An admin who gets short answers.
fn brief(world: &World) -> Http {
    let mut client = world.http(user(Role::Admin), MODERN);
    let (secret, key) = opsorch::http::ApiKey::generate(user(Role::Admin)).unwrap();
    let auth = opsorch::http::Authentication::builder().api_key(key).build().unwrap();
    client.router = McpServer::new(&world.ops).result_budget(BUDGET).router(auth, opsorch::http::Options::new());
    client.token = Some(secret.expose().to_owned());
    client
}

async fn world(incidents: usize, description: usize) -> World {
    let world = World::new().await;
    for number in 0..incidents {
        let incident = Incident::new(format!("many-{number}"), "one of many", "open", "high");
        world.vendor.seed_incident(incident.description("d".repeat(description)));
    }
    world
}

fn entry(number: usize, incident: &str) -> TimelineEntry {
    TimelineEntry::new(format!("t-{number}"), incident, "note", "x".repeat(300))
}

#[track_caller]
fn assert_bounded(called: &Called) {
    assert!(called.data().to_string().len() <= BUDGET, "{} bytes", called.data().to_string().len());
    assert!(called.texts().iter().all(|text| text.len() <= BUDGET + 1024));
}

/// Reads a list to its end.
async fn all(client: &mut Http, tool: &str, arguments: Value) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), Value::Null);
    for _ in 0..1000 {
        let mut asked = arguments.clone();
        asked["cursor"] = cursor;
        let called = client.call(tool, asked).await;
        assert_bounded(&called);
        items.extend(called.data()["items"].as_array().unwrap().clone());
        cursor = called.data()["next"].clone();
        if cursor.is_null() {
            return items;
        }
    }
    panic!("it has no end");
}

#[tokio::test]
async fn a_long_list_is_read_in_parts_without_gap_or_repeat() {
    let world = world(100, 300).await;
    let mut client = brief(&world);
    let ids = |items: &[Value]| items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let short = ids(&all(&mut client, "query-incidents", json!({ "limit": 100 })).await);
    let whole =
        ids(world.admin().call("query-incidents", json!({ "limit": 500 })).await.data()["items"].as_array().unwrap());
    assert_eq!(short, whole);
    assert!(short.len() >= 100 && short.iter().collect::<BTreeSet<_>>().len() == short.len());
}

#[tokio::test]
async fn a_list_without_a_cursor_of_its_own_is_read_in_parts_too() {
    let world = World::new().await;
    for number in 0..200 {
        let at: Time = format!("2025-12-31T{:02}:{:02}:00Z", number / 60, number % 60).parse().unwrap();
        world.vendor.seed_timeline_entry(entry(number, "inc-2").at(at));
    }
    let mut client = brief(&world);
    let items = all(&mut client, "get-incident-timeline", json!({ "id": "inc-2" })).await;
    let whole = world.ops.incidents(&opsorch::Context::new(user(Role::Admin))).timeline("inc-2").await.unwrap();
    assert!(items.len() >= 200);
    assert_eq!(items, serde_json::to_value(&whole.items).unwrap().as_array().unwrap().clone());
}

#[tokio::test]
async fn a_list_that_changed_meanwhile_is_not_mixed() {
    let world = World::new().await;
    let at: Time = "2025-12-31T00:00:00Z".parse().unwrap();
    for number in 0..100 {
        world.vendor.seed_timeline_entry(entry(number, "inc-2").at(at));
    }
    let mut client = brief(&world);
    let first = client.call("get-incident-timeline", json!({ "id": "inc-2" })).await;
    let earlier: Time = "2020-01-01T00:00:00Z".parse().unwrap();
    world.vendor.seed_timeline_entry(entry(100, "inc-2").at(earlier));
    let cursor = first.data()["next"].clone();
    let second = client.call("get-incident-timeline", json!({ "id": "inc-2", "cursor": cursor })).await;
    assert_eq!(second.problem()["code"], "conflict");
}

#[tokio::test]
async fn a_long_text_is_read_in_parts() {
    let world = World::new().await;
    let long: String = (0..40_000).map(|number| char::from(b'a' + u8::try_from(number % 26).unwrap())).collect();
    world.vendor.seed_incident(Incident::new("long", "long", "open", "high").description(&long));
    let mut client = brief(&world);
    for tool in ["get-incident", "query-incidents"] {
        let (mut read, mut cursor) = (String::new(), Value::Null);
        for _ in 0..100 {
            let asked = if tool == "get-incident" {
                json!({ "id": "long", "cursor": cursor })
            } else {
                json!({ "query": "long", "cursor": cursor })
            };
            let called = client.call(tool, asked).await;
            assert_bounded(&called);
            let data = called.data();
            let item = if tool == "get-incident" { data } else { &data["items"][0] };
            read += item["description"].as_str().unwrap();
            let notes = called.texts()[2..].join(" ");
            assert!(notes.contains("in part: "), "it is said: {notes}");
            match notes.split("the cursor `").nth(1) {
                Some(rest) => cursor = rest.split('`').next().unwrap().into(),
                None => break,
            }
        }
        assert_eq!(read, long, "{tool}");
    }
}

#[tokio::test]
async fn an_investigation_leaves_out_items_and_says_which() {
    let world = World::new().await;
    for number in 0..60 {
        world.vendor.seed_timeline_entry(entry(number, "inc-1"));
    }
    let mut client = brief(&world);
    let called = client.call("investigate-incident", json!({ "incident": "inc-1" })).await;
    assert_bounded(&called);
    let gaps = called.data()["gaps"].to_string();
    assert!(gaps.contains("`get-incident-timeline` on `tracker`"), "{gaps}");
    assert!(called.data()["timeline"][0]["answer"]["truncated"].is_string());
    assert!(called.texts()[2].contains("gaps"), "{:?}", called.texts()[2]);
}

#[tokio::test]
async fn what_cannot_be_shortened_is_refused_and_says_what_to_do() {
    let world = World::new().await;
    let mut incident = Incident::new("wide", "wide", "open", "high");
    incident.fields.extend((0..500).map(|number| (format!("field-{number}"), json!("x".repeat(100)))));
    world.vendor.seed_incident(incident);
    let problem = brief(&world).call("get-incident", json!({ "id": "wide" })).await.problem();
    assert_eq!(problem["code"], "unsupported");
    assert!(problem["detail"].as_str().unwrap().contains("ask for less"), "{problem}");
}

#[tokio::test]
async fn the_answer_to_a_change_is_bounded_and_the_change_is_made_once() {
    let world = World::new().await;
    let mut client = brief(&world);
    let called = client.call("create-ticket", json!({ "title": "x", "description": "d".repeat(50_000) })).await;
    assert_bounded(&called);
    assert_eq!(called.data()["status"], "done");
    assert!(called.texts()[2].contains("in part"), "{:?}", called.texts()[2]);
    assert_eq!(world.vendor.requests().len(), 1);
}
