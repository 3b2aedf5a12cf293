//! The wire contract with OpsOrch: `/providers/{capability}`, where nothing can be configured.

use crate::support::World;

#[tokio::test]
async fn providers_are_listed_by_capability_in_any_spelling() {
    let server = World::new().await.open().serve().await;
    let names = [
        "incident",
        "Incidents",
        "ALERT",
        "log",
        "metrics",
        "ticket",
        "message",
        "messages",
        "Messaging",
        "service",
        "deployments",
        "team",
        "orchestration",
        "orchestrations",
    ];
    for name in names {
        let reply = server.get(&format!("/providers/{name}")).await;
        assert_eq!(reply.expect(200).text(), "{\"providers\":[\"tracker\"]}\n", "{name}");
    }
    for name in ["secret", "incident/", "nope", ""] {
        let reply = server.get(&format!("/providers/{name}")).await;
        reply.expect_error(404, "not_found", "unknown capability");
    }
}

#[tokio::test]
async fn a_capability_without_providers_lists_none() {
    let ops = opsorch::OpsOrch::builder().build().await.unwrap();
    let world = World { ops, ..World::new().await };
    let server = world.open().serve().await;
    assert_eq!(server.get("/providers/team").await.expect(200).text(), "{\"providers\":[]}\n");
}

#[tokio::test]
async fn nothing_is_configured_without_an_explicit_setting() {
    let server = World::new().await.open().serve().await;
    let plugin = "{\"provider\":\"x\",\"config\":{},\"plugin\":\"/bin/sh\"}";
    for (capability, body) in [("incident", plugin), ("nope", ""), ("incident", "")] {
        let reply = server.post(&format!("/providers/{capability}"), body).await;
        reply.expect_error(501, "secret_provider_missing", "secret provider not configured");
    }
}
