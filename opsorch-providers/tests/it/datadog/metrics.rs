//! Metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use opsorch::{Aggregation, Cursor, ErrorKind, MetricQuery, MetricSeries, Page, Result, Scope};
use serde_json::{Value, json};

use super::desk::{Desk, ago, ok, status};
use super::{assert_invalid, assert_unsupported};

const TIMESERIES: &str = "/api/v2/query/timeseries";
const SCALAR: &str = "/api/v2/query/scalar";

fn waiting() -> MetricQuery {
    MetricQuery::new("jobs.waiting", ago(3_600), ago(0)).step(60)
}

fn cpu() -> MetricQuery {
    waiting().aggregation("avg")
}

fn hosts(page: &Page<MetricSeries>) -> Vec<&str> {
    page.items.iter().map(|series| series.labels["host"].as_str().unwrap()).collect()
}

fn answer(attributes: Value) -> Value {
    json!({ "data": { "type": "timeseries_response", "attributes": attributes } })
}

/// What a query finds in this answer.
async fn found_in(body: Value, query: MetricQuery) -> Result<Page<MetricSeries>> {
    let desk = Desk::open().await;
    desk.wire.answer("POST", TIMESERIES, ok(&body));
    desk.metrics(query).await
}

#[tokio::test]
async fn a_request_says_what_is_asked_in_milliseconds() {
    let desk = Desk::open().await;
    let query = waiting().aggregation("sum").group_by("host").filter("env", "=", "production").service("api");
    let page = desk.metrics(query).await.unwrap();
    assert_eq!(hosts(&page), ["api-1", "api-2"]);
    assert_eq!(desk.wire.paths(), [format!("POST {TIMESERIES}")]);
    let query = "sum:jobs.waiting{env:production AND service:api} by {host}";
    let attributes = json!({
        "from": ago(3_600).timestamp_millis(), "to": ago(0).timestamp_millis() + 1, "interval": 60_000,
        "queries": [{ "data_source": "metrics", "name": "a", "query": query }], "formulas": [{ "formula": "a" }],
    });
    let body = &desk.wire.bodies(TIMESERIES)[0];
    assert_eq!(*body, json!({ "data": { "type": "timeseries_request", "attributes": attributes } }));
    assert!(body["data"]["attributes"]["from"].as_i64().unwrap() > 1_000_000_000_000, "no seconds");
}

#[tokio::test]
async fn series_that_are_not_aggregated_are_kept_apart_by_all_of_their_tags() {
    let desk = Desk::open().await;
    let page = desk.metrics(waiting()).await.unwrap();
    assert!(page.is_complete());
    assert_eq!(hosts(&page), ["api-1", "api-2", "db-1:9100"], "a value may have colons");
    let series = &page.items[0];
    assert_eq!((series.name.as_str(), series.service.as_deref()), ("jobs.waiting", Some("api")));
    assert_eq!((&series.metadata["source"], &series.metadata["unit"]), (&json!("datadog"), &json!("jobs")));
    assert!(
        series.points.len() >= 60
            && series.points.iter().all(|point| (ago(3_600)..=ago(0)).contains(&point.timestamp()))
    );
    let tags =
        "GET /api/v2/metrics/jobs.waiting/all-tags?window%5Bseconds%5D=14400&filter%5Binclude_tag_values%5D=false";
    assert_eq!(desk.wire.paths(), [tags.to_owned(), format!("POST {TIMESERIES}")], "brackets are encoded once");
    let query = &desk.wire.bodies(TIMESERIES)[0]["data"]["attributes"]["queries"][0]["query"];
    assert_eq!(query, "avg:jobs.waiting{*} by {env,host,service,team}");
    let url = page.url.unwrap();
    assert_eq!((url.host_str(), url.path()), (Some("app.datadoghq.com"), "/metric/explorer"));
    assert_eq!(series.url.as_ref(), Some(&url));
}

