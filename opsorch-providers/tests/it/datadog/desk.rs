//! A control plane over an organization in memory, without a connection. Every request is kept.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::gate::Decision;
use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::{HeaderMap, Reply, Request, StatusCode, Transport};
use opsorch::{
    Action, Actor, Clock, Context, Error, ErrorKind, LogEntry, LogQuery, ManualClock, MetricQuery, MetricSeries,
    OpsOrch, Page, Result, Submitted, Target, Time,
};
use opsorch_providers::datadog::DatadogConfig;
use opsorch_testkit::double::{Double, SECRET, body, json};
use serde_json::{Value, json as value};

use super::simulated::datadog::Vendor;

/// What becomes of a request in place of the vendor's answer.
#[derive(Clone)]
pub(super) enum Fate {
    /// This is the answer.
    Answer(Reply),
    /// The vendor acts on it, and the answer is lost.
    Lost,
    /// Something happens at the vendor before it answers.
    After(fn(&mut Vendor)),
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
    pub(super) fn vendor<R>(&self, look: impl FnOnce(&mut Vendor) -> R) -> R {
        look(&mut self.0.lock().unwrap().vendor)
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

    /// The methods and paths of what was sent, with their queries.
    pub(super) fn paths(&self) -> Vec<String> {
        let line = |request: &Request| {
            let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{} {}{query}", request.method, request.url.path())
        };
        self.requests().iter().map(line).collect()
    }

    /// The bodies of what was sent to a path.
    pub(super) fn bodies(&self, path: &str) -> Vec<Value> {
        self.requests().iter().filter(|request| request.url.path().ends_with(path)).map(body).collect()
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
                    Fate::After(happens) => happens(&mut inner.vendor),
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

/// A control plane over one provider, `dd`, whose policy allows everything and whose time stands still.
pub(super) struct Desk {
    pub(super) ops: OpsOrch,
    pub(super) cx: Context,
    pub(super) wire: Wire,
}

impl Desk {
    pub(super) async fn open() -> Self {
        Self::configured(value!({})).await
    }

    /// With these members beside the keys.
    pub(super) async fn configured(members: Value) -> Self {
        Self::over(Vendor::new(Arc::new(ManualClock::default())), members).await
    }

    /// Without layers, so that nothing is tried again.
    pub(super) async fn over(vendor: Vendor, members: Value) -> Self {
        let wire = Wire(Arc::new(Mutex::new(Inner { vendor, seen: Vec::new(), fates: Vec::new() })));
        let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
        let ops = OpsOrch::builder()
            .configure("dd", config_with(members))
            .policy(allow)
            .clock(ManualClock::default())
            .secrets(secrets())
            .transport(wire.clone())
            .without_layers()
            .build()
            .await
            .unwrap();
        Self { ops, cx: Context::new(Actor::agent("triage")), wire }
    }

    pub(super) async fn logs(&self, query: LogQuery) -> Result<Page<LogEntry>> {
        self.ops.logs(&self.cx).query(query).await
    }

    pub(super) async fn metrics(&self, query: MetricQuery) -> Result<Page<MetricSeries>> {
        self.ops.metrics(&self.cx).query(query).await
    }
}

pub(super) fn secrets() -> StaticSecrets {
    StaticSecrets::new([
        ("KEY", SECRET),
        ("HOOK", "s3cret"),
        ("NEXT_HOOK", "the next secret of the webhook"),
        ("EMPTY", ""),
    ])
}

/// The usual configuration with other members, without a rate budget: refusals are made on purpose, and time is real.
pub(super) fn config_with(members: Value) -> DatadogConfig {
    let mut config = value!({
        "api_key": SecretRef::env("KEY"), "app_key": SecretRef::env("KEY"), "requests_per_minute": 0,
    });
    config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
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

/// An answer of a status, with a body and headers.
pub(super) fn status(status: u16, body: &Value, headers: &[(&'static str, &'static str)]) -> Reply {
    let reply = json(StatusCode::from_u16(status).unwrap(), body);
    let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let headers: HeaderMap =
        reply.headers.clone().into_iter().filter_map(|(name, value)| Some((name?, value))).chain(pairs).collect();
    reply.headers(headers)
}
