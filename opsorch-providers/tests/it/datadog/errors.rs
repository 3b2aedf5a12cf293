//! What the refusals of Datadog become.

use std::time::Duration;

use opsorch::{Error, ErrorKind, LogQuery};
use serde_json::json;

use super::desk::{Desk, ago, status};

async fn refused(reply: opsorch::transport::Reply) -> Error {
    let desk = Desk::open().await;
    desk.wire.answer("POST", "/search", reply);
    desk.logs(LogQuery::new(ago(60), ago(0))).await.unwrap_err()
}

#[tokio::test]
async fn a_wait_is_that_of_reset_and_never_that_of_period() {
    let headers = [
        ("x-ratelimit-limit", "300"),
        ("x-ratelimit-period", "3600"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "37"),
    ];
    let error = refused(status(429, &json!({ "errors": ["Too many requests"] }), &headers)).await;
    assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(37)) });
    let error = refused(status(429, &json!({}), &[])).await;
    assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: None });
    let error = refused(status(429, &json!({}), &[("x-ratelimit-reset", "99999999999")])).await;
    assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(86_400)) });
    let error = refused(status(429, &json!({}), &[("retry-after", "5"), ("x-ratelimit-reset", "37")])).await;
    assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(5)) });
}

#[tokio::test]
async fn both_shapes_of_errors_are_told() {
    let error = refused(status(400, &json!({ "errors": ["Invalid query: 404 429"] }), &[])).await;
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "request".into() }, "digits in a text are no status");
    assert!(error.to_string().contains("Invalid query"), "{error}");
    let item = json!({ "title": "Generic Error", "detail": "Missing", "status": "400", "source": { "pointer": "/data/attributes/title" } });
    let error = refused(status(422, &json!({ "errors": [item] }), &[])).await;
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "data.attributes.title".into() });
    assert!(error.to_string().contains("Missing"), "{error}");
    let item = json!({ "detail": "no", "source": { "pointer": "<b>\n" } });
    let error = refused(status(400, &json!({ "errors": [7, item] }), &[])).await;
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "request".into() });
}

#[tokio::test]
async fn a_wrong_key_and_a_key_of_another_site_are_explained() {
    for (code, kind) in [(401, ErrorKind::Unauthenticated), (403, ErrorKind::Forbidden)] {
        let error = refused(status(code, &json!({ "errors": ["Forbidden"] }), &[])).await;
        assert_eq!(*error.kind(), kind);
        let text = error.to_string();
        assert!(text.contains("api.datadoghq.com") && text.contains("site") && text.contains("app_key"), "{text}");
    }
}

#[tokio::test]
async fn what_datadog_echoes_of_a_key_is_not_shown() {
    let echo = json!({ "errors": [format!("bad key {}", opsorch_testkit::double::SECRET)] });
    for code in [400, 403, 429, 500] {
        let error = refused(status(code, &echo, &[])).await;
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}
