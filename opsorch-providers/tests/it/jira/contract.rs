//! Whether what is sent, and what the simulated Jira answers, is what Atlassian's documents permit.

use std::env;
use std::path::Path;
use std::sync::Arc;

use opsorch::gate::Decision;
use opsorch::secret::SecretRef;
use opsorch::transport::ReqwestTransport;
use opsorch::{
    Action, Actor, CommentTicket, Context, CreateTicket, ManualClock, OpsOrch, Target, TicketQuery, UpdateTicket,
};
use opsorch_providers::jira::{Deployment, JiraConfig};
use opsorch_testkit::Contract;
use opsorch_testkit::double::{SECRET, Server};
use serde_json::json;

use super::simulated::jira::{EMAIL, Jira};

/// Where the documents are wrong: times have an offset without a colon, people are listed in an array, and the fields of a
/// transition are there where they are asked for.
const WRONG: [&str; 3] = [
    "body of the answer at /created: value is not a \"date-time\"",
    "GET /rest/api/2/user/search: body of the answer: value is not of type \"object\"",
    "transitions: query parameter \"expand\": it is unknown; known: transitionId",
];

/// Everything that the provider sends, once.
async fn work(ops: &OpsOrch) {
    let cx = Context::new(Actor::agent("triage"));
    let tickets = || ops.tickets(&cx);
    tickets().query(TicketQuery::open().assignee("alice@example.com").limit(5)).await.unwrap();
    tickets().get("OPS-1").await.unwrap();
    let links = json!([{ "type": "Blocks", "to": "OPS-1" }]);
    let input = CreateTicket::new("x").description("* a\n* b").field("links", links).field("labels", json!(["a"]));
    let _ = tickets().create(input).await.unwrap();
    tickets().query(TicketQuery::new().limit(20)).await.unwrap();
    let input = UpdateTicket::new("OPS-4").status("cancelled").title("y").field("resolution", "Duplicate");
    let _ = tickets().update(input.assignees(["bob"])).await.unwrap();
    let _ = tickets().comment(CommentTicket::new("OPS-4", "done")).await.unwrap();
}

async fn check(deployment: Deployment, document: &str) {
    let folder = env::var("OPSORCH_CONTRACTS").unwrap();
    let contract = Contract::open(Path::new(&folder).join(document)).unwrap();
    let is_cloud = deployment == Deployment::Cloud;
    let make = if is_cloud { Jira::cloud } else { Jira::data_center };
    let mut jira = make(Arc::new(ManualClock::default()));
    jira.prefix = Vec::new();
    let guarded = contract.guard(jira);
    let exchanges = guarded.exchanges();
    let server = Server::start(guarded).await;
    let config = JiraConfig::new(deployment, server.url(), "OPS", SecretRef::literal(SECRET));
    let config = if is_cloud { config.email(EMAIL) } else { config };
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
    let builder = OpsOrch::builder().configure("jira", config).policy(allow).clock(ManualClock::default());
    work(&builder.transport(ReqwestTransport::new().unwrap()).build().await.unwrap()).await;
    let is_known = |violation: &String| WRONG.iter().any(|wrong| violation.ends_with(wrong));
    let violations: Vec<_> =
        exchanges.violations().iter().map(ToString::to_string).filter(|it| !is_known(it)).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(exchanges.count() > 10);
}

#[tokio::test]
#[ignore = "needs the vendors' documents: OPSORCH_CONTRACTS names their folder"]
async fn cloud_is_asked_as_its_document_says() {
    check(Deployment::Cloud, "jira-cloud-v3.json").await;
}

#[tokio::test]
#[ignore = "needs the vendors' documents: OPSORCH_CONTRACTS names their folder"]
async fn data_center_is_asked_as_its_document_says() {
    check(Deployment::DataCenter, "jira-dc-v2.json").await;
}
