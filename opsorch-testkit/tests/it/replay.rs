//! What a replay answers, and what it says where it has no answer.

#![allow(clippy::unwrap_used)]

use opsorch::secret::Secret;
use opsorch::transport::{HeaderValue, Method, Reply, Request, StatusCode, Transport, Url};
use opsorch::{ErrorKind, Result};
use opsorch_testkit::{Cassette, Replay, Scrub};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::record::{record, reply, request};
use crate::{done, failed};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A replay of requests that were answered with `answer 1`, `answer 2`, …
async fn replay(requests: impl IntoIterator<Item = Request>) -> Replay {
    let exchanges = (1..).zip(requests).map(|(number, request)| (request, reply(&[], format!("answer {number}"))));
    let exchanges: Vec<_> = exchanges.collect();
    Replay::new(done(record(Scrub::new(), exchanges).await), Scrub::new())
}

fn get(address: &str) -> Request {
    request(Method::GET, address, &[], "")
}

async fn ask(replay: &Replay, request: Request) -> Result<String> {
    let reply = replay.send(request).await?;
    Ok(String::from_utf8(reply.body.to_vec()).unwrap())
}

#[tokio::test]
async fn requests_are_answered_in_any_order_and_each_exchange_once() {
    let replay = replay([get("/a"), get("/b"), get("/a")]).await;
    for (address, expected) in [("/b", "answer 2"), ("/a", "answer 1"), ("/a", "answer 3")] {
        assert_eq!(done(ask(&replay, get(address)).await), expected);
    }
    done(replay.finish());
    let error = failed(ask(&replay, get("/a")).await);
    assert_eq!(error.message(), "GET /a is recorded 2 times and asked for once more");
    assert!(!error.may_have_applied(), "nothing was sent");
    assert!(failed(replay.finish()).to_string().contains("not recorded: GET /a"));
}

#[tokio::test]
async fn what_was_never_asked_for_is_named() {
    let replay = replay([get("/a"), get("/b?x=1")]).await;
    done(ask(&replay, get("/a")).await);
    assert_eq!(replay.unused(), ["exchange 2 (GET /b)"]);
    let error = failed(replay.finish());
    assert!(error.to_string().contains("not asked for: exchange 2 (GET /b)"), "{error}");
}

