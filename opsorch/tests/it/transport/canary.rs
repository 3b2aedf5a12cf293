//! One secret is sent in every way there is, to servers that fail and echo, and then searched for everywhere.

use std::error::Error as _;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsorch::Error;
use opsorch::secret::Secret;
use opsorch::transport::{Auth, Client, ReqwestTransport};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::cx;
use super::server::{RawServer, Then};

/// With characters that JSON, percent-encoding and HTML forms each write in another way.
const CANARY: &str = "canary/\"5f1d\"+<&>=\\ 77";

/// As it may show in base64, JSON, percent-encoding or a form; `canary` alone finds most of them.
fn assert_hidden(text: &str) {
    for trace in ["canary", "5f1d", "Y2FuYXJ5", "dXNlcjpjYW5hcnk", "\\u0063"] {
        let around = text.find(trace).map(|at| text.get(at.saturating_sub(300)..at + 50).unwrap_or("the text"));
        assert_eq!(around, None, "{trace} is seen");
    }
}

fn printed(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" {error} {error:?} {error:#?}");
        source = error.source();
    }
    text
}

fn every_auth() -> Vec<Auth> {
    let secret = || Secret::new(CANARY);
    vec![
        Auth::bearer(secret()),
        Auth::basic("user", secret()),
        Auth::scheme("Token token=", secret()),
        Auth::header("dd-api-key", secret()),
    ]
}

/// Everything that is traced, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects what is traced on this thread. With one subscriber alone, tracing decides about an event by the thread
    /// that meets it first, which may be another test's; with a second one it asks both.
    fn install(&self) -> (tracing::subscriber::DefaultGuard, tracing::Dispatch) {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        let guard = tracing::subscriber::set_default(subscriber.with_writer(move || log.clone()).finish());
        (guard, tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Says back everything it was told, in this way.
async fn echoing(status: u16, write: fn(&str) -> String) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &wiremock::Request| {
        let mut told: Vec<String> =
            request.headers.values().map(|value| value.to_str().unwrap_or_default().to_owned()).collect();
        told.push(CANARY.to_owned());
        let body = write(&told.join("\n"));
        ResponseTemplate::new(status)
            .set_body_string(body)
            .insert_header("x-echo", "canary")
            .insert_header("location", format!("/{CANARY}?{CANARY}"))
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    server
}

const ECHOES: [fn(&str) -> String; 5] = [
    str::to_owned,
    |told| json!({ "error": told }).to_string(),
    |told| json!({ "error": told }).to_string().replace("canary", "\\u0063anary").replace('/', "\\/"),
    |told| url::form_urlencoded::byte_serialize(told.as_bytes()).collect(),
    |told| format!("<html>{}{told}</html>", "padding ".repeat(20)),
];

async fn attack(client: &Client) -> String {
    let mut seen = format!("{client:?} {client:#?}");
    let request = client.post(["x", "y"]).json(&json!({ "routing_key": CANARY })).header("x-more", "z");
    seen += &format!("{request:?} {request:#?}");
    match request.send(&cx()).await {
        Ok(reply) => {
            seen += &format!("{reply:?} {reply:#?}");
            seen += &printed(&reply.json::<Vec<u8>>().unwrap_err());
        }
        Err(error) => seen += &printed(&error),
    }
    if let Err(error) = client.get("x").fetch::<Value>(&cx()).await {
        seen += &printed(&error);
    }
    seen
}

#[tokio::test]
async fn no_secret_is_seen_in_debug_errors_or_traces() {
    let log = Log::default();
    let guard = log.install();
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let mut seen = format!("{transport:?} {:?} {:#?}", every_auth(), every_auth());

    let failing = [
        RawServer::start("", Then::Close).await,
        RawServer::start("", Then::Hang).await,
        RawServer::start(format!("HTTP/1.1 200 {CANARY}\r\ncontent-length: 100\r\n\r\n{CANARY}"), Then::Close).await,
        RawServer::start(format!("{CANARY}\r\n\r\n"), Then::Close).await,
    ];
    let mut servers: Vec<String> = failing.iter().map(|server| server.uri.clone()).collect();
    servers.push("http://127.0.0.1:1".to_owned());
    let mut echoes = Vec::new();
    for status in [200, 307, 302, 400, 401, 403, 404, 409, 429, 500, 503] {
        for echo in ECHOES {
            echoes.push(echoing(status, echo).await);
        }
    }
    servers.extend(echoes.iter().map(MockServer::uri));

    for server in &servers {
        for auth in every_auth() {
            let client = Client::new(transport.clone(), server.parse().unwrap()).unwrap();
            let client = client.auth(auth).unwrap().timeout(Duration::from_millis(100));
            seen += &attack(&client).await;
        }
    }
    drop(guard);
    assert_hidden(&seen);
    assert!(seen.contains("***") && seen.contains("dd-api-key"), "the echoes were quoted");
    assert_hidden(&log.text());
    assert!(
        log.text().contains("request answered") && log.text().contains("request failed"),
        "there was something to see"
    );
}

#[tokio::test]
async fn no_secret_is_in_an_address() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    for auth in every_auth() {
        let client = Client::new(Arc::new(ReqwestTransport::new().unwrap()), server.uri().parse().unwrap()).unwrap();
        client.auth(auth).unwrap().get(["x", "y"]).query(&[("a", "b")]).send(&cx()).await.unwrap();
    }
    for request in server.received_requests().await.unwrap() {
        assert_eq!(request.url.as_str().split_once("/x/").unwrap().1, "y?a=b");
        assert!(request.url.username().is_empty() && request.url.password().is_none());
    }
}

#[tokio::test]
async fn a_secret_of_the_body_is_hidden_where_the_client_knows_it() {
    let server = echoing(400, |told| json!({ "error": told }).to_string()).await;
    let client = Client::new(Arc::new(ReqwestTransport::new().unwrap()), server.uri().parse().unwrap()).unwrap();
    let without = client.post("x").json(&json!({ "routing_key": CANARY })).send(&cx()).await.unwrap_err();
    assert!(printed(&without).contains("canary"), "the attack works");

    let client = client.redact(&Secret::new(CANARY));
    let error = client.post("x").json(&json!({ "routing_key": CANARY })).send(&cx()).await.unwrap_err();
    assert_hidden(&printed(&error));
}

#[tokio::test]
async fn a_secret_that_is_cut_by_the_length_of_the_quote_is_still_hidden() {
    let server = MockServer::start().await;
    let body = format!("{}{CANARY}", "x".repeat(195));
    Mock::given(any()).respond_with(ResponseTemplate::new(400).set_body_string(body)).mount(&server).await;
    let client = Client::new(Arc::new(ReqwestTransport::new().unwrap()), server.uri().parse().unwrap()).unwrap();
    let error = client.auth(Auth::bearer(Secret::new(CANARY))).unwrap().get("x").send(&cx()).await.unwrap_err();
    assert!(!printed(&error).contains("xc"), "{error}");
}
