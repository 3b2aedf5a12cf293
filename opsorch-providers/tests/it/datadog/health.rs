//! Whether the keys work, and what for.

use opsorch::{ErrorKind, Operation};
use serde_json::json;

use super::desk::{Desk, status};

#[tokio::test]
async fn everything_works_with_keys_that_may_do_everything() {
    let desk = Desk::open().await;
    let health = desk.ops.health(&desk.cx, "dd").await.unwrap();
    assert!(health.is_healthy(), "{:?}", health.problems);
    for operation in [Operation::LogQuery, Operation::MetricQuery, Operation::MetricDescribe] {
        assert!(health.operations.contains(operation), "{operation}");
    }
}

#[tokio::test]
async fn what_a_key_may_not_do_is_named_with_its_scope() {
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/logs/events", status(403, &json!({ "errors": ["Forbidden"] }), &[]));
    let health = desk.ops.health(&desk.cx, "dd").await.unwrap();
    assert!(!health.operations.contains(Operation::LogQuery) && health.operations.contains(Operation::MetricQuery));
    assert!(health.problems[0].operations.contains(Operation::LogQuery));
    assert!(health.problems[0].message.contains("logs_read_data"), "{:?}", health.problems);
}

#[tokio::test]
async fn a_wrong_api_key_is_one_problem_of_everything() {
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/validate", status(403, &json!({ "errors": ["Forbidden"] }), &[]));
    let health = desk.ops.health(&desk.cx, "dd").await.unwrap();
    assert!(health.operations.iter().next().is_none());
    assert_eq!(health.problems.len(), 1);
    assert!(health.problems[0].message.contains("api_key"), "{:?}", health.problems);
    assert_eq!(desk.wire.paths(), ["GET /api/v1/validate"], "with a key that nobody knows nothing else is asked");
}

#[tokio::test]
async fn a_datadog_that_does_not_answer_is_an_error() {
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/validate", status(503, &json!({}), &[]));
    let error = desk.ops.health(&desk.cx, "dd").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
}
