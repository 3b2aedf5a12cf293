//! A control plane over an account in memory, without a connection. Every request is kept.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::gate::Decision;
use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::{HeaderMap, Reply, Request, StatusCode, Transport};
use opsorch::{
    Action, Actor, Clock, Context, Error, ErrorKind, Incident, IncidentQuery, ManualClock, OpsOrch, Page, Result,
    Submitted, Target, Time,
};
use opsorch_providers::pagerduty::PagerDutyConfig;
use opsorch_testkit::double::{Double, SECRET, body, json, parameters};
use serde_json::{Value, json as value};

use super::simulated::pagerduty::Vendor;
use super::simulated::pagerduty::account::Account;

/// What becomes of a request in place of the vendor's answer.
#[derive(Clone)]
pub(super) enum Fate {
    /// This is the answer.
    Answer(Reply),
    /// The vendor acts on it, and the answer is lost.
    Lost,
}

/// The way to the vendor. Clones are the same.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<Inner>>);

struct Inner {
    vendor: Vendor,
    seen: Vec<Request>,
    /// The method, the end of the path, how many such requests are passed over, and what becomes of the next one.
    fates: Vec<(&'static str, &'static str, usize, Fate)>,
}

impl Wire {
    fn over(account: Account) -> Self {
        Self(Arc::new(Mutex::new(Inner { vendor: Vendor { account }, seen: Vec::new(), fates: Vec::new() })))
    }

    pub(super) fn account<R>(&self, look: impl FnOnce(&mut Account) -> R) -> R {
        look(&mut self.0.lock().unwrap().vendor.account)
    }

    /// Decides about a request to come.
    pub(super) fn next(&self, method: &'static str, path: &'static str, passed_over: usize, fate: Fate) {
        self.0.lock().unwrap().fates.push((method, path, passed_over, fate));
    }

    /// Answers the next such request so.
    pub(super) fn answer(&self, method: &'static str, path: &'static str, reply: Reply) {
        self.next(method, path, 0, Fate::Answer(reply));
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap().seen.clone()
    }

    /// The methods and paths of what was sent, below `/api`.
    pub(super) fn paths(&self) -> Vec<String> {
        self.requests().iter().map(|it| format!("{} {}", it.method, it.url.path().trim_start_matches("/api"))).collect()
    }

