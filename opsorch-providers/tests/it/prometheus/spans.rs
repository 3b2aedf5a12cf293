//! When a query is evaluated: spans, steps, windows, and single moments.

use opsorch::ErrorKind;
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use super::server::{Prometheus, at, failure, form, points, success, up};
use super::{assert_invalid, assert_unsupported};

#[tokio::test]
async fn a_span_is_asked_to_the_millisecond_in_a_form_and_its_points_are_the_oldest_first() {
    let prometheus = Prometheus::with_jobs(&["api"]).await;
    let page = prometheus.query(up(1_767_225_600.125, 1_767_225_720.5).step(60)).await.unwrap();
    assert!(page.is_complete() && page.warnings.is_empty());
    let moments = [1_767_225_600.125, 1_767_225_660.125, 1_767_225_720.125];
    assert_eq!(points(&page.items[0]), moments.map(|moment| (moment, moment)));
    let request = &prometheus.requests().await[0];
    assert_eq!(
        (request.method.as_str(), request.url.path(), request.url.query()),
        ("POST", "/api/v1/query_range", None)
    );
    let form = &prometheus.forms().await[0];
    assert_eq!(
        json!(form),
        json!({ "query": "up", "start": "1767225600.125", "end": "1767225720.500", "step": "60", "timeout": "30.000" })
    );
}

#[tokio::test]
async fn times_before_1970_are_times_too() {
    let prometheus = Prometheus::with_jobs(&["api"]).await;
    let page = prometheus.query(up(-1.5, -0.25).step(1)).await.unwrap();
    assert_eq!(points(&page.items[0]), [(-1.5, -1.5), (-0.5, -0.5)]);
}

#[tokio::test]
async fn a_time_in_another_zone_is_the_same_moment() {
    let prometheus = Prometheus::with_jobs(&["api"]).await;
    let query = json!({
        "start": "2026-01-01T01:00:00+01:00", "end": "2025-12-31T19:01:00-05:00", "step": 60,
        "expression": { "metricName": "up" },
    });
    prometheus.query(serde_json::from_value(query).unwrap()).await.unwrap();
    let form = &prometheus.forms().await[0];
    assert_eq!((&*form["start"], &*form["end"]), ("1767225600", "1767225660"));
}

#[tokio::test]
async fn an_end_before_the_start_is_refused_before_anything_is_sent() {
    let prometheus = Prometheus::with_jobs(&["api"]).await;
    assert_invalid(prometheus.query(up(10.0, 9.0)).await, "end");
    assert!(prometheus.requests().await.is_empty());
}

#[tokio::test]
async fn where_the_step_is_left_open_there_are_at_most_250_points_and_at_most_one_each_second() {
    let prometheus = Prometheus::with_jobs(&["api"]).await;
    for (span, step) in
        [(0.4, "1"), (100.0, "1"), (249.0, "1"), (3600.0, "15"), (86_400.0, "347"), (31_536_000.0, "126651")]
    {
        let page = prometheus.query(up(1000.0, 1000.0 + span)).await.unwrap();
        assert_eq!(prometheus.forms().await.pop().unwrap()["step"], step, "over {span} s");
        assert!((1..=250).contains(&page.items[0].points.len()) && page.warnings.is_empty());
    }
}

#[tokio::test]
async fn eleven_thousand_points_are_one_request_and_one_more_is_two_that_share_no_moment() {
    for (last, requests) in [(10_999, 1), (11_000, 2), (25_000, 3)] {
        let prometheus = Prometheus::with_jobs(&["a", "b"]).await;
        let page = prometheus.query(up(0.0, f64::from(last)).step(1)).await.unwrap();
        assert_eq!(prometheus.requests().await.len(), requests);
        assert!(page.is_complete() && page.warnings.is_empty());
        assert_eq!(page.items.len(), 2, "the windows of a series are one series");
        for series in &page.items {
            let expected: Vec<_> = (0..=last).map(|moment| (f64::from(moment), f64::from(moment))).collect();
            assert_eq!(points(series), expected);
        }
    }
}

#[tokio::test]
async fn what_ten_requests_cannot_return_gets_a_wider_step_and_the_page_says_so() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    let page = prometheus.query(up(0.0, 200_000.0).step(1)).await.unwrap();
    assert!(prometheus.requests().await.len() <= 10);
    assert_eq!(page.warnings, ["a step of 1 s makes more points than the server returns; the step is 2 s"]);
    assert_eq!(page.items[0].points.len(), 100_001);
    assert_eq!(page.items[0].points[1].timestamp(), at(2.0));
}

#[tokio::test]
async fn a_query_that_speaks_of_its_span_is_never_cut_into_windows() {
    let prometheus = Prometheus::finding("matrix", json!([])).await;
    let query = up(0.0, 20_000.0).step(1).metadata("query", "up @ start()");
    let page = prometheus.query(query).await.unwrap();
    assert_eq!(prometheus.requests().await.len(), 1);
    assert_eq!(page.warnings, ["a step of 1 s makes more points than the server returns; the step is 2 s"]);
}

