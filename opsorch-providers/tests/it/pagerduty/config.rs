//! What can be configured, and what travels with a request because of it.

use std::sync::Arc;

use opsorch::secret::StaticSecrets;
use opsorch::transport::{Reply, Request, Transport};
use opsorch::{Actor, BuildEnv, Context, Operation, OpsOrch, Provider, ProviderConfig, Result, async_trait};
use opsorch_providers::pagerduty::{KIND, PagerDutyConfig};
use serde_json::{Value, json};

use super::assert_invalid;
use super::desk::{Desk, config, ok};

/// Answers everything in the same way, and keeps the last request.
#[derive(Clone, Debug, Default)]
struct Ear(Arc<std::sync::Mutex<Option<Request>>>);

#[async_trait]
impl Transport for Ear {
    async fn send(&self, request: Request) -> Result<Reply> {
        *self.0.lock().unwrap() = Some(request);
        Ok(ok(&json!({ "incident": { "id": "P1" }, "incidents": [], "status": "success", "dedup_key": "k" })))
    }
}

async fn build(value: Value) -> Result<Provider> {
    let config: PagerDutyConfig = serde_json::from_value(value).unwrap();
    let secrets = StaticSecrets::new([("TOKEN", "t"), ("KEY", "k"), ("EMPTY", "")]);
    let env = BuildEnv::new().with_secrets(Arc::new(secrets)).with_transport(Arc::new(Ear::default()));
    config.build(&"pd".into(), &env).await
}

/// The address and the credential of a request.
async fn request_of(mut config: Value) -> (String, String) {
    config["api_token"] = json!("a-token");
    let (ear, cx) = (Ear::default(), Context::new(Actor::agent("triage")));
    let config: PagerDutyConfig = serde_json::from_value(config).unwrap();
    let ops = OpsOrch::builder().configure("pd", config).transport(ear.clone()).build().await.unwrap();
    ops.incidents(&cx).get("P1").await.unwrap();
    let request = ear.0.lock().unwrap().take().unwrap();
    let credential = request.headers["authorization"].to_str().unwrap().to_owned();
    (request.url.as_str().split('?').next().unwrap().to_owned(), credential)
}

#[tokio::test]
async fn an_account_is_in_the_us_or_in_the_eu_or_behind_a_proxy() {
    for (config, url) in [
        (json!({}), "https://api.pagerduty.com/incidents/P1"),
        (json!({ "region": "eu" }), "https://api.eu.pagerduty.com/incidents/P1"),
        (json!({ "apiURL": "https://proxy.example/pd/" }), "https://proxy.example/pd/incidents/P1"),
        (json!({ "region": "eu", "api_url": "https://proxy.example/eu" }), "https://proxy.example/eu/incidents/P1"),
    ] {
        assert_eq!(request_of(config).await.0, url);
    }
}

#[tokio::test]
async fn a_token_is_sent_to_the_letter() {
    assert_eq!(request_of(json!({})).await.1, "Token token=a-token");
    assert_eq!(request_of(json!({ "token_type": "bearer" })).await.1, "Bearer a-token");
}

#[tokio::test]
async fn the_keys_of_opsorch_are_understood() {
    for config in [
        json!({ "apiToken": "env:TOKEN", "serviceID": "PABC", "fromEmail": "ops@example.com",
            "apiURL": "https://api.pagerduty.com", "source": "pd", "defaultSeverity": "critical" }),
        json!({ "apiToken": "env:TOKEN", "apiURL": "https://api.pagerduty.com", "source": "pagerduty" }),
    ] {
        build(config).await.unwrap();
    }
    let registry = opsorch_providers::registry();
    assert!(registry.kinds().any(|kind| kind == KIND));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_its_place() {
    let token = "env:TOKEN";
    for (value, field) in [
        (json!({ "api_token": "env:MISSING" }), "env:MISSING"),
        (json!({ "api_token": token, "api_url": "ftp://pd" }), "api_url"),
        (json!({ "api_token": token, "api_url": "https://u:p@pd" }), "api_url"),
        (json!({ "api_token": token, "routing_key": "env:KEY", "events_url": "https://pd?x" }), "events_url"),
        (json!({ "api_token": token, "from_email": "ops" }), "from_email"),
        (json!({ "api_token": token, "from_email": "a@b\r\nX: y" }), "from_email"),
        (json!({ "api_token": token, "service_id": "the mail service" }), "service_id"),
        (json!({ "api_token": token, "timeout": 0 }), "timeout"),
        (json!({ "api_token": token, "urgencies": { "high": "weird" } }), "urgencies.high"),
        (json!({ "api_token": token, "webhook_secrets": ["env:EMPTY"] }), "env:EMPTY"),
        (json!({ "api_token": "a\nb" }), "api_token"),
    ] {
        assert_invalid(build(value).await, field);
    }
}

#[tokio::test]
async fn it_offers_what_the_api_has() {
    use Operation as O;
    let reads = [
        O::IncidentQuery,
        O::IncidentGet,
        O::IncidentTimelineGet,
        O::AlertQuery,
        O::AlertGet,
        O::ServiceQuery,
        O::ServiceGet,
        O::TeamQuery,
        O::TeamGet,
        O::TeamMembers,
        O::TeamOncall,
    ];
    let writes = [O::IncidentCreate, O::IncidentUpdate, O::IncidentTimelineAppend];
    let events = [O::AlertRaise, O::AlertAcknowledge, O::AlertResolve];
    let least = build(json!({ "api_token": "env:TOKEN" })).await.unwrap();
    assert_eq!(least.operations(), reads.into_iter().chain(writes).collect());
    let most = build(config_of_all()).await.unwrap();
    assert_eq!(most.operations(), reads.into_iter().chain(writes).chain(events).collect());
}

fn config_of_all() -> Value {
    json!({ "api_token": "env:TOKEN", "routing_key": "env:KEY", "webhook_secrets": ["env:KEY"], "from_email": "a@b.example" })
}

#[tokio::test]
async fn no_secret_is_seen_in_what_is_configured_or_offered() {
    let desk = Desk::open().await;
    let config: PagerDutyConfig = serde_json::from_value(config()).unwrap();
    let seen = format!("{config:?} {} {:?}", serde_json::to_string(&config).unwrap(), desk.ops.providers().next());
    assert!(!seen.contains("canary") && !seen.contains("s3cret"), "{seen}");
}
