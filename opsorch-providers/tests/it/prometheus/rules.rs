//! Alerts as the rules of Prometheus raise them, alone and beside Alertmanager.

use opsorch::{Alert, AlertQuery, AlertStatusLevel, ErrorKind, Page, Result, SeverityLevel};
use opsorch_providers::prometheus::PrometheusConfig;
use opsorch_testkit::Conformance;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::alertmanager::{Alertmanager, Desk, alert};
use super::simulated::prometheus::Vendor;

/// Labels whose fingerprint is known from an Alertmanager.
fn target_down() -> Value {
    json!({
        "alertname": "TargetDown", "env": "test", "instance": "127.0.0.1:1",
        "job": "dead", "severity": "critical", "team": "core",
    })
}

fn active(state: &str, active_at: &str, labels: Value) -> Value {
    json!({
        "labels": labels, "annotations": { "summary": "down" }, "state": state, "activeAt": active_at, "value": "0e+00",
    })
}

fn rule(name: &str, alerts: Vec<Value>) -> Value {
    json!({
        "state": "firing", "name": name, "query": "up == 0", "duration": 2, "keepFiringFor": 0,
        "labels": { "severity": "critical" }, "annotations": { "summary": "{{ $labels.instance }} down" },
        "alerts": alerts, "health": "ok", "evaluationTime": 0.0003, "type": "alerting",
        "lastEvaluation": "2026-11-21T03:22:57.208117223Z",
    })
}

fn rules(rules: Vec<Value>) -> Value {
    let group = json!({ "name": "ops", "file": "/etc/rules.yml", "interval": 1, "limit": 0, "rules": rules });
    json!({ "status": "success", "data": { "groups": [group] } })
}

async fn prometheus(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    let asked = Mock::given(method("GET")).and(path("/api/v1/rules")).and(query_param("type", "alert"));
    asked.respond_with(answer).mount(&server).await;
    server
}

async fn over(body: Value) -> (MockServer, Desk) {
    let server = prometheus(ResponseTemplate::new(200).set_body_json(body)).await;
    let desk = Desk::of(PrometheusConfig::new(server.uri().parse().unwrap())).await;
    (server, desk)
}

async fn query(desk: &Desk, query: AlertQuery) -> Result<Page<Alert>> {
    desk.ops.alerts(&desk.cx).on("prom").query(query).await
}

async fn titles(desk: &Desk, asked: AlertQuery) -> Vec<String> {
    query(desk, asked).await.unwrap().items.into_iter().map(|alert| alert.title).collect()
}

