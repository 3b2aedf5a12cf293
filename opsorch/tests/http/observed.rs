//! How fresh an answer is, in headers of both surfaces.

use std::time::Duration;

use opsorch::layer::{Call, Layer, Next};
use opsorch::transport::Method;
use opsorch::{Clock, Effect, ManualClock, Response, Result, Time, async_trait};

use crate::support::{World, allow};

/// Says of every read that it was answered a while ago.
#[derive(Debug)]
struct Kept(Time);

#[async_trait]
impl Layer for Kept {
    async fn call(&self, call: Call<'_>, next: Next<'_>) -> Result<Response> {
        if call.effect() == Effect::Read {
            call.observed(self.0);
        }
        next.run().await
    }
}

const READS: [(Method, &str, &str); 4] = [
    (Method::POST, "/incidents/query", "{}"),
    (Method::POST, "/v1/incidents/query", "{}"),
    (Method::GET, "/metrics/describe", ""),
    (Method::GET, "/v1/metrics/describe", ""),
];

#[tokio::test]
async fn what_was_fetched_for_a_request_says_when_and_has_no_age() {
    let world = World::new().await;
    world.clock.set("2026-03-04T05:06:07.25Z".parse().unwrap());
    for (method, path, body) in READS {
        let reply = world.open().send(method, path, &[], body).await;
        reply.expect(200);
        assert_eq!(reply.header("x-opsorch-observed"), "2026-03-04T05:06:07.250Z", "{path}");
        assert!(!reply.headers.contains_key("age"), "{path}");
    }
}

#[tokio::test]
async fn what_was_kept_has_its_age() {
    let begin = ManualClock::default().now();
    let world = World::with(allow, |builder| builder.layer(Kept(begin))).await;
    world.clock.advance(Duration::from_millis(90_900));
    for (method, path, body) in READS {
        let reply = world.open().send(method, path, &[], body).await;
        reply.expect(200);
        assert_eq!((reply.header("x-opsorch-observed"), reply.header("age")), ("2026-01-01T00:00:00Z", "90"), "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "whoever is behind the router keeps nothing");
    }
    world.clock.set(begin - Duration::from_secs(60));
    assert_eq!(world.open().post("/incidents/query", "{}").await.header("age"), "0", "a clock was set back");
}

#[tokio::test]
async fn changes_and_errors_have_no_age_and_no_time() {
    let begin = ManualClock::default().now();
    let world = World::with(allow, |builder| builder.layer(Kept(begin))).await;
    for (path, body, status) in [("/tickets", "{\"title\":\"x\"}", 201), ("/v1/tickets", "{\"title\":\"x\"}", 201)] {
        let reply = world.open().post(path, body).await;
        reply.expect(status);
        assert!(!reply.headers.contains_key("age") && !reply.headers.contains_key("x-opsorch-observed"), "{path}");
    }
    let reply = world.open().get("/v1/incidents/nope").await;
    reply.expect(404);
    assert!(!reply.headers.contains_key("x-opsorch-observed"));
}
