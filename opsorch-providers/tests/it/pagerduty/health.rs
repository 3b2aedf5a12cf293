//! What PagerDuty says about whether it works.

use opsorch::capability::Health;
use opsorch::{ErrorKind, Operation, OperationSet, Result};
use serde_json::json;

use super::desk::{Desk, Fate, config_with, ok, refusal, too_many};

async fn health(desk: &Desk) -> Result<Health> {
    desk.ops.health(&desk.cx, "pd").await
}

#[tokio::test]
async fn an_account_that_works_is_healthy_and_nothing_is_changed() {
    let desk = Desk::open().await;
    let health = health(&desk).await.unwrap();
    assert!(health.is_healthy(), "{health:?}");
    assert_eq!(health.operations, desk.ops.providers().next().unwrap().operations());
    assert_eq!(
        desk.wire.paths(),
        ["GET /incidents", "GET /services", "GET /teams", "GET /escalation_policies", "GET /oncalls", "GET /users"]
    );
    assert_eq!(desk.wire.parameter("/incidents", "limit"), ["1"]);
    assert_eq!(desk.wire.parameter("/users", "query"), ["alice@example.com"]);
}

#[tokio::test]
async fn what_a_token_lacks_is_named() {
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/teams", refusal(403, 2010, "Access Denied"));
    desk.wire.answer("GET", "/users", ok(&json!({ "users": [{ "id": "P", "email": "malice@example.com" }] })));
    let health = health(&desk).await.unwrap();
    let teams =
        [Operation::TeamQuery, Operation::TeamGet, Operation::TeamMembers].into_iter().collect::<OperationSet>();
    assert_eq!(health.problems[0].operations, teams);
    assert!(health.problems[0].message.contains("teams.read"), "{health:?}");
    assert!(
        health.problems[1].message.contains("no user of the account has the address alice@example.com"),
        "{health:?}"
    );
    assert!(!health.operations.contains(Operation::IncidentCreate));
    assert!(health.operations.contains(Operation::TeamOncall));
}

#[tokio::test]
async fn without_an_address_changes_wait_for_a_person() {
    let desk = Desk::configured(config_with(json!({ "from_email": null }))).await;
    let health = health(&desk).await.unwrap();
    assert_eq!(health.problems.len(), 1);
    assert!(health.problems[0].message.contains("from_email"), "{health:?}");
}

#[tokio::test]
async fn an_account_that_says_nothing_is_an_error_and_one_that_says_no_is_not() {
    let desk = Desk::open().await;
    for path in ["/incidents", "/services", "/teams", "/escalation_policies"] {
        desk.wire.next("GET", path, 0, Fate::Answer(too_many(&[])));
    }
    let error = health(&desk).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::RateLimited { .. }));
    for path in ["/incidents", "/services", "/teams", "/oncalls", "/users"] {
        desk.wire.next("GET", path, 0, Fate::Answer(refusal(401, 2006, "Authentication failed")));
    }
    let health = health(&desk).await.unwrap();
    assert!(health.operations.is_empty());
    assert_eq!(health.problems.len(), 5);
}
