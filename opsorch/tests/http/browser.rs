//! What a hostile page, and a hostile vendor, get out of it.

use opsorch::http::{Authentication, Options, Role};
use opsorch::transport::Method;
use opsorch::{Event, Incident};

use crate::support::{TOKEN, World, shared};

fn anonymous() -> Authentication {
    Authentication::builder().allow_anonymous(Role::Operator).build().unwrap()
}

#[tokio::test]
async fn a_host_of_another_site_is_refused() {
    let world = World::new().await;
    for (server, token) in [(world.open().serve().await, ""), (world.closed().serve().await, TOKEN)] {
        let bearer = format!("Bearer {token}");
        for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "[::1"] {
            for (method, path) in
                [("GET", "/health"), ("POST", "/incidents/query"), ("OPTIONS", "/"), ("GET", "/v1/ready")]
            {
                let reply = server.send(method, path, &[("Host", host), ("Authorization", &bearer)], "{}").await;
                reply.expect(403);
                assert!(!reply.text().contains("evil"), "nothing is echoed");
            }
        }
        for host in ["localhost", "127.0.0.1:9", "[::1]:80", &server.address] {
            server.send("GET", "/health", &[("Host", host), ("Authorization", &bearer)], "").await.expect(200);
        }
    }
    let named = world.api(anonymous(), Options::new().host("ops.example.org")).serve().await;
    named.send("GET", "/health", &[("Host", "ops.example.org:443")], "").await.expect(200);
    named.send("GET", "/health", &[("Host", "evil.example")], "").await.expect(403);
    let any = world.api(anonymous(), Options::new().any_host()).serve().await;
    any.send("GET", "/health", &[("Host", "whatever.example")], "").await.expect(200);
}

#[tokio::test]
async fn two_hosts_are_none_of_ours() {
    let server = World::new().await.open().serve().await;
    let both = [("Host", "localhost"), ("Host", "evil.example")];
    let reply = server.send("GET", "/health", &both, "").await;
    assert!(reply.status.is_client_error(), "{}", reply.status);
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_where_no_credential_is_needed() {
    let world = World::new().await;
    let api = world.api(anonymous(), Options::new());
    let page = [("Host", "localhost:8080"), ("Origin", "https://evil.example"), ("Content-Type", "text/plain")];
    for origin in ["https://evil.example", "null", "http://localhost:9999"] {
        let page = [page[0], ("Origin", origin), page[2]];
        api.send(Method::POST, "/tickets", &page, "{\"title\":\"x\"}").await.expect(403);
    }
    assert!(world.ops.audit().entries(0, 1).await.unwrap().is_empty(), "it did not reach a door");
    let own = [page[0], ("Origin", "http://localhost:8080"), page[2]];
    api.send(Method::POST, "/tickets", &own, "{\"title\":\"x\"}").await.expect(201);
}

#[tokio::test]
async fn a_page_that_has_a_credential_may_call_unless_another_origin_was_named() {
    let world = World::new().await;
    let bearer = format!("Bearer {TOKEN}");
    let page = [("Authorization", bearer.as_str()), ("Origin", "https://console.example")];
    world.closed().send(Method::GET, "/health", &page, "").await.expect(200);
    let options = |origin| Options::new().cors_origin(origin).unwrap();
    world.api(shared(), options("https://console.example")).send(Method::GET, "/health", &page, "").await.expect(200);
    world.api(shared(), options("https://other.example")).send(Method::GET, "/health", &page, "").await.expect(403);
}

#[tokio::test]
async fn what_a_vendor_sends_is_inert() {
    let hostile =
        "<script>alert(1)</script>\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}31m\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}&\u{2028}";
    let world = World::new().await;
    world.vendor.seed_incident(
        Incident::new("hostile", hostile, hostile, hostile).field(hostile, hostile).description(hostile),
    );
    let api = world.open();
    for path in
        ["/incidents/hostile", "/v1/incidents/hostile", "/incidents/%3Cscript%3E%E2%80%AE", "/v1/tickets/%1b%5b2J"]
    {
        let reply = api.get(path).await;
        let body = reply.text().trim_end_matches('\n');
        assert!(body.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{path}: {body}");
        assert!(!body.contains(['<', '>', '&']), "{path}: {body}");
        assert!(reply.header("content-type").starts_with("application/"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(api.get("/incidents/hostile").await.json()["title"], hostile, "and says the same");
}

#[tokio::test]
async fn an_id_from_outside_does_not_break_a_header_or_the_log() {
    let world = World::new().await;
    let server = world.open().serve().await;
    let long = "x".repeat(200);
    for id in [long.as_str(), "\u{202e}evil"] {
        let reply = server.send("POST", "/tickets", &[("X-Request-ID", id)], "{\"title\":\"x\"}").await;
        assert!(reply.expect(201).header("x-request-id").starts_with("generated-"), "{id}");
    }
    let entries = world.ops.audit().entries(0, 10).await.unwrap();
    assert!(entries.iter().all(|entry| entry.event != Event::Refused));
}
