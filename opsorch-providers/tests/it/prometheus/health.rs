//! What the servers say about whether it works.

use opsorch::capability::Health;
use opsorch::{Operation, OperationSet, Result};
use opsorch_providers::prometheus::PrometheusConfig;
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use super::alertmanager::Desk;
use super::server::{Prometheus, success};

const METRICS: [Operation; 2] = [Operation::MetricQuery, Operation::MetricDescribe];
const ALERTS: [Operation; 3] = [Operation::AlertQuery, Operation::AlertGet, Operation::AlertSilence];

fn works(request: &Request) -> ResponseTemplate {
    let ok = |body| ResponseTemplate::new(200).set_body_json(body);
    match (request.method.as_str(), request.url.path()) {
        ("POST", "/api/v1/query") => ok(success(json!({ "resultType": "scalar", "result": [1, "1"] }))),
        ("GET", "/api/v1/status/buildinfo") => ok(success(json!({ "version": "3.5.0", "revision": "8be3a93" }))),
        ("GET", "/api/v2/status") => ok(json!({ "versionInfo": { "version": "0.33.1" }, "uptime": "x", "config": {} })),
        other => panic!("{other:?} is not asked for"),
    }
}

fn answers(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_string("no")
}

async fn health(prometheus: &Prometheus, alertmanager: &Prometheus) -> Result<Health> {
    let config = PrometheusConfig::new(prometheus.server.uri().parse().unwrap());
    let config = config.alertmanager(alertmanager.server.uri().parse().unwrap());
    let Desk { ops, cx } = Desk::at_once(config).await;
    ops.health(&cx, "prom").await
}

fn set(operations: &[Operation]) -> OperationSet {
    operations.iter().copied().collect()
}

#[tokio::test]
async fn two_servers_that_work_are_healthy_and_say_their_versions() {
    let server = Prometheus::over(works).await;
    let health = health(&server, &server).await.unwrap();
    assert!(health.is_healthy());
    assert_eq!(health.operations, set(&[METRICS.as_slice(), &ALERTS].concat()));
    assert_eq!(health.version.as_deref(), Some("prometheus 3.5.0, alertmanager 0.33.1"));
}

#[tokio::test]
async fn without_an_alertmanager_alerts_come_from_the_rules() {
    let server = Prometheus::over(works).await;
    let health = server.desk.ops.health(&server.desk.cx, "prom").await.unwrap();
    assert_eq!(health.operations, set(&[METRICS.as_slice(), &ALERTS[..2]].concat()));
    assert_eq!(health.version.as_deref(), Some("prometheus 3.5.0"));
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_version_works_all_the_same() {
    let server = Prometheus::over(|request: &Request| match request.url.path() {
        "/api/v1/status/buildinfo" => answers(404),
        _ => works(request),
    })
    .await;
    let health = server.desk.ops.health(&server.desk.cx, "prom").await.unwrap();
    assert!(health.is_healthy() && health.version.is_none());
}

#[tokio::test]
async fn a_credential_that_is_refused_is_a_problem_of_what_it_is_for() {
    let (good, bad) = (Prometheus::over(works).await, Prometheus::answering(answers(401)).await);
    let found = health(&good, &bad).await.unwrap();
    assert_eq!((found.operations, found.problems[0].operations), (set(&METRICS), set(&ALERTS)));
    assert!(found.problems[0].message.starts_with("alertmanager: unauthenticated"), "{:?}", found.problems);
    let found = health(&bad, &bad).await.unwrap();
    assert!(found.operations.is_empty() && found.problems.len() == 2);
}

#[tokio::test]
async fn a_wrong_address_is_a_problem_that_says_what_to_check() {
    let (good, wrong) = (Prometheus::over(works).await, Prometheus::answering(answers(404)).await);
    for (prometheus, alertmanager, key) in [(&wrong, &good, "`url`"), (&good, &wrong, "`alertmanager_url`")] {
        let found = health(prometheus, alertmanager).await.unwrap();
        assert!(found.problems[0].message.contains(&format!("check the path in {key}")), "{:?}", found.problems);
    }
}

#[tokio::test]
async fn nothing_is_learned_of_servers_that_do_not_answer() {
    let (good, down) = (Prometheus::over(works).await, Prometheus::answering(answers(503)).await);
    assert!(health(&down, &down).await.unwrap_err().is_retryable());
    assert_eq!(health(&down, &good).await.unwrap().operations, set(&ALERTS));
}