#[tokio::test]
async fn a_server_that_moves_the_ends_of_a_window_doubles_no_point() {
    let same = json!([{ "metric": { "job": "a" }, "values": [[1, "1"], [2, "2"]] }]);
    let prometheus = Prometheus::finding("matrix", same).await;
    let page = prometheus.query(up(0.0, 11_000.0).step(1)).await.unwrap();
    assert_eq!(prometheus.requests().await.len(), 2);
    assert_eq!(points(&page.items[0]), [(1.0, 1.0), (2.0, 2.0)]);
}

#[tokio::test]
async fn a_window_that_fails_fails_the_query() {
    let data = json!({ "resultType": "matrix", "result": [{ "metric": {}, "values": [[0, "1"]] }] });
    let good = ResponseTemplate::new(200).set_body_json(success(data));
    let bad = failure(503, "timeout", "query timed out");
    let prometheus = Prometheus::over(move |request: &Request| match form(request)["start"].as_str() {
        "0" => good.clone(),
        _ => bad.clone(),
    })
    .await;
    let error = prometheus.query(up(0.0, 11_000.0).step(1)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn answers_that_are_too_large_together_end_the_query() {
    let body = success(json!({ "resultType": "matrix", "result": [] })).to_string() + &" ".repeat(33 << 20);
    let prometheus = Prometheus::answering(ResponseTemplate::new(200).set_body_string(body)).await;
    let error = prometheus.query(up(0.0, 50_000.0).step(1)).await.unwrap_err();
    assert!(error.to_string().contains("ask for fewer series, a shorter span or a larger step"), "{error}");
    assert_eq!(prometheus.requests().await.len(), 2, "nothing more is asked");
}

#[tokio::test]
async fn a_span_that_is_a_moment_is_asked_as_one() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    let page = prometheus.query(up(7.5, 7.5).step(15)).await.unwrap();
    assert_eq!(points(&page.items[0]), [(7.5, 7.5)]);
    assert_eq!(prometheus.requests().await[0].url.path(), "/api/v1/query");
    let form = &prometheus.forms().await[0];
    assert_eq!(json!(form), json!({ "query": "up", "time": "7.500", "timeout": "30.000" }));
}

#[tokio::test]
async fn a_moment_may_find_a_vector_a_matrix_a_scalar_or_nothing() {
    let sample = json!([7.5, "2"]);
    let labels = json!({ "__name__": "up", "job": "a" });
    for (result_type, result, found) in [
        ("vector", json!([{ "metric": labels, "value": sample }]), vec![(7.5, 2.0)]),
        ("matrix", json!([{ "metric": labels, "values": [[1, "1"], [7.5, "2"]] }]), vec![(1.0, 1.0), (7.5, 2.0)]),
        ("scalar", sample.clone(), vec![(7.5, 2.0)]),
        ("scalar", json!([7, "-Inf"]), vec![]),
    ] {
        let prometheus = Prometheus::finding(result_type, result).await;
        let page = prometheus.query(up(7.5, 7.5)).await.unwrap();
        assert_eq!(points(&page.items[0]), found, "{result_type}");
        assert_eq!(page.items[0].name, "up");
    }
    for result_type in ["vector", "matrix"] {
        let page = Prometheus::finding(result_type, json!([])).await.query(up(7.5, 7.5)).await.unwrap();
        assert!(page.items.is_empty() && page.is_complete());
    }
}

#[tokio::test]
async fn a_string_is_no_metric() {
    let prometheus = Prometheus::finding("string", json!([7.5, "hello"])).await;
    assert_invalid(prometheus.query(up(7.5, 7.5).metadata("query", "\"hello\"")).await, "metadata.query");
}

#[tokio::test]
async fn promql_is_sent_as_it_is_and_what_it_would_override_is_refused() {
    let prometheus = Prometheus::finding("matrix", json!([])).await;
    let raw = "sum(rate(up{job=~\"a|b\"}[5m])) # ✓";
    assert_eq!(prometheus.promql(up(0.0, 60.0).metadata("query", raw)).await, raw);
    let asked = prometheus.requests().await.len();
    let query = || up(0.0, 60.0).metadata("query", raw);
    assert_unsupported(prometheus.query(query().filter("a", "=", "b")).await, "expression.filters");
    assert_unsupported(prometheus.query(query().aggregation("sum")).await, "expression.aggregation");
    assert_unsupported(prometheus.query(query().group_by("job")).await, "expression.groupBy");
    assert_unsupported(prometheus.query(query().service("api")).await, "scope");
    assert_unsupported(prometheus.query(up(0.0, 60.0).metadata("lookback", "1m")).await, "lookback");
    assert_invalid(prometheus.query(up(0.0, 60.0).metadata("query", 7)).await, "metadata.query");
    assert_invalid(prometheus.query(up(0.0, 60.0).metadata("query", " ")).await, "metadata.query");
    assert_eq!(prometheus.requests().await.len(), asked, "nothing of it was sent");
}
