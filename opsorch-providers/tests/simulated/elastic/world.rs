//! What is in the cluster when a test begins.

use std::time::Duration;

use opsorch::Clock;
use serde_json::{Value, json};

use super::store::Index;
use super::{Cluster, Flavor};

/// The types of an index in the Elastic Common Schema, as Elastic's templates make it.
pub const ECS: &[(&str, &str)] = &[
    ("@timestamp", "date"),
    ("message", "text"),
    ("log.level", "keyword"),
    ("service.name", "keyword"),
    ("service.environment", "keyword"),
    ("host.name", "keyword"),
    ("labels.team", "keyword"),
    ("labels.region", "keyword"),
    ("event.duration", "long"),
    ("trace.id", "keyword"),
];

/// The types of an index of OpenTelemetry, as a cluster makes them that nobody told anything.
pub const OTEL: &[(&str, &str)] = &[
    ("@timestamp", "date"),
    ("body.text", "text"),
    ("severity_text", "text"),
    ("severity_text.keyword", "keyword"),
    ("severity_number", "long"),
    ("resource.attributes.service.name", "keyword"),
    ("resource.attributes.deployment.environment.name", "keyword"),
    ("attributes", "flattened"),
];

/// A cluster with two data streams: of the Elastic Common Schema, and of OpenTelemetry.
pub fn small(flavor: Flavor, clock: &dyn Clock) -> Cluster {
    let at = |minutes: u64| {
        let time = clock.now() - Duration::from_secs(60 * minutes);
        json!(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    };
    let ecs = Index::new(ECS)
        .shards(2)
        .with("e1", json!({ "@timestamp": at(5), "message": "disk full on db-1", "log": { "level": "ERROR" }, "service": { "name": "db", "environment": "production" }, "host": { "name": "db-1" }, "labels": { "team": "data", "region": "eu" } }))
        .with("e2", json!({ "@timestamp": at(5), "message": "disk full on db-2", "log.level": "Err", "service": { "name": "db" }, "host.name": "db-2", "labels": { "team": "data", "region": "us" } }))
        .with("e3", json!({ "@timestamp": at(5), "message": "checkout started", "log": { "level": "info" }, "service": { "name": "shop" }, "labels": { "region": "eu" } }))
        .with("e4", json!({ "@timestamp": at(9), "message": "slow \"query\" of checkout", "log": { "level": "warn", "logger": "sql" }, "service": { "name": "shop", "environment": "staging" }, "event": { "duration": 9_007_199_254_740_993_u64 } }))
        .with("e5", json!({ "@timestamp": at(30), "message": "state is purple", "log": { "level": "purple" }, "trace": { "id": "t-1" } }))
        .with("e6", json!({ "@timestamp": at(31), "message": "nobody says how bad" }));
    let otel = Index::new(OTEL)
        .with("o1", json!({ "@timestamp": at(5), "body": { "text": "payment refused" }, "severity_text": "FATAL", "severity_number": 21, "resource": { "attributes": { "service.name": "pay", "deployment.environment.name": "production" } }, "attributes": { "http.status": "502" } }))
        .with("o2", json!({ "@timestamp": at(7), "body": { "text": "payment accepted" }, "severity_text": "INFO", "resource": { "attributes": { "service": { "name": "pay" } } } }))
        .with("o3", json!({ "@timestamp": at(45), "body": { "text": "trace of payment" }, "severity_text": "DEBUG", "resource": { "attributes": { "service.name": "pay" } } }));
    let mut cluster = Cluster::new(flavor);
    cluster.indices.insert(".ds-logs-app-2026.01.01-000001".replace(".ds-", ""), ecs);
    cluster.indices.insert("logs-otel-default".to_owned(), otel);
    cluster
}

/// A document of the Elastic Common Schema.
pub fn line(time: impl Into<Value>, message: &str) -> Value {
    json!({ "@timestamp": time.into(), "message": message })
}