#[tokio::test]
async fn an_alert_of_a_rule_keeps_what_the_rule_says_and_has_the_fingerprint_of_alertmanager() {
    let firing = active("firing", "2026-11-21T03:22:55.208117223Z", target_down());
    let (server, desk) = over(rules(vec![rule("TargetDown", vec![firing])])).await;
    let page = query(&desk, AlertQuery::new()).await.unwrap();
    assert!(page.is_complete() && page.warnings.is_empty());
    let alert = &page.items[0];
    assert_eq!(alert.id.as_str(), "e0ebab1a85bfb414");
    assert_eq!((alert.title.as_str(), alert.description.as_deref()), ("TargetDown", Some("down")));
    assert_eq!((alert.status.as_str(), alert.status_raw.as_deref()), ("firing", Some("firing")));
    assert_eq!(alert.severity.level(), SeverityLevel::Critical);
    let began = alert.created_at.unwrap();
    assert_eq!((began.timestamp(), began.timestamp_subsec_nanos()), (1_795_231_375, 208_117_223));
    assert_eq!(alert.fields["value"], json!(0.0));
    assert_eq!(
        alert.fields["rule"],
        json!({
            "group": "ops", "file": "/etc/rules.yml", "query": "up == 0", "for": 2.0, "keepFiringFor": 0.0, "health": "ok",
        })
    );
    assert_eq!(json!(alert.metadata), json!({ "source": "rules" }));
    assert_eq!(alert.url.as_ref().unwrap().as_str(), format!("{}/alerts?search=TargetDown", server.uri()));
    assert_eq!(page.url.unwrap().as_str(), format!("{}/alerts", server.uri()));

    let same = desk.ops.alerts(&desk.cx).get("e0ebab1a85bfb414").await.unwrap();
    assert_eq!(same, *alert);
    let error = desk.ops.alerts(&desk.cx).get("0000000000000000").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_value_is_a_number_where_json_has_one() {
    for (value, expected) in [
        (json!("1.5e+03"), json!(1500.0)),
        (json!("-0e+00"), json!(-0.0)),
        (json!("NaN"), json!("NaN")),
        (json!("+Inf"), json!("+Inf")),
        (json!("x"), json!("x")),
        (json!(3), json!(3)),
    ] {
        let mut firing = active("firing", "2026-01-01T00:00:00Z", target_down());
        firing["value"] = value;
        let (_server, desk) = over(rules(vec![rule("R", vec![firing])])).await;
        assert_eq!(query(&desk, AlertQuery::new()).await.unwrap().items[0].fields["value"], expected);
    }
}

#[tokio::test]
async fn rules_are_filtered_as_alertmanager_is() {
    let of = |name: &str, more: Value| {
        let mut labels = json!({ "alertname": name });
        labels.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        labels
    };
    let (_server, desk) = over(rules(vec![
        rule("A", vec![active("firing", "2026-01-01T00:03:00Z", of("A", json!({ "service": "api" })))]),
        rule("B", vec![active("pending", "2026-01-01T00:02:00Z", of("B", json!({ "severity": "warn" })))]),
        rule("C", vec![active("inactive", "0001-01-01T00:00:00Z", of("C", json!({})))]),
        rule("D", vec![]),
        json!({ "name": "job:up:sum", "query": "sum by (job) (up)", "type": "recording", "health": "ok" }),
    ]))
    .await;
    for (asked, found) in [
        (AlertQuery::new(), vec!["A", "B", "C"]),
        (AlertQuery::firing(), vec!["A"]),
        (AlertQuery::new().status("pending"), vec!["B"]),
        (AlertQuery::new().status("resolved"), vec!["C"]),
        (AlertQuery::new().status("silenced"), vec![]),
        (AlertQuery::new().severity("sev3"), vec!["B"]),
        (AlertQuery::new().service("api"), vec!["A"]),
        (AlertQuery::new().query("AP"), vec!["A"]),
        (AlertQuery::new().limit(1), vec!["A"]),
        (AlertQuery::new().metadata("source", "rules"), vec!["A", "B", "C"]),
    ] {
        assert_eq!(titles(&desk, asked.clone()).await, found, "{asked:?}");
    }
    let next = query(&desk, AlertQuery::new().limit(2)).await.unwrap().next.unwrap();
    assert_eq!(titles(&desk, AlertQuery::new().after(next)).await, ["C"]);

    for refused in
        [AlertQuery::new().metadata("filter", json!(["a=\"b\""])), AlertQuery::new().metadata("source", "alertmanager")]
    {
        assert_eq!(*query(&desk, refused).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn an_alert_that_several_rules_raise_is_one_alert() {
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z");
    let raised = [("pending", early), ("firing", late), ("firing", early), ("firing", late), ("pending", late)];
    for rotation in 0..raised.len() {
        let alerts = raised.iter().cycle().skip(rotation).take(raised.len());
        let alerts = alerts.map(|(state, at)| rule("R", vec![active(state, at, target_down())]));
        let (_server, desk) = over(rules(alerts.collect())).await;
        let items = query(&desk, AlertQuery::new()).await.unwrap().items;
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].status.level(), AlertStatusLevel::Firing);
        assert_eq!(items[0].created_at, early.parse().ok());
    }
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_is_told_of() {
    let broken = |name: String| {
        let mut rule = rule(&name, vec![]);
        rule["health"] = json!("err");
        rule["lastError"] = json!(format!("many-to-many matching {}", "x".repeat(1000)));
        rule
    };
    let mut body = rules((0..7).map(|index| broken(format!("R{index}"))).collect());
    body["warnings"] = json!(["from the server"]);
    let (_server, desk) = over(body).await;
    let page = query(&desk, AlertQuery::new()).await.unwrap();
    assert_eq!(page.warnings.len(), 7);
    assert_eq!(page.warnings[0], "from the server");
    let words = "rule `R0` of group `ops` cannot be evaluated, so its alerts may be missing: many-to-many matching";
    assert!(page.warnings[1].starts_with(words) && page.warnings[1].len() < 400, "{}", page.warnings[1]);
    assert_eq!(page.warnings[6], "2 more rules cannot be evaluated");
}

#[tokio::test]
async fn what_prometheus_refuses_has_its_kind() {
    let failure = |kind: &str| json!({ "status": "error", "errorType": kind, "error": "words of the server" });
    for (answer, kind) in [
        (ResponseTemplate::new(404).set_body_string("404 page not found"), ErrorKind::Unexpected),
        (ResponseTemplate::new(503).set_body_json(failure("timeout")), ErrorKind::Timeout),
        (ResponseTemplate::new(401), ErrorKind::Unauthenticated),
        (ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), ErrorKind::Unexpected),
    ] {
        let server = prometheus(answer).await;
        let desk = Desk::at_once(PrometheusConfig::new(server.uri().parse().unwrap())).await;
        assert_eq!(*query(&desk, AlertQuery::new()).await.unwrap_err().kind(), kind);
        assert_eq!(*desk.ops.alerts(&desk.cx).get("aa").await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn with_both_alertmanager_answers_unless_the_rules_are_asked_for() {
    let pending = active("pending", "2026-01-01T00:00:00Z", json!({ "alertname": "Soon" }));
    let firing = active("firing", "2026-01-01T00:00:00Z", target_down());
    let body = rules(vec![rule("Soon", vec![pending]), rule("TargetDown", vec![firing])]);
    let server = prometheus(ResponseTemplate::new(200).set_body_json(body)).await;
    let known = alert("e0ebab1a85bfb414", "2026-01-01T00:00:00Z", target_down());
    let alertmanager = Alertmanager::start([known]).await;
    let url = alertmanager.server.uri().parse().unwrap();
    let desk = Desk::of(PrometheusConfig::new(server.uri().parse().unwrap()).alertmanager(url)).await;

    assert_eq!(titles(&desk, AlertQuery::new()).await, ["TargetDown"]);
    let rules = AlertQuery::new().metadata("source", "rules");
    let items = query(&desk, rules).await.unwrap().items;
    assert_eq!(items.iter().map(|alert| alert.title.as_str()).collect::<Vec<_>>(), ["Soon", "TargetDown"]);

    let alerts = desk.ops.alerts(&desk.cx);
    assert_eq!(alerts.get("e0ebab1a85bfb414").await.unwrap().metadata["source"], "alertmanager");
    assert_eq!(alerts.get(&items[0].id).await.unwrap().metadata["source"], "rules", "what was found can be read");
    assert_eq!(*alerts.get("00").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn the_alerts_of_rules_keep_the_contract_too() {
    let report = Conformance::of::<PrometheusConfig>(
        |place| json!({ "url": place.url().join("prometheus").unwrap(), "auth": { "bearer": place.secret("token") } }),
    )
    .double(Vendor::new)
    .run();
    assert_eq!(report.broken(), [""; 0], "{}", report.to_markdown());
}
