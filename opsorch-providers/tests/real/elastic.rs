//! The kind `elastic` against a server that speaks the API of OpenSearch.
//!
//! `.ci/search-server cargo test -p opsorch-providers --features elastic --test real_elastic -- --ignored`. The server
//! lives as long as the command. Each test has indices of its own.

// A helper that fails fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use opsorch::transport::{Client, ReqwestTransport};
use opsorch::{Actor, Context, ErrorKind, LogEntry, LogOperatorLevel, LogQuery, OpsOrch, Page, Result, Time};
use opsorch_providers::elastic::ElasticConfig;
use serde_json::{Value, json};

/// A control plane over the indices whose names begin with a word, and a client to fill them.
struct Desk {
    ops: OpsOrch,
    cx: Context,
    server: Client,
    name: &'static str,
}

impl Desk {
    async fn over(name: &'static str) -> Self {
        let url = env::var("OPENSEARCH_URL").expect("OPENSEARCH_URL; run this with .ci/search-server");
        let transport = Arc::new(ReqwestTransport::new().unwrap());
        let config = ElasticConfig::new(url.parse().unwrap()).index(format!("{name}-*"));
        let builder = OpsOrch::builder().configure("logs", config).transport(ReqwestTransport::new().unwrap());
        Self {
            ops: builder.build().await.unwrap(),
            cx: Context::new(Actor::agent("triage")),
            server: Client::new(transport, url.parse().unwrap()).unwrap(),
            name,
        }
    }

    /// Makes an index with these fields.
    async fn index(&self, suffix: &str, properties: Value) {
        let name = format!("{}-{suffix}", self.name);
        let body = json!({ "settings": { "number_of_shards": 2 }, "mappings": { "properties": properties } });
        self.server.put([&*name]).json(&body).send(&self.cx).await.unwrap();
    }

    /// Writes documents, each with an id.
    async fn write(&self, suffix: &str, documents: impl IntoIterator<Item = (String, Value)>) {
        let name = format!("{}-{suffix}", self.name);
        let mut lines = String::new();
        for (id, document) in documents {
            writeln!(lines, "{}\n{document}", json!({ "index": { "_index": name, "_id": id } })).unwrap();
        }
        let request = self.server.post("_bulk").query(&[("refresh", "true")]).body("application/x-ndjson", lines);
        let answer: Value = request.fetch(&self.cx).await.unwrap();
        assert_eq!(answer["errors"], false, "{answer}");
    }

    async fn query(&self, query: LogQuery) -> Result<Page<LogEntry>> {
        self.ops.logs(&self.cx).query(query).await
    }

    /// The ids of all that a query finds.
    async fn ids(&self, query: LogQuery) -> Vec<String> {
        let page = self.query(query.limit(1_000)).await.unwrap();
        assert!(page.is_complete(), "{page:?}");
        page.items.iter().map(id).collect()
    }

