//! What a result becomes: series, gaps, warnings, pages.

use opsorch::{Cursor, MetricQuery, MetricSeries};
use opsorch_providers::prometheus::PrometheusConfig;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::alertmanager::Desk;
use super::assert_invalid;
use super::server::{Prometheus, at, points, success, up};

fn jobs(series: &[MetricSeries]) -> Vec<&str> {
    series.iter().map(|series| series.labels["job"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_series_has_its_name_its_labels_its_service_and_the_page_that_draws_it() {
    let labels = json!({ "__name__": "up", "job": "api", "service": "checkout" });
    let prometheus = Prometheus::finding("matrix", json!([{ "metric": labels, "values": [[60, "1"]] }])).await;
    let page = prometheus.query(up(0.0, 3600.0).filter("job", "=", "a \"&b+#")).await.unwrap();
    let series = &page.items[0];
    assert_eq!((series.name.as_str(), series.service.as_deref()), ("up", Some("checkout")));
    assert_eq!(json!(series.labels), json!({ "job": "api", "service": "checkout" }));
    assert!(series.metadata.is_empty());
    let url = format!(
        "{}/graph?g0.expr=up%7Bjob%3D%22a+%5C%22%26b%2B%23%22%7D&g0.tab=0&g0.range_input=3600s\
         &g0.end_input=1970-01-01+01%3A00%3A00",
        prometheus.server.uri()
    );
    assert_eq!(series.url.as_ref().map(|url| url.as_str()), Some(url.as_str()));
    assert_eq!(page.url, series.url);
}

#[tokio::test]
async fn the_page_is_where_a_person_opens_it() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    for (external, expected) in [("https://prom.example.org", "/graph"), ("https://example.org/prom/", "/prom/graph")] {
        let mut config = PrometheusConfig::new(prometheus.server.uri().parse().unwrap());
        config.external_url = Some(external.parse().unwrap());
        let Desk { ops, cx } = Desk::at_once(config).await;
        let page = ops.metrics(&cx).query(up(5.0, 5.0)).await.unwrap();
        let url = page.items[0].url.clone().unwrap();
        assert_eq!((url.scheme(), url.path()), ("https", expected));
        assert!(url.query().unwrap().contains("g0.tab=1"), "a moment is a table");
    }
}

#[tokio::test]
async fn after_an_aggregation_a_series_has_the_name_that_was_asked_for() {
    let result = json!([{ "metric": { "job": "a" }, "values": [[60, "1"]] }, { "metric": {}, "values": [[60, "2"]] }]);
    let prometheus = Prometheus::finding("matrix", result).await;
    let page = prometheus.query(up(0.0, 60.0).aggregation("sum").group_by("job")).await.unwrap();
    assert_eq!(page.items.iter().map(|series| series.name.as_str()).collect::<Vec<_>>(), ["up", "up"]);
    let raw: MetricQuery = serde_json::from_value(
        json!({ "start": at(0.0), "end": at(60.0), "step": 15, "metadata": { "query": "rate(up[5m])" } }),
    )
    .unwrap();
    assert_eq!(prometheus.query(raw).await.unwrap().items[0].name, "rate(up[5m])");
}

#[tokio::test]
async fn what_is_no_finite_number_is_a_gap_that_is_counted() {
    let values = json!([[1, "NaN"], [2, "1.5"], [3, "+Inf"], [4, "-Inf"], [5, "NaN"], [6, "-0.25e-3"], [9, "0e+00"]]);
    let prometheus = Prometheus::finding("matrix", json!([{ "metric": { "job": "a" }, "values": values }])).await;
    let page = prometheus.query(up(0.0, 10.0).step(1)).await.unwrap();
    assert_eq!(points(&page.items[0]), [(2.0, 1.5), (6.0, -0.000_25), (9.0, 0.0)]);
    assert_eq!(page.items[0].metadata["droppedPoints"], json!({ "nan": 2, "inf": 2 }));
    let text = serde_json::to_string(&page).unwrap();
    assert!(!text.contains("null") && !text.contains("NaN"), "{text}");
}

#[tokio::test]
async fn native_histograms_are_said_to_be_left_out() {
    let histogram = json!([60, { "count": "2", "sum": "3", "buckets": [[0, "1", "2", "2"]] }]);
    let result = json!([
        { "metric": { "job": "a" }, "histograms": [histogram, histogram] },
        { "metric": { "job": "b" }, "values": [[60, "1"]], "histograms": [histogram] },
        { "metric": { "job": "c" }, "values": [[60, "1"]] },
    ]);
    let prometheus = Prometheus::finding("matrix", result).await;
    let page = prometheus.query(up(0.0, 60.0)).await.unwrap();
    assert_eq!(page.items[0].metadata["droppedPoints"], json!({ "histogram": 2 }));
    assert_eq!(page.items.iter().map(|series| series.points.len()).collect::<Vec<_>>(), [0, 1, 1]);
    assert!(page.warnings[0].starts_with("2 of the series have native histograms"), "{:?}", page.warnings);
    let one = json!([{ "metric": { "job": "a" }, "histogram": histogram }]);
    let page = Prometheus::finding("vector", one).await.query(up(60.0, 60.0)).await.unwrap();
    assert_eq!(page.items[0].metadata["droppedPoints"], json!({ "histogram": 1 }));
}

#[tokio::test]
async fn warnings_and_hints_reach_the_caller_once_and_a_cut_answer_is_truncated() {
    let data = json!({ "resultType": "matrix", "result": [] });
    let said =
        |warnings: Value| json!({ "status": "success", "data": data, "warnings": warnings, "infos": ["a hint"] });
    let prometheus = Prometheus::saying(said(json!(["a store is down"]))).await;
    let page = prometheus.query(up(0.0, 11_000.0).step(1)).await.unwrap();
    assert_eq!(prometheus.requests().await.len(), 2);
    assert_eq!(page.warnings, ["a store is down", "info: a hint"]);
    assert!(page.is_complete());
    let page =
        Prometheus::saying(said(json!(["results truncated due to limit"]))).await.query(up(0.0, 9.0)).await.unwrap();
    assert_eq!(page.truncated.as_deref(), Some("results truncated due to limit"));
    assert_eq!(page.warnings, ["info: a hint"]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat_whatever_order_the_server_has() {
    let prometheus = Prometheus::with_jobs(&["d", "b", "e", "a", "c\"/ü"]).await;
    let mut query = up(0.0, 60.0).limit(2);
    let mut seen = Vec::new();
    loop {
        let page = prometheus.query(query.clone()).await.unwrap();
        assert!(page.items.len() <= 2 && page.truncated.is_none());
        seen.extend(jobs(&page.items).into_iter().map(str::to_owned));
        match page.next {
            Some(next) => query = query.after(next),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c\"/ü", "d", "e"]);
    let exact = prometheus.query(up(0.0, 60.0).limit(5)).await.unwrap();
    assert!(exact.is_complete() && exact.items.len() == 5);
    assert!(prometheus.forms().await.iter().all(|form| !form.contains_key("limit")), "it is cut here");
}

#[tokio::test]
async fn series_that_come_and_go_between_pages_disturb_no_other() {
    let first = Prometheus::with_jobs(&["a", "c", "e"]).await.query(up(0.0, 60.0).limit(2)).await.unwrap();
    assert_eq!(jobs(&first.items), ["a", "c"]);
    let later = Prometheus::with_jobs(&["b", "d", "e"]).await;
    let second = later.query(up(0.0, 60.0).limit(2).after(first.next.unwrap())).await.unwrap();
    assert_eq!(jobs(&second.items), ["d", "e"]);
}

#[tokio::test]
async fn a_cursor_of_something_else_is_refused() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    for cursor in ["", "series/", "series/{}", "interface/eth0", "http://example.org", "series/[\"up\"]"] {
        assert_invalid(prometheus.query(up(0.0, 60.0).after(Cursor::new(cursor))).await, "cursor");
    }
    assert!(prometheus.requests().await.is_empty());
}

#[tokio::test]
async fn an_answer_in_another_order_or_with_unknown_fields_is_read_all_the_same() {
    let body = r#" { "isPartial": false, "data": { "stats": {"a":[1]}, "result": [
        { "values": [ [1, "1"], [2.500, "2\u0035"] ], "exemplar": null, "metric": {"job": "\u0061", "__name__": "up"} }
    ], "resultType": "matrix" }, "infos": [], "status": "success" } "#;
    let prometheus = Prometheus::answering(ResponseTemplate::new(200).set_body_string(body)).await;
    let page = prometheus.query(up(0.0, 60.0)).await.unwrap();
    assert_eq!(points(&page.items[0]), [(1.0, 1.0), (2.5, 25.0)]);
    assert_eq!((page.items[0].name.as_str(), jobs(&page.items)), ("up", vec!["a"]));
}

#[tokio::test]
async fn a_sample_that_is_none_is_an_error_that_says_where() {
    for values in
        [json!([[1, "one"]]), json!([[1, 1]]), json!([[1]]), json!([["1", "1"]]), json!([[1e300, "1"]]), json!({})]
    {
        let prometheus = Prometheus::finding("matrix", json!([{ "metric": {}, "values": values }])).await;
        let error = prometheus.query(up(0.0, 60.0)).await.unwrap_err();
        assert_eq!(error.kind().code(), "unexpected", "{error}");
        assert!(error.to_string().contains("data.result[0]"), "{error}");
    }
    let odd = Prometheus::saying(success(json!({ "resultType": "tensor", "result": [] }))).await;
    assert_eq!(odd.query(up(0.0, 60.0)).await.unwrap_err().kind().code(), "unexpected");
}
