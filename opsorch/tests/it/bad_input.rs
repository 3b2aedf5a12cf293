//! Bad input, end to end: from a configuration or a vendor's answer to an error that names the place, with nothing
//! half built and nothing half known.
#![cfg(feature = "reqwest")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opsorch::secret::StaticSecrets;
use opsorch::transport::{Reply, Request, Transport};
use opsorch::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{agent, allow};
use crate::tracker::TrackerConfig;

/// A kind whose provider works in the background for as long as it lives.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PollerConfig {}

#[async_trait]
impl ProviderConfig for PollerConfig {
    const KIND: &'static str = "poller";

    async fn build(self, name: &ProviderName, env: &BuildEnv) -> Result<Provider> {
        let transport = env.transport()?;
        let work = tokio::spawn(async move {
            loop {
                let _ = transport.send(Request::new(transport::Method::GET, "http://x".parse().unwrap())).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        Ok(Provider::new(name).with_ticket_reader(Arc::new(Poller(work))))
    }
}

#[derive(Debug)]
struct Poller(tokio::task::JoinHandle<()>);

impl Drop for Poller {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl capability::TicketReader for Poller {
    async fn query(&self, _: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        Ok(Page::new(Vec::new()))
    }

    async fn get(&self, _: &Context, _: &TicketId) -> Result<Ticket> {
        Err(Error::not_found("there is no such ticket"))
    }
}

/// A transport that reaches nobody, and tells by its clones whether somebody still holds it.
#[derive(Clone, Debug, Default)]
struct Probe(Arc<AtomicUsize>);

#[async_trait]
impl Transport for Probe {
    async fn send(&self, _: Request) -> Result<Reply> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(Error::new(ErrorKind::Unavailable, "not in these tests").not_applied())
    }
}

impl Probe {
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn requests(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets tasks that were stopped come to their end.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

fn registry() -> Registry {
    Registry::new().register::<TrackerConfig>().register::<PollerConfig>()
}

fn secrets() -> StaticSecrets {
    StaticSecrets::new([("TOKEN", "t0k")])
}

fn tracker(name: &str, url: &str, token: &str) -> String {
    format!("[providers.{name}]\nkind = 'tracker'\nurl = '{url}'\ntoken = '{token}'\n")
}

fn configured(text: &str) -> Builder {
    let config = Config::parse(text).unwrap_or_else(|error| panic!("{error}"));
    OpsOrch::builder().registry(registry()).config(config).secrets(secrets())
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_was_built_lives_and_works_until_the_control_plane_is_dropped() {
    let probe = Probe::default();
    let ops = configured("[providers.a]\nkind = 'poller'").transport(probe.clone()).build().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!((probe.is_held(), probe.requests()), (true, 3), "the test below can fail");
    drop(ops);
    settle().await;
    assert!(!probe.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_build_that_fails_leaves_nothing_running_of_what_was_built_before() {
    let with = |rest: String| configured(&format!("[providers.a]\nkind = 'poller'\n{rest}"));
    let (https, token) = ("https://b.example.org", "env:TOKEN");
    let people = || {
        let alice = || [Identity::new("slack", "U1")];
        gate::People::new().person("alice", alice()).person("bob", alice())
    };
    let cases: Vec<(Builder, &str)> = vec![
        (
            with(tracker("b", https, "env:MISSING")),
            "invalid env:MISSING: there is no such secret; known are: TOKEN (provider: b)",
        ),
        (
            with(tracker("b", "ftp://b.example.org", token)),
            "invalid providers.b.url: expected an address that begins with https:// or http:// (provider: b)",
        ),
        (
            with(tracker("b", "https://me:secret@b.example.org", token)),
            "invalid providers.b.url: expected an address without user and password; put credentials into the auth \
             settings (provider: b)",
        ),
        (
            with(tracker("b", "https://b.example.org/?x=1", token)),
            "invalid providers.b.url: expected an address without query (?) and fragment (#) (provider: b)",
        ),
        (
            with(format!("{}capabilities = ['alert']", tracker("b", https, token))),
            "invalid providers.b.capabilities: provider `b` offers nothing of `alert`; it offers: ticket.query, \
             ticket.get, ticket.create, ticket.update",
        ),
        (
            with("[routes]\nalert = ['a']".into()),
            "invalid routes.alert: provider `a` offers nothing of `alert`; it offers: ticket.query, ticket.get",
        ),
        (
            with(String::new()).route(Capability::Ticket, ["c"]),
            "invalid routes.ticket: unknown provider `c`, expected one of: a",
        ),
        (
            with(String::new()).people(people()),
            "invalid people.bob: U1@slack belongs to `alice` already; an identity is one person's",
        ),
    ];
    for (builder, expected) in cases {
        let probe = Probe::default();
        let error = builder.transport(probe.clone()).build().await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        settle().await;
        assert!(!probe.is_held(), "{expected}: somebody still works");
    }
}

/// A vendor that answers every request with this.
async fn answering(body: impl Into<Vec<u8>>) -> (MockServer, OpsOrch) {
    let server = MockServer::start().await;
    let response = ResponseTemplate::new(200).set_body_raw(body, "application/json");
    Mock::given(any()).respond_with(response).mount(&server).await;
    let builder = configured(&tracker("desk", &server.uri(), "env:TOKEN")).policy(allow).without_layers();
    let builder = builder.provider(opsorch_testkit::MemoryProvider::seeded(1, SystemClock).provider("other"));
    (server, builder.build().await.unwrap())
}

/// Answers that no adapter can do anything with, and how the error begins.
fn bad_answers() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000)).into_bytes();
    let huge = format!("[\"{}\"]", "x".repeat(10 << 20)).into_bytes();
    vec![
        ("10 MB", huge, "unexpected: the answer is larger than"),
        ("not UTF-8", b"[{\"id\":\"\xff\"}]".to_vec(), "unexpected: expected JSON as documented by the vendor"),
        ("deep lists", deep("[", "]"), "unexpected: expected JSON as documented by the vendor"),
        ("deep objects", deep("{\"id\":", "}"), "unexpected: expected JSON as documented by the vendor"),
        ("a page of HTML", b"<html>down</html>".to_vec(), "unexpected: expected JSON as documented by the vendor"),
        ("cut off", b"[{\"id\":".to_vec(), "unexpected: expected JSON as documented by the vendor"),
        ("nothing", Vec::new(), "unexpected: expected JSON, got an empty body"),
        ("another shape", b"{\"tickets\":7}".to_vec(), "unexpected: expected JSON as documented by the vendor"),
    ]
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_error_that_names_provider_method_and_path() {
    let cx = Context::new(agent());
    for (what, body, beginning) in bad_answers() {
        let (_server, ops) = answering(body).await;
        for error in [
            ops.tickets(&cx).on("desk").get("T-1").await.unwrap_err(),
            ops.tickets(&cx).on("desk").query(TicketQuery::new()).await.unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.starts_with(beginning), "{what}: {text:.300}");
            assert!(text.len() < 1000, "{what}: {} bytes", text.len());
            for part in ["provider: desk", "method: GET", "path: /tickets"] {
                assert!(text.contains(part), "{what}: {text}");
            }
        }
        let page = ops.tickets(&cx).query(TicketQuery::new()).await.unwrap();
        assert_eq!((page.items.len(), page.failures.len(), page.is_complete()), (6, 1, false), "{what}");
        let failure = &page.failures[0];
        assert_eq!((failure.source.as_str(), failure.code.as_str(), failure.retryable), ("desk", "unexpected", false));
    }
}

#[tokio::test]
async fn a_change_whose_answer_cannot_be_read_may_have_been_made() {
    let cx = Context::new(agent());
    for (what, body, beginning) in bad_answers() {
        let (server, ops) = answering(body).await;
        let error = ops.tickets(&cx).on("desk").create(CreateTicket::new("disk full")).await.unwrap_err();
        assert!(error.to_string().starts_with(beginning) && error.may_have_applied(), "{what}: {error}");
        let entries = ops.audit().entries(0, 9).await.unwrap();
        let outcome = entries[1].outcome.as_ref().unwrap();
        assert_eq!((entries.len(), outcome.status), (2, OutcomeStatus::Unknown), "{what}");
        assert_eq!(outcome.error.as_deref(), Some("unexpected"), "{what}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "{what}: it was sent once");
    }
}
