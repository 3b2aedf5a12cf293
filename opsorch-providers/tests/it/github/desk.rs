//! A GitHub behind a transport that sees every request, and a control plane over it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use opsorch::gate::{Decision, Submitted};
use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::{HeaderMap, HeaderName, Reply, Request, StatusCode, Transport};
use opsorch::{Action, Actor, Clock, Context, Error, ErrorKind, ManualClock, OpsOrch, Result, Target, Time};
use opsorch_providers::github::GitHubConfig;
use opsorch_testkit::double::{Double, SECRET, json};
use serde_json::Value;

use super::simulated::github::GitHub;

/// What becomes of a request in place of the usual answer.
pub(super) enum Fault {
    /// This is answered, and nothing is done.
    Answer(Reply),
    /// It is done, and the answer is lost.
    Lose,
}

/// The way to a GitHub. Clones share it.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<Inner>>);

struct Inner {
    github: GitHub,
    requests: Vec<Request>,
    faults: Vec<(&'static str, &'static str, Fault)>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(super) fn new(github: GitHub) -> Self {
        Self(Arc::new(Mutex::new(Inner { github, requests: Vec::new(), faults: Vec::new() })))
    }

    /// Looks at the GitHub, or changes it.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut GitHub) -> R) -> R {
        look(&mut self.0.lock().unwrap().github)
    }

    /// Lets something else become of the next request with this method and this end of its path.
    pub(super) fn fail(&self, method: &'static str, end: &'static str, fault: Fault) {
        self.0.lock().unwrap().faults.push((method, end, fault));
    }

    /// The requests since the last time: method, path below `/api/v3` and query as they were sent, and body.
    pub(super) fn sent(&self) -> Vec<String> {
        let requests = std::mem::take(&mut self.0.lock().unwrap().requests);
        requests.iter().map(line).collect()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }
}

fn line(request: &Request) -> String {
    let path = request.url.path().strip_prefix("/api/v3").unwrap();
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let body =
        if request.body.is_empty() { String::new() } else { format!(" {}", String::from_utf8_lossy(&request.body)) };
    format!("{} {path}{query}{body}", request.method)
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Reply> {
        let mut inner = self.0.lock().unwrap();
        inner.requests.push(request.clone());
        let is_meant =
            |(method, end, _): &(&str, &str, Fault)| request.method == *method && request.url.path().ends_with(end);
        let fault = inner.faults.iter().position(is_meant).map(|place| inner.faults.remove(place).2);
        match fault {
            Some(Fault::Answer(reply)) => Ok(reply),
            Some(Fault::Lose) => {
                inner.github.answer(&request);
                Err(Error::new(ErrorKind::Timeout, "no complete answer in time"))
            }
            None => Ok(inner.github.answer(&request)),
        }
    }
}

/// A control plane over one provider, `github`, whose policy allows everything and whose time stands still.
pub(super) struct Desk {
    pub(super) ops: OpsOrch,
    pub(super) cx: Context,
    pub(super) wire: Wire,
}

impl Desk {
    /// Over `acme/api` and the organization `acme`, with the whole world in them.
    pub(super) async fn open() -> Self {
        let clock = ManualClock::default();
        Self::of(GitHub::new(Arc::new(clock.clone())), clock, config()).await
    }

    /// The same, with this in it and nothing else.
    pub(super) async fn with(fill: impl FnOnce(&mut GitHub)) -> Self {
        Self::configured(config(), fill).await
    }

    pub(super) async fn configured(config: GitHubConfig, fill: impl FnOnce(&mut GitHub)) -> Self {
        let clock = ManualClock::default();
        let mut github = GitHub::empty(Arc::new(clock.clone()));
        fill(&mut github);
        Self::of(github, clock, config).await
    }

    /// Without layers, so that nothing is tried again.
    async fn of(github: GitHub, clock: ManualClock, config: GitHubConfig) -> Self {
        let wire = Wire::new(github);
        let ops = build(config, wire.clone(), clock).await.unwrap();
        Self { ops, cx: Context::new(Actor::agent("triage")), wire }
    }

    /// Makes a change, which nobody is asked about.
    pub(super) async fn change<T: TryFrom<opsorch::Response>>(&self, action: impl Into<Action>) -> Result<T> {
        match self.ops.submit(&self.cx, action.into()).await? {
            Submitted::Done(response) => T::try_from(response).map_err(|_| Error::unexpected("another response")),
            Submitted::Pending(_) => panic!("the policy asks nobody"),
        }
    }
}

pub(super) async fn build(config: GitHubConfig, wire: Wire, clock: ManualClock) -> Result<OpsOrch> {
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
    let secrets = StaticSecrets::new([("TOKEN", SECRET), ("HOOK", HOOK), ("NEXT_HOOK", NEXT_HOOK)]);
    let builder = OpsOrch::builder().configure("github", config).policy(allow).clock(clock).secrets(secrets);
    builder.transport(wire).without_layers().build().await
}

/// The secrets of webhooks: the present one, and the one that takes its place.
pub(super) const HOOK: &str = "canary-hook-71";
pub(super) const NEXT_HOOK: &str = "canary-hook-72";

/// `acme/api` and the organization `acme`.
pub(super) fn config() -> GitHubConfig {
    bare().repository("acme/api").organization("acme")
}

/// Nothing yet.
pub(super) fn bare() -> GitHubConfig {
    GitHubConfig::new(SecretRef::env("TOKEN")).url("https://github.example.org/api/v3".parse().unwrap())
}

/// So many minutes after the time at which the clock stands.
pub(super) fn minute(minutes: i64) -> Time {
    ManualClock::default().now() + chrono::TimeDelta::minutes(minutes)
}

/// An answer with headers.
pub(super) fn answer(status: u16, headers: &[(&'static str, &str)], body: Value) -> Reply {
    let mut reply = json(StatusCode::from_u16(status).unwrap(), &body);
    let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    reply.headers.extend(headers.collect::<HeaderMap>());
    reply
}
