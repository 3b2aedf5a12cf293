//! Whether what is said, and what the double answers, is what GitHub's own description of its API permits.

use std::path::PathBuf;
use std::sync::Arc;

use opsorch::gate::{Decision, Submitted};
use opsorch::secret::StaticSecrets;
use opsorch::transport::ReqwestTransport;
use opsorch::{
    Action, Actor, CommentTicket, Context, CreateTicket, DeploymentQuery, ManualClock, OpsOrch, RecordDeployment,
    ServiceQuery, Target, TeamQuery, TicketQuery, UpdateTicket,
};
use opsorch_providers::github::DeploymentSource;
use opsorch_testkit::Contract;
use opsorch_testkit::double::{SECRET, Server};
use serde_json::json;

use super::desk::config;
use super::simulated::github::GitHub;

#[tokio::test]
#[ignore = "needs GitHub's OpenAPI document in the folder that OPSORCH_CONTRACTS names"]
async fn what_is_said_is_what_the_description_permits() {
    let folder = PathBuf::from(std::env::var_os("OPSORCH_CONTRACTS").expect("OPSORCH_CONTRACTS names a folder"));
    let contract = Contract::open(folder.join("github.json")).unwrap().base_path("/api/v3");
    for source in [DeploymentSource::Deployments, DeploymentSource::WorkflowRuns] {
        let clock = ManualClock::default();
        let mut github = GitHub::new(Arc::new(clock.clone()));
        // The description knows neither 304 for all reads nor the empty addresses of statuses without a log.
        github.has_tags = false;
        for status in github.deployments.iter_mut().flat_map(|it| &mut it.statuses) {
            status.log_url = "https://ci.example.org/7".to_owned();
        }
        let guarded = contract.guard(github);
        let exchanges = guarded.exchanges();
        let server = Server::start(guarded).await;
        let config = config().url(server.url().join("api/v3").unwrap()).deployments(source);
        let ops = OpsOrch::builder()
            .configure("github", config)
            .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
            .clock(clock)
            .secrets(StaticSecrets::new([("TOKEN", SECRET)]))
            .transport(ReqwestTransport::new().unwrap())
            .build()
            .await
            .unwrap();
        let cx = Context::new(Actor::agent("triage"));
        ops.health(&cx, "github").await.unwrap();
        ops.tickets(&cx).query(TicketQuery::open().assignee("carol").reporter("bob").limit(200)).await.unwrap();
        ops.tickets(&cx).query(TicketQuery::new().query("disk full").since(super::desk::minute(-90))).await.unwrap();
        ops.tickets(&cx).get("4").await.unwrap();
        ops.services(&cx).query(ServiceQuery::new().team("sre")).await.unwrap();
        ops.services(&cx).query(ServiceQuery::new()).await.unwrap();
        ops.services(&cx).get("acme/api").await.unwrap();
        ops.teams(&cx).query(TeamQuery::new().service("api")).await.unwrap();
        ops.teams(&cx).query(TeamQuery::new()).await.unwrap();
        ops.teams(&cx).get("sre").await.unwrap();
        ops.teams(&cx).members("platform").await.unwrap();
        let query = DeploymentQuery::new().environment("production").since(super::desk::minute(-500));
        let found = ops.deployments(&cx).query(query).await.unwrap().items;
        ops.deployments(&cx).get(&found[0].id).await.unwrap();
        let fields = CreateTicket::new("x").description("y").field("labels", json!(["bug"])).field("milestone", "v1.0");
        let update = UpdateTicket::new("4").status("done").assignees(["bob"]);
        let mut changes: Vec<Action> = vec![fields.into(), update.into(), CommentTicket::new("4", "on it").into()];
        if source == DeploymentSource::Deployments {
            let log: opsorch::transport::Url = "https://ci.example.org/9".parse().unwrap();
            changes.push(RecordDeployment::new("api", "production", "v9", "success").url(log).into());
        }
        for change in changes {
            assert!(matches!(ops.submit(&cx, change).await.unwrap(), Submitted::Done(_)));
        }
        exchanges.assert_kept();
    }
}
