//! Limits: requests, bodies, time, and what is compressed.

use std::time::Duration;

use opsorch::http::{ApiKey, Authentication, Options, RateLimit};
use opsorch::transport::Method;
use opsorch::{Actor, Operation};
use opsorch_testkit::Fault;

use crate::support::{World, shared};

#[tokio::test]
async fn each_principal_has_so_many_requests_and_is_told() {
    let world = World::new().await;
    let (alice, alices) = ApiKey::generate(Actor::user("alice").role("viewer")).unwrap();
    let (bob, bobs) = ApiKey::generate(Actor::user("bob").role("viewer")).unwrap();
    let auth = Authentication::builder().api_key(alices).api_key(bobs).build().unwrap();
    let limit = RateLimit::new(2, Duration::from_secs(10)).unwrap();
    let api = world.api(auth, Options::new().rate_limit(limit));
    let get = async |key: &opsorch::secret::Secret, path: &str| {
        api.send(Method::GET, path, &[("Authorization", &format!("Bearer {}", key.expose()))], "").await
    };
    let first = get(&alice, "/health").await;
    assert_eq!((first.header("ratelimit-limit"), first.header("ratelimit-remaining")), ("2", "1"));
    assert_eq!(first.header("ratelimit-reset"), "5");
    get(&alice, "/v1/health").await.expect(200);
    let over = get(&alice, "/health").await;
    assert_eq!(over.expect(429).json()["code"], "rate_limited");
    assert_eq!((over.header("ratelimit-remaining"), over.header("retry-after")), ("0", "5"));
    let problem = get(&alice, "/v1/health").await;
    assert_eq!(problem.expect(429).header("content-type"), "application/problem+json");
    get(&bob, "/health").await.expect(200);
    world.clock.advance(Duration::from_secs(5));
    get(&alice, "/health").await.expect(200);
}

#[tokio::test]
async fn a_stranger_costs_nobody_a_request() {
    let world = World::new().await;
    let api = world.api(shared(), Options::new().rate_limit(RateLimit::new(1, Duration::from_secs(1)).unwrap()));
    for _ in 0..3 {
        let reply = api.get("/health").await;
        assert!(!reply.expect(401).headers.contains_key("ratelimit-limit"));
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_and_nothing_is_done() {
    let world = World::new().await;
    let auth = Authentication::builder().allow_anonymous(opsorch::http::Role::Operator).build().unwrap();
    let api = world.api(auth, Options::new().body_limit(64));
    let body = format!("{{\"title\":\"{}\"}}", "x".repeat(64));
    assert_eq!(api.post("/tickets", &body).await.expect(413).json()["code"], "bad_request");
    assert_eq!(api.post("/v1/tickets", &body).await.expect(413).header("content-type"), "application/problem+json");
    assert_eq!(world.vendor.calls(Operation::TicketCreate), 0);
    api.post("/tickets", "{\"title\":\"x\"}").await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_ends() {
    let world = World::with(crate::support::allow, opsorch::Builder::without_layers).await;
    let api = world.open();
    for path in ["/incidents/inc-1", "/v1/incidents/inc-1"] {
        world.vendor.faults().next(Operation::IncidentGet, Fault::Hang);
        let reply = api.get(path).await;
        reply.expect(if path.starts_with("/v1") { 504 } else { 502 });
        assert_eq!(reply.json()["code"], "timeout");
        assert!(!reply.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_ask_and_small_ones_are_not() {
    let world = World::new().await;
    let api = world.open();
    for encoding in ["gzip", "zstd"] {
        let headers = [("Accept-Encoding", encoding)];
        let large = api.send(Method::POST, "/incidents/query", &headers, "{}").await;
        assert_eq!(large.expect(200).header("content-encoding"), encoding);
        let small = api.send(Method::GET, "/health", &headers, "").await;
        assert!(!small.headers.contains_key("content-encoding"));
    }
    assert!(!api.post("/incidents/query", "{}").await.headers.contains_key("content-encoding"));
}
