//! Pages: points in time, entries of one time, cursors.

use std::collections::BTreeSet;
use std::time::Duration;

use opsorch::{Cursor, ErrorKind, LogQuery};
use serde_json::{Value, json};

use super::desk::{Desk, Fate, ago, day, id, refusal};
use super::simulated::elastic::store::Index;
use super::simulated::elastic::world::{ECS, line};
use super::simulated::elastic::{Cluster, Flavor};
use super::{assert_invalid, assert_unsupported};

const BOTH: [Flavor; 2] = [Flavor::Elasticsearch, Flavor::OpenSearch];

/// So many lines, `each` of which share a time, in three indices of two shards.
fn crowd(flavor: Flavor, count: usize, each: usize) -> Cluster {
    let mut cluster = Cluster::new(flavor);
    for name in ["logs-a", "logs-b", "logs-c"] {
        cluster.indices.insert(name.to_owned(), Index::new(ECS).shards(2));
    }
    for number in 0..count {
        let time = ago(60) + Duration::from_secs((number / each) as u64 % 3_000);
        let index = cluster.indices.values_mut().nth(number % 3).unwrap();
        index.put(&format!("d{number:05}"), line(time.to_rfc3339(), &format!("line {number}")));
    }
    cluster
}

#[tokio::test]
async fn ten_thousand_and_fifty_hits_with_hundreds_of_one_time_come_once_each() {
    for (flavor, each) in [(Flavor::Elasticsearch, 350), (Flavor::OpenSearch, 350), (Flavor::OpenSearch, 10_050)] {
        let desk = Desk::over(crowd(flavor, 10_050, each)).await;
        let found = desk.all(day().limit(20_000)).await;
        let ids: BTreeSet<_> = found.iter().map(id).collect();
        assert_eq!((found.len(), ids.len()), (10_050, 10_050), "{flavor:?} {each}");
        assert!(found.is_sorted_by(|one, other| one.timestamp >= other.timestamp));
        assert_eq!(desk.wire.open(), 0, "the point in time is closed");
        let searches = desk.wire.searches();
        assert!(searches.len() > 10 && searches.iter().all(|search| search["size"].as_u64().unwrap() <= 1_000));
        assert!(searches.iter().all(|search| search.get("from").is_none()), "the window is never exceeded");
        assert!(searches[1..].iter().all(|search| search["search_after"].as_array().unwrap().len() == 2));
    }
}