    /// The points in time that are open in these indices: their ids tell nothing, so that tests look at them one by one.
    async fn open(&self) -> usize {
        let all: Value = self.server.get("_search/point_in_time/_all").fetch(&self.cx).await.unwrap_or_default();
        let ids = all["pits"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
        let decoded = ids.filter_map(|pit| decode(pit["pit_id"].as_str()?));
        decoded.filter(|bytes| bytes.windows(self.name.len()).any(|part| part == self.name.as_bytes())).count()
    }
}

/// The bytes of a point in time's id, which hold the names of its indices.
fn decode(id: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
    URL_SAFE.decode(id).or_else(|_| URL_SAFE_NO_PAD.decode(id)).ok()
}

fn id(entry: &LogEntry) -> String {
    entry.metadata["_id"].as_str().unwrap().to_owned()
}

fn at(seconds: u64) -> Time {
    "2026-01-01T00:00:00Z".parse::<Time>().unwrap() + Duration::from_secs(seconds)
}

fn day() -> LogQuery {
    LogQuery::new(at(0), at(24 * 60 * 60))
}

fn ecs() -> Value {
    json!({
        "@timestamp": { "type": "date" },
        "message": { "type": "text" },
        "log": { "properties": { "level": { "type": "keyword" } } },
        "service": { "properties": { "name": { "type": "text", "fields": { "keyword": { "type": "keyword" } } } } },
        "host": { "properties": { "name": { "type": "keyword" } } },
        "bytes": { "type": "long" },
    })
}

#[tokio::test]
#[ignore = "needs the server of .ci/search-server"]
async fn ten_thousand_and_fifty_hits_with_hundreds_of_one_time_come_once_each() {
    let desk = Desk::over("crowd").await;
    for suffix in ["a", "b", "c"] {
        desk.index(suffix, ecs()).await;
    }
    for (part, suffix) in [(0, "a"), (1, "b"), (2, "c")] {
        let numbers = (0..10_050).filter(|number| number % 3 == part);
        let document = |number: u64| json!({ "@timestamp": at(number / 350), "message": format!("line {number}") });
        desk.write(suffix, numbers.map(|number| (number.to_string(), document(number)))).await;
    }
    let page = desk.query(day().limit(20_000)).await.unwrap();
    assert!(page.is_complete(), "{:?}", page.failures);
    let whole: Vec<_> = page.items.iter().map(id).collect();
    let distinct: BTreeSet<_> = whole.iter().collect();
    assert_eq!((whole.len(), distinct.len()), (10_050, 10_050));
    assert!(page.items.is_sorted_by(|one, other| one.timestamp >= other.timestamp));
    let (mut paged, mut query) = (Vec::new(), day().limit(1_111));
    while let page = desk.query(query.clone()).await.unwrap()
        && {
            paged.extend(page.items.iter().map(id));
            page.next.is_some()
        }
    {
        query.cursor = page.next;
    }
    assert_eq!(paged, whole, "pages by cursor have the same, in the same order");
    assert_eq!(desk.open().await, 0, "every point in time is closed");
}

#[tokio::test]
#[ignore = "needs the server of .ci/search-server"]
async fn every_condition_is_honoured() {
    let desk = Desk::over("conditions").await;
    desk.index("a", ecs()).await;
    let document = |second: u64, message: &str, level: &str, service: &str, host: &str| json!({ "@timestamp": at(second), "message": message, "log": { "level": level }, "service": { "name": service }, "host": { "name": host }, "bytes": second });
    desk.write(
        "a",
        [
            ("1".to_owned(), document(1, "disk full on db-1", "ERROR", "db", "db-1")),
            ("2".to_owned(), document(2, "disk is fine", "Info", "db", "a*b")),
            ("3".to_owned(), document(3, "checkout \"slow\"", "warn", "web shop", "a\"}\\\n")),
        ],
    )
    .await;
    let contains = LogOperatorLevel::Contains;
    for (query, expected) in [
        (day(), vec!["3", "2", "1"]),
        (day().search("DISK"), vec!["2", "1"]),
        (day().search("disk full"), vec!["1"]),
        (day().search("(( \"slow\" *"), vec!["3"]),
        (day().severity("err"), vec!["1"]),
        (day().severity("information").severity("warning"), vec!["3", "2"]),
        (day().service("web shop"), vec!["3"]),
        (day().service("web"), vec![]),
        (day().filter("host.name", "=", "a*b"), vec!["2"]),
        (day().filter("host.name", "=", "a\"}\\\n"), vec!["3"]),
        (day().filter("host.name", "!=", "db-1"), vec!["3", "2"]),
        (day().filter("host.name", contains, "*"), vec!["2"]),
        (day().filter("host.name", contains, "\\"), vec!["3"]),
        (day().filter("host.name", LogOperatorLevel::Regex, "^db-[0-9]$"), vec!["1"]),
        (day().filter("bytes", "=", "2"), vec!["2"]),
        (day().filter("bytes", "=", "two"), vec![]),
        (day().filter("nothing.has.it", "=", "x"), vec![]),
        (day().metadata("lucene", "log.level:ERROR OR bytes:[3 TO *]"), vec!["3", "1"]),
        (LogQuery::new(at(1), at(3)), vec!["2", "1"]),
    ] {
        let said = format!("{query:?}");
        assert_eq!(desk.ids(query).await, expected, "{said}");
    }
    let mut opened = desk.server.post(["conditions-a", "_search", "point_in_time"]);
    opened = opened.query(&[("keep_alive", "1m")]);
    let opened: Value = opened.fetch(&desk.cx).await.unwrap();
    assert_eq!(desk.open().await, 1, "what is open is seen");
    let closed = json!({ "pit_id": [opened["pit_id"]] });
    desk.server.delete("_search/point_in_time").json(&closed).send(&desk.cx).await.unwrap();
    let error = desk.query(day().metadata("lucene", "((")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "metadata.lucene".into() });
    assert!(error.to_string().contains("Failed to parse query [((]"), "{error}");
    assert_eq!(desk.open().await, 0, "also after an error");
}

#[tokio::test]
#[ignore = "needs the server of .ci/search-server"]
async fn indices_that_nobody_has_and_that_count_time_otherwise() {
    let desk = Desk::over("nanos").await;
    assert!(desk.ids(day()).await.is_empty(), "a pattern that nothing matches finds nothing");
    assert!(!desk.ops.health(&desk.cx, "logs").await.unwrap().is_healthy());
    desk.index("ns", json!({ "@timestamp": { "type": "date_nanos" }, "message": { "type": "text" } })).await;
    desk.write(
        "ns",
        [
            ("1".to_owned(), json!({ "@timestamp": "2026-01-01T00:00:01.000000001Z", "message": "one" })),
            ("2".to_owned(), json!({ "@timestamp": "2026-01-01T00:00:01.000000002Z", "message": "two" })),
        ],
    )
    .await;
    assert_eq!(desk.ids(day()).await, ["2", "1"]);
    let from = LogQuery::new("2026-01-01T00:00:01.000000002Z".parse().unwrap(), at(60));
    assert_eq!(desk.ids(from).await, ["2"]);
    let health = desk.ops.health(&desk.cx, "logs").await.unwrap();
    assert!(health.is_healthy() && health.version.unwrap().starts_with("opensearch "));
}
