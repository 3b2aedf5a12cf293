//! What refusals, proxies and broken connections mean.

use std::time::Duration;

use opsorch::ErrorKind;
use serde_json::json;
use wiremock::ResponseTemplate;

use super::server::{Prometheus, failure, up};

async fn kind(answer: ResponseTemplate) -> (ErrorKind, String) {
    let error = Prometheus::answering(answer).await.query(up(0.0, 60.0)).await.unwrap_err();
    (error.kind().clone(), error.to_string())
}

#[tokio::test]
async fn the_types_of_errors_are_told_apart() {
    let invalid = ErrorKind::Invalid { field: "expression".to_owned() };
    for (status, error_type, expected) in [
        (400, "bad_data", invalid.clone()),
        (422, "execution", invalid),
        (503, "timeout", ErrorKind::Timeout),
        (503, "canceled", ErrorKind::Unavailable),
        (499, "canceled", ErrorKind::Unavailable),
        (500, "internal", ErrorKind::Unavailable),
        (502, "bad_gateway", ErrorKind::Unavailable),
        (429, "too_many_requests", ErrorKind::RateLimited { retry_after: None }),
        (200, "bad_data", ErrorKind::Invalid { field: "expression".to_owned() }),
        (200, "news", ErrorKind::Unexpected),
    ] {
        let (kind, text) = kind(failure(status, error_type, "1:5: parse error: unexpected \"}\"")).await;
        assert_eq!(kind, expected, "{text}");
        assert!(text.contains("1:5: parse error") && text.contains("/api/v1/query_range"), "{text}");
    }
}

#[tokio::test]
async fn an_error_about_promql_of_the_callers_own_names_it() {
    let prometheus = Prometheus::answering(failure(400, "bad_data", "unknown position: parse error")).await;
    let error = prometheus.query(up(0.0, 60.0).metadata("query", "up{")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "metadata.query".to_owned() });
}

#[tokio::test]
async fn proxies_speak_in_statuses() {
    let limited = ResponseTemplate::new(429).insert_header("retry-after", "7").set_body_string("slow down");
    assert_eq!(kind(limited).await.0, ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(7)) });
    assert_eq!(kind(ResponseTemplate::new(401)).await.0, ErrorKind::Unauthenticated);
    assert_eq!(kind(ResponseTemplate::new(403)).await.0, ErrorKind::Forbidden);
    assert_eq!(kind(ResponseTemplate::new(502).set_body_string("<html>")).await.0, ErrorKind::Unavailable);
    assert_eq!(kind(ResponseTemplate::new(503)).await.0, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_wrong_path_is_no_missing_metric() {
    let (kind, text) = kind(ResponseTemplate::new(404).set_body_string("404 page not found\n")).await;
    assert_eq!(kind, ErrorKind::Unexpected);
    assert!(text.contains("there is no Prometheus API at this address; check the path in `url`"), "{text}");
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_told_apart_from_an_answer() {
    let page = "<!DOCTYPE html><html><title>Sign in</title></html>";
    for content_type in ["text/html", "application/json"] {
        let (kind, text) = kind(ResponseTemplate::new(200).set_body_raw(page, content_type)).await;
        assert_eq!(kind, ErrorKind::Unexpected);
        assert!(text.contains("a proxy that asks to log in") && text.contains(content_type), "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_or_empty_is_an_error() {
    let cut = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"#;
    for (body, expected) in [(cut, "it ends too early"), ("", "empty body"), ("[]", "expected"), ("null", "expected")] {
        let (kind, text) = kind(ResponseTemplate::new(200).set_body_string(body)).await;
        assert_eq!(kind, ErrorKind::Unexpected, "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_the_caller_waits() {
    let prometheus = Prometheus::answering(failure(503, "timeout", "query timed out in expression evaluation")).await;
    let cx = prometheus.desk.cx.clone().timeout(Duration::from_secs(5));
    let error = prometheus.desk.ops.metrics(&cx).query(up(0.0, 60.0)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    let patience: f64 = prometheus.forms().await[0]["timeout"].parse().unwrap();
    assert!(patience > 0.0 && patience <= 5.0, "{patience}");
}

#[tokio::test]
async fn an_answer_above_the_limit_is_not_read() {
    let (kind, text) = kind(ResponseTemplate::new(200).set_body_bytes(vec![b' '; (64 << 20) + 1])).await;
    assert_eq!(kind, ErrorKind::Unexpected);
    assert!(text.contains("larger than the limit of 67108864 bytes; ask for less at once"), "{text}");
}

#[tokio::test]
async fn as_many_warnings_as_people_read_are_kept_and_what_was_cut_comes_first() {
    let mut warnings: Vec<_> = (0..50_000).map(|number| format!("warning {number} {}", "x".repeat(600))).collect();
    warnings.push("results truncated due to limit".to_owned());
    let body = json!({ "status": "success", "warnings": warnings, "data": { "resultType": "matrix", "result": [] } });
    let prometheus = Prometheus::saying(body).await;
    let page = prometheus.query(up(0.0, 60.0)).await.unwrap();
    assert_eq!(page.truncated.as_deref(), Some("results truncated due to limit"));
    assert_eq!(page.warnings.len(), 20);
    assert_eq!(page.warnings[19], "there are 49981 more warnings");
    assert!(page.warnings[0].chars().count() == 501 && page.warnings[0].ends_with('…'), "{}", page.warnings[0]);
}

#[tokio::test]
async fn an_answer_of_more_series_than_fit_is_refused() {
    let series = vec![json!({}); 200_001];
    let body = json!({ "status": "success", "data": { "resultType": "matrix", "result": series } });
    let prometheus = Prometheus::saying(body).await;
    let error = prometheus.query(up(0.0, 60.0)).await.unwrap_err();
    assert!(error.message().contains("does not fit at data.result"), "{error:?}");
}