#[tokio::test]
async fn filters_find_what_a_filter_over_all_series_finds() {
    let desk = Desk::open().await;
    let all = desk.metrics(waiting()).await.unwrap();
    let cases: [(&str, &str, &str, fn(&str) -> bool); 9] = [
        ("host", "=", "api-1", |host| host == "api-1"),
        ("host", "=", "db-1:9100", |host| host == "db-1:9100"),
        ("host", "=", "api", |_| false),
        ("host", "!=", "api-1", |host| host != "api-1"),
        ("host", "=~", "api-.*", |host| host.starts_with("api-")),
        ("host", "=~", "api-1|db-1:9100", |host| host != "api-2"),
        ("host", "!~", ".*-1|x", |host| !host.ends_with("-1")),
        ("host", "=", "api-1} by {x", |_| false),
        ("host", "!=", "*", |_| true),
    ];
    for (label, operator, value, keeps) in cases {
        let page = desk.metrics(waiting().filter(label, operator, value)).await.unwrap();
        let expected: Vec<_> = hosts(&all).into_iter().filter(|host| keeps(host)).collect();
        assert_eq!(hosts(&page), expected, "{label} {operator} {value}");
    }
    let page = desk.metrics(waiting().service("api} or {*")).await.unwrap();
    assert!(page.items.is_empty() && page.warnings[0].contains("nothing can have"), "{:?}", page.warnings);
}

#[tokio::test]
async fn aggregations_are_those_of_the_series_at_each_time() {
    let desk = Desk::open().await;
    let apart = desk.metrics(waiting()).await.unwrap();
    let mut at: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for point in apart.items.iter().flat_map(|series| &series.points) {
        at.entry(point.timestamp()).or_default().push(point.value());
    }
    let join: [(&str, fn(&[f64]) -> f64); 5] = [
        ("avg", |values| values.iter().sum::<f64>() / values.len() as f64),
        ("sum", |values| values.iter().sum()),
        ("max", |values| values.iter().copied().fold(f64::MIN, f64::max)),
        ("min", |values| values.iter().copied().fold(f64::MAX, f64::min)),
        ("count", |values| values.len() as f64),
    ];
    for (word, join) in join {
        let page = desk.metrics(waiting().aggregation(Aggregation::new(word))).await.unwrap();
        assert_eq!((page.items.len(), page.items[0].labels.len()), (1, 0), "{word}");
        let found: BTreeMap<_, _> =
            page.items[0].points.iter().map(|point| (point.timestamp(), point.value())).collect();
        for (time, values) in &at {
            assert!((found[time] - join(values)).abs() < 1e-9, "{word} at {time}");
        }
    }
    let page = desk.metrics(waiting().aggregation("count").group_by("service")).await.unwrap();
    let counts: Vec<_> =
        page.items.iter().map(|series| (series.service.as_deref(), series.points[0].value())).collect();
    assert_eq!(counts, [(Some("api"), 2.0), (Some("db"), 1.0)]);
}

#[tokio::test]
async fn a_hole_is_a_gap_and_no_zero() {
    let times: Vec<_> = [180, 120, 60].map(|seconds| ago(seconds).timestamp_millis()).to_vec();
    let attributes = json!({ "times": times, "series": [{ "group_tags": [], "query_index": 0, "unit": null }], "values": [[1.5, null, 0.0]] });
    let page = found_in(answer(attributes), cpu()).await.unwrap();
    let points: Vec<_> = page.items[0].points.iter().map(|point| (point.timestamp(), point.value())).collect();
    assert_eq!(points, [(ago(180), 1.5), (ago(60), 0.0)]);
}

#[tokio::test]
async fn columns_of_unequal_length_are_an_error() {
    for attributes in [
        json!({ "times": [1, 2], "series": [{}], "values": [[1.0]] }),
        json!({ "times": [1], "series": [{}], "values": [] }),
        json!({ "times": [1], "series": [], "values": [[1.0]] }),
        json!({ "times": [i64::MAX], "series": [{}], "values": [[1.0]] }),
    ] {
        let error = found_in(answer(attributes), cpu()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unexpected, "{error}");
    }
}

#[tokio::test]
async fn groups_become_labels_whatever_they_hold() {
    let at = ago(60).timestamp_millis();
    let tags = json!(["host:a:b:c", "alone", "team:N/A", "zone:eu", "zone:us"]);
    let units = json!([{ "name": "byte" }, { "name": "second" }]);
    let attributes = json!({ "times": [at], "series": [{ "group_tags": tags, "unit": units }], "values": [[1]] });
    let page = found_in(answer(attributes), cpu()).await.unwrap();
    let labels = json!({ "host": "a:b:c", "alone": "", "zone": ["eu", "us"] });
    assert_eq!(json!(page.items[0].labels), labels);
    assert_eq!(page.items[0].metadata["unit"], "bytes per second");
}