#[tokio::test]
async fn what_means_the_same_matches() {
    let json = |body: &str| request(Method::POST, "/j", &[JSON], body.to_owned());
    let form = |body: &str| request(Method::POST, "/f", &[FORM], body.to_owned());
    let recorded = [get("/q?a=1&b=x%20y&a=2"), json(r#"{"a": 1, "b": [true, "é"]}"#), form("a=1&b=2&a=3"), get("/h")];
    let replay = replay(recorded).await;
    done(ask(&replay, get("/q?b=x+y&a=2&a=1")).await);
    done(ask(&replay, json(r#"{"b":[true,"\u00e9"],"a":1}"#)).await);
    done(ask(&replay, form("b=2&a=3&a=%31")).await);
    let elsewhere: Url = "http://127.0.0.1:8080/h".parse().unwrap();
    let volatile = request(Method::GET, "/h", &[("x-request-id", "2"), ("traceparent", "00-1")], "");
    done(ask(&replay, Request::new(Method::GET, elsewhere).headers(volatile.headers)).await);
    done(replay.finish());
}

#[tokio::test]
async fn whatever_differs_is_refused_and_named() {
    let post = |address: &str, headers: &[(&'static str, &str)], body: &str| {
        request(Method::POST, address, headers, body.to_owned())
    };
    let recorded = || post("/a/b?x=1", &[JSON, ("accept", "*/*")], r#"{"t": "x", "n": {"k~/": [1, 2]}}"#);
    let both = [JSON, ("accept", "*/*")];
    let body = r#"{"t": "x", "n": {"k~/": [1, 2]}}"#;
    for (asked, expected) in [
        (request(Method::PUT, "/a/b?x=1", &both, body), r#"method: recorded "POST", asked "PUT""#),
        (post("/a/c?x=1", &both, body), r#"path: recorded "/a/b", asked "/a/c""#),
        (post("/a/b?x=2", &both, body), r#"query x: recorded "1", asked "2""#),
        (post("/a/b?x=1&x=1", &both, body), r#"query x: recorded "1", asked ["1", "1"]"#),
        (post("/a/b?x=1&y=", &both, body), r#"query y: recorded nothing, asked """#),
        (post("/a/b?x=1", &[JSON], body), r#"header accept: recorded "*/*", asked nothing"#),
        (post("/a/b?x=1", &both, r#"{"t": "x", "n": {"k~/": [1, 3]}}"#), "body /n/k~0~1/1: recorded 2, asked 3"),
        (post("/a/b?x=1", &both, r#"{"t": "x", "n": {"k~/": [1, 2.0]}}"#), "body /n/k~0~1/1: recorded 2, asked 2.0"),
        (
            post("/a/b?x=1", &both, r#"{"t": null, "n": {"k~/": [1]}}"#),
            "/1: recorded 2, asked nothing; body /t: recorded \"x\", asked null",
        ),
        (post("/a/b?x=1", &both, "17"), r#", asked "17""#),
        (post("/a/b?x=1", &both, ""), ", asked nothing"),
    ] {
        let replay = replay([recorded()]).await;
        let error = failed(ask(&replay, asked).await);
        assert_eq!(error.kind(), &ErrorKind::Unexpected);
        assert!(error.message().contains("the nearest is exchange 1 (POST /a/b), which differs in"), "{error}");
        assert!(error.message().ends_with(expected), "{expected}: {error}");
        assert_eq!(replay.unused().len(), 1, "a miss uses nothing");
    }
}

#[tokio::test]
async fn the_nearest_miss_is_the_one_that_differs_least() {
    let replay =
        replay([get("/issues/1?page=1"), request(Method::POST, "/issues", &[], "x"), get("/issues/2?page=7&size=5")])
            .await;
    let error = failed(ask(&replay, get("/issues/2?page=2")).await);
    assert!(error.message().contains("the nearest is exchange 3"), "{error}");
    let error = failed(ask(&replay, request(Method::POST, "/issues", &[], "y")).await);
    assert!(
        error.message().contains(r#"exchange 2 (POST /issues), which differs in body: recorded "x", asked "y""#),
        "{error}"
    );
    let empty = Replay::new(done(record(Scrub::new(), []).await), Scrub::new());
    assert!(failed(ask(&empty, get("/")).await).message().ends_with("the cassette is empty"));
}

#[tokio::test]
async fn a_long_difference_is_cut() {
    let long = "é".repeat(10_000);
    let replay = replay([get("/")]).await;
    let pairs: Vec<String> = (0..50).map(|number| format!("p{number}={long}")).collect();
    let error = failed(ask(&replay, get(&format!("/?{}", pairs.join("&")))).await).to_string();
    assert!(error.contains("42 more") && error.len() < 4000, "{error}");
}

#[tokio::test]
async fn the_secrets_of_a_test_need_not_be_those_of_the_recording() {
    let exchange = |token: &str, tenant: &str| {
        let body = format!(r#"{{"routing_key": "{token}", "echo": "for {token}, {tenant}"}}"#);
        let mut asked = request(Method::POST, &format!("/{tenant}/x?api_key={token}"), &[JSON], body);
        asked.headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        let mut own = HeaderValue::from_str(token).unwrap();
        own.set_sensitive(true);
        asked.headers.insert("x-own", own);
        asked
    };
    let scrub = |tenant: &str| done(Scrub::new().secret(&Secret::new(tenant)));
    let answer = reply(&[], r#"{"token": "fresh-token-123"}"#);
    let next = |token: &str| get(&format!("/next?cursor={token}"));
    let exchanges = [(exchange("live-token-1", "acme-inc"), answer), (next("fresh-token-123"), reply(&[], "2"))];
    let cassette = done(record(scrub("acme-inc"), exchanges).await);
    let file = done(cassette.to_json());
    assert!(!file.contains("live-token") && !file.contains("acme") && !file.contains("fresh"), "{file}");

    let replay = Replay::new(done(Cassette::parse(&file)), scrub("test-tenant"));
    let answer = done(ask(&replay, exchange("test-key", "test-tenant")).await);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    // What the vendor gave out comes back as the placeholder that stands for it.
    done(ask(&replay, next(answer["token"].as_str().unwrap())).await);
    done(replay.finish());
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let secret = Secret::new("canary-5f1d");
    let scrub = done(Scrub::new().secret(&secret));
    let replay = Replay::new(done(record(Scrub::new(), [(get("/"), reply(&[], ""))]).await), scrub);
    let asked = request(Method::POST, "/canary-5f1d?a=canary-5f1d", &[("x-echo", "canary-5f1d")], "canary-5f1d");
    let error = failed(ask(&replay, asked).await);
    let shown = format!("{error} {error:?} {:?} {replay:?}", replay.finish());
    assert!(!shown.contains("canary") && shown.contains("<scrubbed>"), "{shown}");
}

#[tokio::test]
async fn an_answer_above_the_limit_is_refused() {
    let replay = replay([get("/")]).await;
    let error = failed(ask(&replay, get("/").body_limit(3)).await);
    assert!(error.message().contains("larger than the limit of 3 bytes"), "{error}");
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-zA-Z~/\u{80}-\u{2000} ]{0,6}", inner, 0..4)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn arbitrary_body() -> impl Strategy<Value = Vec<u8>> {
    let form = vec((".{0,6}", ".{0,6}"), 0..4).prop_map(|pairs| {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
    });
    prop_oneof![
        Just(Vec::new()),
        arbitrary_json().prop_map(|value| serde_json::to_vec_pretty(&value).unwrap()),
        ".{0,40}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..40),
        form,
    ]
}

prop_compose! {
    fn arbitrary_exchange()(
        method in prop_oneof![Just(Method::GET), Just(Method::POST), Just(Method::DELETE)],
        segments in vec(".{0,6}", 0..3),
        query in vec((".{0,6}", ".{0,6}"), 0..4),
        headers in vec(("x-[a-z]{1,4}", "[ -~é]{0,10}"), 0..4),
        is_form in any::<bool>(),
        bodies in (arbitrary_body(), arbitrary_body()),
        status in 100_u16..1000,
    ) -> (Request, Reply) {
        let mut url: Url = "https://api.example.org".parse().unwrap();
        url.path_segments_mut().unwrap().extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut asked = request(method, "/", if is_form { &[FORM] } else { &[] }, bodies.0);
        asked.url = url;
        let mut answer = reply(&[], bodies.1);
        answer.status = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            let name: opsorch::transport::HeaderName = name.parse().unwrap();
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            asked.headers.append(name.clone(), value.clone());
            answer.headers.append(name, value);
        }
        (asked, answer)
    }
}

/// Whether two bodies say the same: the same bytes, or the same JSON.
fn same(one: &[u8], other: &[u8]) -> bool {
    let json = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
    one == other || json(one).is_some_and(|one| Some(one) == json(other))
}

proptest! {
    #[test]
    fn what_was_recorded_is_replayed(exchanges in vec(arbitrary_exchange(), 0..5)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let recorded = done(record(Scrub::new(), exchanges.clone()).await);
            let file = done(recorded.to_json());
            let read = done(Cassette::parse(&file));
            prop_assert_eq!(&done(read.to_json()), &file);
            let replay = Replay::new(read, Scrub::new());
            for (asked, expected) in exchanges {
                let answer = done(replay.send(asked).await);
                prop_assert_eq!(answer.status, expected.status);
                prop_assert_eq!(&answer.headers, &expected.headers);
                prop_assert!(same(&answer.body, &expected.body), "{:?} {:?}", answer.body, expected.body);
            }
            done(replay.finish());
            Ok(())
        })?;
    }
}
