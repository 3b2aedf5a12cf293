//! The wire contract with OpsOrch: what every request passes, and errors. Against a running server.

use opsorch::gate::Decision;
use opsorch::http::Options;
use opsorch::{Action, Context, Event, Provider, Target};
use opsorch_testkit::Fault;

use crate::support::{TOKEN, World, shared};

#[tokio::test]
async fn cors_headers_are_there_on_every_answer() {
    let world = World::new().await;
    let server = world.closed().serve().await;
    for (method, path) in [("GET", "/health"), ("OPTIONS", "/x"), ("GET", "/nowhere"), ("POST", "/incidents/query")] {
        let reply = server.send(method, path, &[], "").await;
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{method} {path}");
        assert_eq!(reply.header("access-control-allow-headers"), "Content-Type, Authorization");
        assert_eq!(reply.header("access-control-allow-methods"), "GET,POST,PATCH,OPTIONS");
    }
    let console = Options::new().cors_origin("https://console.example").unwrap();
    let server = world.api(shared(), console).serve().await;
    assert_eq!(server.get("/health").await.header("access-control-allow-origin"), "https://console.example");
}

#[tokio::test]
async fn options_of_any_path_is_an_empty_200_without_authentication_and_without_an_id() {
    let server = World::new().await.closed().serve().await;
    for path in ["/incidents/query", "/nowhere/at/all", "/"] {
        let reply = server.send("OPTIONS", path, &[("X-Request-ID", "mine")], "").await;
        reply.expect(200);
        assert!(reply.body.is_empty());
        assert!(!reply.headers.contains_key("x-request-id"), "{path}");
    }
}

#[tokio::test]
async fn a_stranger_gets_a_plain_401_everywhere() {
    let server = World::new().await.closed().serve().await;
    let wrong = ["bearer TOKEN", "Bearer", "Bearer ", "Bearer wrong", "Basic TOKEN", "TOKEN", "BearerTOKEN"];
    for path in ["/health", "/", "/incidents/x", "/nowhere"] {
        for authorization in wrong {
            let authorization = authorization.replace("TOKEN", TOKEN);
            let reply = server.send("GET", path, &[("Authorization", &authorization)], "").await;
            reply.expect(401);
            assert_eq!(reply.text(), "unauthorized\n");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
            assert!(reply.header("content-type").starts_with("text/plain"));
            assert!(!reply.headers.contains_key("x-request-id"), "{path} {authorization}");
        }
        server.get(path).await.expect(401);
    }
}

#[tokio::test]
async fn the_token_is_trimmed_and_the_scheme_is_not() {
    let server = World::new().await.closed().serve().await;
    for authorization in [format!("Bearer {TOKEN}"), format!("Bearer   {TOKEN}  ")] {
        server.send("GET", "/health", &[("Authorization", &authorization)], "").await.expect(200);
    }
}

#[tokio::test]
async fn the_request_id_is_the_first_that_is_not_blank_or_a_new_one() {
    let server = World::new().await.open().serve().await;
    let given = [("X-Trace-ID", "d"), ("X-Correlation-ID", "c"), ("X-Amzn-Trace-Id", "b"), ("X-Request-ID", "a")];
    for (index, (_, id)) in given.iter().enumerate() {
        let reply = server.send("GET", "/health", &given[..=index], "").await;
        assert_eq!(reply.header("x-request-id"), *id);
    }
    let reply = server.send("GET", "/health", &[("X-Request-ID", "  "), ("X-Trace-ID", "t")], "").await;
    assert_eq!(reply.header("x-request-id"), "t");

    let made = server.get("/health").await.header("x-request-id").to_owned();
    let nanos: i64 = made.strip_prefix("generated-").expect("it says so").parse().expect("nanoseconds");
    assert!(nanos >= 1_767_225_600_000_000_000);
    assert_ne!(server.get("/health").await.header("x-request-id"), made, "no id is given twice");
}

