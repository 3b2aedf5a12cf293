//! What can be configured, and what travels with a request.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::ReqwestTransport;
use opsorch::{BuildEnv, Config, Operation, Provider, ProviderConfig, Result};
use opsorch_providers::elastic::{Distribution, ElasticConfig, KIND};
use opsorch_testkit::double::SECRET;
use serde_json::{Value, json};

use super::assert_invalid;
use super::desk::{Desk, NODE, config, day, refusal};
use super::simulated::elastic::{Flavor, world};

fn read(value: Value) -> ElasticConfig {
    serde_json::from_value(value).unwrap()
}

async fn build(value: Value) -> Result<Provider> {
    let secrets = StaticSecrets::new([("KEY", SECRET), ("PEM", "no certificate")]);
    let env = BuildEnv::new().with_secrets(Arc::new(secrets)).with_transport(Arc::new(ReqwestTransport::new()?));
    read(value).build(&"logs".into(), &env).await
}

fn cloud_id(decoded: &str) -> String {
    format!("prod:{}", STANDARD.encode(decoded))
}

#[tokio::test]
async fn it_offers_logs() {
    for value in [
        json!({ "addresses": NODE }),
        json!({ "url": NODE, "distribution": "opensearch" }),
        json!({ "addresses": [NODE, NODE], "apiKey": "env:KEY", "username": "u", "password": "env:KEY", "indexPattern": "logs-*" }),
        json!({ "cloudID": cloud_id("us-east-1.aws.found.io$abc$def"), "api_key": "env:KEY" }),
    ] {
        let operations: Vec<_> = build(value).await.unwrap().operations().iter().map(Operation::name).collect();
        assert_eq!(operations, ["log.query"]);
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_its_place() {
    for (value, field) in [
        (json!({}), "addresses"),
        (json!({ "addresses": [] }), "addresses"),
        (json!({ "addresses": "ftp://es" }), "addresses"),
        (json!({ "addresses": ["http://es:9200", "http://user:pass@es:9200"] }), "addresses"),
        (json!({ "addresses": NODE, "cloud_id": cloud_id("h$a") }), "cloud_id"),
        (json!({ "cloud_id": "prod:???" }), "cloud_id"),
        (json!({ "addresses": NODE, "timeout": 0 }), "timeout"),
        (json!({ "addresses": NODE, "index": "" }), "index"),
        (json!({ "addresses": NODE, "index": "a,,b" }), "index"),
        (json!({ "addresses": NODE, "index": "a, b" }), "index"),
        (json!({ "addresses": NODE, "index": ".." }), "index"),
        (json!({ "addresses": NODE, "api_key": "env:KEY", "bearer": "env:KEY" }), "bearer"),
        (json!({ "addresses": NODE, "bearer": "env:KEY", "username": "u" }), "bearer"),
        (json!({ "addresses": NODE, "username": "u" }), "password"),
        (json!({ "addresses": NODE, "password": "env:KEY" }), "username"),
        (json!({ "addresses": NODE, "username": "a:b", "password": "env:KEY" }), "password"),
        (json!({ "addresses": NODE, "api_key": "env:MISSING" }), "env:MISSING"),
        (json!({ "addresses": NODE, "fields": { "timestamp": "" } }), "fields.timestamp"),
        (json!({ "addresses": NODE, "fields": { "message": ["a", "b*"] } }), "fields.message"),
        (json!({ "addresses": NODE, "fields": { "service": vec!["x"; 17] } }), "fields.service"),
        (json!({ "addresses": NODE, "distribution": "opensearch", "compatible_with": 8 }), "compatible_with"),
        (json!({ "addresses": NODE, "dashboards_url": "http://user:pass@kibana" }), "dashboards_url"),
        (json!({ "addresses": NODE, "client_certificate": "env:PEM" }), "client_certificate"),
        (json!({ "addresses": NODE, "ca_certificate": "env:PEM" }), "ca_certificate"),
    ] {
        assert_invalid(build(value).await, field);
    }
}

#[test]
fn a_configuration_reads_as_it_was_written_and_refuses_what_it_does_not_know() {
    let full = json!({
        "addresses": ["http://es-1:9200/", "http://es-2:9200/es"],
        "api_key": "env:KEY",
        "username": "reader",
        "password": "file:/run/secrets/password",
        "index": "logs-*,filebeat-*",
        "distribution": "elasticsearch",
        "compatible_with": 8,
        "fields": {
            "timestamp": "time", "message": ["msg"], "severity": ["lvl"], "service": ["app"], "environment": ["env"], "team": ["owner"],
        },
        "dashboards_url": "https://kibana.example.org/s/sre",
        "data_view": "logs",
        "client_certificate": "file:/etc/client.pem",
        "ca_certificate": "file:/etc/ca.pem",
        "timeout": 10,
    });
    assert_eq!(serde_json::to_value(read(full.clone())).unwrap(), full);
    for misspelled in [
        json!({ "addresses": NODE, "token": "x" }),
        json!({ "addresses": NODE, "fields": { "level": "x" } }),
        json!({ "addresses": ["es:9200", 7] }),
        json!({ "addresses": NODE, "distribution": "solr" }),
    ] {
        assert!(serde_json::from_value::<ElasticConfig>(misspelled.clone()).is_err(), "{misspelled}");
    }
}

#[test]
fn a_file_configures_it() {
    let text = r#"
        [providers.logs]
        kind = "elastic"
        addresses = ["https://es-1.example.org:9200", "https://es-2.example.org:9200"]
        api_key = "env:ELASTIC_API_KEY"
        index = "logs-*"
        fields = { team = "labels.owner" }
    "#;
    Config::parse(text).unwrap().check(&opsorch_providers::registry()).unwrap();
    assert!(opsorch_providers::registry().kinds().any(|kind| kind == KIND));
}

#[tokio::test]
async fn each_credential_is_exactly_its_header() {
    let plain = ElasticConfig::new(NODE.parse().unwrap());
    let literal = |text: &str| SecretRef::literal(text);
    for (config, header) in [
        (plain.clone().api_key(literal("aWQ6a2V5")), Some("ApiKey aWQ6a2V5")),
        (plain.clone().api_key(literal("id:key")), Some("ApiKey aWQ6a2V5")),
        (plain.clone().api_key(literal("aWQ6a2V5")).basic("u", literal("p")), Some("ApiKey aWQ6a2V5")),
        (plain.clone().bearer(literal("t")), Some("Bearer t")),
        (plain.clone().basic("elastic", literal("pass")), Some("Basic ZWxhc3RpYzpwYXNz")),
        (plain, None),
    ] {
        let desk = Desk::with(world::small(Flavor::Elasticsearch, &opsorch::ManualClock::default()), config).await;
        desk.query(day()).await.unwrap_err();
        let sent = &desk.wire.requests()[0];
        assert_eq!(sent.headers.get("authorization").map(|value| value.to_str().unwrap()), header);
    }
}

#[tokio::test]
async fn a_version_of_the_api_is_asked_for_only_where_it_is_configured() {
    let kind = "application/vnd.elasticsearch+json; compatible-with=8";
    let mut versioned = config();
    versioned.compatible_with = Some(8);
    let desk =
        Desk::with(world::small(Flavor::Elasticsearch, &opsorch::ManualClock::default()), versioned.clone()).await;
    desk.all(day()).await;
    for request in desk.wire.requests() {
        assert_eq!(request.headers["accept"], kind);
        assert_eq!(request.headers.get("content-type").is_some_and(|found| found == kind), !request.body.is_empty());
    }
    let desk = Desk::with(world::small(Flavor::OpenSearch, &opsorch::ManualClock::default()), versioned).await;
    assert_invalid(desk.query(day()).await, "compatible_with");
}

#[tokio::test]
async fn which_of_the_two_it_is_need_not_be_asked() {
    for (flavor, distribution) in
        [(Flavor::Elasticsearch, Distribution::Elasticsearch), (Flavor::OpenSearch, Distribution::OpenSearch)]
    {
        let config = config().distribution(distribution);
        let desk = Desk::with(world::small(flavor, &opsorch::ManualClock::default()), config).await;
        desk.all(day()).await;
        assert!(!desk.wire.paths().contains(&"GET /proxy".to_owned()));
    }
}

#[tokio::test]
async fn a_deployment_in_elastic_cloud_is_found_by_its_id() {
    let id = cloud_id("us-east-1.aws.found.io:9243$abc$def");
    let config = ElasticConfig::cloud(id).api_key(SecretRef::env("KEY"));
    let desk = Desk::with(world::small(Flavor::Elasticsearch, &opsorch::ManualClock::default()), config).await;
    let page = desk.query(day()).await.unwrap();
    let asked = desk.wire.requests()[0].url.to_string();
    assert!(asked.starts_with("https://abc.us-east-1.aws.found.io:9243/logs-%2A/_field_caps?"), "{asked}");
    let shown = page.url.unwrap().to_string();
    assert!(shown.starts_with("https://def.us-east-1.aws.found.io:9243/app/discover#/"), "{shown}");
}

#[tokio::test]
async fn no_secret_is_seen_in_a_debug_or_an_error_however_it_is_spelled() {
    let config = ElasticConfig::new(NODE.parse().unwrap()).api_key(SecretRef::literal("key-id:key-secret"));
    let written = serde_json::to_string(&config).unwrap();
    let shown = format!("{config:?}");
    let env = BuildEnv::new().with_transport(Arc::new(ReqwestTransport::new().unwrap()));
    let provider = config.clone().build(&"logs".into(), &env).await.unwrap();
    let desk = Desk::with(world::small(Flavor::Elasticsearch, &opsorch::ManualClock::default()), config).await;
    let encoded = STANDARD.encode("key-id:key-secret");
    let echo = format!("unable to authenticate [{encoded}] of [key-id:key-secret]");
    desk.wire.answer("GET", "/_field_caps", refusal(401, "security_exception", &echo));
    let error = desk.query(day()).await.unwrap_err();
    assert!(error.to_string().contains("***"), "{error}");
    for text in [written, shown, format!("{provider:?}"), format!("{error} {error:?}")] {
        assert!(!text.contains("key-secret") && !text.contains(&encoded), "{text}");
    }
}
