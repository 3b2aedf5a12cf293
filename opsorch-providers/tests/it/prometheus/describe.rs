//! Which metrics there are, and what the targets say of them.

use opsorch::{MetricDescriptor, MetricKindLevel, Page, Result, Scope};
use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use super::assert_invalid;
use super::server::{Prometheus, failure, success};

/// A server with these metrics, and this answer about what they mean.
async fn server(names: Value, metadata: ResponseTemplate) -> Prometheus {
    let names = ResponseTemplate::new(200).set_body_json(success(names));
    Prometheus::over(move |request: &Request| match (request.method.as_str(), request.url.path()) {
        ("GET", "/api/v1/label/__name__/values") => names.clone(),
        ("GET", "/api/v1/metadata") => metadata.clone(),
        ("GET", "/api/v1/labels") => {
            let selector = request.url.query_pairs().find(|(name, _)| name == "match[]").unwrap().1;
            let label = if selector.contains("size") { "path" } else { "job" };
            ResponseTemplate::new(200).set_body_json(success(json!(["__name__", "instance", label])))
        }
        other => panic!("{other:?} is not asked for"),
    })
    .await
}

fn means(metadata: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(success(metadata))
}

fn names(names: [&str; 2]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

async fn describe(prometheus: &Prometheus, scope: Scope) -> Result<Page<MetricDescriptor>> {
    prometheus.desk.ops.metrics(&prometheus.desk.cx).describe(scope).await
}

#[tokio::test]
async fn a_metric_has_the_kind_the_meaning_and_the_unit_that_its_targets_say() {
    let metadata = json!({
        "up": [{ "type": "gauge", "help": "1 if it is up", "unit": "" }],
        "size": [{ "type": "summary", "help": "", "unit": "bytes" }],
        "old": [{ "type": "untyped", "help": "", "unit": "" }],
        "gone": [{ "type": "counter", "help": "no series have it", "unit": "" }],
    });
    let prometheus = server(json!(["up", "size", "old", "bare", "http.size"]), means(metadata)).await;
    let page = describe(&prometheus, Scope::new()).await.unwrap();
    assert!(page.is_complete() && page.warnings.is_empty());
    let shown: Vec<_> = page
        .items
        .iter()
        .map(|it| (it.name.as_str(), it.kind.level(), it.description.as_str(), it.unit.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            ("bare", MetricKindLevel::Unknown, "", None),
            ("http.size", MetricKindLevel::Unknown, "", None),
            ("old", MetricKindLevel::Unknown, "", None),
            ("size", MetricKindLevel::Summary, "", Some("bytes")),
            ("up", MetricKindLevel::Gauge, "1 if it is up", None),
        ]
    );
    assert_eq!(
        (&page.items[0].labels, &page.items[3].labels),
        (&names(["instance", "job"]), &names(["instance", "path"]))
    );
    assert_eq!(page.items[0].kind.as_str(), "unknown");
    assert_eq!(page.items[2].metadata["type"], "untyped");
    let url = page.items[1].url.as_ref().unwrap().as_str();
    assert!(url.ends_with("/graph?g0.expr=%7B__name__%3D%22http.size%22%7D&g0.tab=0"), "{url}");
}

#[tokio::test]
async fn the_parts_of_a_family_mean_what_the_family_means() {
    let metadata = json!({
        "latency": [{ "type": "histogram", "help": "how long", "unit": "seconds" }],
        "requests": [{ "type": "counter", "help": "how many", "unit": "" }],
        "queue": [{ "type": "gauge", "help": "what waits", "unit": "" }],
        "build": [{ "type": "info", "help": "", "unit": "" }],
    });
    let names =
        json!(["latency_bucket", "latency_sum", "latency_count", "requests_total", "queue_count", "build_info"]);
    let prometheus = server(names, means(metadata)).await;
    let page = describe(&prometheus, Scope::new()).await.unwrap();
    let shown: Vec<_> = page
        .items
        .iter()
        .map(|it| (it.name.as_str(), it.kind.as_str(), it.metadata.get("family").and_then(Value::as_str)))
        .collect();
    assert_eq!(
        shown,
        [
            ("build_info", "gauge", Some("build")),
            ("latency_bucket", "histogram", Some("latency")),
            ("latency_count", "histogram", Some("latency")),
            ("latency_sum", "histogram", Some("latency")),
            ("queue_count", "unknown", None),
            ("requests_total", "counter", Some("requests")),
        ]
    );
}

#[tokio::test]
async fn a_unit_has_one_name_and_is_looked_for_at_the_end_of_the_name_where_targets_say_none() {
    let metadata = json!({
        "latency": [{ "type": "histogram", "help": "", "unit": "s" }],
        "size": [{ "type": "gauge", "help": "", "unit": "By" }],
        "fuel": [{ "type": "gauge", "help": "", "unit": "furlong" }],
    });
    let names = json!([
        "cpu_seconds_total",
        "fuel",
        "latency",
        "latency_bucket",
        "latency_count",
        "latency_sum",
        "size",
        "up",
        "wait_seconds_bucket",
    ]);
    let prometheus = server(names, means(metadata)).await;
    let page = describe(&prometheus, Scope::new()).await.unwrap();
    let units: Vec<_> = page.items.iter().map(|it| (it.name.as_str(), it.unit.as_deref())).collect();
    assert_eq!(
        units,
        [
            ("cpu_seconds_total", Some("seconds")),
            ("fuel", Some("furlong")),
            ("latency", Some("seconds")),
            ("latency_bucket", None),
            ("latency_count", None),
            ("latency_sum", Some("seconds")),
            ("size", Some("bytes")),
            ("up", None),
            ("wait_seconds_bucket", None),
        ]
    );
}

#[tokio::test]
async fn where_targets_disagree_all_of_them_are_heard() {
    let variants = json!([
        { "type": "gauge", "help": "new", "unit": "" },
        { "type": "counter", "help": "old", "unit": "" },
    ]);
    let prometheus = server(json!(["up"]), means(json!({ "up": variants }))).await;
    let page = describe(&prometheus, Scope::new()).await.unwrap();
    assert_eq!(page.items[0].metadata["variants"], variants);
}

#[tokio::test]
async fn a_scope_narrows_the_metrics_by_the_labels_of_their_series() {
    let prometheus = server(json!(["up"]), means(json!({}))).await;
    describe(&prometheus, Scope::new().service("a\"b").environment("prod")).await.unwrap();
    describe(&prometheus, Scope::new()).await.unwrap();
    let requests = prometheus.requests().await;
    assert_eq!(
        requests[0].url.query_pairs().into_owned().collect::<Vec<_>>(),
        [("match[]".to_owned(), r#"{service="a\"b", env="prod"}"#.to_owned())]
    );
    assert!(requests[0].url.as_str().contains("match%5B%5D="));
    let selector = requests[2].url.query_pairs().next().unwrap().1.into_owned();
    assert_eq!(selector, r#"{__name__="up", service="a\"b", env="prod"}"#, "the labels of the series in the scope");
    assert_eq!(requests[3].url.query(), None);
    assert_invalid(describe(&prometheus, Scope::new().team("")).await, "scope.team");
}

#[tokio::test]
async fn a_server_that_keeps_no_meanings_still_lists_its_metrics_and_the_page_says_so() {
    let missing = ResponseTemplate::new(404).set_body_string("404 page not found\n");
    let prometheus = server(json!(["up"]), missing).await;
    let page = describe(&prometheus, Scope::new()).await.unwrap();
    assert_eq!(page.items[0].name, "up");
    assert!(page.warnings[0].starts_with("the server does not say what the metrics mean"), "{:?}", page.warnings);
}

#[tokio::test]
async fn a_server_that_fails_at_the_meanings_fails_the_whole() {
    let prometheus = server(json!(["up"]), failure(503, "timeout", "too slow")).await;
    assert!(describe(&prometheus, Scope::new()).await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn no_metrics_are_no_error() {
    for names in [json!([]), json!(null)] {
        let page = describe(&server(names, means(json!({}))).await, Scope::new()).await.unwrap();
        assert!(page.items.is_empty() && page.is_complete());
    }
}

#[tokio::test]
async fn more_than_ten_thousand_metrics_are_cut_and_the_page_says_so() {
    let names: Vec<_> = (0..10_001).map(|index| format!("metric_{index:05}")).collect();
    let page = describe(&server(json!(names), means(json!({}))).await, Scope::new()).await.unwrap();
    assert_eq!(page.items.len(), 10_000);
    assert!(page.truncated.unwrap().contains("10001 metrics"));
}
