//! Hits of Elasticsearch 8, as a search in a point in time gives them: documents in the Elastic Common Schema, from
//! Filebeat in Kubernetes.

use serde_json::{Value, json};

use super::{SERVICES, Text, log_moment, log_stamp};

const NODES: [&str; 3] = ["gke-prod-pool-1-5f2a", "gke-prod-pool-1-9c0d", "gke-prod-pool-2-77be"];

pub(super) fn page(hits: Vec<Value>, _: usize, _: bool) -> Value {
    json!({
        "pit_id": "46ToAwMDaWR5BXV1aWQyKwZub2RlXzMAAAAAAAAAACoBYwADaWR4BXV1aWQxAgZub2RlXzEAAAAAAAAAAAEBYQ==",
        "took": 14,
        "timed_out": false,
        "_shards": { "total": 3, "successful": 3, "skipped": 0, "failed": 0 },
        "hits": { "max_score": null, "hits": hits },
    })
}

pub(super) fn hit(text: &mut Text, index: usize) -> Value {
    json!({
        "_index": ".ds-logs-shop-default-2026.01.01-000042",
        "_id": text.id(20),
        "_score": null,
        "_source": source(text, index),
        "sort": [log_moment(index).timestamp_millis(), index],
    })
}

fn source(text: &mut Text, index: usize) -> Value {
    let (service, node) = (*text.0.pick(&SERVICES), *text.0.pick(&NODES));
    let pod = format!("{service}-6d4cf56db6-{}", text.id(5).to_lowercase());
    let mut source = json!({
        "@timestamp": log_stamp(index),
        "message": text.sentence(),
        "log": {
            "level": *text.0.pick(&["info", "info", "info", "debug", "warn", "error"]),
            "logger": format!("org.acme.{service}.OrderHandler"),
            "file": { "path": format!("/var/log/containers/{pod}.log") },
            "offset": text.0.below(10_000_000),
        },
        "service": { "name": service, "version": "2.14.1", "environment": "prod" },
        "event": { "dataset": format!("shop.{service}"), "duration": text.0.below(5_000_000) },
        "ecs": { "version": "8.0.0" },
        "host": host(node),
        "agent": {
            "id": "8a4f500d-1c0d-4a53-a0e5-1f4e6e7d2b90",
            "name": node,
            "type": "filebeat",
            "version": "8.15.0",
        },
        "kubernetes": kubernetes(service, node, &pod),
        "labels": { "team": "payments", "region": "europe-west1" },
        "tags": ["kubernetes", "json"],
        "trace": { "id": format!("{:016x}{:016x}", text.0.number(), text.0.number()) },
    });
    if text.chance(5) {
        source["error"] = json!({ "type": "TimeoutException", "message": text.title(), "stack_trace": text.trace() });
    }
    source
}

fn host(node: &str) -> Value {
    json!({
        "name": node,
        "architecture": "x86_64",
        "containerized": true,
        "ip": ["10.132.0.14", "fe80::4001:aff:fe84:e"],
        "os": { "family": "debian", "kernel": "6.6.56+", "platform": "ubuntu", "version": "22.04.5 LTS" },
    })
}

fn kubernetes(service: &str, node: &str, pod: &str) -> Value {
    json!({
        "namespace": "shop",
        "node": { "name": node },
        "pod": { "name": pod, "uid": "0c7a9d7e-6a4f-4d5b-8f3e-5b9d1f1d4c11", "ip": "10.8.3.27" },
        "container": { "name": service },
        "deployment": { "name": service },
        "labels": { "app_kubernetes_io/name": service, "pod-template-hash": "6d4cf56db6" },
    })
}
