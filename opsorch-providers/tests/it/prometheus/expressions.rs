//! What an expression becomes in PromQL.

use opsorch::{MetricQuery, OpsOrch, Scope};
use opsorch_providers::prometheus::{PrometheusConfig, ScopeLabels};
use serde_json::json;

use super::alertmanager::Desk;
use super::assert_invalid;
use super::server::{Prometheus, at, up};

fn metric(name: &str) -> MetricQuery {
    MetricQuery::new(name, at(0.0), at(60.0))
}

#[tokio::test]
async fn filters_groups_and_scope_become_matchers_and_aggregations() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    let query = metric("http_requests_total")
        .filter("code", "=~", "5..")
        .filter("code", "!=", "501")
        .filter("path", "regex", "/api/.*")
        .filter("method", "!~", "GET|HEAD")
        .aggregation("sum")
        .group_by("job")
        .group_by("http.route")
        .service("checkout")
        .team("core")
        .environment("prod");
    assert_eq!(
        prometheus.promql(query).await,
        "sum by (job, \"http.route\") (http_requests_total{code=~\"5..\", code!=\"501\", path=~\"/api/.*\", \
         method!~\"GET|HEAD\", service=\"checkout\", team=\"core\", env=\"prod\"})"
    );
    for (word, aggregation) in [("average", "avg"), ("max", "max"), ("minimum", "min"), ("count", "count")] {
        assert_eq!(prometheus.promql(up(0.0, 60.0).aggregation(word)).await, format!("{aggregation} (up)"));
    }
}

#[tokio::test]
async fn names_that_are_no_plain_names_are_quoted_in_the_way_that_old_servers_understand_too() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    assert_eq!(prometheus.promql(metric("http.requests")).await, "{__name__=\"http.requests\"}");
    assert_eq!(prometheus.promql(metric("sum").filter("a", "=", "b")).await, "{__name__=\"sum\", a=\"b\"}");
    assert_eq!(prometheus.promql(metric("job:up:sum")).await, "job:up:sum");
    let by_filter = metric("").filter("__name__", "=~", "node_.*");
    assert_eq!(prometheus.promql(by_filter).await, "{__name__=~\"node_.*\"}");
}

#[tokio::test]
async fn whatever_a_name_or_a_value_holds_the_query_stays_one_selector() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    let attack = "x\"} or vector(1) or up{a=\"";
    assert_eq!(
        prometheus.promql(up(0.0, 60.0).filter("job", "=", attack)).await,
        r#"up{job="x\"} or vector(1) or up{a=\""}"#
    );
    assert_eq!(prometheus.promql(up(0.0, 60.0).service("a\\\"\n日本")).await, "up{service=\"a\\\\\\\"\\n日本\"}");
    assert_eq!(
        prometheus.promql(up(0.0, 60.0).filter("a=\"b\"} or x{c", "=", "d")).await,
        r#"up{"a=\"b\"} or x{c"="d"}"#
    );
    assert_eq!(prometheus.promql(metric("up} or (x")).await, r#"{__name__="up} or (x"}"#);
    let grouped = up(0.0, 60.0).aggregation("sum").group_by("a) (x) or sum by (b");
    assert_eq!(prometheus.promql(grouped).await, r#"sum by ("a) (x) or sum by (b") (up)"#);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_its_place_and_nothing_is_sent() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    assert_invalid(prometheus.query(metric("")).await, "expression.metricName");
    assert_invalid(prometheus.query(up(0.0, 60.0).group_by("job")).await, "expression.groupBy");
    assert_invalid(prometheus.query(up(0.0, 60.0).aggregation("sum").group_by("")).await, "expression.groupBy[0]");
    let labels = up(0.0, 60.0).filter("a", "=", "b").filter("", "=", "b");
    assert_invalid(prometheus.query(labels).await, "expression.filters[1].label");
    assert_invalid(prometheus.query(up(0.0, 60.0).service("")).await, "scope.service");
    assert_invalid(prometheus.query(up(0.0, 60.0).limit(0)).await, "limit");

    let error = prometheus.query(up(0.0, 60.0).filter("a", "~", "b")).await.unwrap_err();
    assert_eq!(
        error.to_string().split(" (").next(),
        Some("invalid expression.filters[0].operator: expected one of `=`, `!=`, `=~`, `!~`, got \"~\"")
    );
    let error = prometheus.query(up(0.0, 60.0).aggregation("p95")).await.unwrap_err();
    assert!(error.to_string().contains("expected one of `avg`, `sum`, `max`, `min`, `count`, got \"p95\""), "{error}");

    let nothing: MetricQuery = serde_json::from_value(json!({ "start": at(0.0), "end": at(60.0) })).unwrap();
    assert_invalid(prometheus.query(nothing).await, "expression");
    assert!(prometheus.requests().await.is_empty());
}

#[tokio::test]
async fn a_scope_becomes_the_labels_that_the_configuration_names() {
    let found = json!([{ "metric": { "__name__": "up", "service": "checkout" }, "values": [[0, "1"]] }]);
    let prometheus = Prometheus::finding("matrix", found).await;
    let mut config = PrometheusConfig::new(prometheus.server.uri().parse().unwrap());
    config.labels =
        serde_json::from_value::<ScopeLabels>(json!({ "service": "app.name", "environment": "job" })).unwrap();
    let Desk { ops, cx } = Desk::at_once(config).await;
    let mut query = up(0.0, 60.0);
    query.scope = Scope::new().service("checkout").team("core").environment("a");
    let page = OpsOrch::metrics(&ops, &cx).query(query).await.unwrap();
    let promql = prometheus.forms().await.pop().unwrap()["query"].clone();
    assert_eq!(promql, "up{\"app.name\"=\"checkout\", team=\"core\", job=\"a\"}");
    assert_eq!(page.items[0].service, None);
}
