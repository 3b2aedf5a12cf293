//! Answers that are not all of it never pass for all of it.

use opsorch::{LogEntry, Page, SourceFailure};
use serde_json::{Value, json};

use super::desk::{Desk, day, id};
use super::simulated::elastic::Flavor;

/// A page of a search that said so of its shards.
async fn page(shards: Value, timed_out: bool, limit: u32) -> (Desk, Page<LogEntry>) {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    desk.wire.cluster(|cluster| cluster.broken = Some((shards, timed_out)));
    let page = desk.query(day().limit(limit)).await.unwrap();
    assert!(!page.is_complete());
    (desk, page)
}

fn failed(index: &str, shard: u32, kind: &str) -> Value {
    json!({ "shard": shard, "index": index, "node": "n", "reason": { "type": kind, "reason": "why" } })
}

#[tokio::test]
async fn shards_that_failed_are_failures_beside_what_was_found() {
    let failures = [
        failed("logs-a", 0, "node_not_connected_exception"),
        failed("logs-a", 0, "node_not_connected_exception"),
        failed("logs-a", 1, "query_shard_exception"),
        failed("logs-b", 0, "es_rejected_execution_exception"),
    ];
    let shards = json!({ "total": 9, "successful": 5, "skipped": 0, "failed": 4, "failures": failures });
    let (desk, page) = page(shards, false, 100).await;
    let failure =
        |source: &str, code: &str, message: &str, again| SourceFailure::new(source, code, message).retryable(again);
    assert_eq!(
        page.failures,
        [
            failure("logs/logs-a[0]", "unavailable", "node_not_connected_exception: why", true),
            failure("logs/logs-a[1]", "invalid", "query_shard_exception: why", false),
            failure("logs/logs-b[0]", "rate_limited", "es_rejected_execution_exception: why", true),
        ]
    );
    assert_eq!(page.items.len(), 9);
    assert_eq!(desk.wire.open(), 0);
}

#[tokio::test]
async fn shards_that_failed_without_a_word_are_a_failure_too() {
    let (_, page) = page(json!({ "total": 3, "successful": 1, "failed": 2 }), false, 100).await;
    assert_eq!((page.failures.len(), page.failures[0].source.as_str()), (1, "logs"));
    assert!(page.failures[0].message.contains("2 shards"), "{page:?}");
}

#[tokio::test]
async fn many_failures_are_counted() {
    let failures: Vec<_> = (0..500).map(|shard| failed("logs-a", shard, "unavailable_shards_exception")).collect();
    let (_, page) =
        page(json!({ "total": 500, "successful": 0, "failed": 500, "failures": failures }), false, 100).await;
    assert_eq!(page.failures.len(), 21);
    assert!(page.failures[20].message.starts_with("480 more"), "{:?}", page.failures[20]);
}

#[tokio::test]
async fn a_search_that_ran_out_of_time_is_a_failure_and_the_rest_can_be_asked_for() {
    let shards = json!({ "total": 1, "successful": 1, "skipped": 0, "failed": 0 });
    let (desk, page) = page(shards, true, 4).await;
    assert_eq!((page.failures[0].code.as_str(), page.failures[0].retryable), ("timeout", true));
    assert!(page.failures[0].message.contains("27000 ms"), "{page:?}");
    let mut rest = day().limit(100);
    rest.cursor = page.next.clone();
    let rest = desk.all(rest).await;
    assert_eq!(page.items.iter().chain(&rest).map(id).count(), 9);
}

#[tokio::test]
async fn shards_that_are_not_in_a_point_in_time_are_failures() {
    let desk = Desk::small(Flavor::OpenSearch).await;
    let shards = json!({ "total": 2, "successful": 1, "failed": 1, "failures": [failed("logs-a", 7, "no_shard_available_action_exception")] });
    let opened = desk.wire.cluster(|cluster| {
        let request = opsorch::transport::Request::new(
            opsorch::transport::Method::POST,
            "http://x/logs-*/_search/point_in_time?keep_alive=1m".parse().unwrap(),
        );
        let key = opsorch::transport::HeaderValue::from_static("ApiKey canary-7d1f0a-secret");
        let headers = opsorch::transport::HeaderMap::from_iter([(
            opsorch::transport::HeaderName::from_static("authorization"),
            key,
        )]);
        opsorch_testkit::double::Double::answer(cluster, &request.headers(headers))
    });
    let mut body: Value = serde_json::from_slice(&opened.body).unwrap();
    body["_shards"] = shards;
    desk.wire.answer("POST", "/point_in_time", opened.body(body.to_string()));
    let page = desk.query(day()).await.unwrap();
    assert_eq!((page.failures[0].source.as_str(), page.items.len()), ("logs/logs-a[7]", 9));
}

#[tokio::test]
async fn clusters_that_were_skipped_are_failures() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    let answer = json!({
        "took": 1, "timed_out": false, "_shards": { "total": 1, "successful": 1, "failed": 0 },
        "_clusters": { "total": 3, "successful": 1, "skipped": 1, "details": {
            "(local)": { "status": "successful" }, "eu": { "status": "skipped" }, "us": { "status": "partial" },
        } },
        "hits": { "hits": [] },
    });
    desk.wire.answer("POST", "/_search", opsorch_testkit::double::json(opsorch::transport::StatusCode::OK, &answer));
    let page = desk.query(day()).await.unwrap();
    let sources: Vec<_> = page.failures.iter().map(|failure| failure.source.as_str()).collect();
    assert_eq!(sources, ["logs/eu", "logs/us"]);
    assert!(!page.is_complete());
}
