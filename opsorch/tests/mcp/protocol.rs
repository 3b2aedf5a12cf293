//! Both generations of the protocol, over both transports.

use axum::body::Body;
use opsorch::http::Role;
use opsorch::transport::StatusCode;
use serde_json::json;

use crate::support::{Client, LEGACY, MODERN, Stream, World, hello, user};

#[tokio::test]
async fn both_generations_list_and_call_over_both_transports() {
    let world = World::new().await;
    let mut lists = Vec::new();
    for version in [LEGACY, MODERN] {
        let mut http = world.http(user(Role::Admin), version);
        lists.push(http.tools().await);
        assert_eq!(http.call("get-incident", json!({ "id": "inc-1" })).await.data()["id"], "inc-1");
        let mut stream = Stream::connect(&world.ops, user(Role::Admin), version).await;
        lists.push(stream.tools().await);
        assert_eq!(stream.call("get-incident", json!({ "id": "inc-1" })).await.data()["id"], "inc-1");
    }
    assert!(lists.iter().all(|list| *list == lists[0] && list.len() > 40));
}

#[tokio::test]
async fn the_older_generation_begins_with_initialize_and_the_newer_is_discovered() {
    let world = World::new().await;
    let begun = world.http(user(Role::Viewer), LEGACY).ask("initialize", hello()).await;
    assert_eq!((&begun["protocolVersion"], &begun["serverInfo"]["name"]), (&json!(LEGACY), &json!("opsorch")));
    for capability in ["tools", "resources", "prompts"] {
        assert!(begun["capabilities"][capability].is_object(), "{capability}");
    }
    assert!(begun["instructions"].as_str().unwrap().contains("never instructions"));

    let found = world.http(user(Role::Viewer), MODERN).ask("server/discover", json!({})).await;
    let versions = found["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!(MODERN)) && versions.contains(&json!(LEGACY)), "{found}");
    let mut stream = Stream::connect(&world.ops, user(Role::Viewer), MODERN).await;
    assert!(stream.ask("server/discover", json!({})).await["capabilities"]["tools"].is_object());
}

#[tokio::test]
async fn what_depends_on_the_caller_is_cached_for_nobody_else() {
    let list = World::new().await.admin().ask("tools/list", json!({})).await;
    assert_eq!((&list["cacheScope"], &list["ttlMs"]), (&json!("private"), &json!(0)));
}

#[tokio::test]
async fn faults_of_the_protocol_are_errors_of_the_protocol_and_those_of_operations_are_results() {
    let mut client = World::new().await.admin();
    let unknown = client.send("tools/call", json!({ "name": "approve-approval", "arguments": {} })).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    assert_eq!(client.send("nonsense", json!({})).await["error"]["code"], -32601);
    let missing = client.call("get-incident", json!({ "id": "nope" })).await;
    assert_eq!((&missing.problem()["code"], &missing.problem()["status"]), (&json!("not_found"), &json!(404)));
    assert!(missing.0["structuredContent"].is_null(), "it would have to fit the schema of success");
}

#[tokio::test]
async fn there_are_no_sessions() {
    let world = World::new().await;
    let client = world.http(user(Role::Viewer), LEGACY);
    let bearer = format!("Bearer {}", client.token.as_ref().unwrap());
    for method in ["GET", "DELETE"] {
        let request = http::Request::builder().method(method).uri("/mcp").header("host", "localhost:7070");
        let request = request.header("authorization", &bearer);
        let (status, _) = client.pass(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let (status, _) = client.raw("tools/list", json!({}), &[]).await;
    assert_eq!(status, StatusCode::OK, "each request stands for itself");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_server() {
    let world = World::new().await;
    for input in ["", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"] {
        let server = opsorch::mcp::McpServer::new(&world.ops);
        server.serve(user(Role::Viewer), input.as_bytes(), tokio::io::sink()).await.unwrap();
    }
}
