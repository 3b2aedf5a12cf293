//! Conditions: pushed to the cluster, equal to a brute-force filter, or refused.

use std::time::Duration;

use opsorch::{LogOperatorLevel, LogQuery};
use serde_json::json;

use super::assert_unsupported;
use super::desk::{Desk, ago, day};
use super::simulated::elastic::store::Index;
use super::simulated::elastic::world::{ECS, line};
use super::simulated::elastic::{Cluster, Flavor};

#[tokio::test]
async fn every_condition_finds_what_it_says() {
    for flavor in [Flavor::Elasticsearch, Flavor::OpenSearch] {
        let desk = Desk::small(flavor).await;
        let contains = LogOperatorLevel::Contains;
        let regex = LogOperatorLevel::Regex;
        for (query, expected) in [
            (day().search("disk full"), vec!["e1", "e2"]),
            (day().search("DISK"), vec!["e1", "e2"]),
            (day().search("full disk"), vec![]),
            (day().search("payment"), vec!["o1", "o2", "o3"]),
            (day().search(" "), vec!["e1", "e2", "e3", "o1", "o2", "e4", "e5", "e6", "o3"]),
            (day().severity("error"), vec!["e1", "e2"]),
            (day().severity("CRITICAL"), vec!["o1"]),
            (day().severity("warning").severity("debug"), vec!["e4", "o3"]),
            (day().severity("purple"), vec!["e5"]),
            (day().severity("mauve"), vec![]),
            (day().service("db"), vec!["e1", "e2"]),
            (day().service("pay"), vec!["o1", "o2", "o3"]),
            (day().service("d"), vec![]),
            (day().team("data"), vec!["e1", "e2"]),
            (day().environment("production"), vec!["e1", "o1"]),
            (day().service("shop").environment("staging"), vec!["e4"]),
            (day().filter("labels.region", "=", "eu"), vec!["e1", "e3"]),
            (day().filter("labels.region", "!=", "eu"), vec!["e2", "o1", "o2", "e4", "e5", "e6", "o3"]),
            (day().filter("host.name", contains, "db-"), vec!["e1", "e2"]),
            (day().filter("host.name", contains, "DB"), vec![]),
            (day().filter("host.name", regex, "db-[12]"), vec!["e1", "e2"]),
            (day().filter("host.name", regex, "^db-.$"), vec!["e1", "e2"]),
            (day().filter("host.name", regex, "b-1"), vec![]),
            (day().filter("event.duration", "=", "9007199254740993"), vec!["e4"]),
            (day().filter("event.duration", "=", "9007199254740992"), vec![]),
            (day().filter("event.duration", "=", "long ago"), vec![]),
            (day().filter("attributes.http.status", "=", "502"), vec!["o1"]),
            (day().filter("severity_text", "=", "INFO"), vec!["o2"]),
            (day().filter("severity", "=", "err"), vec!["e1", "e2"]),
            (day().filter("severity", "!=", "err"), vec!["e3", "o1", "o2", "e4", "e5", "e6", "o3"]),
            (day().filter("service", "=", "db"), vec!["e1", "e2"]),
            (day().filter("no.such.field", "=", "x"), vec![]),
            (day().filter("no.such.field", "!=", "x").severity("error"), vec!["e1", "e2"]),
            (day().filter("a*", "=", "x"), vec![]),
            (day().filter("a,b", "=", "x"), vec![]),
            (day().metadata("lucene", "log.level:info AND checkout"), vec!["e3"]),
        ] {
            let said = format!("{flavor:?} {query:?}");
            assert_eq!(desk.ids(query).await, expected, "{said}");
        }
    }
}

