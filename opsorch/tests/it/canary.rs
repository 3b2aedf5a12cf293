//! One secret goes the whole way, from a configuration to a vendor that says it back, and is then searched for in
//! everything that a caller, an approver, an auditor or an operator can see.
#![cfg(feature = "reqwest")]

use std::error::Error as _;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use opsorch::gate::{ApprovalHook, AuditSink, Decision};
use opsorch::layer::{TimeoutLayer, TraceLayer};
use opsorch::secret::StaticSecrets;
use opsorch::store::MemoryStore;
use opsorch::*;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Switch, agent, sre};
use crate::traces::Traces;
use crate::tracker::TrackerConfig;

/// With characters that JSON, percent-encoding and HTML forms each write in another way.
const CANARY: &str = "canary/\"zw~q\"+<&>=\\ 41";

/// Parts of the secret as they may show in plain text, base64 and escapes; none that a digest in hex could hold.
const SIGNS: [&str; 4] = ["canary", "zw~q", "Y2FuYXJ5", "\\u0063anary"];

#[track_caller]
fn assert_hidden(text: &str) {
    for sign in SIGNS {
        let around = text.find(sign).map(|at| text.get(at.saturating_sub(300)..at + 50).unwrap_or("the text"));
        assert_eq!(around, None, "{sign} is seen");
    }
}

/// Everything that somebody saw.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<String>>);

impl Seen {
    fn all(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn text(&self, text: impl AsRef<str>) {
        let mut seen = self.0.lock().unwrap();
        seen.push_str(text.as_ref());
        seen.push('\n');
    }

    fn debug(&self, value: &(impl Debug + ?Sized)) {
        self.text(format!("{value:?}\n{value:#?}"));
    }

    /// An error with all that caused it.
    fn error(&self, error: &Error) {
        self.text(error.to_string());
        self.debug(error);
        let mut source = error.source();
        while let Some(error) = source {
            self.text(format!("{error} {error:?} {error:#?}"));
            source = error.source();
        }
    }

    /// What is an error by design.
    #[track_caller]
    fn failure<T: Debug>(&self, result: Result<T>) -> Error {
        let error = result.unwrap_err();
        self.error(&error);
        error
    }
}

#[async_trait]
impl ApprovalHook for Seen {
    async fn requested(&self, request: &ApprovalRequest) {
        self.text(serde_json::to_string(request).unwrap());
        self.debug(request);
    }

    async fn answered(&self, request: &ApprovalRequest, answer: &Answer) {
        self.debug(request);
        self.debug(answer);
    }

