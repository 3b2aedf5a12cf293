//! The stream of events: what it tells, and that a client that comes back misses nothing.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;
use opsorch::http::{ApiKey, Authentication, Options, Role};
use opsorch::{Actor, Context, CreateTicket};
use tower::ServiceExt;

use crate::support::{Api, World};

struct Stream(axum::body::BodyDataStream, String);

impl Stream {
    async fn open(api: &Api, query: &str, last: Option<&str>) -> Self {
        let mut request = http::Request::builder().uri(format!("/v1/events{query}"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = api.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        Self(response.into_body().into_data_stream(), String::new())
    }

    /// The ids of the next so many entries; fails if none comes for an hour.
    async fn ids(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            while let Some((event, rest)) = self.1.split_once("\n\n") {
                let id = event.lines().find_map(|line| line.strip_prefix("id: ")).map(|id| id.parse::<u64>().unwrap());
                ids.extend(id);
                self.1 = rest.to_owned();
            }
            if ids.len() < count {
                let chunk = tokio::time::timeout(Duration::from_secs(3600), self.0.next()).await;
                self.1 += std::str::from_utf8(&chunk.unwrap().expect("it goes on").unwrap()).unwrap();
            }
        }
        ids
    }

    /// Whether it ends without another entry.
    async fn ends(mut self) -> bool {
        while let Some(chunk) = self.0.next().await {
            if String::from_utf8_lossy(&chunk.unwrap()).contains("event: audit") {
                return false;
            }
        }
        true
    }
}

async fn write(world: &World) {
    let cx = Context::new(Actor::agent("triage"));
    let _ = world.ops.tickets(&cx).create(CreateTicket::new("disk full")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_what_comes_and_goes_on_where_it_was() {
    let world = World::new().await;
    let api = world.open();
    write(&world).await;
    let mut stream = Stream::open(&api, "", None).await;
    write(&world).await;
    assert_eq!(stream.ids(2).await, [2, 3], "what was there before is not told");
    drop(stream);
    write(&world).await;
    let mut again = Stream::open(&api, "", Some("3")).await;
    assert_eq!(again.ids(2).await, [4, 5], "nothing is missed");
    let mut all = Stream::open(&api, "?from=0", None).await;
    assert_eq!(all.ids(6).await, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_by_itself_so_that_credentials_are_asked_for_again() {
    let world = World::new().await;
    let stream = Stream::open(&world.open(), "", None).await;
    let started = tokio::time::Instant::now();
    assert!(stream.ends().await);
    assert!(started.elapsed() >= Duration::from_secs(600) && started.elapsed() < Duration::from_secs(602));
}

#[tokio::test]
async fn an_id_of_nobody_is_refused_and_so_is_one_stream_too_many() {
    let world = World::new().await;
    let api = world.open();
    for last in ["x", "-1", "18446744073709551615", "1 2"] {
        let reply = api.send(http::Method::GET, "/v1/events", &[("Last-Event-ID", last)], "").await;
        reply.expect(400);
    }
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Stream::open(&api, "", None).await);
    }
    api.get("/v1/events").await.expect(503);
    open.pop();
    api.get("/v1/events").await.expect(200);
}

#[tokio::test]
async fn nobody_holds_the_streams_of_all() {
    let world = World::new().await;
    let mut auth = Authentication::builder();
    let mut keys = Vec::new();
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        let (secret, key) = ApiKey::generate(Actor::user(name).role(Role::Viewer)).unwrap();
        auth = auth.api_key(key);
        keys.push(format!("Bearer {}", secret.expose()));
    }
    let api = world.api(auth.build().unwrap(), Options::new());
    let mut open = Vec::new();
    for key in &keys[..4] {
        for place in 0..33 {
            let request = http::Request::builder().uri("/v1/events").header("Authorization", key);
            let response = api.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), if place < 32 { 200 } else { 503 });
            open.push(response);
        }
    }
    let erin = [("Authorization", keys[4].as_str())];
    api.send(http::Method::GET, "/v1/events", &erin, "").await.expect(503);
    drop(open);
    api.send(http::Method::GET, "/v1/events", &erin, "").await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_this_process_is_told_at_once() {
    let world = World::new().await;
    let mut stream = Stream::open(&world.open(), "", None).await;
    let started = tokio::time::Instant::now();
    write(&world).await;
    assert_eq!(stream.ids(2).await, [0, 1]);
    assert_eq!(started.elapsed(), Duration::ZERO, "it did not wait for the next look at the log");
}