#[tokio::test]
async fn root_and_health_are_ok() {
    let server = World::new().await.open().serve().await;
    for path in ["/", "/health"] {
        let reply = server.get(path).await;
        assert_eq!(reply.expect(200).text(), "{\"status\":\"ok\"}\n");
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_plain_404_and_so_is_another_method_and_head() {
    let server = World::new().await.open().serve().await;
    let wrong = [
        ("GET", "/nowhere"),
        ("POST", "/health"),
        ("DELETE", "/incidents/i-1"),
        ("PUT", "/incidents/i-1"),
        ("GET", "/incidents"),
        ("GET", "/services"),
        ("GET", "/incidents/query/x"),
        ("GET", "//incidents/x"),
        ("GET", "/incidents//x"),
        ("POST", "/incidentsX"),
        ("GET", "/orchestrationx/plans/y"),
        ("GET", "/health/"),
        ("PATCH", "/providers/incident"),
    ];
    for (method, path) in wrong {
        let reply = server.send(method, path, &[], "").await;
        assert_eq!(reply.expect(404).text(), "404 page not found\n", "{method} {path}");
        assert!(reply.header("content-type").starts_with("text/plain"));
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
    }
    server.send("HEAD", "/health", &[], "").await.expect(404);
}

#[tokio::test]
async fn errors_are_codes_and_messages_in_this_order() {
    let world = World::new().await;
    let server = world.open().serve().await;
    let reply = server.get("/incidents/nope").await;
    reply.expect(404);
    assert!(reply.text().starts_with("{\"code\":\"not_found\",\"message\":\""), "{}", reply.text());
    assert!(reply.text().ends_with("\"}\n"));
    server.post("/incidents/query", "").await.expect_error(400, "bad_request", "EOF");
    server.post("/orchestration/runs", "{}").await.expect_error(400, "bad_request", "planId is required");
}

#[tokio::test]
async fn a_capability_without_provider_is_501_before_method_and_shape() {
    let world = World::with(crate::support::allow, |builder| builder).await;
    let ops = opsorch::OpsOrch::builder().provider(Provider::new("nothing")).build().await.unwrap();
    let empty = World { ops, ..world };
    let server = empty.open().serve().await;
    let missing = [
        ("GET", "/incidents/any/thing/at/all", "incident"),
        ("PUT", "/alerts", "alert"),
        ("GET", "/tickets/x", "ticket"),
        ("DELETE", "/deployments/x", "deployment"),
        ("GET", "/teams/x/members", "team"),
        ("GET", "/orchestration/nowhere", "orchestration"),
        ("GET", "/logs/query", "log"),
        ("GET", "/metrics/query", "metric"),
        ("PUT", "/metrics/describe", "metric"),
        ("GET", "/messages/send", "messaging"),
        ("GET", "/services/query", "service"),
    ];
    for (method, path, capability) in missing {
        let reply = server.send(method, path, &[], "").await;
        let message = format!("{capability} provider not configured");
        reply.expect_error(501, &format!("{capability}_provider_missing"), &message);
    }
    for (method, path) in [("GET", "/logs/x"), ("GET", "/metrics/x"), ("GET", "/services"), ("GET", "/messages")] {
        server.send(method, path, &[], "").await.expect(404);
    }
}

#[tokio::test]
async fn what_a_provider_says_is_502_with_its_code_but_for_not_found_and_bad_request() {
    use opsorch::{ErrorKind, Operation};
    let world = World::new().await;
    let server = world.open().serve().await;
    let kinds = [
        (ErrorKind::Unauthenticated, 502, "unauthenticated"),
        (ErrorKind::Forbidden, 502, "forbidden"),
        (ErrorKind::Conflict, 502, "conflict"),
        (ErrorKind::Unsupported, 502, "unsupported"),
        (ErrorKind::Unexpected, 502, "provider_error"),
        (ErrorKind::NotFound, 404, "not_found"),
        (ErrorKind::Invalid { field: "limit".into() }, 400, "bad_request"),
    ];
    for (kind, status, code) in kinds {
        world.vendor.faults().next(Operation::IncidentGet, Fault::Error(kind));
        let reply = server.get("/incidents/inc-1").await;
        reply.expect(status);
        assert_eq!(reply.json()["code"], code);
        assert!(
            reply.json()["message"].as_str().unwrap().ends_with("the vendor answered with an error"),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn the_audit_log_knows_who_was_authenticated_and_the_id_of_the_answer() {
    let world = World::new().await;
    let server = world.closed().serve().await;
    let authorization = format!("Bearer {TOKEN}");
    let forged = [
        ("Authorization", authorization.as_str()),
        ("X-Actor-Type", "copilot"),
        ("X-User-Id", "root"),
        ("X-Actor-ID", "root"),
        ("X-OpsOrch-Actor-ID", "root"),
    ];
    let reply = server.send("POST", "/tickets", &forged, "{\"title\":\"x\"}").await;
    let id = reply.expect(201).header("x-request-id").to_owned();
    let entries = world.ops.audit().entries(0, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.event).collect::<Vec<_>>(), [Event::Intent, Event::Outcome]);
    for entry in &entries {
        assert_eq!(entry.actor.to_string(), "service bearer-token@local");
        assert_eq!(entry.request_id.as_str(), id);
    }
}

#[tokio::test]
async fn a_change_that_is_refused_or_waits_is_no_success() {
    use opsorch::Quorum;
    let policy = |_: &Context, _: &Target, action: &Action| match action {
        Action::TicketCreate(_) => Decision::require_approval(Quorum::of(1, "sre"), "it wakes people"),
        _ => Decision::Abstain,
    };
    let world = World::with(policy, |builder| builder).await;
    let server = world.open().serve().await;
    let reply = server.post("/tickets", "{\"title\":\"x\"}").await;
    let request = reply.expect(202).json();
    assert_eq!(request["state"], "requested");
    assert!(request["digest"].as_str().unwrap().starts_with("sha256:"));
    let reply = server.post("/incidents", "{\"title\":\"x\"}").await;
    assert_eq!(reply.expect(403).json()["code"], "denied");
    assert!(world.vendor.requests().iter().all(|request| request.idempotency_key.is_none()), "nothing was changed");
}