    async fn closed(&self, request: &ApprovalRequest) {
        self.debug(request);
    }
}

#[async_trait]
impl AuditSink for Seen {
    async fn committed(&self, entries: &[Entry]) {
        self.text(serde_json::to_string(entries).unwrap());
        self.debug(entries);
    }
}

/// A vendor that says back what it was told, in a way of its own for each request, and works for titles that say so.
async fn echoing() -> MockServer {
    let server = MockServer::start().await;
    let respond = |request: &wiremock::Request| {
        let told = request.headers["authorization"].to_str().unwrap();
        let works = String::from_utf8_lossy(&request.body).contains("works");
        let (status, body) = match (request.method.as_str(), request.url.path()) {
            ("POST", _) if works => (201, json!({ "id": "T-1", "title": "it works", "state": "todo" }).to_string()),
            ("POST", _) => (502, format!("<html>{told}</html>")),
            ("PATCH", _) => (409, json!({ "error": { "seen": [told] } }).to_string()),
            (_, "/tickets") => (403, json!({ "error": told }).to_string().replace("canary", "\\u0063anary")),
            _ => (200, format!("not JSON: {told}")),
        };
        ResponseTemplate::new(status).set_body_raw(body, &format!("text/{told}")).insert_header("x-echo", told)
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    server
}

fn config(url: &str, token: &str) -> String {
    let token = toml::Value::from(token);
    format!("[providers.tracker]\nkind = 'tracker'\nurl = '{url}'\ntoken = {token}\n")
}

fn registry() -> Registry {
    Registry::new().register::<TrackerConfig>()
}

/// A read, a change and a redemption, each of which fails in a way of its own; and a change that works.
async fn attack(ops: &OpsOrch, switch: &Switch, seen: &Seen) {
    let (cx, alice) = (Context::new(agent()), Context::new(sre("alice")));
    let tickets = ops.tickets(&cx);
    assert_eq!(*seen.failure(tickets.query(TicketQuery::new()).await).kind(), ErrorKind::Forbidden);
    assert_eq!(*seen.failure(tickets.get("T-9").await).kind(), ErrorKind::Unexpected);

    switch.set(Decision::allow("a test"));
    assert!(seen.failure(tickets.create(CreateTicket::new("it fails")).await).may_have_applied());
    assert_eq!(*seen.failure(tickets.update(UpdateTicket::new("T-1").title("x")).await).kind(), ErrorKind::Conflict);

    switch.set(Decision::require_approval(Quorum::of(1, "sre"), "a test"));
    for title in ["it works", "it fails"] {
        let submitted = tickets.create(CreateTicket::new(title)).await.unwrap();
        let Submitted::Pending(request) = submitted else { panic!("nobody was asked") };
        seen.debug(&ops.approvals(&alice).list().await.unwrap());
        ops.approvals(&alice).approve(&request.id, &request.digest).await.unwrap();
        // Who redeems again gets what was stored of the first.
        for _ in 0..2 {
            match ops.approvals(&cx).redeem(&request.id).await {
                Ok(response) => seen.text(serde_json::to_string(&response).unwrap()),
                Err(error) => seen.error(&error),
            }
        }
        seen.debug(&ops.approvals(&alice).get(&request.id).await.unwrap());
    }
    seen.debug(&cx);
    seen.debug(&tickets);
}

/// Builds a control plane from a configuration, attacks it, and shows everything that can be shown.
async fn everything_seen(url: &str, token: &str) -> String {
    let (seen, traces) = (Seen::default(), Traces::default());
    let guard = traces.collect();
    let (switch, store) = (Switch::new(Decision::Abstain), MemoryStore::new());
    let typed: TrackerConfig = serde_json::from_value(json!({ "url": url, "token": token })).unwrap();
    seen.debug(&typed);
    seen.text(toml::to_string(&typed).unwrap());
    let config = Config::parse(&config(url, token)).unwrap();
    seen.debug(&config);
    let secrets = StaticSecrets::new([("TRACKER_TOKEN", CANARY)]);
    seen.debug(&secrets);
    let builder = OpsOrch::builder().registry(registry()).config(config).secrets(secrets).policy(switch.policy());
    let builder = builder.layer(TraceLayer).layer(TimeoutLayer::default()).store(store.clone());
    let builder = builder.approval_hook(seen.clone()).audit_sink(seen.clone());
    seen.debug(&builder);
    let ops = builder.build().await.unwrap();
    attack(&ops, &switch, &seen).await;
    ops.idle().await;

    let bundle = ops.audit().bundle().await.unwrap();
    assert!(audit::verify(&bundle, ops.audit().verifier_keys(), &[]).is_intact());
    seen.text(serde_json::to_string(&bundle).unwrap());
    seen.debug(&bundle);
    seen.debug(&ops);
    seen.debug(&store);
    for provider in ops.providers() {
        seen.debug(&provider);
        seen.debug(&provider.target(None));
    }
    drop(guard);
    assert!(traces.text().contains("request answered"), "there was something to trace");
    seen.text(traces.text());
    seen.all()
}

#[tokio::test]
async fn a_secret_that_a_vendor_says_back_is_seen_nowhere() {
    for token in ["env:TRACKER_TOKEN", CANARY] {
        let server = echoing().await;
        let seen = everything_seen(&server.uri(), token).await;
        assert_hidden(&seen);

        // What makes that worth something: the secret was sent each time, said back, and quoted but for itself.
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.len(), 6, "{requests:#?}");
        for request in &requests {
            assert_eq!(request.headers["authorization"].to_str().unwrap(), format!("Bearer {CANARY}"));
            assert!(!request.url.as_str().contains("canary"));
        }
        for quoted in ["<html>Bearer ***", r#"{"error":"Bearer ***"}"#, r#"{"error":{"seen":["Bearer ***"]}}"#] {
            assert!(seen.contains(quoted), "{quoted} is quoted");
        }
        assert!(seen.contains("content type: text/Bearer ***"), "the header is quoted");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_not_shown_when_the_build_fails() {
    let (seen, traces) = (Seen::default(), Traces::default());
    let guard = traces.collect();
    let cannot_be_sent = format!("{CANARY}\u{7f}");
    let texts = [
        config("https://tracker.example.org", &cannot_be_sent),
        config("https://tracker.example.org", "env:TRACKER_TOKEN"),
        config(&format!("https://user:{}@tracker.example.org", "canary-9d3c"), "env:TRACKER_TOKEN"),
        config("https://tracker.example.org/?token=canary-9d3c", "env:TRACKER_TOKEN"),
        config("https://tracker.example.org", "file:/canary-free/but/missing"),
    ];
    for text in &texts {
        let secrets = StaticSecrets::new([("TRACKER_TOKEN", cannot_be_sent.as_str())]);
        let builder = OpsOrch::builder().registry(registry()).config(Config::parse(text).unwrap()).secrets(secrets);
        seen.debug(&builder);
        let error = seen.failure(builder.build().await);
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
    }
    drop(guard);
    // The name of a file is not a secret; it is there to show that errors are looked at.
    let text = format!("{}{}", seen.all(), traces.text()).replace("canary-free", "");
    assert!(text.contains("/but/missing"));
    assert_hidden(&text);
}
