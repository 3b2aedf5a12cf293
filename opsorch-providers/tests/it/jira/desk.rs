//! A Jira over HTTP that can be made to misbehave, and a control plane over it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use opsorch::gate::Decision;
use opsorch::secret::SecretRef;
use opsorch::transport::{Method, Reply, Request, ReqwestTransport, StatusCode, Transport};
use opsorch::{
    Action, Actor, Comment, CommentTicket, Context, CreateTicket, Error, ErrorKind, ManualClock, OpsOrch,
    OutcomeStatus, Page, Result, Submitted, Target, Ticket, TicketQuery, UpdateTicket,
};
use opsorch_providers::jira::{Deployment, JiraConfig};
use opsorch_testkit::double::{Double, SECRET, Server, body, json};
use serde_json::{Value, json};

use super::simulated::jira::{EMAIL, Jira};

/// A Jira that remembers what it was asked. Clones share it.
#[derive(Clone)]
pub(super) struct Vendor(Arc<Mutex<Inner>>);

struct Inner {
    jira: Jira,
    requests: Vec<Request>,
    /// Answers in place of the usual ones: the method, the end of the path, and the answer.
    faults: Vec<(Method, &'static str, Reply)>,
}

impl Double for Vendor {
    fn answer(&mut self, request: &Request) -> Reply {
        let mut inner = self.0.lock().unwrap();
        inner.requests.push(request.clone());
        let is_meant =
            |(method, end, _): &(Method, &str, Reply)| *method == request.method && request.url.path().ends_with(end);
        match inner.faults.iter().position(is_meant) {
            Some(index) => inner.faults.remove(index).2,
            None => inner.jira.answer(request),
        }
    }
}

/// A control plane over one provider, `jira`, whose policy allows everything and whose time stands still.
pub(super) struct Desk {
    pub(super) ops: OpsOrch,
    pub(super) cx: Context,
    pub(super) vendor: Vendor,
    pub(super) clock: ManualClock,
    _server: Server,
}

impl Desk {
    pub(super) async fn cloud() -> Self {
        Self::over(Deployment::Cloud, |_| {}, |config| config, ReqwestTransport::new().unwrap()).await
    }

    pub(super) async fn data_center() -> Self {
        Self::over(Deployment::DataCenter, |_| {}, |config| config, ReqwestTransport::new().unwrap()).await
    }

    /// One of each.
    pub(super) async fn both() -> [Self; 2] {
        [Self::cloud().await, Self::data_center().await]
    }

    pub(super) async fn over(
        deployment: Deployment,
        prepare: impl FnOnce(&mut Jira),
        configure: impl FnOnce(JiraConfig) -> JiraConfig,
        transport: impl Transport,
    ) -> Self {
        let clock = ManualClock::default();
        let is_cloud = deployment == Deployment::Cloud;
        let make = if is_cloud { Jira::cloud } else { Jira::data_center };
        let mut jira = make(Arc::new(clock.clone()));
        prepare(&mut jira);
        let prefix = jira.prefix.join("/");
        let vendor = Vendor(Arc::new(Mutex::new(Inner { jira, requests: Vec::new(), faults: Vec::new() })));
        let server = Server::start(vendor.clone()).await;
        let config =
            JiraConfig::new(deployment, server.url().join(&prefix).unwrap(), "OPS", SecretRef::literal(SECRET));
        let config = configure(if is_cloud { config.email(EMAIL) } else { config });
        let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
        let builder = OpsOrch::builder().configure("jira", config).policy(allow).clock(clock.clone());
        // Without layers nothing is tried again, so that no test waits.
        let ops = builder.transport(transport).without_layers().build().await.unwrap();
        Self { ops, cx: Context::new(Actor::agent("triage")), vendor, clock, _server: server }
    }

    pub(super) async fn query(&self, query: TicketQuery) -> Result<Page<Ticket>> {
        self.ops.tickets(&self.cx).query(query).await
    }

    /// The keys of what a query finds.
    pub(super) async fn keys(&self, query: TicketQuery) -> Vec<String> {
        self.query(query).await.unwrap().items.into_iter().map(|ticket| ticket.key.unwrap()).collect()
    }