#[tokio::test]
async fn a_query_over_thousands_of_entries_equals_a_brute_force_filter() {
    const WORDS: [&str; 5] = ["ERROR", "warn", "Info", "debug", "purple"];
    let mut index = Index::new(ECS).shards(3);
    for number in 0..2_600_usize {
        let mut source =
            line((ago(600) + Duration::from_secs(number as u64 / 20)).to_rfc3339(), &format!("line {number}"));
        source["log"] = json!({ "level": WORDS[number % 5] });
        source["service"] = json!({ "name": format!("s{}", number % 7) });
        index.put(&number.to_string(), source);
    }
    let desk = Desk::of(Flavor::OpenSearch, index).await;
    let all = desk.all(day().limit(5_000)).await;
    assert_eq!(all.len(), 2_600);
    let query = day().severity("error").severity("info").filter("service.name", "!=", "s3").limit(5_000);
    let found = desk.all(query).await;
    let brute = all.into_iter().filter(|entry| {
        let level = entry.severity.as_ref().unwrap().as_str();
        matches!(level, "error" | "info") && entry.service.as_deref() != Some("s3")
    });
    assert_eq!(found, brute.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_text_is_compared_by_the_field_beside_it_that_holds_the_whole() {
    let types = [("@timestamp", "date"), ("level", "text"), ("level.keyword", "keyword"), ("app", "text")];
    let index =
        Index::new(&types).with("1", json!({ "@timestamp": ago(1).to_rfc3339(), "level": "ERROR", "app": "web shop" }));
    let desk = Desk::of(Flavor::OpenSearch, index).await;
    let clauses = desk.clauses(day().filter("level", "=", "ERROR")).await;
    assert_eq!(clauses, [json!({ "term": { "level.keyword": { "value": "ERROR" } } })]);
    for operator in ["=", "!=", "contains", "regex"] {
        assert_unsupported(desk.query(day().filter("app", operator, "web")).await, "app.keyword");
    }
}

#[tokio::test]
async fn a_value_is_equal_to_one_time_and_to_one_address_and_to_no_span_of_them() {
    let types =
        [("@timestamp", "date"), ("due", "date"), ("exact", "date_nanos"), ("ip", "ip"), ("window", "date_range")];
    let index = Index::new(&types)
        .with("1", json!({ "@timestamp": ago(1).to_rfc3339(), "due": "2026-01-02T00:00:00Z", "ip": "10.0.0.1" }))
        .with("2", json!({ "@timestamp": ago(2).to_rfc3339(), "due": "2026-01-02T10:30:00.250Z", "ip": "10.0.0.2" }))
        .with("3", json!({ "@timestamp": ago(3).to_rfc3339(), "exact": "2026-01-02T10:30:00.250000001Z" }));
    let desk = Desk::of(Flavor::Elasticsearch, index).await;
    for (field, value, expected) in [
        ("due", "2026-01-02", vec!["1"]),
        ("due", "2026-01-02T10:30:00.250Z", vec!["2"]),
        ("due", "2026-01-02T11:30:00.25+01:00", vec!["2"]),
        ("due", "2026-01-02T10:30:00Z", vec![]),
        ("due", "1767349800250", vec!["2"]),
        ("due", "2026-01", vec![]),
        ("due", "now", vec![]),
        ("due", "2026-01-02||/M", vec![]),
        ("exact", "2026-01-02T10:30:00.250000001Z", vec!["3"]),
        ("exact", "2026-01-02T10:30:00.25Z", vec![]),
        ("ip", "10.0.0.1", vec!["1"]),
        ("ip", "10.0.0.0/24", vec![]),
        ("ip", "10.0.0", vec![]),
    ] {
        assert_eq!(desk.ids(day().filter(field, "=", value)).await, expected, "{field} = {value}");
        let others: Vec<_> = ["1", "2", "3"].into_iter().filter(|id| !expected.contains(id)).collect();
        assert_eq!(desk.ids(day().filter(field, "!=", value)).await, others, "{field} != {value}");
    }
    assert_unsupported(desk.query(day().filter("window", "=", "2026-01-02")).await, "window");
}

#[tokio::test]
async fn a_field_that_is_otherwise_in_other_indices_is_compared_as_it_is_in_each() {
    let at = |level: &str| json!({ "@timestamp": ago(1).to_rfc3339(), "level": level, "service": { "name": "x" } });
    let keyword = Index::new(&[("@timestamp", "date"), ("level", "keyword")]).with("1", at("read only"));
    let text = Index::new(&[("@timestamp", "date"), ("level", "text"), ("level.keyword", "keyword")]);
    let text = text.with("2", at("read only")).with("3", at("read"));
    let mut cluster = Cluster::new(Flavor::Elasticsearch);
    cluster.indices.insert("logs-a".to_owned(), keyword);
    cluster.indices.insert("logs-b".to_owned(), text);
    let desk = Desk::over(cluster).await;
    assert_eq!(desk.ids(day().filter("level", "=", "read only")).await, ["1", "2"]);
    assert_eq!(desk.ids(day().filter("level", "=", "read")).await, ["3"], "not every text with that word");
}

#[tokio::test]
async fn the_first_field_that_an_entry_has_is_the_one_that_counts() {
    let types = [("@timestamp", "date"), ("service.name", "keyword"), ("serviceName", "keyword")];
    let at = |one: &str, other: &str| json!({ "@timestamp": ago(1).to_rfc3339(), "service": { "name": one }, "serviceName": other });
    let index = Index::new(&types)
        .with("1", at("a", "b"))
        .with("2", json!({ "@timestamp": ago(1).to_rfc3339(), "serviceName": "b" }));
    let desk = Desk::of(Flavor::Elasticsearch, index).await;
    assert_eq!(desk.ids(day().service("b")).await, ["2"]);
    assert_eq!(desk.ids(day().service("a")).await, ["1"]);
    let all = desk.all(day()).await;
    assert_eq!(all[0].service.as_deref(), Some("a"));
    assert_eq!(all[0].fields["serviceName"], "b", "nothing is lost");
}

#[tokio::test]
async fn what_holds_no_text_or_cannot_be_searched_is_refused() {
    let types = [
        ("@timestamp", "date"),
        ("bytes", "long"),
        ("tags", "nested"),
        ("tags.name", "keyword"),
        ("flat", "flattened"),
    ];
    let desk = Desk::of(Flavor::Elasticsearch, Index::new(&types)).await;
    assert_unsupported(desk.query(day().filter("bytes", "contains", "1")).await, "bytes");
    assert_unsupported(desk.query(day().filter("bytes", "regex", "1")).await, "bytes");
    assert_unsupported(desk.query(day().filter("flat.a", "contains", "1")).await, "flat.a");
    assert_unsupported(desk.query(day().filter("tags.name", "=", "x")).await, "nested");
}

#[tokio::test]
async fn a_scope_without_a_field_for_it_is_refused() {
    let mut config = super::desk::config();
    config.fields.team.clear();
    let desk = Desk::with(Cluster::new(Flavor::Elasticsearch), config).await;
    assert_unsupported(desk.query(day().team("sre")).await, "scope.team");
}

#[tokio::test]
async fn nothing_is_pushed_that_nobody_asked_for() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    let nothing: [serde_json::Value; 0] = [];
    assert_eq!(desk.clauses(LogQuery::new(ago(10), ago(0))).await, nothing);
}
