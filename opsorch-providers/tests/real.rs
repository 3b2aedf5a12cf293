//! The kind `prometheus` against a real Prometheus and a real Alertmanager.
//!
//! `.ci/servers installed cargo test -p opsorch-providers --features prometheus --test real -- --ignored`, or `newer` in
//! place of `installed`. The servers live as long as the command, and have one alert that fires. The tests share them:
//! one that changes an alert raises its own.

// A helper that fails fails the test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::env;
use std::fmt::Debug;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch::capability::{Webhook, WebhookEvent};
use opsorch::gate::Decision;
use opsorch::secret::SecretRef;
use opsorch::transport::{Client, HeaderMap, HeaderValue, Method, Reply, Request, ReqwestTransport, Transport};
use opsorch::{
    Action, Actor, Alert, AlertId, AlertQuery, AlertStatusLevel, Clock, Context, Error, ErrorKind, Fields,
    MetricKindLevel, MetricQuery, MetricSeries, Operation, OpsOrch, OutcomeStatus, Page, Quorum, Result, Scope,
    SeverityLevel, SilenceAlert, Submitted, SystemClock, Target, Time,
};
use opsorch_providers::prometheus::{PrometheusConfig, WebhookAuth};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

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
    async fn silence(&self, input: SilenceAlert) -> Result<opsorch::Response> {
        let request = self.ask(input).await;
        self.approve(&request).await;
        self.ops.approvals(&self.agent).redeem(&request.id).await
    }

    async fn ask(&self, input: SilenceAlert) -> opsorch::ApprovalRequest {
        match self.ops.alerts(&self.agent).silence(input).await.unwrap() {
            Submitted::Pending(request) => request,
            Submitted::Done(alert) => panic!("nobody was asked, and this was silenced: {alert:?}"),
        }
    }

    async fn approve(&self, request: &opsorch::ApprovalRequest) {
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

/// A metric at this moment.
fn instant(metric: &str) -> MetricQuery {
    let now = now();
    MetricQuery::new(metric, now, now)
}

fn values(series: &[MetricSeries]) -> Vec<f64> {
    series.iter().flat_map(|series| &series.points).map(|point| point.value()).collect()
}

fn moments(series: &MetricSeries) -> Vec<Time> {
    series.points.iter().map(|point| point.timestamp()).collect()
}

/// Moments at equal distances, so many of them.
fn grid(start: Time, step: u64, count: u64) -> Vec<Time> {
    (0..count).map(|index| start + seconds(index * step)).collect()
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
    let error = desk.metrics(instant("up")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected, "{error}");
    assert!(error.to_string().contains("check the path in `url`"), "{error}");
    let error = desk.alerts(AlertQuery::new()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected, "{error}");
    let health = desk.ops.health(&desk.agent, "prom").await.unwrap();
    assert_eq!((health.is_healthy(), health.problems.len()), (false, 2));
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn up_is_1_for_the_target_that_answers_and_0_for_the_dead_one() {
    let desk = Desk::new().await;
    let series = desk.series(instant("up")).await;
    let jobs: Vec<_> = series.iter().map(|series| series.labels["job"].as_str().unwrap()).collect();
    assert_eq!((jobs, values(&series)), (vec!["dead", "prometheus"], vec![0.0, 1.0]));
    assert!(series[0].url.as_ref().unwrap().as_str().starts_with(&variable("PROMETHEUS_URL")));

    let (start, end) = (now() - seconds(60), now());
    let series = desk.series(MetricQuery::new("up", start, end).step(1)).await;
    assert_eq!(series.len(), 2);
    let asked: BTreeSet<_> = grid(start, 1, 61).into_iter().collect();
    for (series, value) in series.iter().zip([0.0, 1.0]) {
        assert!(!series.points.is_empty() && series.points.iter().all(|point| point.value() == value));
        assert!(moments(series).iter().all(|moment| asked.contains(moment)));
    }
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn series_are_aggregated_as_a_whole_and_by_label() {
    let desk = Desk::new().await;
    for (aggregation, all) in [("avg", 0.5), ("sum", 1.0), ("min", 0.0), ("max", 1.0), ("count", 2.0)] {
        let series = desk.series(instant("up").aggregation(aggregation)).await;
        assert_eq!(values(&series), [all], "{aggregation}");
        assert_eq!((series[0].name.as_str(), series[0].labels.len()), ("up", 0));
        let series = desk.series(instant("up").aggregation(aggregation).group_by("job")).await;
        let (dead, alive) = if aggregation == "count" { (1.0, 1.0) } else { (0.0, 1.0) };
        assert_eq!(values(&series), [dead, alive], "{aggregation}");
        assert_eq!(json!(series[1].labels), json!({ "job": "prometheus" }));
    }
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn filters_find_what_they_name_whatever_characters_it_has() {
    let desk = Desk::new().await;
    for (operator, value, found) in [
        ("=", "dead", vec!["dead"]),
        ("!=", "dead", vec!["prometheus"]),
        ("=~", "d.*|x", vec!["dead"]),
        ("=~", "d", vec![]),
        ("!~", "d.*", vec!["prometheus"]),
        ("=", "dead\"} or vector(7) #", vec![]),
        ("=", "dead\\", vec![]),
        ("=", "dead\n", vec![]),
        ("=", "ü ✓ `", vec![]),
    ] {
        let series = desk.series(instant("up").filter("job", operator, value)).await;
        let jobs: Vec<_> = series.iter().map(|series| series.labels["job"].as_str().unwrap()).collect();
        assert_eq!(jobs, found, "job {operator} {value:?}");
    }

    let firing = || instant("ALERTS").filter("alertstate", "=", "firing");
    let alert = eventually("the alert as a metric", async || {
        desk.series(firing().filter("quoted", "=", QUOTED)).await.into_iter().next()
    })
    .await;
    assert_eq!((alert.labels["quoted"].as_str(), alert.service.as_deref()), (Some(QUOTED), Some("dead")));
    assert_eq!(desk.series(firing().filter("quoted", "=~", "a .quoted. back\\\\slash")).await.len(), 1);
    assert!(desk.series(firing().filter("quoted", "!=", QUOTED)).await.is_empty());
    assert!(desk.series(firing().filter("quoted", "=", "a \"quoted\" backslash")).await.is_empty());
    assert_eq!(desk.series(firing().service("dead").team("core")).await.len(), 1);
    assert!(desk.series(firing().service("dead").team("other")).await.is_empty());
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn what_is_not_a_number_is_a_gap_that_is_told_of() {
    let desk = Desk::new().await;
    let series =
        eventually("the recording rule", async || desk.series(instant("opsorch:nothing")).await.into_iter().next())
            .await;
    assert_eq!((series.points.len(), &series.metadata["droppedPoints"]), (0, &json!({ "nan": 1 })));
    let infinite = instant("").metadata("query", "vector(-1) / 0");
    assert_eq!(desk.series(infinite).await[0].metadata["droppedPoints"], json!({ "inf": 1 }));
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn more_points_than_a_request_returns_are_neither_doubled_nor_lost() {
    let desk = Desk::new().await;
    let start = now() - seconds(11_000);
    let end = start + seconds(11_999);
    // The value of this query is its moment, so that no point can stand for another.
    let clock = desk.series(MetricQuery::new("clock", start, end).step(1).metadata("query", "time()")).await;
    assert_eq!(moments(&clock[0]), grid(start, 1, 12_000));
    assert!(clock[0].points.iter().all(|point| point.value() == point.timestamp().timestamp_millis() as f64 / 1000.0));

    // The windows meet now, in the midst of what there is of this series: a value holds for five minutes.
    let alive = |start, end| MetricQuery::new("up", start, end).step(1).filter("job", "=", "prometheus");
    let windows = moments(&desk.series(alive(start, end)).await[0]);
    let (first, last) = (now() - seconds(120), start + seconds(11_100));
    let first = start + seconds(u64::try_from((first - start).num_seconds()).unwrap());
    let within: Vec<_> = windows.into_iter().filter(|moment| (first..=last).contains(moment)).collect();
    assert_eq!(within, moments(&desk.series(alive(first, last)).await[0]));
    assert!(within.contains(&(start + seconds(10_999))) || within[0] >= start + seconds(10_999));
    assert!(within.contains(&(start + seconds(11_000))) && within.contains(&last));
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn what_ten_requests_cannot_return_has_a_wider_step_and_says_so() {
    let desk = Desk::new().await;
    let end = now();
    let query = MetricQuery::new("clock", end - seconds(200_000), end).step(1).metadata("query", "time()");
    let page = desk.metrics(query).await.unwrap();
    assert_eq!(page.warnings, ["a step of 1 s makes more points than the server returns; the step is 2 s"]);
    assert_eq!(moments(&page.items[0]), grid(end - seconds(200_000), 2, 100_001));
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn pages_of_series_neither_overlap_nor_leave_out() {
    let desk = Desk::new().await;
    let query = instant("up");
    let first = desk.metrics(query.clone().limit(1)).await.unwrap();
    let second = desk.metrics(query.limit(1).after(first.next.clone().unwrap())).await.unwrap();
    assert_eq!(
        (first.items[0].labels["job"].as_str(), second.items[0].labels["job"].as_str()),
        (Some("dead"), Some("prometheus"))
    );
    assert!(second.next.is_none());
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn metrics_are_described_as_their_targets_do() {
    let desk = Desk::new().await;
    let page = desk.ops.metrics(&desk.agent).describe(Scope::new()).await.unwrap();
    assert!(page.is_complete() && page.warnings.is_empty(), "{:?}", page.warnings);
    let metric =
        |name: &str| page.items.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"));
    for (name, kind) in [
        ("process_resident_memory_bytes", MetricKindLevel::Gauge),
        ("prometheus_http_requests_total", MetricKindLevel::Counter),
        ("prometheus_http_request_duration_seconds_bucket", MetricKindLevel::Histogram),
        ("go_gc_duration_seconds", MetricKindLevel::Summary),
    ] {
        assert_eq!(metric(name).kind.level(), kind, "{name}");
        assert!(!metric(name).description.is_empty(), "{name}");
    }
    assert_eq!(
        metric("process_resident_memory_bytes").description.trim_end_matches('.'),
        "Resident memory size in bytes"
    );
    assert_eq!((metric("up").kind.level(), metric("up").description.as_str()), (MetricKindLevel::Unknown, ""));

    let of_service = desk.ops.metrics(&desk.agent).describe(Scope::new().service("dead")).await.unwrap();
    let names: Vec<_> = of_service.items.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["ALERTS", "ALERTS_FOR_STATE"]);
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn an_unknown_metric_is_empty_and_a_query_that_cannot_be_run_is_invalid() {
    let desk = Desk::new().await;
    assert!(desk.series(instant("no_such_metric")).await.is_empty());
    assert!(desk.series(MetricQuery::new("no.such metric", now() - seconds(60), now())).await.is_empty());
    let raw = |promql: &str| instant("up").metadata("query", promql);
    assert_invalid(desk.metrics(raw("sum(")).await, "metadata.query");
    assert_invalid(desk.metrics(raw("\"text\"")).await, "metadata.query");
    assert_invalid(desk.metrics(raw("up * on () up")).await, "metadata.query");
    assert_invalid(desk.metrics(instant("up").filter("job", "=~", "(")).await, "expression");
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn the_hints_of_newer_servers_are_warnings_of_the_page() {
    let desk = Desk::new().await;
    let (promql, has_hints) = ("rate(process_resident_memory_bytes[1m])", desk.major().await >= 3);
    let page = eventually("a rate", async || {
        let page = desk.metrics(instant("").metadata("query", promql)).await.unwrap();
        (!page.items.is_empty()).then_some(page)
    })
    .await;
    assert!(page.is_complete());
    assert_eq!(!page.warnings.is_empty(), has_hints, "{:?}", page.warnings);
    assert!(page.warnings.iter().all(|warning| warning.starts_with("info: ")), "{:?}", page.warnings);
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn the_alert_that_fires_is_the_same_from_alertmanager_and_from_its_rule() {
    let desk = Desk::new().await;
    let (fired, raised) = (desk.target_down("alertmanager").await, desk.target_down("rules").await);
    for alert in [&fired, &raised] {
        assert_eq!((alert.status.level(), alert.severity.level()), (AlertStatusLevel::Firing, SeverityLevel::Critical));
        assert_eq!((alert.title.as_str(), alert.service.as_deref()), ("TargetDown", Some("dead")));
        assert_eq!(alert.description.as_deref(), Some("target 127.0.0.1:1 is down"));
        assert_eq!(alert.fields["labels"]["quoted"], QUOTED);
        assert_eq!(alert.fields["runbook"], "https://runbooks.example.org/target");
        assert_eq!(desk.alert(&alert.id).await.unwrap().fields["labels"], alert.fields["labels"]);
    }
    assert!(raised.created_at <= fired.created_at, "a condition holds before its alert fires");
    assert_eq!((&raised.fields["rule"]["query"], &raised.fields["value"]), (&json!("up == 0"), &json!(0.0)));

    // On its way to Alertmanager an alert gets the external labels; without them it would have the same id there.
    let mut labels: Fields = serde_json::from_value(fired.fields["labels"].clone()).unwrap();
    assert_eq!(labels.remove("cluster"), Some(json!("test")));
    assert_eq!(json!(labels), raised.fields["labels"]);
    assert_eq!(desk.raise(json!(labels)).await.id, raised.id);
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn every_filter_of_alerts_finds_and_leaves_out_in_both_sources() {
    let desk = Desk::new().await;
    for source in ["alertmanager", "rules"] {
        let alert = desk.target_down(source).await;
        let (id, began) = (&alert.id, alert.created_at.unwrap());
        let later = began + Duration::from_millis(1);
        let query = || AlertQuery::new().metadata("source", source);
        for (kind, meant, other) in [
            ("status", query().status("firing"), query().status("suppressed").status("pending").status("resolved")),
            ("severity", query().severity("critical"), query().severity("warning").severity("info")),
            ("service", query().service("dead"), query().service("api")),
            ("team", query().team("core"), query().team("core\",x=\"")),
            ("since", query().since(began), query().since(later)),
            ("until", query().until(later), query().until(began)),
            ("text", query().query("BACK\\SLASH"), query().query("back/slash")),
            ("all", query().service("dead").status("firing").query("down"), query().service("dead").status("pending")),
        ] {
            assert!(desk.finds(id, meant).await, "{kind} of {source}");
            assert!(!desk.finds(id, other).await, "{kind} of {source}");
        }
    }
    let id = desk.target_down("alertmanager").await.id;
    let matchers = |list: Value| AlertQuery::new().metadata("filter", list);
    assert!(desk.finds(&id, matchers(json!(["alertname=~\"Target.*\"", "cluster!=\"\""]))).await);
    assert!(!desk.finds(&id, matchers(json!(["alertname=~\"Target.*\"", "cluster=\"\""]))).await);
    assert_invalid(desk.alerts(matchers(json!(["alertname=~\"(\""]))).await, "metadata.filter");
    assert_invalid(desk.alerts(matchers(json!(["no matcher"]))).await, "metadata.filter");
    assert_eq!(*desk.alert(&"0000000000000000".into()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn a_silence_waits_for_a_person_is_seen_in_alertmanager_and_expires() {
    let (desk, reason) = (Desk::new().await, "planned work on \"db\\1\"");
    let labels = json!({ "alertname": "Expires", "quoted": QUOTED, "line": "one\ntwo", "word": "ü ✓" });
    let alert = desk.raise(labels.clone()).await;
    let until = now() + seconds(4);
    let request = desk.ask(SilenceAlert::new(alert.id.clone(), until).reason(reason)).await;
    assert!(desk.silences(reason).await.is_empty(), "nobody approved");
    desk.approve(&request).await;
    assert!(desk.silences(reason).await.is_empty(), "approving changes nothing");
    let first = desk.ops.approvals(&desk.agent).redeem(&request.id).await.unwrap();
    assert_eq!(desk.ops.approvals(&desk.agent).redeem(&request.id).await.unwrap(), first);

    let silences = desk.silences(reason).await;
    assert_eq!((silences.len(), &silences[0]["status"]["state"]), (1, &json!("active")));
    assert_eq!(silences[0]["createdBy"], "agent triage@local, approved by user alice@local");
    assert_eq!(silences[0]["endsAt"].as_str().unwrap().parse::<Time>().unwrap(), until);
    let matchers = silences[0]["matchers"].as_array().unwrap();
    assert!(matchers.iter().all(|matcher| matcher["isRegex"] == false && matcher["isEqual"] == true));
    let silenced: Fields =
        matchers.iter().map(|it| (it["name"].as_str().unwrap().to_owned(), it["value"].clone())).collect();
    assert_eq!(json!(silenced), labels);

    let id = &alert.id;
    let silenced = desk.alert(id).await.unwrap();
    assert_eq!(silenced.status.level(), AlertStatusLevel::Suppressed);
    assert_eq!(silenced.fields["silencedBy"], json!([silences[0]["id"]]));
    assert!(desk.finds(id, AlertQuery::new().status("suppressed")).await);
    assert!(!desk.finds(id, AlertQuery::firing()).await);

    let fires = eventually("the end of the silence", async || {
        let alert = desk.alert(id).await.unwrap();
        (alert.status.level() == AlertStatusLevel::Firing).then_some(alert)
    })
    .await;
    assert!(SystemClock.now() >= until && !fires.fields.contains_key("silencedBy"), "{fires:?}");
    assert_eq!(desk.silences(reason).await[0]["status"]["state"], "expired");
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn a_silence_whose_answer_was_lost_is_found_and_made_only_once() {
    let (desk, reason) = (Desk::over(LosesAnswers(ReqwestTransport::new().unwrap()), config()).await, "lost");
    let alert = desk.raise(json!({ "alertname": "Lost", "quoted": QUOTED })).await;
    let request = desk.ask(SilenceAlert::new(alert.id, now() + seconds(600)).reason(reason)).await;
    desk.approve(&request).await;
    let error = desk.ops.approvals(&desk.agent).redeem(&request.id).await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");

    let entry = desk.ops.reconcile(&desk.agent, &request.id).await.unwrap().unwrap();
    assert_eq!(entry.outcome.unwrap().status, OutcomeStatus::Applied);
    let opsorch::Response::Alert(alert) = desk.ops.approvals(&desk.agent).redeem(&request.id).await.unwrap() else {
        panic!("expected an alert");
    };
    assert_eq!(alert.status.level(), AlertStatusLevel::Suppressed);
    let silences = desk.silences(reason).await;
    assert_eq!((silences.len(), &silences[0]["id"]), (1, &alert.metadata["silenceId"]));
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn an_alert_that_is_not_there_cannot_be_silenced() {
    let desk = Desk::new().await;
    let error = desk.silence(SilenceAlert::new("0000000000000000", now() + seconds(600))).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::NotFound, false), "{error}");
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn a_webhook_tells_what_begins_and_what_ends_and_is_believed_only_with_its_token() {
    let listener = TcpListener::bind(variable("WEBHOOK_ADDRESS")).unwrap();
    let inbox = MockServer::builder().listener(listener).start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&inbox).await;
    let config = config().webhook(WebhookAuth::Bearer(SecretRef::env("WEBHOOK_TOKEN")));
    let desk = Desk::over(ReqwestTransport::new().unwrap(), config).await;

    let fired = desk.target_down("alertmanager").await;
    let (told, webhook) = delivered(&desk, &inbox, &fired, AlertStatusLevel::Firing).await;
    assert_eq!((&told.title, &told.severity, &told.service), (&fired.title, &fired.severity, &fired.service));
    assert_eq!((&told.fields["labels"], told.created_at), (&fired.fields["labels"], fired.created_at));
    assert_eq!((&told.url, &told.metadata["receiver"]), (&fired.url, &json!("hook")));

    let mut headers = [HeaderMap::new(), webhook.headers.clone()];
    headers[1].insert("authorization", HeaderValue::from_static("Bearer another"));
    for headers in headers {
        let webhook = Webhook::new(headers, webhook.body.clone());
        let error = desk.ops.receive(&desk.agent, "prom", &webhook).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
    }

    let labels = json!({ "alertname": "Ends", "quoted": QUOTED });
    let ends = desk.raise(labels.clone()).await;
    delivered(&desk, &inbox, &ends, AlertStatusLevel::Firing).await;
    let over = json!([{ "labels": labels, "startsAt": ends.created_at, "endsAt": now() }]);
    desk.alertmanager.post("api/v2/alerts").json(&over).send(&desk.agent).await.unwrap();
    let (told, _) = delivered(&desk, &inbox, &ends, AlertStatusLevel::Resolved).await;
    assert!(told.updated_at >= told.created_at, "{told:?}");
}

/// Waits until Alertmanager tells this of an alert; what it sent is as it came.
async fn delivered(desk: &Desk, inbox: &MockServer, alert: &Alert, status: AlertStatusLevel) -> (Alert, Webhook) {
    eventually("a webhook", async || {
        for request in inbox.received_requests().await.unwrap() {
            let webhook = Webhook::new(request.headers, request.body);
            let delivery = desk.ops.receive(&desk.agent, "prom", &webhook).await.unwrap();
            let told = delivery.events.into_iter().find_map(|event| match event {
                WebhookEvent::Alert(told) if told.id == alert.id && told.status.level() == status => Some(told),
                _ => None,
            });
            if let Some(told) = told {
                return Some((told, webhook));
            }
        }
        None
    })
    .await
}

/// Makes silences and loses what is answered.
#[derive(Debug)]
struct LosesAnswers(ReqwestTransport);

#[async_trait]
impl Transport for LosesAnswers {
    async fn send(&self, request: Request) -> Result<Reply> {
        let is_silence = request.method == Method::POST && request.url.path().ends_with("/silences");
        let reply = self.0.send(request).await?;
        match is_silence {
            true => Err(Error::new(ErrorKind::Timeout, "no complete answer in time")),
            false => Ok(reply),
        }
    }
}
