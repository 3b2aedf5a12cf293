//! What can be configured, and what travels with a request because of it.

use std::sync::Arc;

use opsorch::transport::{Reply, Request, Transport, Url};
use opsorch::{BuildEnv, Context, LogQuery, OpsOrch, Provider, ProviderConfig, Result, async_trait};
use opsorch_providers::datadog::{DatadogConfig, KIND, Site};
use opsorch_testkit::double::SECRET;
use serde_json::{Value, json};

use super::assert_invalid;
use super::desk::{Desk, ago, config_with, ok, secrets};

/// Answers everything in the same way, and keeps the last request.
#[derive(Clone, Debug, Default)]
struct Ear(Arc<std::sync::Mutex<Option<Request>>>);

#[async_trait]
impl Transport for Ear {
    async fn send(&self, request: Request) -> Result<Reply> {
        *self.0.lock().unwrap() = Some(request);
        Ok(ok(&json!({ "data": [] })))
    }
}

async fn build(value: Value) -> Result<Provider> {
    let config: DatadogConfig = serde_json::from_value(value).unwrap();
    let env = BuildEnv::new().with_secrets(Arc::new(secrets())).with_transport(Arc::new(Ear::default()));
    config.build(&"dd".into(), &env).await
}

/// A request, and the page of what it asks.
async fn asked(members: Value) -> (Request, Url) {
    let (ear, cx) = (Ear::default(), Context::new(opsorch::Actor::agent("triage")));
    let ops = OpsOrch::builder().configure("dd", config_with(members)).secrets(secrets()).transport(ear.clone());
    let ops = ops.build().await.unwrap();
    let page = ops.logs(&cx).query(LogQuery::new(ago(60), ago(0))).await.unwrap();
    let request = ear.0.lock().unwrap().take().unwrap();
    (request, page.url.unwrap())
}

#[tokio::test]
async fn every_site_has_its_own_api_and_its_own_pages() {
    for (site, api, page) in [
        ("datadoghq.com", "api.datadoghq.com", "app.datadoghq.com"),
        ("us3.datadoghq.com", "api.us3.datadoghq.com", "us3.datadoghq.com"),
        ("us5.datadoghq.com", "api.us5.datadoghq.com", "us5.datadoghq.com"),
        ("datadoghq.eu", "api.datadoghq.eu", "app.datadoghq.eu"),
        ("ap1.datadoghq.com", "api.ap1.datadoghq.com", "ap1.datadoghq.com"),
        ("ap2.datadoghq.com", "api.ap2.datadoghq.com", "ap2.datadoghq.com"),
        ("uk1.datadoghq.com", "api.uk1.datadoghq.com", "uk1.datadoghq.com"),
        ("ddog-gov.com", "api.ddog-gov.com", "app.ddog-gov.com"),
        ("us2.ddog-gov.com", "api.us2.ddog-gov.com", "us2.ddog-gov.com"),
        ("us1", "api.datadoghq.com", "app.datadoghq.com"),
        ("eu", "api.datadoghq.eu", "app.datadoghq.eu"),
        ("gov", "api.ddog-gov.com", "app.ddog-gov.com"),
    ] {
        let (request, url) = asked(json!({ "site": site })).await;
        assert_eq!((request.url.host_str(), request.url.scheme()), (Some(api), "https"));
        assert_eq!((url.host_str(), url.scheme()), (Some(page), "https"));
        let parsed: Site = serde_json::from_value(json!(site)).unwrap();
        assert_eq!(format!("api.{}", parsed.domain()), api);
    }
    for site in Site::ALL {
        assert_eq!(serde_json::to_value(site).unwrap(), site.domain(), "a site is written as its domain");
    }
    let wrong = serde_json::from_value::<Site>(json!("datadog.com")).unwrap_err().to_string();
    assert!(wrong.contains("us3.datadoghq.com"), "{wrong}");
}

#[tokio::test]
async fn both_keys_are_headers_and_a_proxy_keeps_its_path() {
    let (request, url) =
        asked(json!({ "api_url": "https://proxy.example/dd/", "app_url": "https://acme.datadoghq.com" })).await;
    assert_eq!(request.url.as_str(), "https://proxy.example/dd/api/v2/logs/events/search");
    assert_eq!((url.host_str(), url.path()), (Some("acme.datadoghq.com"), "/logs"));
    assert_eq!(request.headers["dd-api-key"], SECRET);
    assert_eq!(request.headers["dd-application-key"], SECRET);
    assert!(!request.headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_keys_of_opsorch_are_understood() {
    build(json!({ "apiKey": "env:KEY", "appKey": "env:KEY", "site": "us5.datadoghq.com", "source": "dd" }))
        .await
        .unwrap();
    assert!(opsorch_providers::registry().kinds().any(|kind| kind == KIND));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_its_place() {
    for (members, field) in [
        (json!({ "api_key": "env:MISSING" }), "env:MISSING"),
        (json!({ "app_key": "env:EMPTY" }), "env:EMPTY"),
        (json!({ "api_key": "a\nb" }), "api_key"),
        (json!({ "app_key": "a\nb" }), "app_key"),
        (json!({ "api_url": "ftp://dd" }), "api_url"),
        (json!({ "api_url": "https://u:p@dd" }), "api_url"),
        (json!({ "app_url": "https://dd?x" }), "app_url"),
        (json!({ "timeout": 0 }), "timeout"),
        (json!({ "log_indexes": ["main", " "] }), "log_indexes[1]"),
        (json!({ "tags": { "team": "a b" } }), "tags.team"),
        (json!({ "tags": { "service": "" } }), "tags.service"),
        (json!({ "tags": { "environment": "e}{*" } }), "tags.environment"),
    ] {
        let mut config = json!({ "api_key": "env:KEY", "app_key": "env:KEY" });
        config.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        assert_invalid(build(config).await, field);
    }
}

#[tokio::test]
async fn no_secret_is_seen_in_what_is_configured_or_offered() {
    let desk = Desk::open().await;
    let config = config_with(json!({}));
    let seen = format!("{config:?} {} {:?}", serde_json::to_string(&config).unwrap(), desk.ops.providers().next());
    assert!(!seen.contains("canary") && !seen.contains("s3cret"), "{seen}");
}
