//! Metrics: what is found, and what is said of it.

use std::collections::BTreeSet;

use opsorch::{MetricKindLevel, MetricQuery, MetricSeries, Scope, Time};
use serde_json::json;

use super::{Desk, QUOTED, assert_invalid, eventually, now, seconds, variable};

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
async fn a_moment_finds_samples_as_they_were_taken_and_scalars() {
    let desk = Desk::new().await;
    let samples = instant("up").metadata("query", "up{job='prometheus'}[1m]");
    let series = desk.series(samples).await.remove(0);
    assert!(series.points.len() > 1 && series.points.is_sorted_by(|one, next| one.timestamp() < next.timestamp()));
    let scalar = desk.series(instant("seven").metadata("query", "3 + 4")).await;
    assert_eq!((values(&scalar), scalar[0].name.as_str()), (vec![7.0], "seven"));
    assert!(desk.series(instant("up").metadata("query", "up > 2")).await.is_empty());
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn a_span_may_lie_anywhere() {
    let desk = Desk::new().await;
    let clock = |start: &str, end: &str, step| {
        let query = MetricQuery::new("clock", start.parse().unwrap(), end.parse().unwrap()).step(step);
        query.metadata("query", "time()")
    };
    let series = desk.series(clock("1969-12-31T23:59:58.5Z", "1970-01-01T00:00:00.75Z", 1)).await;
    assert_eq!(values(&series), [-1.5, -0.5, 0.5]);
    let series = desk.series(clock("1900-01-01T00:00:00Z", "2200-01-01T00:00:00Z", 0)).await;
    assert!((200..=250).contains(&series[0].points.len()));
    let page = desk.metrics(clock("1900-01-01T00:00:00Z", "2200-01-01T00:00:00Z", 1)).await.unwrap();
    assert_eq!(page.warnings.len(), 1);
    assert!((100_000..=110_000).contains(&page.items[0].points.len()));
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
    assert!([10_999, 11_000, 11_100].iter().all(|index| within.contains(&(start + seconds(*index)))), "{within:?}");
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
    assert!(page.is_complete());
    assert!(matches!(&page.warnings[..], [only] if only.starts_with("labels are told of")), "{:?}", page.warnings);
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
    assert!(of_service.warnings.is_empty(), "{:?}", of_service.warnings);
    assert!(of_service.items[0].labels.iter().any(|label| label == "alertstate"), "{:?}", of_service.items[0].labels);
    assert!(!of_service.items[1].labels.iter().any(|label| label == "alertstate"), "each has its own labels");
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

    let dotted = desk.metrics(instant("up").filter("service.name", "=", "api")).await;
    match desk.major().await {
        3.. => assert!(dotted.unwrap().items.is_empty()),
        _ => assert_invalid(dotted, "expression"),
    }
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

/// A metric at this moment.
pub(super) fn instant(metric: &str) -> MetricQuery {
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
