//! What Jira says about whether it works.

use opsorch::capability::Health;
use opsorch::transport::{Method, Reply, ReqwestTransport, StatusCode};
use opsorch::{Operation, OperationSet, Result};
use opsorch_providers::jira::{Deployment, JiraConfig};

use super::desk::Desk;
use super::simulated::jira::Jira;

async fn health(desk: &Desk) -> Result<Health> {
    desk.ops.health(&desk.cx, "jira").await
}

async fn lacking(lacks: Vec<&'static str>) -> Desk {
    let prepare = |jira: &mut Jira| jira.lacks = lacks;
    Desk::over(Deployment::Cloud, prepare, |config| config, ReqwestTransport::new().unwrap()).await
}

#[tokio::test]
async fn with_every_permission_everything_works() {
    for desk in Desk::both().await {
        let found = health(&desk).await.unwrap();
        assert!(found.is_healthy());
        assert_eq!(found.operations.iter().count(), 5);
        assert_eq!(found.version.as_deref(), Some("10.3.24"));
        assert_eq!(desk.vendor.calls(), ["GET myself", "GET mypermissions", "GET serverInfo"]);
    }
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let found = health(&lacking(vec!["CREATE_ISSUES", "ADD_COMMENTS"]).await).await.unwrap();
    let works = [Operation::TicketQuery, Operation::TicketGet, Operation::TicketUpdate];
    assert_eq!(found.operations, OperationSet::from_iter(works));
    let messages: Vec<_> = found.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(messages[0].contains("`Add Comments`") && messages[1].contains("`Create Issues`"), "{messages:?}");
    assert_eq!(found.problems[0].operations, OperationSet::from_iter([Operation::TicketComment]));

    let found = health(&lacking(vec!["BROWSE_PROJECTS"]).await).await.unwrap();
    assert!(found.operations.is_empty());
}

#[tokio::test]
async fn a_wrong_credential_or_project_is_a_problem_of_everything() {
    let wrong: [fn(JiraConfig) -> JiraConfig; 2] = [
        |config| config.email("somebody@example.com"),
        |mut config| {
            config.project = "NO".to_owned();
            config
        },
    ];
    for configure in wrong {
        let transport = ReqwestTransport::new().unwrap();
        let found = health(&Desk::over(Deployment::Cloud, |_| {}, configure, transport).await).await.unwrap();
        assert!(found.operations.is_empty() && found.problems.len() == 1, "{found:?}");
        assert_eq!(found.problems[0].operations.iter().count(), 5);
    }
}

#[tokio::test]
async fn nothing_is_learned_of_a_jira_that_does_not_answer() {
    let desk = Desk::cloud().await;
    desk.vendor.fail(Method::GET, "/myself", Reply::new(StatusCode::SERVICE_UNAVAILABLE));
    assert!(health(&desk).await.unwrap_err().is_retryable());
    desk.vendor.fail(Method::GET, "/serverInfo", Reply::new(StatusCode::SERVICE_UNAVAILABLE));
    assert!(health(&desk).await.unwrap().is_healthy(), "the version is a courtesy");
}
