//! Logs of Datadog, as `POST /api/v2/logs/events/search` gives them.

use serde_json::{Value, json};

use super::{SERVICES, Text, log_stamp};

pub(super) fn page(logs: Vec<Value>, _: usize, is_last: bool) -> Value {
    let after = "eyJhZnRlciI6IkFRQUFBWHVnMjlZc1dPYkJRd0FBQUFCQldIVm5NV1l3VkFBQVFXbHpTMWh3YUVKUldXUkNRUSJ9";
    let next = format!("https://api.datadoghq.com/api/v2/logs/events?page[cursor]={after}");
    json!({
        "data": logs,
        "links": { "next": (!is_last).then_some(next) },
        "meta": {
            "elapsed": 132,
            "page": { "after": (!is_last).then_some(after) },
            "request_id": "MWlFUjVaWGZTTTZPYzM0VXp1OXU2d3xLSVpEMjZKQ0VKUTI0dEYtM3RSOFVR",
            "status": "done",
        },
    })
}

pub(super) fn log(text: &mut Text, index: usize) -> Value {
    let service = *text.0.pick(&SERVICES);
    let status = *text.0.pick(&["info", "info", "info", "debug", "warn", "error"]);
    json!({
        "id": format!("AQAAAZt{}", text.id(40)),
        "type": "log",
        "attributes": {
            "timestamp": log_stamp(index),
            "message": text.sentence(),
            "status": status,
            "service": service,
            "host": format!("gke-prod-pool-1-{}", text.0.below(9)),
            "tags": tags(text, service),
            "attributes": attributes(text, service, status),
        },
    })
}

fn tags(text: &mut Text, service: &str) -> Value {
    json!([
        "env:prod",
        format!("service:{service}"),
        "team:payments",
        "version:2.14.1",
        "source:java",
        "cloud_provider:gcp",
        "region:europe-west1",
        "kube_namespace:shop",
        format!("kube_deployment:{service}"),
        format!("pod_name:{service}-6d4cf56db6-{}", text.id(5).to_lowercase()),
    ])
}

fn attributes(text: &mut Text, service: &str, status: &str) -> Value {
    let mut attributes = json!({
        "logger": { "name": format!("org.acme.{service}.OrderHandler"), "thread_name": "http-nio-8080-exec-7" },
        "level": status,
        "duration": text.0.below(5_000_000),
        "http": {
            "method": *text.0.pick(&["GET", "POST"]),
            "status_code": *text.0.pick(&[200, 200, 201, 404, 503]),
            "url": format!("https://shop.example.org/api/v2/orders/{}?expand=lines", text.0.below(1_000_000)),
            "url_details": { "host": "shop.example.org", "path": "/api/v2/orders", "scheme": "https" },
            "useragent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0",
        },
        "network": {
            "client": { "ip": "203.0.113.7", "port": text.0.below(60_000) },
            "bytes_written": text.0.below(90_000),
        },
        "usr": { "id": text.id(12), "plan": "business" },
        "dd": { "trace_id": text.0.number().to_string(), "span_id": text.0.number().to_string() },
    });
    if text.chance(5) {
        attributes["error"] = json!({ "kind": "TimeoutException", "message": text.title(), "stack": text.trace() });
    }
    attributes
}
