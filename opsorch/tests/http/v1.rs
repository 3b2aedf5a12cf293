//! `/v1`: whole pages, problems, and the same answers wherever the router is nested.

use opsorch::transport::Method;
use opsorch::{Capability, Event, Incident, ManualClock, Operation, RoutingRule, Service};
use opsorch_testkit::{Fault, MemoryProvider};
use serde_json::json;

use crate::support::{Api, World};

async fn two() -> World {
    let other = MemoryProvider::new(ManualClock::default());
    other.seed_incident(Incident::new("other", "elsewhere", "open", "high").status_raw("triggered"));
    World::with(crate::support::allow, |builder| builder.provider(other.provider("another"))).await
}

#[tokio::test]
async fn a_query_asks_everyone_and_the_page_is_whole() {
    let api = two().await.open();
    let page = api.post("/v1/incidents/query", "{}").await.expect(200).json();
    let providers: std::collections::BTreeSet<_> =
        page["items"].as_array().unwrap().iter().map(|item| item["provider"].as_str().unwrap()).collect();
    assert_eq!(providers.into_iter().collect::<Vec<_>>(), ["another", "tracker"]);
    let one = api.post("/v1/incidents/query?on=another", "{}").await.expect(200).json();
    assert_eq!(one["items"][0]["statusRaw"], "triggered");
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_source_that_fails_is_named_and_the_list_is_not_complete() {
    let world = two().await;
    for _ in 0..5 {
        world.vendor.faults().next(Operation::IncidentQuery, Fault::Error(opsorch::ErrorKind::Forbidden));
    }
    let reply = world.open().post("/v1/incidents/query", "{}").await;
    assert_eq!(reply.expect(200).json()["failures"][0]["source"], "tracker");
    assert_eq!(reply.header("x-opsorch-complete"), "false");
}

#[tokio::test]
async fn errors_are_problems() {
    let api = two().await.open();
    let cases = [
        (Method::GET, "/v1/incidents/other", "", 400, "invalid"),
        (Method::GET, "/v1/incidents/nope?on=another", "", 404, "not_found"),
        (Method::GET, "/v1/nowhere", "", 404, "not_found"),
        (Method::GET, "/v1", "", 404, "not_found"),
        (Method::DELETE, "/v1/providers", "", 404, "not_found"),
        (Method::POST, "/v1/incidents/query", "{", 400, "invalid"),
        (Method::POST, "/v1/incidents/query", "", 400, "invalid"),
        (Method::POST, "/v1/incidents/query", "{\"bogus\":1}", 400, "invalid"),
        (Method::POST, "/v1/incidents/query", "{} {}", 400, "invalid"),
        (Method::POST, "/v1/incidents/query?bogus=1", "{}", 400, "invalid"),
        (Method::POST, "/v1/incidents/query?on=a&on=b", "{}", 400, "invalid"),
        (Method::POST, "/v1/tickets?on=tracker", "{}", 400, "invalid"),
        (Method::PATCH, "/v1/tickets/tkt-1?on=tracker", "{\"id\":\"tkt-2\"}", 400, "invalid"),
    ];
    for (method, path, body, status, code) in cases {
        let reply = api.send(method.clone(), path, &[], body).await;
        reply.expect(status);
        assert_eq!(reply.header("content-type"), "application/problem+json", "{method} {path}");
        let problem = reply.json();
        assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(u64::from(status)), Some(code)));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
    }
    let reply = api.post("/v1/incidents/query", "{\"scope\":{\"service\":1}}").await;
    assert_eq!(reply.json()["field"], "scope.service", "{}", reply.text());
}

#[tokio::test]
async fn the_same_idempotency_key_makes_one_change() {
    let world = World::new().await;
    let api = world.open();
    for (path, key) in [("/v1/tickets", "key-1"), ("/tickets", "key-2")] {
        let headers = [("Idempotency-Key", key), ("X-OpsOrch-Reason", "because")];
        let first = api.send(Method::POST, path, &headers, "{\"title\":\"x\"}").await.expect(201).json();
        let again = api.send(Method::POST, path, &headers, "{\"title\":\"x\"}").await.expect(201).json();
        assert_eq!(first["id"], again["id"]);
        let other = api.send(Method::POST, path, &headers, "{\"title\":\"y\"}").await;
        assert_eq!(other.json()["code"], "conflict", "{path}");
    }
    assert_eq!(world.vendor.calls(Operation::TicketCreate), 2);
    let entries = world.ops.audit().entries(0, 20).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.event == Event::Intent).count(), 2);
}

