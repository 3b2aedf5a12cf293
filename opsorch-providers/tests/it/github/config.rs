//! Configurations, and what every request has.

use opsorch::secret::SecretRef;
use opsorch::{ErrorKind, ManualClock, Operation, OpsOrch, ProviderConfig, Result};
use opsorch_providers::github::{DeploymentSource, GitHubApp, GitHubConfig};
use opsorch_testkit::double::SECRET;
use serde_json::{Value, json};

use super::desk::{Desk, Wire, bare, build, config};
use super::simulated::github::GitHub;

fn read(config: Value) -> serde_json::Result<GitHubConfig> {
    serde_json::from_value(config)
}

async fn built(config: GitHubConfig) -> Result<OpsOrch> {
    let clock = ManualClock::default();
    build(config, Wire::new(GitHub::empty(std::sync::Arc::new(clock.clone()))), clock).await
}

#[tokio::test]
async fn the_keys_of_opsorch_are_understood() {
    let tickets = json!({ "token": "env:TOKEN", "owner": "acme", "repo": "api", "defaultState": "open" });
    let deployments = json!({ "token": "env:TOKEN", "owner": "acme", "repo": "api" });
    let teams = json!({ "token": "env:TOKEN", "organization": "acme" });
    for (config, offers) in
        [(tickets, Operation::TicketCreate), (deployments, Operation::DeploymentQuery), (teams, Operation::TeamMembers)]
    {
        let ops = built(read(config).unwrap()).await.unwrap();
        assert!(ops.providers().next().unwrap().operations().contains(offers));
    }
    assert!(read(json!({ "token": "env:TOKEN", "repos": [] })).unwrap_err().to_string().contains("`repos`"));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_its_field() {
    let url = |text: &str| text.parse().unwrap();
    let app = || GitHubApp::new("Iv1", 7, SecretRef::env("TOKEN"));
    let with = |change: fn(&mut GitHubConfig)| {
        let mut config = config();
        change(&mut config);
        config
    };
    for (config, field) in [
        (bare(), "repositories"),
        (with(|it| it.token = None), "token"),
        (with(|it| it.app = Some(GitHubApp::new("Iv1", 7, SecretRef::env("TOKEN")))), "app"),
        (with(|it| it.timeout = 0), "timeout"),
        (with(|it| it.repo = Some("api".into())), "owner"),
        (with(|it| it.organization = Some("a/b".into())), "organization"),
        (with(|it| it.api_version = "a\nb".into()), "api_version"),
        (with(|it| (it.owner, it.repo) = (Some("acme".into()), Some("api".into()))), "repositories"),
        (bare().repository("api"), "repositories"),
        (bare().repository("acme/.."), "repositories"),
        (bare().repository("acme/api?x"), "repositories"),
        ((0..51).fold(bare(), |config, number| config.repository(format!("acme/r{number}"))), "repositories"),
        (config().url(url("ftp://github.example.org")), "url"),
        (GitHubConfig::of_app(app()).repository("acme/api"), "app.private_key"),
        (config().webhook_secret(SecretRef::env("NOSUCH")), "env:NOSUCH"),
    ] {
        let error = built(config).await.unwrap_err();
        let path = if field.contains(':') { field.to_owned() } else { format!("providers.github.{field}") };
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: path }, "{error}");
        assert!(!format!("{error:?}").contains(SECRET));
    }
}

#[tokio::test]
async fn every_request_says_who_asks_and_what_it_understands() {
    for version in ["2022-11-28", "2026-03-10"] {
        let desk = Desk::configured(config().api_version(version), super::simulated::github::world::fill).await;
        let ticket: opsorch::Ticket =
            desk.change(opsorch::CreateTicket::new("x").field("assignees", json!(["carol"]))).await.unwrap();
        assert_eq!(ticket.assignees, ["carol"], "the singular assignee is not needed");
        desk.ops.tickets(&desk.cx).get(&ticket.id).await.unwrap();
        for request in desk.wire.requests() {
            let header = |name: &str| request.headers[name].to_str().unwrap();
            assert_eq!(header("accept"), "application/vnd.github+json");
            assert_eq!(header("x-github-api-version"), version);
            assert!(header("user-agent").starts_with("opsorch-providers/"));
            assert_eq!(header("authorization"), format!("Bearer {SECRET}"));
            assert!(request.headers["authorization"].is_sensitive());
        }
    }
}

#[test]
fn a_configuration_is_written_without_its_secrets() {
    let config = GitHubConfig::new(SecretRef::literal(SECRET)).deployments(DeploymentSource::WorkflowRuns);
    let written = serde_json::to_string(&config).unwrap();
    assert!(written.contains("workflow_runs") && !written.contains(SECRET));
    assert!(!format!("{config:?}").contains(SECRET));
    assert_eq!(GitHubConfig::KIND, "github");
}
