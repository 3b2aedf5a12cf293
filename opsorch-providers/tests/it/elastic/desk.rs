//! A control plane over a cluster in memory, without a connection. Every request is kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::{Reply, Request, StatusCode, Transport};
use opsorch::{Actor, Clock, Context, Error, ErrorKind, LogEntry, LogQuery, ManualClock, OpsOrch, Page, Result, Time};
use opsorch_providers::elastic::ElasticConfig;
use opsorch_testkit::double::{Double, SECRET, body, json};
use serde_json::{Value, json as value};

use super::simulated::elastic::store::Index;
use super::simulated::elastic::{Cluster, Flavor, world};

/// What becomes of a request in place of the cluster's answer.
#[derive(Clone)]
pub(super) enum Fate {
    Answer(Reply),
    /// Nobody ever answers.
    Silence,
}

/// The way to the cluster. Clones are the same.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<Inner>>);

struct Inner {
    cluster: Cluster,
    seen: Vec<Request>,
    /// The method, the end of the path, how many such requests are passed over, and what becomes of the next one.
    fates: Vec<(&'static str, &'static str, usize, Fate)>,
    /// The hosts that are down.
    down: BTreeMap<String, Option<Reply>>,
}

impl Wire {
    pub(super) fn over(cluster: Cluster) -> Self {
        Self(Arc::new(Mutex::new(Inner { cluster, seen: Vec::new(), fates: Vec::new(), down: BTreeMap::new() })))
    }

    pub(super) fn cluster<R>(&self, look: impl FnOnce(&mut Cluster) -> R) -> R {
        look(&mut self.0.lock().unwrap().cluster)
    }

    pub(super) fn next(&self, method: &'static str, path: &'static str, passed_over: usize, fate: Fate) {
        self.0.lock().unwrap().fates.push((method, path, passed_over, fate));
    }

    pub(super) fn answer(&self, method: &'static str, path: &'static str, reply: Reply) {
        self.next(method, path, 0, Fate::Answer(reply));
    }

    /// Lets a node refuse connections, or give this answer to everything.
    pub(super) fn takes_down(&self, host: &str, reply: Option<Reply>) {
        self.0.lock().unwrap().down.insert(host.to_owned(), reply);
    }

    pub(super) fn brings_up(&self, host: &str) {
        self.0.lock().unwrap().down.remove(host);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap().seen.clone()
    }

    /// The methods and paths of what was sent.
    pub(super) fn paths(&self) -> Vec<String> {
        self.requests().iter().map(|it| format!("{} {}", it.method, it.url.path())).collect()
    }

    /// The bodies of the searches.
    pub(super) fn searches(&self) -> Vec<Value> {
        self.requests().iter().filter(|it| it.url.path().ends_with("/_search")).map(body).collect()
    }

    /// The points in time that are open.
    pub(super) fn open(&self) -> usize {
        self.cluster(|cluster| cluster.points.len())
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request) -> Result<Reply> {
        let fate = {
            let mut inner = self.0.lock().unwrap();
            inner.seen.push(request.clone());
            match inner.down.get(request.url.host_str().unwrap()) {
                Some(Some(reply)) => return Ok(reply.clone()),
                Some(None) => return Err(Error::new(ErrorKind::Unavailable, "connection refused").not_applied()),
                None => {}
            }
            let is_meant = |(method, path, _, _): &(&str, &str, usize, Fate)| {
                request.method == *method && request.url.path().ends_with(path)
            };
            match inner.fates.iter().position(is_meant) {
                Some(index) if inner.fates[index].2 == 0 => Some(inner.fates.remove(index).3),
                Some(index) => {
                    inner.fates[index].2 -= 1;
                    None
                }
                None => None,
            }
        };
        match fate {
            Some(Fate::Answer(reply)) => Ok(reply),
            Some(Fate::Silence) => std::future::pending().await,
            None => Ok(self.0.lock().unwrap().cluster.answer(&request)),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// A control plane over one provider, `logs`.
pub(super) struct Desk {
    pub(super) ops: OpsOrch,
    pub(super) cx: Context,
    pub(super) wire: Wire,
}

impl Desk {
    /// Over the small world of the conformance suite.
    pub(super) async fn small(flavor: Flavor) -> Self {
        Self::over(world::small(flavor, &ManualClock::default())).await
    }

    /// Over one index.
    pub(super) async fn of(flavor: Flavor, index: Index) -> Self {
        let mut cluster = Cluster::new(flavor);
        cluster.indices.insert("logs-1".to_owned(), index);
        Self::over(cluster).await
    }

    pub(super) async fn over(cluster: Cluster) -> Self {
        Self::with(cluster, config()).await
    }

    pub(super) async fn with(cluster: Cluster, config: ElasticConfig) -> Self {
        let wire = Wire::over(cluster);
        let ops = OpsOrch::builder()
            .configure("logs", config)
            .clock(ManualClock::default())
            .secrets(StaticSecrets::new([("KEY", SECRET)]))
            .transport(wire.clone())
            .without_layers()
            .build()
            .await
            .unwrap();
        Self { ops, cx: Context::new(Actor::agent("triage")), wire }
    }

    pub(super) async fn query(&self, query: LogQuery) -> Result<Page<LogEntry>> {
        self.ops.logs(&self.cx).query(query).await
    }

    /// A page that is everything there is.
    pub(super) async fn all(&self, query: LogQuery) -> Vec<LogEntry> {
        let page = self.query(query).await.unwrap();
        assert!(page.is_complete(), "{page:?}");
        page.items
    }

    /// The ids of everything that a query finds.
    pub(super) async fn ids(&self, query: LogQuery) -> Vec<String> {
        self.all(query.limit(1_000)).await.iter().map(id).collect()
    }

    /// The clauses of the one search that a query becomes, without that for the span.
    pub(super) async fn clauses(&self, query: LogQuery) -> Vec<Value> {
        let before = self.wire.searches().len();
        self.query(query).await.unwrap();
        let search = self.wire.searches().split_off(before).remove(0);
        search["query"]["bool"]["filter"].as_array().unwrap()[1..].to_vec()
    }
}

pub(super) const NODE: &str = "http://es-1.internal:9200/proxy";

/// Without a rate budget: refusals are made on purpose, and time is real.
pub(super) fn config() -> ElasticConfig {
    ElasticConfig::new(NODE.parse().unwrap()).api_key(SecretRef::env("KEY")).requests_per_minute(0)
}

/// What tells an entry from others.
pub(super) fn id(entry: &LogEntry) -> String {
    entry.metadata["_id"].as_str().unwrap().to_owned()
}

/// Minutes before the time that stands still.
pub(super) fn ago(minutes: i64) -> Time {
    ManualClock::default().now() - chrono::TimeDelta::minutes(minutes)
}

/// Everything of the last day.
pub(super) fn day() -> LogQuery {
    LogQuery::new(ago(24 * 60), ago(0))
}

/// A refusal in the cluster's words.
pub(super) fn refusal(status: u16, kind: &str, reason: &str) -> Reply {
    let error = value!({ "type": kind, "reason": reason, "root_cause": [{ "type": kind, "reason": reason }] });
    json(StatusCode::from_u16(status).unwrap(), &value!({ "error": error, "status": status }))
}
