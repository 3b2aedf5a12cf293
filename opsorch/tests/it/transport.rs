//! HTTP over real sockets: what is sent, what is made of answers, what breaks, and what never leaks.
#![cfg(feature = "reqwest")]
// Helpers of tests may fail as tests do; clippy knows only the tests themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod broken;
mod budget;
mod canary;
mod paths;
mod redirects;
mod replies;
mod server;
mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::secret::Secret;
use opsorch::transport::{Auth, Client, Method, Reply, Request, ReqwestTransport, StatusCode, Transport, Url};
use opsorch::{Actor, Context, Error, ErrorKind, Result};
use serde_json::{Value, json};
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn cx() -> Context {
    Context::new(Actor::agent("test"))
}

fn client(base: &str) -> Client {
    Client::new(Arc::new(ReqwestTransport::new().unwrap()), base.parse().unwrap()).unwrap()
}

async fn answering(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(response).mount(&server).await;
    server
}

async fn only_request(server: &MockServer) -> wiremock::Request {
    let mut requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

/// A transport that remembers what it is sent, and answers from a script or not at all.
#[derive(Debug, Default)]
struct Scripted {
    sent: Mutex<Vec<Request>>,
    script: Mutex<Vec<Reply>>,
}

impl Scripted {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let script = Mutex::new(replies.into_iter().collect());
        Arc::new(Self { sent: Mutex::default(), script })
    }

    fn sent(&self) -> Vec<Request> {
        self.sent.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request) -> Result<Reply> {
        self.sent.lock().unwrap().push(request);
        let reply = {
            let mut script = self.script.lock().unwrap();
            (!script.is_empty()).then(|| script.remove(0))
        };
        match reply {
            Some(reply) => Ok(reply),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn a_request_says_who_sends_it_and_what_it_accepts() {
    let server = answering(ResponseTemplate::new(204)).await;
    client(&server.uri()).get("x").send(&cx()).await.unwrap();

    let request = only_request(&server).await;
    assert_eq!(request.headers["user-agent"], concat!("opsorch/", env!("CARGO_PKG_VERSION")));
    assert_eq!(request.headers["accept"], "application/json");
    assert_eq!(request.headers["accept-encoding"], "gzip");
}

#[tokio::test]
async fn a_header_of_the_request_replaces_that_of_the_client() {
    let server = answering(ResponseTemplate::new(204)).await;
    let client =
        client(&server.uri()).header("Accept", "application/vnd.github+json").unwrap().header("x-a", "1").unwrap();
    client.get("x").header("X-A", "2").header("user-agent", "me").send(&cx()).await.unwrap();

    let request = only_request(&server).await;
    assert_eq!(request.headers["accept"], "application/vnd.github+json");
    assert_eq!(request.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["2"]);
    assert_eq!(request.headers["user-agent"], "me");
}

#[tokio::test]
async fn every_kind_of_credential_is_sent_as_the_vendor_wants_it() {
    let basic = "Basic amlyYUBleGFtcGxlLm9yZzpww6Rzc3c6cmQ=";
    let cases = [
        (Auth::bearer(Secret::new("t0k")), "authorization", "Bearer t0k"),
        (Auth::basic("jira@example.org", Secret::new("pässw:rd")), "authorization", basic),
        (Auth::scheme("Token token=", Secret::new("t0k")), "authorization", "Token token=t0k"),
        (Auth::header("DD-API-KEY", Secret::new("t0k")), "dd-api-key", "t0k"),
    ];
    for (auth, name, value) in cases {
        let server = answering(ResponseTemplate::new(204)).await;
        client(&server.uri()).auth(auth).unwrap().get("x").send(&cx()).await.unwrap();
        assert_eq!(only_request(&server).await.headers[name], value);
    }
}

#[tokio::test]
async fn credentials_are_marked_for_those_who_look_at_requests() {
    let transport = Scripted::new([Reply::new(StatusCode::OK)]);
    let client = Client::new(transport.clone(), "https://h".parse().unwrap()).unwrap();
    let client = client.auth(Auth::header("x-key", Secret::new("a"))).unwrap();
    client.get("x").header("authorization", "b").header("cookie", "c").send(&cx()).await.unwrap();
    for name in ["x-key", "authorization", "cookie"] {
        assert!(transport.sent()[0].headers[name].is_sensitive(), "{name}");
    }
}

#[tokio::test]
async fn several_credentials_go_together_and_none_is_none() {
    let server = answering(ResponseTemplate::new(204)).await;
    let client = client(&server.uri())
        .auth(Auth::header("DD-API-KEY", Secret::new("a")))
        .and_then(|client| client.auth(Auth::header("DD-APPLICATION-KEY", Secret::new("b"))))
        .and_then(|client| client.auth(Auth::None))
        .unwrap();
    client.get("x").send(&cx()).await.unwrap();

    let request = only_request(&server).await;
    assert_eq!(
        (&request.headers["dd-api-key"], &request.headers["dd-application-key"]),
        (&"a".parse().unwrap(), &"b".parse().unwrap())
    );
    assert!(!request.headers.contains_key("authorization"));
}

#[test]
fn a_credential_that_no_header_can_carry_is_refused_without_being_shown() {
    let bad = [
        Auth::bearer(Secret::new("canary\n")),
        Auth::bearer(Secret::new("")),
        Auth::basic("a:b", Secret::new("canary")),
        Auth::basic("a", Secret::new("")),
        Auth::header("x-key", Secret::new("canary\0")),
        Auth::header("not a name", Secret::new("canary")),
        Auth::scheme("Token\r\nx-injected: ", Secret::new("canary")),
    ];
    for auth in bad {
        let error = client("https://h").auth(auth).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Invalid { field: "auth".into() });
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn query_pairs_are_encoded_once_and_may_repeat() {
    let server = answering(ResponseTemplate::new(204)).await;
    let client = client(&server.uri());
    let request = client.get("x").query(&[("ids[]", "a&b=c"), ("ids[]", "100% ü+#")]);
    request.query(&[("limit", 5.to_string())]).query::<&str, &str>(&[]).send(&cx()).await.unwrap();

    let request = only_request(&server).await;
    assert_eq!(request.url.query(), Some("ids%5B%5D=a%26b%3Dc&ids%5B%5D=100%25+%C3%BC%2B%23&limit=5"));
}

#[tokio::test]
async fn no_pairs_make_no_question_mark() {
    let transport = Scripted::new([Reply::new(StatusCode::OK)]);
    let client = Client::new(transport.clone(), "https://h/x".parse().unwrap()).unwrap();
    client.get("y").query::<&str, &str>(&[]).send(&cx()).await.unwrap();
    assert_eq!(transport.sent()[0].url.as_str(), "https://h/x/y");
}

#[tokio::test]
async fn bodies_carry_their_type() {
    let server = answering(ResponseTemplate::new(204)).await;
    let client = client(&server.uri());
    client.post("x").json(&json!({"a": 1})).send(&cx()).await.unwrap();
    client.put("x").form(&[("a", "1 2"), ("b", "&")]).send(&cx()).await.unwrap();
    client.patch("x").body("application/x-ndjson", "{}\n{}\n").send(&cx()).await.unwrap();
    client.delete("x").send(&cx()).await.unwrap();
    client.request(Method::HEAD, "x").send(&cx()).await.unwrap();

    let requests = server.received_requests().await.unwrap();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| {
            let kind = request.headers.get("content-type").map(|kind| kind.to_str().unwrap());
            (request.method.as_str(), kind, std::str::from_utf8(&request.body).unwrap())
        })
        .collect();
    let expected = [
        ("POST", Some("application/json"), r#"{"a":1}"#),
        ("PUT", Some("application/x-www-form-urlencoded"), "a=1+2&b=%26"),
        ("PATCH", Some("application/x-ndjson"), "{}\n{}\n"),
        ("DELETE", None, ""),
        ("HEAD", None, ""),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_request_that_cannot_be_built_is_not_sent() {
    let transport = Scripted::new([]);
    let client = Client::new(transport.clone(), "https://h".parse().unwrap()).unwrap();
    let bad = [
        client.get("x").header("x-a", "two\nlines"),
        client.get("x").header("no name", "x"),
        client.get(["x", ".."]).query(&[("a", "b")]).header("x-a", "1"),
        client.post("x").body("text/\0plain", ""),
        client.post("x").json(&std::collections::BTreeMap::from([(vec![1], 2)])),
    ];
    for request in bad {
        let error = request.send(&cx()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
        assert!(!error.may_have_applied(), "{error}");
    }
    assert!(transport.sent().is_empty());
}

#[tokio::test]
async fn json_is_sent_and_fetched() {
    let server = MockServer::start().await;
    let echo = |request: &wiremock::Request| ResponseTemplate::new(200).set_body_bytes(request.body.clone());
    Mock::given(method("POST")).respond_with(echo).mount(&server).await;
    let value: Value = client(&server.uri()).post("echo").json(&json!({"ü": [1, null]})).fetch(&cx()).await.unwrap();
    assert_eq!(value, json!({"ü": [1, null]}));
}

#[tokio::test]
async fn gzip_is_decompressed() {
    let gzip =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x01\x0b\x00\xf4\xff{\"ok\":true}\x90\x5f\xd4\xa7\x0b\x00\x00\x00";
    let server =
        answering(ResponseTemplate::new(200).insert_header("content-encoding", "gzip").set_body_bytes(gzip)).await;
    let reply = client(&server.uri()).get("x").send(&cx()).await.unwrap();
    assert_eq!(reply.body, r#"{"ok":true}"#);
}

#[tokio::test]
async fn a_call_without_time_left_sends_nothing() {
    let server = answering(ResponseTemplate::new(200)).await;
    let error = client(&server.uri()).post("x").send(&cx().timeout(Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert!(!error.may_have_applied());
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_ends_at_the_earlier_of_timeout_and_deadline() {
    let client = Client::new(Scripted::new([]), "https://h".parse().unwrap()).unwrap();
    let cases = [
        (client.clone(), None, 30),
        (client.clone().timeout(Duration::from_secs(2)), Some(60), 2),
        (client.clone(), Some(7), 7),
        (client.timeout(Duration::MAX), Some(60), 60),
    ];
    for (client, deadline, expected) in cases {
        let cx = deadline.map_or(cx(), |seconds| cx().timeout(Duration::from_secs(seconds)));
        let start = tokio::time::Instant::now();
        let error = client.post("x").send(&cx).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Timeout);
        assert!(error.may_have_applied());
        assert_eq!(start.elapsed().as_secs(), expected);
    }
}

#[tokio::test]
async fn the_transport_is_told_the_limits() {
    let transport = Scripted::new([Reply::new(StatusCode::OK)]);
    let client = Client::new(transport.clone(), "https://h".parse().unwrap()).unwrap();
    client.body_limit(99).get("x").send(&cx().timeout(Duration::from_secs(5))).await.unwrap();
    let request = &transport.sent()[0];
    assert_eq!(request.body_limit, 99);
    assert!(request.timeout <= Duration::from_secs(5) && request.timeout > Duration::from_secs(4));
}

#[test]
fn a_base_address_is_plain_http() {
    for base in ["https://h", "http://h:8080/a/b/", "https://[::1]/x"] {
        assert!(Client::new(Scripted::new([]), base.parse().unwrap()).is_ok(), "{base}");
    }
    let bad = [
        ("ftp://h/", "https://"),
        ("file:///etc", "https://"),
        ("data:x", "https://"),
        ("https://user:canary@h/", "put credentials into the auth settings"),
        ("https://canary@h/", "put credentials into the auth settings"),
        ("https://:canary@h/", "put credentials into the auth settings"),
        ("https://h/?token=canary", "without query"),
        ("https://h/?", "without query"),
        ("https://h/#canary", "fragment"),
    ];
    for (base, expected) in bad {
        let error = Client::new(Scripted::new([]), base.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Invalid { field: "url".into() });
        assert!(error.message().contains(expected), "{base}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_is_used_where_one_is_given() {
    let proxy = answering(ResponseTemplate::new(200).set_body_string("through the proxy")).await;
    let transport = ReqwestTransport::through_proxy(&proxy.uri().parse().unwrap()).unwrap();
    let client = Client::new(Arc::new(transport), "http://vendor.invalid/api".parse().unwrap()).unwrap();
    let reply = client.get("x").send(&cx()).await.unwrap();
    assert_eq!(reply.body, "through the proxy");
    assert_eq!(only_request(&proxy).await.headers["host"], "vendor.invalid");

    let error = ReqwestTransport::through_proxy(&"http://me:canary@proxy:3128".parse().unwrap()).unwrap_err();
    assert!(!format!("{error:?}").contains("canary"));
}

#[test]
fn a_request_shows_neither_values_nor_query_nor_body() {
    let url: Url = "https://user:canary@h/path?token=canary#canary".parse().unwrap();
    let headers = [("x-key".parse().unwrap(), "canary".parse().unwrap())].into_iter().collect();
    let request = Request::new(Method::POST, url).headers(headers).body("canary");
    let reply = Reply::new(StatusCode::OK).headers(request.headers.clone()).body("canary");
    let shown = format!("{request:?} {request:#?} {reply:?} {reply:#?}");
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("x-key") && shown.contains("https://h/path") && shown.contains("6 bytes"), "{shown}");
}

#[tokio::test]
async fn a_transports_own_error_passes_with_method_and_path() {
    #[derive(Debug)]
    struct Closed;
    #[async_trait]
    impl Transport for Closed {
        async fn send(&self, _: Request) -> Result<Reply> {
            Err(Error::new(ErrorKind::Unavailable, "not today").not_applied())
        }
    }
    let client = Client::new(Arc::new(Closed), "https://h/p".parse().unwrap()).unwrap();
    let error = client.post("x").query(&[("q", "1")]).send(&cx()).await.unwrap_err();
    assert_eq!(error.to_string(), "unavailable: not today (method: POST, path: /p/x)");
    assert!(!error.may_have_applied());
}
