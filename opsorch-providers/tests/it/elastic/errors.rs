//! What refusals mean.

use std::time::Duration;

use opsorch::ErrorKind;
use opsorch::transport::{HeaderName, HeaderValue, Reply, StatusCode};
use opsorch_testkit::double::json;
use serde_json::json as value;

use super::desk::{Desk, day, refusal};
use super::simulated::elastic::Flavor;

fn plain(status: u16, text: &'static str) -> Reply {
    Reply::new(StatusCode::from_u16(status).unwrap()).body(text)
}

fn with(reply: Reply, name: &'static str, value: &'static str) -> Reply {
    let mut headers = reply.headers.clone();
    headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    reply.headers(headers)
}

#[tokio::test]
async fn every_refusal_is_the_error_that_it_means_and_says_why() {
    let text = json(StatusCode::BAD_REQUEST, &value!({ "error": "no handler found for uri [/x] and method [POST]" }));
    let deep = json(
        StatusCode::BAD_REQUEST,
        &value!({ "status": 400, "error": {
            "type": "search_phase_execution_exception", "reason": "all shards failed", "grouped": true,
            "failed_shards": [{ "shard": 0, "index": "i", "reason": {
                "type": "illegal_argument_exception", "reason": "Text fields are not optimised for operations",
            } }],
        } }),
    );
    let wait = Some(Duration::from_secs(7));
    let about = |field: &str| ErrorKind::Invalid { field: field.to_owned() };
    for (reply, kind, says) in [
        (
            refusal(401, "security_exception", "missing authentication"),
            ErrorKind::Unauthenticated,
            "missing authentication",
        ),
        (plain(401, "Unauthorized"), ErrorKind::Unauthenticated, "Unauthorized"),
        (refusal(403, "security_exception", "action is unauthorized"), ErrorKind::Forbidden, "unauthorized"),
        (refusal(404, "index_not_found_exception", "no such index [x]"), ErrorKind::NotFound, "no such index [x]"),
        (plain(404, "404 page not found"), ErrorKind::Unexpected, "no such API"),
        (refusal(400, "index_closed_exception", "closed"), ErrorKind::Conflict, "open it"),
        (refusal(400, "parsing_exception", "unknown query [x]"), about("expression"), "unknown query [x]"),
        (deep, about("expression"), "illegal_argument_exception: Text fields"),
        (text, ErrorKind::Unexpected, "no handler found"),
        (refusal(429, "es_rejected_execution_exception", "busy"), ErrorKind::RateLimited { retry_after: None }, "busy"),
        (
            with(refusal(429, "circuit_breaking_exception", "Data too large"), "retry-after", "7"),
            ErrorKind::RateLimited { retry_after: wait },
            "Data too large",
        ),
        (refusal(503, "circuit_breaking_exception", "Data too large"), ErrorKind::Unavailable, "Data too large"),
        (plain(502, "<html>Bad Gateway</html>"), ErrorKind::Unavailable, "Bad Gateway"),
        (plain(413, "Request Entity Too Large"), about("request"), "Too Large"),
        (plain(200, "<html>log in</html>"), ErrorKind::Unexpected, "not JSON"),
        (plain(200, "{\"hits\":{\"hits\":[]}}"), ErrorKind::Unexpected, "hits"),
        (
            plain(200, "{\"_shards\":{\"failed\":0},\"hits\":{\"hits\":[{\"_id\":\"1\"}]}}"),
            ErrorKind::Unexpected,
            "ordered by",
        ),
    ] {
        for flavor in [Flavor::Elasticsearch, Flavor::OpenSearch] {
            let desk = Desk::small(flavor).await;
            desk.wire.answer("POST", "/_search", reply.clone());
            let error = desk.query(day()).await.unwrap_err();
            assert_eq!(*error.kind(), kind, "{error}");
            assert!(error.to_string().contains(says), "{says}: {error}");
            assert_eq!(desk.wire.open(), 0);
        }
    }
}

#[tokio::test]
async fn a_refusal_of_a_first_request_is_no_empty_page() {
    for (method, path) in [("GET", "/_field_caps"), ("GET", "/proxy"), ("POST", "/_pit")] {
        for (status, kind) in [(401, ErrorKind::Unauthenticated), (503, ErrorKind::Unavailable)] {
            let desk = Desk::small(Flavor::Elasticsearch).await;
            desk.wire.answer(method, path, refusal(status, "some_exception", "no"));
            assert_eq!(*desk.query(day()).await.unwrap_err().kind(), kind, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn elasticsearch_is_known_also_where_its_version_may_not_be_asked_for() {
    let desk = Desk::small(Flavor::Elasticsearch).await;
    let named =
        with(refusal(403, "security_exception", "action [cluster:monitor/main]"), "x-elastic-product", "Elasticsearch");
    desk.wire.answer("GET", "/proxy", named);
    assert_eq!(desk.all(day()).await.len(), 9);
}

#[tokio::test]
async fn what_is_neither_is_said_with_what_to_do() {
    for reply in [
        refusal(403, "security_exception", "no permissions for [cluster:monitor/main]"),
        json(StatusCode::OK, &value!({ "version": { "number": "1.0", "distribution": "other" }, "tagline": "x" })),
    ] {
        let desk = Desk::small(Flavor::OpenSearch).await;
        desk.wire.answer("GET", "/proxy", reply);
        let error = desk.query(day()).await.unwrap_err();
        assert!(error.to_string().contains("set `distribution`"), "{error}");
    }
}

#[tokio::test]
async fn opensearch_that_claims_to_be_seven_ten_is_opensearch() {
    let desk = Desk::small(Flavor::OpenSearch).await;
    let said =
        value!({ "version": { "number": "7.10.2" }, "tagline": "The OpenSearch Project: https://opensearch.org/" });
    desk.wire.answer("GET", "/proxy", with(json(StatusCode::OK, &said), "x-elastic-product", "Elasticsearch"));
    assert_eq!(desk.all(day()).await.len(), 9);
}