    /// What changes something.
    pub(super) fn changes(&self) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.method != "GET").collect()
    }

    /// The body of the one change that was sent.
    pub(super) fn change(&self) -> Value {
        let changes = self.changes();
        assert_eq!(changes.len(), 1, "{changes:?}");
        body(&changes[0])
    }

    /// The values of a parameter in the last request of a path.
    pub(super) fn parameter(&self, path: &str, name: &str) -> Vec<String> {
        let requests = self.requests();
        let last = requests.iter().rfind(|request| request.url.path().ends_with(path)).unwrap();
        parameters(last, name)
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Reply> {
        let mut inner = self.0.lock().unwrap();
        inner.seen.push(request.clone());
        let is_meant = |(method, path, _, _): &(&str, &str, usize, Fate)| {
            request.method == *method && request.url.path().ends_with(path)
        };
        if let Some(index) = inner.fates.iter().position(is_meant) {
            match &mut inner.fates[index] {
                (_, _, 0, _) => match inner.fates.remove(index).3 {
                    Fate::Answer(reply) => return Ok(reply),
                    Fate::Lost => {
                        inner.vendor.answer(&request);
                        return Err(Error::new(ErrorKind::Timeout, "no complete answer in time"));
                    }
                },
                (_, _, passed_over, _) => *passed_over -= 1,
            }
        }
        Ok(inner.vendor.answer(&request))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// A control plane over one provider, `pd`, whose policy allows everything and whose time stands still.
pub(super) struct Desk {
    pub(super) ops: OpsOrch,
    pub(super) cx: Context,
    pub(super) wire: Wire,
}

impl Desk {
    /// Over the world that an account begins with.
    pub(super) async fn open() -> Self {
        Self::over(Account::new(Arc::new(ManualClock::default()))).await
    }

    /// Over an account in which nothing happened yet.
    pub(super) async fn empty() -> Self {
        Self::over(Account::empty(Arc::new(ManualClock::default()))).await
    }

    pub(super) async fn over(account: Account) -> Self {
        Self::with(account, config()).await.unwrap()
    }

    pub(super) async fn configured(config: Value) -> Self {
        Self::with(Account::new(Arc::new(ManualClock::default())), config).await.unwrap()
    }

    /// Without layers, so that nothing is tried again.
    pub(super) async fn with(account: Account, config: Value) -> Result<Self> {
        let wire = Wire::over(account);
        let ops = plane(wire.clone(), config).await?;
        Ok(Self { ops, cx: Context::new(Actor::agent("triage")), wire })
    }

    /// Another control plane over the same account, which remembers nothing of this one.
    pub(super) async fn another(&self) -> Self {
        let ops = plane(self.wire.clone(), config()).await.unwrap();
        Self { ops, cx: self.cx.clone(), wire: self.wire.clone() }
    }

    pub(super) async fn query(&self, query: IncidentQuery) -> Result<Page<Incident>> {
        self.ops.incidents(&self.cx).query(query).await
    }

    /// The titles of all that a query finds, page by page.
    pub(super) async fn titles(&self, query: IncidentQuery) -> Vec<String> {
        self.all(query).await.into_iter().map(|incident| incident.title).collect()
    }

    pub(super) async fn all(&self, query: IncidentQuery) -> Vec<Incident> {
        let mut query = query;
        let mut all = Vec::new();
        loop {
            let page = self.query(query.clone()).await.unwrap();
            assert!(page.failures.is_empty() && page.truncated.is_none(), "{page:?}");
            all.extend(page.items);
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return all,
            }
        }
    }
}

async fn plane(wire: Wire, config: Value) -> Result<OpsOrch> {
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
    let config: PagerDutyConfig = serde_json::from_value(config).unwrap();
    let secrets = StaticSecrets::new([("TOKEN", SECRET), ("KEY", SECRET), ("HOOK", "s3cret"), ("NEXT_HOOK", "next")]);
    OpsOrch::builder()
        .configure("pd", config)
        .policy(allow)
        .clock(ManualClock::default())
        .secrets(secrets)
        .transport(wire)
        .without_layers()
        .build()
        .await
}

/// The usual configuration, without a rate budget: refusals are made on purpose, and time is real.
pub(super) fn config() -> Value {
    value!({
        "api_token": SecretRef::env("TOKEN"),
        "api_url": "https://pd.example/api",
        "events_url": "https://pd.example/events",
        "from_email": "alice@example.com",
        "routing_key": SecretRef::env("KEY"),
        "webhook_secrets": [SecretRef::env("HOOK"), SecretRef::env("NEXT_HOOK")],
        "requests_per_minute": 0,
    })
}

/// The usual configuration with other members; a member that is null is left out.
pub(super) fn config_with(members: Value) -> Value {
    let mut config = config();
    config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    config.as_object_mut().unwrap().retain(|_, member| !member.is_null());
    config
}

/// So many seconds before the clock of every test.
pub(super) fn ago(seconds: u64) -> Time {
    ManualClock::default().now() - Duration::from_secs(seconds)
}

pub(super) fn done<T>(submitted: Result<Submitted<T>>) -> Result<T> {
    submitted.map(|submitted| match submitted {
        Submitted::Done(done) => done,
        Submitted::Pending(_) => panic!("the policy asks nobody"),
    })
}

pub(super) fn ok(body: &Value) -> Reply {
    json(StatusCode::OK, body)
}

/// What PagerDuty says when it refuses.
pub(super) fn refusal(status: u16, code: u32, error: &str) -> Reply {
    let error = value!({ "error": { "message": "Arguments Caused Error", "code": code, "errors": [error] } });
    json(StatusCode::from_u16(status).unwrap(), &error)
}

/// 429, with these headers.
pub(super) fn too_many(headers: &[(&'static str, &'static str)]) -> Reply {
    let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    Reply::new(StatusCode::TOO_MANY_REQUESTS).headers(HeaderMap::from_iter(pairs))
}