#[tokio::test]
async fn the_pages_of_any_size_have_what_one_page_has_in_its_order() {
    for flavor in BOTH {
        let desk = Desk::over(crowd(flavor, 900, 90)).await;
        let whole: Vec<_> = desk.all(day().limit(3_000)).await.iter().map(id).collect();
        for limit in [37, 90, 300, 899, 900] {
            let (mut paged, mut cursor) = (Vec::new(), None::<Cursor>);
            loop {
                let mut query = day().limit(limit);
                query.cursor = cursor;
                let page = desk.query(query).await.unwrap();
                paged.extend(page.items.iter().map(id));
                assert!(page.next.is_none() || page.items.len() == limit as usize, "a page is full");
                assert_eq!(desk.wire.open(), 0, "a page leaves nothing open");
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(paged, whole, "{flavor:?} pages of {limit}");
        }
    }
}

#[tokio::test]
async fn each_vendor_is_asked_in_its_own_way_and_nothing_else_is_sent() {
    for (flavor, open, close, tiebreak) in [
        (Flavor::Elasticsearch, "/proxy/logs-%2A/_pit", "/proxy/_pit", json!({ "_shard_doc": { "order": "asc" } })),
        (
            Flavor::OpenSearch,
            "/proxy/logs-%2A/_search/point_in_time",
            "/proxy/_search/point_in_time",
            json!({ "_doc": { "order": "desc" } }),
        ),
    ] {
        let desk = Desk::of(flavor, Index::new(ECS).with("1", line(ago(1).to_rfc3339(), "x"))).await;
        desk.all(LogQuery::new(ago(5), ago(0)).limit(10)).await;
        let sent = desk.wire.paths();
        let expected = [
            "GET /proxy/logs-%2A/_field_caps".to_owned(),
            "GET /proxy".to_owned(),
            format!("POST {open}"),
            "POST /proxy/_search".to_owned(),
            format!("DELETE {close}"),
        ];
        assert_eq!(sent, expected);
        let requests = desk.wire.requests();
        assert_eq!(requests[0].url.query(), Some("fields=%40timestamp%2C%40timestamp.keyword%2C%40timestamp.raw"));
        assert_eq!(requests[2].url.query(), Some("keep_alive=1m"));
        for request in &requests {
            assert_eq!(request.headers["authorization"], "ApiKey canary-7d1f0a-secret");
            assert_eq!(request.headers["accept"], "application/json");
            let has_body = !request.body.is_empty();
            assert_eq!(request.headers.get("content-type").is_some_and(|kind| kind == "application/json"), has_body);
        }
        let search = &desk.wire.searches()[0];
        let range = json!({ "gte": "2025-12-31T23:55:00.000Z", "lt": "2026-01-01T00:00:00.000Z", "format": "strict_date_optional_time" });
        let expected = json!({
            "size": 11,
            "pit": { "id": search["pit"]["id"], "keep_alive": "1m" },
            "query": { "bool": { "filter": [{ "range": { "@timestamp": range } }] } },
            "sort": [{ "@timestamp": { "order": "desc", "unmapped_type": "date" } }, tiebreak],
            "timeout": "27000ms",
            "track_total_hits": false,
        });
        assert_eq!(search, &expected);
        desk.all(LogQuery::new(ago(5), ago(0))).await;
        assert_eq!(desk.wire.paths().len(), 9, "which of the two it is, is asked once");
    }
}

#[tokio::test]
async fn the_newest_name_of_a_point_in_time_is_used_and_closed() {
    let desk = Desk::over(crowd(Flavor::Elasticsearch, 3_000, 1)).await;
    desk.all(day().limit(4_000)).await;
    let names: Vec<_> = desk.wire.searches().iter().map(|search| search["pit"]["id"].to_string()).collect();
    assert!(names.len() > 2 && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    assert_eq!(desk.wire.open(), 0);
}

#[tokio::test]
async fn a_point_in_time_that_was_forgotten_is_opened_anew_and_nothing_is_lost_or_repeated() {
    for flavor in BOTH {
        let desk = Desk::over(crowd(flavor, 3_000, 400)).await;
        let whole: Vec<_> = desk.all(day().limit(4_000)).await.iter().map(id).collect();
        desk.wire.cluster(|cluster| cluster.forgets_after = Some(2));
        let again: Vec<_> = desk.all(day().limit(4_000)).await.iter().map(id).collect();
        assert_eq!(again, whole);
        assert_eq!(desk.wire.open(), 0);
    }
}

#[tokio::test]
async fn a_cluster_that_forgets_again_and_again_is_unavailable() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    for _ in 0..2 {
        desk.wire.answer(
            "POST",
            "/_search",
            refusal(404, "search_context_missing_exception", "No search context found"),
        );
    }
    assert_eq!(*desk.query(day()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(desk.wire.open(), 0);
}

#[tokio::test]
async fn a_point_in_time_is_closed_after_an_error_too() {
    for flavor in BOTH {
        let desk = Desk::over(crowd(flavor, 2_000, 1)).await;
        desk.wire.next(
            "POST",
            "/_search",
            1,
            Fate::Answer(refusal(429, "circuit_breaking_exception", "Data too large")),
        );
        let error = desk.query(day().limit(2_000)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RateLimited { .. }), "{error}");
        assert_eq!(desk.wire.open(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn that_of_a_dropped_call_is_closed_by_the_next_one() {
    for flavor in BOTH {
        let desk = Desk::over(crowd(flavor, 2_000, 1)).await;
        desk.wire.next("POST", "/_search", 1, Fate::Silence);
        let dropped = tokio::time::timeout(Duration::from_secs(1), desk.query(day().limit(2_000))).await;
        assert!(dropped.is_err());
        let sent = desk.wire.paths().len();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((desk.wire.open(), desk.wire.paths().len()), (1, sent), "nothing goes on by itself");
        desk.query(day().limit(1)).await.unwrap();
        assert_eq!(desk.wire.open(), 0);
    }
}

#[tokio::test]
async fn that_a_point_in_time_cannot_be_closed_spoils_nothing() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    desk.wire.answer("DELETE", "/_pit", refusal(503, "unavailable_shards_exception", "no"));
    assert_eq!(desk.all(day()).await.len(), 9);
    assert_eq!(desk.wire.open(), 1);
    desk.all(day()).await;
    assert_eq!(desk.wire.open(), 0, "the next call closes it");
}

#[tokio::test]
async fn a_cursor_is_of_its_query_and_of_no_other() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    let next = desk.query(day().limit(2)).await.unwrap().next.unwrap();
    assert!(!next.as_str().contains("pit"), "a cursor names nothing in the cluster: {next}");
    let sent = desk.wire.paths().len();
    let mut wrong = vec![day().search("disk"), day().service("db"), LogQuery::new(ago(99), ago(0))];
    wrong.iter_mut().for_each(|query| query.cursor = Some(next.clone()));
    let (prefix, rest) = next.as_str().split_at(next.as_str().find('"').unwrap() + 1 + 16);
    for text in
        ["", "log/", "log/[]", "log/[1,2,3,4]", &format!("{prefix}x{rest}"), &next.as_str().replace("2025", "2019")]
    {
        let mut query = day();
        query.cursor = Some(Cursor::new(text));
        wrong.push(query);
    }
    for query in wrong {
        assert_invalid(desk.query(query).await, "cursor");
    }
    assert_eq!(desk.wire.paths().len(), sent, "nothing was asked");
    let mut other_size = day().limit(50);
    other_size.cursor = Some(next);
    assert_eq!(desk.all(other_size).await.len(), 7);
}

#[tokio::test]
async fn a_cursor_resumes_while_new_entries_come_in() {
    let desk = Desk::over(crowd(Flavor::OpenSearch, 30, 5)).await;
    let first = desk.query(day().limit(12)).await.unwrap();
    desk.wire.cluster(|cluster| {
        let index = cluster.indices.get_mut("logs-a").unwrap();
        index.put("new", line(ago(1).to_rfc3339(), "newer than the page"));
        // Documents get other numbers, as they do when segments are merged.
        index.documents.reverse();
    });
    let mut rest = day().limit(50);
    rest.cursor = first.next.clone();
    let rest = desk.all(rest).await;
    let ids: BTreeSet<_> = first.items.iter().chain(&rest).map(id).collect();
    assert_eq!((rest.len(), ids.len()), (18, 30));
}

#[tokio::test]
async fn a_pattern_that_nothing_matches_finds_nothing_and_a_name_that_is_not_there_is_not_found() {
    let cluster = || Cluster::new(Flavor::OpenSearch);
    let desk = Desk::over(cluster()).await;
    assert!(desk.all(day()).await.is_empty());
    assert_eq!(desk.wire.paths(), ["GET /proxy/logs-%2A/_field_caps"]);
    let desk = Desk::with(cluster(), super::desk::config().index("logs-*,app")).await;
    let error = desk.query(day()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no such index [app]"), "{error}");
}

#[tokio::test]
async fn a_span_is_exact_to_what_the_cluster_keeps() {
    let nanoseconds = [("@timestamp", "date_nanos"), ("message", "text")];
    let time = |text: &str| text.parse().unwrap();
    let at = "2026-01-01T00:00:00.123456789Z";
    for (types, kept) in [(ECS, "2026-01-01T00:00:00.123Z"), (&nanoseconds, at)] {
        let desk = Desk::of(Flavor::Elasticsearch, Index::new(types).with("1", line(at, "x"))).await;
        let found = async |start: &str, end: &str| desk.all(LogQuery::new(time(start), time(end))).await;
        let all = found("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z").await;
        assert_eq!(all[0].timestamp, time(kept));
        let is_in_fields = all[0].fields.get("@timestamp").and_then(Value::as_str) == Some(at);
        assert!(is_in_fields, "a time that says more than is kept, or might, stays as it was written");
        assert_eq!(found(kept, "2026-01-01T00:00:01Z").await.len(), 1, "a span has its beginning");
        assert_eq!(found("2026-01-01T00:00:00Z", kept).await.len(), 0, "and not its end");
        assert_eq!(found("2026-01-01T00:00:00.123456790Z", "2026-01-01T00:00:01Z").await.len(), 0);
        assert_eq!(found("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456790Z").await.len(), 1);
    }
}

#[tokio::test]
async fn indices_that_count_time_otherwise_are_ordered_together() {
    let mut cluster = Cluster::new(Flavor::Elasticsearch);
    cluster.indices.insert("logs-ms".to_owned(), Index::new(ECS).with("2", line(json!(1_767_222_000_002_i64), "ms")));
    let nanoseconds = Index::new(&[("@timestamp", "date_nanos"), ("message", "text")])
        .with("1", line("2025-12-31T23:00:00.001999999Z", "ns"))
        .with("3", line("2025-12-31T23:00:00.002000001Z", "ns"));
    cluster.indices.insert("logs-ns".to_owned(), nanoseconds);
    let desk = Desk::over(cluster).await;
    assert_eq!(desk.ids(day()).await, ["3", "2", "1"]);
    assert_eq!(desk.wire.searches()[0]["sort"][0]["@timestamp"]["numeric_type"], "date_nanos");
    let from = LogQuery::new("2025-12-31T23:00:00.002Z".parse().unwrap(), ago(0));
    assert_eq!(desk.ids(from).await, ["3", "2"]);
}

#[tokio::test]
async fn a_forgotten_point_in_time_repeats_nothing_where_indices_count_time_otherwise() {
    let mut cluster = Cluster::new(Flavor::Elasticsearch);
    let milliseconds = Index::new(ECS).with("0", line("2025-12-31T23:00:00.002Z", "later"));
    let mut nanoseconds = Index::new(&[("@timestamp", "date_nanos"), ("message", "text")]);
    for number in 1..9 {
        nanoseconds.put(&number.to_string(), line("2025-12-31T23:00:00.001999999Z", "of one time"));
    }
    cluster.indices.insert("logs-ms".to_owned(), milliseconds);
    cluster.indices.insert("logs-ns".to_owned(), nanoseconds);
    let desk = Desk::over(cluster).await;
    desk.wire.cluster(|cluster| cluster.forgets_after = Some(1));
    let page = desk.query(day().limit(3)).await.unwrap();
    assert_eq!(page.items.iter().map(id).collect::<Vec<_>>(), ["0", "1", "2"]);
    let mut rest = day().limit(100);
    rest.cursor = page.next;
    assert_eq!(desk.ids(rest).await, ["3", "4", "5", "6", "7", "8"]);
}

#[tokio::test]
async fn totals_mean_nothing() {
    for total in [json!({ "value": 10_000, "relation": "gte" }), json!(7), Value::Null] {
        let desk = Desk::small(Flavor::Elasticsearch).await;
        let answer = json!({
            "took": 1, "timed_out": false, "_shards": { "total": 1, "successful": 1, "skipped": 0, "failed": 0 },
            "hits": { "total": total, "max_score": null, "hits": [] },
        });
        desk.wire.answer(
            "POST",
            "/_search",
            opsorch_testkit::double::json(opsorch::transport::StatusCode::OK, &answer),
        );
        assert!(desk.all(day()).await.is_empty());
    }
}

#[tokio::test]
async fn a_time_that_nothing_can_be_ordered_by_is_refused_with_what_to_do() {
    for types in [&[("@timestamp", "text")][..], &[("@timestamp", "keyword")], &[("time", "date")]] {
        let desk = Desk::of(Flavor::Elasticsearch, Index::new(types)).await;
        let result = desk.query(day()).await;
        assert!(result.as_ref().is_err_and(|error| error.message().contains("date_nanos")), "{result:?}");
        assert_invalid(result, "fields.timestamp");
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    assert_invalid(desk.query(LogQuery::new(ago(0), ago(1))).await, "end");
    assert_invalid(desk.query(day().limit(0)).await, "limit");
    assert_invalid(desk.query(day().metadata("lucene", 7)).await, "metadata.lucene");
    assert_invalid(desk.query(day().filter("", "=", "x")).await, "expression.filters");
    assert_unsupported(desk.query(day().metadata("index", "secrets-*")).await, "metadata.index");
    assert_unsupported(desk.query(day().filter("a", "~~", "x")).await, "~~");
    let many = (0..101).fold(day(), |query, number| query.filter(format!("f{number}"), "=", "x"));
    assert_invalid(desk.query(many).await, "expression");
    let long = (0..90).fold(day(), |query, number| query.filter(format!("{number}{}", "f".repeat(99)), "=", "x"));
    assert_invalid(desk.query(long).await, "expression.filters");
    assert!(desk.wire.paths().is_empty());
}