    /// The keys of everything that a query finds, by pages.
    pub(super) async fn all_keys(&self, mut query: TicketQuery) -> Vec<String> {
        let mut keys = Vec::new();
        loop {
            let page = self.query(query.clone()).await.unwrap();
            keys.extend(page.items.into_iter().map(|ticket| ticket.key.unwrap()));
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return keys,
            }
        }
    }

    pub(super) async fn get(&self, id: &str) -> Result<Ticket> {
        self.ops.tickets(&self.cx).get(id).await
    }

    pub(super) async fn create(&self, input: CreateTicket) -> Result<Ticket> {
        self.ops.tickets(&self.cx).create(input).await.map(done)
    }

    /// As one change, however often it is asked for.
    pub(super) async fn create_once(&self, input: CreateTicket) -> Result<Ticket> {
        self.ops.tickets(&self.cx).idempotency_key("k").create(input).await.map(done)
    }

    pub(super) async fn update(&self, input: UpdateTicket) -> Result<Ticket> {
        self.ops.tickets(&self.cx).update(input).await.map(done)
    }

    pub(super) async fn comment(&self, input: CommentTicket) -> Result<Comment> {
        self.ops.tickets(&self.cx).comment(input).await.map(done)
    }

    /// As one change, however often it is asked for.
    pub(super) async fn comment_once(&self, input: CommentTicket) -> Result<Comment> {
        self.ops.tickets(&self.cx).idempotency_key("k").comment(input).await.map(done)
    }

    /// What the log says of the last change.
    pub(super) async fn outcome(&self) -> OutcomeStatus {
        let entries = self.ops.audit().entries(0, 100).await.unwrap();
        entries.into_iter().rev().find_map(|entry| entry.outcome).unwrap().status
    }
}

fn done<T>(submitted: Submitted<T>) -> T {
    match submitted {
        Submitted::Done(thing) => thing,
        Submitted::Pending(_) => panic!("the policy asks nobody"),
    }
}

impl Vendor {
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Jira) -> R) -> R {
        look(&mut self.0.lock().unwrap().jira)
    }

    /// Answers the next request of this method to a path with this end so.
    pub(super) fn fail(&self, method: Method, end: &'static str, reply: Reply) {
        self.0.lock().unwrap().faults.push((method, end, reply));
    }

    /// The requests so far: the method, the path with its query, and the body.
    pub(super) fn requests(&self) -> Vec<(String, String, Value)> {
        let inner = self.0.lock().unwrap();
        let shown = inner.requests.iter().map(|request| {
            let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
            (request.method.to_string(), format!("{}{query}", request.url.path()), body(request))
        });
        shown.collect()
    }

    /// The methods and the ends of the paths so far.
    pub(super) fn calls(&self) -> Vec<String> {
        let end =
            |path: &str| path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        self.requests().iter().map(|(method, path, _)| format!("{method} {}", end(path))).collect()
    }

    /// The body of the last request of this method.
    pub(super) fn last_body(&self, method: &str) -> Value {
        self.requests().into_iter().rev().find(|(sent, _, _)| sent == method).unwrap().2
    }

    /// The query of the last search.
    pub(super) fn last_jql(&self) -> String {
        self.last_body("POST")["jql"].as_str().unwrap().to_owned()
    }

    /// The headers of the last request.
    pub(super) fn last_header(&self, name: &str) -> Option<String> {
        let inner = self.0.lock().unwrap();
        inner.requests.last().unwrap().headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

/// A refusal as Jira says it.
pub(super) fn failure(status: u16, messages: &[&str], errors: Value) -> Reply {
    json(StatusCode::from_u16(status).unwrap(), &json!({ "errorMessages": messages, "errors": errors }))
}

/// Delivers what is posted and loses the answer.
#[derive(Debug)]
pub(super) struct LosesAnswers(pub(super) ReqwestTransport);

#[async_trait]
impl Transport for LosesAnswers {
    async fn send(&self, request: Request) -> Result<Reply> {
        let is_search = request.url.path().contains("/search");
        let is_lost = request.method == Method::POST && !is_search;
        let reply = self.0.send(request).await?;
        match is_lost {
            true => Err(Error::new(ErrorKind::Timeout, "no complete answer in time")),
            false => Ok(reply),
        }
    }
}