#[tokio::test]
async fn providers_are_listed_and_tell_their_health() {
    let api = two().await.open();
    let listed = api.get("/v1/providers").await.expect(200).json();
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, [json!("another"), json!("tracker")]);
    assert_eq!(listed["items"][0]["kind"], "memory");
    let health = api.get("/v1/providers/tracker/health").await.expect(200).json();
    assert_eq!(health["status"], "unknown", "it cannot tell");
    api.get("/v1/providers/nope/health").await.expect(404);
    let ready = api.get("/v1/ready").await.expect(200).json();
    assert_eq!((ready["ready"].as_bool(), ready["store"].as_str()), (Some(true), Some("ok")));
    assert_eq!(ready["providers"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("/v1/health").await.expect(200).json()["status"], "ok");
}

#[tokio::test]
async fn nested_in_another_service_it_is_the_same_and_closed() {
    let world = World::new().await;
    let outer = axum::Router::new().route("/mine", axum::routing::get(|| async { "mine" }));
    let nested = |api: Api| Api(outer.clone().nest("/ops", api.0));
    let open = nested(world.open());
    assert_eq!(open.get("/mine").await.text(), "mine");
    open.get("/ops/health").await.expect(200);
    open.post("/ops/incidents/query", "{}").await.expect(200);
    open.post("/ops/v1/incidents/query", "{}").await.expect(200);
    assert_eq!(open.get("/ops/nowhere").await.expect(404).text(), "404 page not found\n");
    open.get("/ops/v1/ready").await.expect(200);
    let closed = nested(world.closed());
    for path in ["/ops/health", "/ops/v1/ready", "/ops/v1/incidents/inc-1", "/ops/nowhere", "/ops/v1/nowhere"] {
        closed.get(path).await.expect(401);
    }
}

#[tokio::test]
async fn a_change_that_waits_answers_202_with_the_request() {
    use opsorch::gate::Decision;
    let ask = |_: &opsorch::Context, _: &opsorch::Target, _: &opsorch::Action| {
        Decision::require_approval(opsorch::Quorum::of(1, "sre"), "a test")
    };
    let api = World::with(ask, |builder| builder).await.open();
    let request = api.post("/v1/tickets", "{\"title\":\"x\"}").await.expect(202).json();
    assert_eq!(request["state"], "requested");
}

#[tokio::test]
async fn duplicates_are_told_here_and_the_compatible_list_is_of_one_provider() {
    let other = MemoryProvider::new(ManualClock::default());
    let world = World::with(crate::support::allow, |builder| {
        builder.provider(other.provider("another")).identity(Capability::Service, ["name"])
    })
    .await;
    let listed = |page: &serde_json::Value| page["items"].as_array().unwrap().len();
    let api = world.open();
    let before = api.post("/v1/services/query", "{}").await.expect(200).json();
    assert!(before.get("duplicates").is_none() && listed(&before) > 0, "{before}");
    let name = before["items"][0]["name"].as_str().unwrap();
    let body = api.post("/services/query", "{}").await.expect(200).text().to_owned();
    other.seed_service(Service::new("other", name));

    let page = api.post("/v1/services/query", "{}").await;
    assert_eq!(page.header("x-opsorch-complete"), "true");
    let page = page.json();
    assert_eq!(listed(&page), listed(&before));
    let told = json!([{
        "kept": { "provider": "another", "id": "other" },
        "dropped": { "provider": "tracker", "id": before["items"][0]["id"] },
        "rule": "service: name",
    }]);
    assert_eq!(page["duplicates"], told);
    let after = api.post("/services/query", "{}").await.expect(200).text().to_owned();
    assert_ne!(after, body, "the first provider, `another`, has one now");
    assert!(!after.contains("duplicates"), "{after}");
}

#[tokio::test]
async fn routing_rules_come_before_the_first_provider_of_a_compatible_route() {
    let other = MemoryProvider::new(ManualClock::default());
    let world = World::with(crate::support::allow, |builder| {
        let rule = RoutingRule::new(Capability::Incident, "tracker").service("pay-*");
        builder.provider(other.provider("another")).routing(rule)
    })
    .await;
    let api = world.open();
    let calls = || (other.calls(Operation::IncidentCreate), world.vendor.calls(Operation::IncidentCreate));
    let incident =
        |service: &str| json!({ "title": "x", "status": "open", "severity": "high", "service": service }).to_string();
    api.post("/incidents", &incident("pay-api")).await.expect(201);
    assert_eq!(calls(), (0, 1));
    api.post("/incidents", &incident("web")).await.expect(201);
    assert_eq!(calls(), (1, 1), "the first that is routed");
    let made = api.post("/v1/incidents", &incident("pay-api")).await.expect(201).json();
    assert_eq!((made["provider"].as_str(), calls()), (Some("tracker"), (1, 2)));
    let refused = api.post("/v1/incidents", &incident("web")).await.expect(400).json();
    assert_eq!(refused["field"], "on", "{refused}");
}
