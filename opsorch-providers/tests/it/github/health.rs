//! What works with a credential, and what is missing.

use opsorch::transport::StatusCode;
use opsorch::{ErrorKind, Operation};
use serde_json::json;

use super::desk::{Desk, Fault, answer};

#[tokio::test]
async fn all_that_is_offered_works_and_nothing_is_changed() {
    let desk = Desk::open().await;
    desk.wire.with(|github| github.headers = vec![("x-github-enterprise-version", "3.19.2")]);
    let health = desk.ops.health(&desk.cx, "github").await.unwrap();
    assert!(health.is_healthy(), "{health:?}");
    assert_eq!(health.operations, desk.ops.providers().next().unwrap().operations());
    assert_eq!(health.version.as_deref(), Some("3.19.2"));
    assert_eq!(
        desk.wire.sent(),
        [
            "GET /orgs/acme/repos?per_page=1",
            "GET /orgs/acme/teams?per_page=1",
            "GET /repos/acme/api",
            "GET /repos/acme/api/issues?per_page=1",
            "GET /repos/acme/api/deployments?per_page=1",
        ]
    );
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let desk = Desk::open().await;
    desk.wire.with(|github| github.headers = vec![("x-oauth-scopes", "read:org, gist")]);
    let health = desk.ops.health(&desk.cx, "github").await.unwrap();
    let messages: Vec<_> = health.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "acme/api: the token lacks the scope `repo` (`public_repo` for a public repository)",
            "acme/api: the token lacks the scope `repo_deployment`",
        ]
    );
    assert!(health.operations.contains(Operation::TicketQuery));
    assert!(!health.operations.contains(Operation::TicketCreate));
    desk.wire.with(|github| github.headers = vec![("x-oauth-scopes", "repo_deployment, repo")]);
    assert!(desk.ops.health(&desk.cx, "github").await.unwrap().is_healthy());
}

#[tokio::test]
async fn what_may_not_be_read_or_written_is_named_beside_what_may() {
    let desk = Desk::open().await;
    desk.wire.with(|github| github.can_push = false);
    let headers = [("x-accepted-github-permissions", "members=read")];
    let forbidden = answer(403, &headers, json!({ "message": "Resource not accessible" }));
    desk.wire.fail("GET", "/orgs/acme/teams", Fault::Answer(forbidden));
    let health = desk.ops.health(&desk.cx, "github").await.unwrap();
    let lacks = |operation| health.problems.iter().find(|problem| problem.operations.contains(operation));
    assert!(lacks(Operation::TeamMembers).unwrap().message.contains("the credential needs: members=read"));
    assert!(lacks(Operation::DeploymentRecord).unwrap().message.contains("the right to push"));
    assert!(health.operations.contains(Operation::ServiceQuery));
    assert!(!health.operations.contains(Operation::TeamQuery));

    desk.wire.with(|github| github.repositories[0].is_archived = true);
    let health = desk.ops.health(&desk.cx, "github").await.unwrap();
    assert!(health.problems.iter().any(|it| it.message == "acme/api: the repository is archived"), "{health:?}");
}

#[tokio::test]
async fn a_github_that_answers_nothing_is_no_finding_and_a_wrong_token_is_one() {
    let desk = Desk::open().await;
    let ends = ["/orgs/acme/repos", "/orgs/acme/teams", "/repos/acme/api", "/issues", "/deployments"];
    for end in ends {
        let down = answer(StatusCode::BAD_GATEWAY.as_u16(), &[], json!({}));
        desk.wire.fail("GET", end, Fault::Answer(down));
    }
    let error = desk.ops.health(&desk.cx, "github").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    desk.wire.with(|github| github.token = "another".to_owned());
    let health = desk.ops.health(&desk.cx, "github").await.unwrap();
    assert!(health.operations.is_empty() && health.problems.len() == 4, "{health:?}");
}
