//! The kind `prometheus` against a real Prometheus and a real Alertmanager.
//!
//! `.ci/servers installed cargo test -p opsorch-providers --features prometheus --test real -- --ignored`, or `newer` in
//! place of `installed`. The servers live as long as the command, and have one alert that fires. The tests share them:
//! one that changes an alert raises its own.

// A helper that fails fails the test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod alerts;
mod metrics;
mod silences;
mod webhook;

use std::env;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::transport::{Client, ReqwestTransport, Transport};
use opsorch::{
    Action, Actor, Alert, AlertId, AlertQuery, ApprovalRequest, Clock, Context, ErrorKind, MetricQuery, MetricSeries,
    Operation, OpsOrch, Page, Quorum, Response, Result, SilenceAlert, Submitted, SystemClock, Target, Time,
};
use opsorch_providers::prometheus::PrometheusConfig;
use serde_json::{Value, json};

/// The label that the script gives to its alert to see what becomes of it.
const QUOTED: &str = "a \"quoted\" back\\slash";

/// A control plane over both servers, for an agent that may silence what an sre agrees to.
struct Desk {
    ops: OpsOrch,
    agent: Context,
    alertmanager: Client,
}

impl Desk {
    async fn new() -> Self {
        Self::over(ReqwestTransport::new().unwrap(), config()).await
    }

    async fn over(transport: impl Transport, config: PrometheusConfig) -> Self {
        let policy = |_: &Context, _: &Target, _: &Action| Decision::require_approval(Quorum::of(1, "sre"), "a test");
        let builder = OpsOrch::builder().configure("prom", config).policy(policy).transport(transport);
        let straight = Arc::new(ReqwestTransport::new().unwrap());
        Self {
            ops: builder.build().await.unwrap(),
            agent: Context::new(Actor::agent("triage")),
            alertmanager: Client::new(straight, variable("ALERTMANAGER_URL").parse().unwrap()).unwrap(),
        }
    }

    async fn metrics(&self, query: MetricQuery) -> Result<Page<MetricSeries>> {
        self.ops.metrics(&self.agent).query(query).await
    }

    /// The series of a query that is answered in full.
    async fn series(&self, query: MetricQuery) -> Vec<MetricSeries> {
        let page = self.metrics(query).await.unwrap();
        assert!(page.is_complete() && page.warnings.is_empty(), "{page:?}");
        page.items
    }

    async fn alert(&self, id: &AlertId) -> Result<Alert> {
        self.ops.alerts(&self.agent).get(id.clone()).await
    }

    async fn alerts(&self, query: AlertQuery) -> Result<Page<Alert>> {
        self.ops.alerts(&self.agent).query(query).await
    }

    /// Whether a query finds an alert.
    async fn finds(&self, id: &AlertId, query: AlertQuery) -> bool {
        self.alerts(query).await.unwrap().items.iter().any(|alert| alert.id == *id)
    }

    /// The alert of the script, as one of the sources tells of it.
    async fn target_down(&self, source: &str) -> Alert {
        let found = self.alerts(AlertQuery::firing().query("TargetDown").metadata("source", source)).await.unwrap();
        let of_rule = |alert: &Alert| source == "rules" || alert.fields["labels"].get("cluster").is_some();
        found.items.into_iter().find(of_rule).unwrap()
    }

    /// Tells Alertmanager of an alert, as Prometheus does, and reads it.
    async fn raise(&self, labels: Value) -> Alert {
        let alerts = json!([{ "labels": labels, "generatorURL": "http://prometheus.example.org/graph" }]);
        self.alertmanager.post("api/v2/alerts").json(&alerts).send(&self.agent).await.unwrap();
        eventually("an alert that was raised", async || {
            let all = self.alerts(AlertQuery::new().limit(1000)).await.unwrap().items;
            all.into_iter().find(|alert| alert.fields["labels"] == labels)
        })
        .await
    }

    /// The silences that Alertmanager has for this reason.
    async fn silences(&self, reason: &str) -> Vec<Value> {
        let mut all: Vec<Value> = self.alertmanager.get("api/v2/silences").fetch(&self.agent).await.unwrap();
        all.retain(|silence| silence["comment"].as_str().unwrap().starts_with(reason));
        all
    }

    /// Asks for a silence, has it approved, and redeems it.
    async fn silence(&self, input: SilenceAlert) -> Result<Response> {
        let request = self.ask(input).await;
        self.approve(&request).await;
        self.ops.approvals(&self.agent).redeem(&request.id).await
    }

    async fn ask(&self, input: SilenceAlert) -> ApprovalRequest {
        match self.ops.alerts(&self.agent).silence(input).await.unwrap() {
            Submitted::Pending(request) => request,
            Submitted::Done(alert) => panic!("nobody was asked, and this was silenced: {alert:?}"),
        }
    }

    async fn approve(&self, request: &ApprovalRequest) {
        let alice = Context::new(Actor::user("alice").role("sre"));
        self.ops.approvals(&alice).approve(&request.id, &request.digest).await.unwrap();
    }

    /// The version of Prometheus, as far as the first point.
    async fn major(&self) -> u32 {
        let version = self.ops.health(&self.agent, "prom").await.unwrap().version.unwrap();
        let number = version.strip_prefix("prometheus ").unwrap().split('.').next().unwrap();
        number.parse().unwrap()
    }
}

fn config() -> PrometheusConfig {
    PrometheusConfig::new(variable("PROMETHEUS_URL").parse().unwrap())
        .alertmanager(variable("ALERTMANAGER_URL").parse().unwrap())
}

fn variable(name: &str) -> String {
    env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run this by `.ci/servers`, as the top of the file says"))
}

/// Waits for what real servers take their time for.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        match look().await {
            Some(found) => return found,
            None => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("{what} did not come in 30 s");
}

fn now() -> Time {
    Time::from_timestamp_millis(SystemClock.now().timestamp_millis()).unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[track_caller]
fn assert_invalid<T: Debug>(result: Result<T>, field: &str) {
    let error = result.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: field.into() }, "{error}");
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn the_servers_are_healthy_and_say_their_versions() {
    let desk = Desk::new().await;
    let health = desk.ops.health(&desk.agent, "prom").await.unwrap();
    assert!(health.is_healthy(), "{health:?}");
    let offered: Vec<_> = desk.ops.providers().next().unwrap().operations().iter().collect();
    assert_eq!(health.operations.iter().collect::<Vec<_>>(), offered);
    assert_eq!(offered.len(), 5);
    assert!(offered.contains(&Operation::AlertSilence));
    let version = health.version.unwrap();
    assert!(version.starts_with("prometheus ") && version.contains(", alertmanager 0."), "{version}");
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn an_address_without_its_path_is_no_prometheus() {
    let mut config = config();
    config.url.as_mut().unwrap().set_path("/");
    config.alertmanager_url.as_mut().unwrap().set_path("/");
    let desk = Desk::over(ReqwestTransport::new().unwrap(), config).await;
    let error = desk.metrics(metrics::instant("up")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected, "{error}");
    assert!(error.to_string().contains("check the path in `url`"), "{error}");
    let error = desk.alerts(AlertQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected, "{error}");
    let health = desk.ops.health(&desk.agent, "prom").await.unwrap();
    assert_eq!((health.is_healthy(), health.problems.len()), (false, 2));
}
