//! How entries are laid out: schemas, dots, lists, numbers, and what is missing.

use opsorch::{LogEntry, LogSeverityLevel};
use opsorch_providers::elastic::{ElasticConfig, FieldNames};
use serde_json::{Value, json};

use super::desk::{Desk, ago, config, day};
use super::simulated::elastic::store::Index;
use super::simulated::elastic::{Cluster, Flavor};

/// The entry that a document becomes.
async fn entry_of(config: ElasticConfig, mut source: Value) -> LogEntry {
    source["@timestamp"] = json!("2025-12-31T23:59:00.000Z");
    let mut cluster = Cluster::new(Flavor::Elasticsearch);
    cluster
        .indices
        .insert(".ds-logs-app-000001".replace(".ds-", ""), Index::new(&[("@timestamp", "date")]).with("1", source));
    Desk::with(cluster, config).await.all(day()).await.remove(0)
}

async fn entry(source: Value) -> LogEntry {
    entry_of(config(), source).await
}

#[tokio::test]
async fn every_schema_has_message_severity_and_service() {
    for source in [
        json!({ "message": "full", "log": { "level": "ERROR" }, "service": { "name": "db" } }),
        json!({ "message": "full", "log.level": "error", "service.name": "db" }),
        json!({ "body": { "text": "full" }, "severity_text": "ERROR", "resource": { "attributes": { "service.name": "db" } } }),
        json!({ "body": "full", "severity": { "text": "Error" }, "resource": { "attributes": { "service@name": "db" } } }),
        json!({ "body": "full", "severityText": "ERR", "serviceName": "db" }),
        json!({ "log": "full", "level": "err", "service": "db" }),
        json!({ "message": ["full"], "level": ["SEVERE"], "service": { "name": ["db"] } }),
    ] {
        let said = source.to_string();
        let entry = entry(source).await;
        assert_eq!((entry.message.as_str(), entry.service.as_deref()), ("full", Some("db")), "{said}");
        assert_eq!(entry.severity.unwrap().as_str(), "error", "{said}");
        assert!(LogSeverityLevel::Error.word().len() == 5 && entry.severity_raw.is_some());
        assert!(entry.fields.is_empty() && entry.labels.is_empty(), "{said}: {:?} {:?}", entry.fields, entry.labels);
        assert_eq!(entry.timestamp, ago(1));
        assert_eq!(entry.metadata["_index"], "logs-app-000001");
    }
}

#[tokio::test]
async fn what_has_no_place_is_a_label_or_a_field_and_nothing_is_lost() {
    let entry = entry(json!({
        "message": "m",
        "log": { "level": "info", "logger": "sql", "origin": { "line": 7 } },
        "labels": { "region": "eu", "count": 3 },
        "stream": "stdout",
        "host.name": "a",
        "tags": ["x", "y"],
        "body": "second",
        "big": 18_446_744_073_709_551_615_u64,
        "exact": 9_007_199_254_740_993_i64,
        "float": 1.5,
        "yes": true,
        "nothing": null,
        "error": { "stack": "at\n\tx" },
    }))
    .await;
    assert_eq!(json!(entry.labels), json!({ "labels.region": "eu", "stream": "stdout", "host.name": "a" }));
    assert_eq!(
        json!(entry.fields),
        json!({
            "log": { "logger": "sql", "origin": { "line": 7 } },
            "labels": { "count": 3 },
            "tags": ["x", "y"],
            "body": "second",
            "big": 18_446_744_073_709_551_615_u64,
            "exact": 9_007_199_254_740_993_i64,
            "float": 1.5,
            "yes": true,
            "nothing": null,
            "error": { "stack": "at\n\tx" },
        })
    );
}

#[tokio::test]
async fn the_first_name_counts_in_whatever_order_they_come() {
    for source in [json!({ "body": "b", "message": "a" }), json!({ "message": "a", "body": "b" })] {
        let entry = entry(source).await;
        assert_eq!((entry.message.as_str(), &entry.fields["body"]), ("a", &json!("b")));
    }
    let twice = entry(json!({ "log.level": "warn", "log": { "level": "info" } })).await;
    assert!(twice.severity_raw.is_some() && twice.fields.contains_key("log.level"));
}

#[tokio::test]
async fn what_is_no_text_is_read_as_one_and_what_is_missing_is_missing() {
    let numbers = entry(json!({ "message": 404, "level": 30, "service": { "name": true } })).await;
    assert_eq!((numbers.message.as_str(), numbers.service.as_deref()), ("404", Some("true")));
    assert_eq!(
        numbers.severity.as_ref().map(|word| (word.as_str(), word.level())),
        Some(("30", LogSeverityLevel::Unknown))
    );
    let nothing = entry(json!({ "message": null, "log": { "level": null }, "service": {} })).await;
    assert_eq!((nothing.message.as_str(), nothing.severity, nothing.service), ("", None, None));
    let several = entry(json!({ "message": ["one", "two"], "log": [{ "level": "x" }], "level": [] })).await;
    assert_eq!((several.message.as_str(), &several.fields["message"]), ("one", &json!(["one", "two"])));
    assert_eq!(several.fields["log"], json!([{ "level": "x" }]));
}

#[tokio::test]
async fn words_that_nobody_knows_are_kept() {
    for word in ["purple", " info", "verbose", ""] {
        let entry = entry(json!({ "level": word })).await;
        assert_eq!(entry.severity.as_ref().map(|severity| severity.as_str()), Some(word));
        assert_eq!(entry.severity_raw.as_deref(), Some(word));
    }
}

#[tokio::test]
async fn fields_can_be_named_otherwise() {
    let fields: FieldNames =
        serde_json::from_value(json!({ "message": "msg", "severity": ["lvl"], "service": ["app", "k8s.labels.app"] }))
            .unwrap();
    let source =
        json!({ "msg": "m", "lvl": "W", "k8s": { "labels": { "app": "shop", "tier": "web" } }, "message": "no" });
    let entry = entry_of(config().fields(fields), source).await;
    assert_eq!((entry.message.as_str(), entry.service.as_deref()), ("m", Some("shop")));
    assert_eq!(entry.labels["message"], "no");
    assert_eq!(json!(entry.fields), json!({ "k8s": { "labels": { "tier": "web" } } }));
}

#[tokio::test]
async fn entries_without_a_source_are_told() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    let answer = json!({
        "timed_out": false, "_shards": { "total": 1, "successful": 1, "failed": 0 },
        "hits": { "hits": [{ "_index": "i", "_id": "1", "sort": ["1767225540000", 7] }] },
    });
    desk.wire.answer("POST", "/_search", opsorch_testkit::double::json(opsorch::transport::StatusCode::OK, &answer));
    let page = desk.query(day()).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].timestamp), (1, ago(1)));
    assert!(page.warnings[0].contains("_source"), "{page:?}");
}
