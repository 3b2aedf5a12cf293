//! What can be configured.

use std::sync::Arc;

use opsorch::secret::StaticSecrets;
use opsorch::transport::ReqwestTransport;
use opsorch::{BuildEnv, Operation, Provider, ProviderConfig, Result};
use opsorch_providers::jira::{Deployment, JiraConfig};
use opsorch_testkit::Conformance;
use opsorch_testkit::conformance::Outcome;
use serde_json::{Value, json};

use super::assert_invalid;
use super::simulated::jira::Jira;

const CANARY: &str = "canary-51aa7";

fn config(changes: Value) -> Result<JiraConfig, serde_json::Error> {
    let mut config = json!({ "url": "https://example.atlassian.net", "project": "OPS", "token": "env:TOKEN" });
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    serde_json::from_value(config)
}

async fn build(config: JiraConfig) -> Result<Provider> {
    let secrets = StaticSecrets::new([("TOKEN", CANARY), ("EMPTY", "")]);
    let env = BuildEnv::new().with_secrets(Arc::new(secrets)).with_transport(Arc::new(ReqwestTransport::new()?));
    config.build(&"jira".into(), &env).await
}

#[tokio::test]
async fn the_keys_of_opsorch_are_understood() {
    let config: JiraConfig = serde_json::from_value(json!({
        "apiURL": "https://example.atlassian.net/", "projectKey": "OPS", "email": "a@example.com", "apiToken": "env:TOKEN",
        "defaultIssueType": "Bug", "source": "tracker",
    }))
    .unwrap();
    assert_eq!(
        (config.deployment, config.issue_type.as_str(), config.source.as_str()),
        (Deployment::Cloud, "Bug", "tracker")
    );
    let operations = build(config).await.unwrap().operations();
    let names: Vec<_> = operations.iter().map(Operation::name).collect();
    assert_eq!(names, ["ticket.query", "ticket.get", "ticket.create", "ticket.update", "ticket.comment"]);
}

#[tokio::test]
async fn there_is_no_host_by_default() {
    let config = serde_json::from_value::<JiraConfig>(json!({ "project": "OPS", "token": "env:TOKEN" }));
    assert!(config.unwrap_err().to_string().contains("url"));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_its_place() {
    for (changes, field) in [
        (json!({ "url": "ftp://jira" }), "url"),
        (json!({ "url": "https://user:pass@jira" }), "url"),
        (json!({ "url": "https://api.atlassian.com/ex/jira/1" }), "browse_url"),
        (json!({ "browse_url": "https://user:pass@jira" }), "browse_url"),
        (json!({ "project": " " }), "project"),
        (json!({ "issue_type": "" }), "issue_type"),
        (json!({ "timeout": 0 }), "timeout"),
        (json!({ "email": "a:b" }), "token"),
        (json!({ "token": "env:EMPTY" }), "env:EMPTY"),
        (json!({ "token": "env:MISSING" }), "env:MISSING"),
        (json!({ "fields": ["a,b"] }), "fields"),
        (json!({ "webhook_secrets": ["env:EMPTY"] }), "env:EMPTY"),
    ] {
        assert_invalid(build(config(changes).unwrap()).await, field);
    }
    assert!(config(json!({ "deployment": "server" })).is_err());
    assert!(config(json!({ "apiKey": "x" })).unwrap_err().to_string().contains("apiKey"));
}

#[tokio::test]
async fn no_debug_shows_a_secret() {
    let config = config(json!({ "token": CANARY, "email": "a@example.com", "webhook_secrets": [CANARY] })).unwrap();
    assert!(!format!("{config:?}").contains(CANARY));
    assert!(!format!("{:?}", build(config).await.unwrap()).contains(CANARY));
}

#[test]
fn data_center_keeps_the_rules_too() {
    let suite = Conformance::of::<JiraConfig>(|place| {
        json!({
            "deployment": "data_center",
            "url": place.url().join("jira").unwrap(),
            "project": "OPS",
            "token": place.secret("token"),
            "webhook_secrets": [place.secret("webhook")],
        })
    });
    let report = suite.double(Jira::data_center).run();
    let broken: Vec<_> = report.results.iter().filter(|result| matches!(result.outcome, Outcome::Broken(_))).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