#[tokio::test]
async fn nothing_found_is_success() {
    for attributes in [json!({ "series": [], "times": [], "values": [] }), json!({ "series": null }), json!({})] {
        let page = found_in(answer(attributes), cpu()).await.unwrap();
        assert!(page.items.is_empty() && page.is_complete());
    }
    let desk = Desk::open().await;
    let page = desk.metrics(MetricQuery::new("no.such.metric", ago(60), ago(0))).await.unwrap();
    assert!(page.items.is_empty() && page.is_complete());
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error_and_a_partial_one_is_told() {
    for body in [
        json!({ "status": "error", "error": "Rule 'scope_expr' didn't match" }),
        json!({ "errors": "no such function" }),
        json!({ "errors": ["no", "none"] }),
    ] {
        assert_invalid(found_in(body, cpu()).await, "expression");
    }
    let error = found_in(json!({}), cpu()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected);
    let mut partial = answer(json!({ "times": [ago(60).timestamp_millis()], "series": [{}], "values": [[1]] }));
    partial["errors"] = json!("one cluster did not answer");
    let page = found_in(partial, cpu()).await.unwrap();
    assert!(page.items.len() == 1 && !page.is_complete());
    assert!(page.failures[0].message.contains("one cluster"), "{:?}", page.failures);
}

#[tokio::test]
async fn a_query_that_datadog_does_not_understand_names_where_it_comes_from() {
    let desk = Desk::open().await;
    desk.wire.answer("POST", TIMESERIES, status(400, &json!({ "errors": ["Error parsing query"] }), &[]));
    let raw = MetricQuery::new("", ago(60), ago(0)).metadata("query", "avg:broken{");
    assert_invalid(desk.metrics(raw).await, "metadata.query");
}

#[tokio::test]
async fn a_moment_is_asked_for_one_value_of_each_series() {
    let desk = Desk::open().await;
    let query = MetricQuery::new("jobs.waiting", ago(120), ago(120)).aggregation("max").group_by("host");
    let page = desk.metrics(query).await.unwrap();
    assert_eq!(hosts(&page), ["api-1", "api-2", "db-1:9100"]);
    assert!(page.items.iter().all(|series| series.points.len() == 1 && series.points[0].timestamp() == ago(120)));
    let body = &desk.wire.bodies(SCALAR)[0];
    assert_eq!(
        (&body["data"]["type"], &body["data"]["attributes"]["queries"][0]["aggregator"]),
        (&json!("scalar_request"), &json!("last"))
    );
    let span = (ago(420).timestamp_millis(), ago(120).timestamp_millis() + 1);
    assert_eq!(
        (body["data"]["attributes"]["from"].as_i64(), body["data"]["attributes"]["to"].as_i64()),
        (Some(span.0), Some(span.1))
    );
}

#[tokio::test]
async fn an_aggregator_asks_for_one_value_of_the_whole_span() {
    let desk = Desk::open().await;
    let page =
        desk.metrics(waiting().aggregation("sum").group_by("service").metadata("aggregator", "max")).await.unwrap();
    let over_time = desk.metrics(waiting().aggregation("sum").group_by("service")).await.unwrap();
    for (one, series) in page.items.iter().zip(&over_time.items) {
        let greatest = series.points.iter().map(|point| point.value()).fold(f64::MIN, f64::max);
        assert_eq!((one.points.len(), one.points[0].value(), one.points[0].timestamp()), (1, greatest, ago(0)));
    }
    assert_invalid(desk.metrics(waiting().metadata("aggregator", "median")).await, "metadata.aggregator");
    let columns = json!([{ "type": "group", "name": "host", "values": [["a"], ["b"]] }, { "type": "number", "values": [1.0] }, { "type": "new" }]);
    desk.wire.answer("POST", SCALAR, ok(&answer(json!({ "columns": columns }))));
    let error = desk.metrics(cpu().metadata("aggregator", "max")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected);
}

#[tokio::test]
async fn a_formula_of_the_caller_is_sent_as_it_is() {
    let desk = Desk::open().await;
    let queries = json!({ "errors": "sum:e{*}.as_count()", "all": "sum:r{*}.as_count()" });
    let query = MetricQuery::new("error_share", ago(60), ago(0))
        .metadata("queries", queries)
        .metadata("formula", "errors / all * 100");
    let at = ago(30).timestamp_millis();
    desk.wire.answer("POST", TIMESERIES, ok(&answer(json!({ "times": [at], "series": [{}], "values": [[3]] }))));
    let page = desk.metrics(query).await.unwrap();
    assert_eq!((page.items[0].name.as_str(), page.items[0].points[0].value()), ("error_share", 3.0));
    let attributes = &desk.wire.bodies(TIMESERIES)[0]["data"]["attributes"];
    let names: Vec<_> =
        attributes["queries"].as_array().unwrap().iter().map(|query| query["name"].as_str().unwrap()).collect();
    assert_eq!(
        (names, &attributes["formulas"]),
        (vec!["all", "errors"], &json!([{ "formula": "errors / all * 100" }]))
    );
    assert_eq!(attributes.get("interval"), None, "a step of 0 is Datadog's to choose");
}

#[tokio::test]
async fn a_step_that_is_too_fine_is_widened_and_told() {
    let desk = Desk::open().await;
    let page =
        desk.metrics(MetricQuery::new("jobs.waiting", ago(7_200), ago(0)).step(1).aggregation("avg")).await.unwrap();
    assert!(page.warnings[0].contains("step"), "{:?}", page.warnings);
    let times: Vec<_> = page.items[0].points.iter().map(|point| point.timestamp()).collect();
    assert!(times.windows(2).all(|pair| pair[0] + Duration::from_secs(5) <= pair[1]));
    assert!(desk.metrics(waiting().aggregation("avg")).await.unwrap().warnings.is_empty());
}

#[tokio::test]
async fn pages_hold_every_series_once() {
    let desk = Desk::open().await;
    let (mut seen, mut query) = (Vec::new(), waiting().limit(1));
    loop {
        let page = desk.metrics(query.clone()).await.unwrap();
        seen.extend(page.items.iter().map(|series| series.labels["host"].clone()));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, ["api-1", "api-2", "db-1:9100"]);
    for cursor in ["", "series/", "logs/x", "series/https://evil.example"] {
        assert_invalid(desk.metrics(waiting().after(Cursor::new(cursor))).await, "cursor");
    }
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_and_nothing_is_sent() {
    let desk = Desk::open().await;
    let raw = MetricQuery::new("", ago(60), ago(0)).metadata("query", "avg:a{*}");
    assert_unsupported(desk.metrics(raw.clone().service("api")).await, "metadata.query");
    assert_unsupported(desk.metrics(raw.clone().filter("a", "=", "b")).await, "metadata.query");
    assert_unsupported(desk.metrics(raw.clone().aggregation("sum")).await, "metadata.query");
    assert_unsupported(desk.metrics(waiting().metadata("rollup", "avg")).await, "metadata.rollup");
    assert_unsupported(desk.metrics(waiting().filter("host", "=~", "a[0-9]+")).await, "regular expression");
    assert_unsupported(desk.metrics(waiting().filter("host", "=", "")).await, "empty value");
    assert_invalid(desk.metrics(raw.clone().metadata("queries", json!({ "a": "b" }))).await, "metadata.queries");
    assert_invalid(desk.metrics(waiting().metadata("formula", "a")).await, "metadata.formula");
    assert_invalid(desk.metrics(waiting().metadata("query", 7)).await, "metadata.query");
    assert_invalid(desk.metrics(waiting().group_by("host")).await, "expression.groupBy");
    assert_invalid(desk.metrics(waiting().aggregation("sum").group_by("a} or {b")).await, "expression.groupBy[0]");
    assert_invalid(desk.metrics(waiting().aggregation("p99")).await, "expression.aggregation");
    assert_invalid(desk.metrics(waiting().filter("host", "~", "a")).await, "expression.filters[0].operator");
    assert_invalid(desk.metrics(MetricQuery::new("", ago(60), ago(0))).await, "expression.metricName");
    assert_invalid(desk.metrics(MetricQuery::new("a", ago(0), ago(1))).await, "end");
    assert_invalid(desk.metrics(waiting().limit(0)).await, "limit");
    let page = desk.metrics(MetricQuery::new("a{*} by {b}", ago(60), ago(0))).await.unwrap();
    assert!(page.items.is_empty() && page.warnings[0].contains("no metric can be called"), "{:?}", page.warnings);
    assert!(desk.wire.paths().is_empty(), "{:?}", desk.wire.paths());
}

#[tokio::test]
async fn metrics_are_described_with_unit_meaning_and_tags() {
    let desk = Desk::open().await;
    let page = desk.ops.metrics(&desk.cx).describe(Scope::new()).await.unwrap();
    assert!(page.is_complete() && page.warnings.is_empty());
    let [waiting, requests] = &page.items[..] else { panic!("{:?}", page.items) };
    assert_eq!(
        (waiting.name.as_str(), waiting.kind.as_str(), waiting.description.as_str()),
        ("jobs.waiting", "gauge", "Jobs that wait.")
    );
    assert_eq!(
        (waiting.unit.as_deref(), &waiting.labels[..]),
        (Some("jobs"), &["env", "host", "service", "team"].map(String::from)[..])
    );
    assert_eq!(
        (requests.name.as_str(), requests.kind.as_str(), requests.unit.as_deref()),
        ("requests.count", "count", Some("requests per second"))
    );
    assert_eq!(waiting.url.as_ref().unwrap().as_str(), "https://app.datadoghq.com/metric/summary?metric=jobs.waiting");
    assert_eq!(desk.wire.paths()[0], "GET /api/v2/metrics?window%5Bseconds%5D=86400&page%5Bsize%5D=10000");
    let page =
        desk.ops.metrics(&desk.cx).describe(Scope::new().service("api").environment("production")).await.unwrap();
    assert_eq!(page.items.len(), 2);
    let listed = desk.wire.requests().into_iter().rfind(|request| request.url.path() == "/api/v2/metrics").unwrap();
    let filter = listed.url.query_pairs().find(|(name, _)| name == "filter[tags]").unwrap().1.into_owned();
    assert_eq!(filter, "service:api AND env:production");
}

#[tokio::test]
async fn a_long_list_of_metrics_is_followed_and_one_with_a_configuration_is_not_lost() {
    let desk = Desk::open().await;
    let metric = |number: usize| match number % 2 {
        0 => json!({ "id": format!("m{number:03}"), "type": "metrics" }),
        _ => {
            json!({ "id": format!("m{number:03}"), "type": "manage_tags", "attributes": { "metric_type": "distribution", "tags": ["env"] } })
        }
    };
    let first: Vec<_> = (0..40).map(metric).collect();
    let second: Vec<_> = (39..60).map(metric).collect();
    desk.wire.answer(
        "GET",
        "/api/v2/metrics",
        ok(&json!({ "data": first, "meta": { "pagination": { "next_cursor": "abc=" } } })),
    );
    desk.wire.answer(
        "GET",
        "/api/v2/metrics",
        ok(&json!({ "data": second, "meta": { "pagination": { "next_cursor": null } } })),
    );
    let page = desk.ops.metrics(&desk.cx).describe(Scope::new()).await.unwrap();
    assert_eq!(page.items.len(), 60);
    assert_eq!(
        (page.items[1].kind.as_str(), &page.items[1].metadata["type"], &page.items[1].labels[..]),
        ("histogram", &json!("distribution"), &["env".to_owned()][..])
    );
    assert!(page.is_complete() && page.warnings[0].contains("narrow the scope"));
    assert_eq!(desk.wire.requests().len(), 2, "a request for each metric would use up what Datadog allows");
    assert!(desk.wire.paths()[1].ends_with("&page%5Bcursor%5D=abc%3D"));
}

#[tokio::test]
async fn metrics_are_listed_although_more_of_them_may_not_be_read() {
    let desk = Desk::open().await;
    desk.wire.answer(
        "GET",
        "/all-tags",
        status(429, &json!({ "errors": ["Too many requests"] }), &[("x-ratelimit-reset", "9")]),
    );
    let page = desk.ops.metrics(&desk.cx).describe(Scope::new()).await.unwrap();
    assert_eq!(page.items.len(), 2);
    assert!(page.warnings[0].contains("not told of all metrics"), "{:?}", page.warnings);
}
