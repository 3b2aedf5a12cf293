//! What can be configured, what is offered then, and what travels with a request.

use std::sync::Arc;

use opsorch::secret::{SecretRef, StaticSecrets};
use opsorch::transport::ReqwestTransport;
use opsorch::{AlertQuery, BuildEnv, Config, Operation, Provider, ProviderConfig, Result};
use opsorch_providers::prometheus::{Credential, KIND, PrometheusConfig, WebhookAuth};
use serde_json::{Value, json};

use super::alertmanager::{CANARY, Desk};
use super::assert_invalid;
use super::server::{Prometheus, failure, up};

const URL: &str = "http://prometheus.internal:9090";

fn config(value: Value) -> PrometheusConfig {
    serde_json::from_value(value).unwrap()
}

async fn build(value: Value) -> Result<Provider> {
    let secrets = StaticSecrets::new([("TOKEN", CANARY), ("PEM", "no certificate")]);
    let env = BuildEnv::new().with_secrets(Arc::new(secrets)).with_transport(Arc::new(ReqwestTransport::new()?));
    config(value).build(&"prom".into(), &env).await
}

#[tokio::test]
async fn it_offers_what_its_servers_have() {
    for (value, offered) in [
        (json!({ "url": URL }), vec!["metric.query", "metric.describe", "alert.query", "alert.get"]),
        (json!({ "alertmanager_url": URL }), vec!["alert.query", "alert.get", "alert.silence"]),
        (json!({ "alertmanagerURL": URL }), vec!["alert.query", "alert.get", "alert.silence"]),
        (
            json!({ "url": URL, "alertmanager_url": URL }),
            vec!["metric.query", "metric.describe", "alert.query", "alert.get", "alert.silence"],
        ),
    ] {
        let operations = build(value).await.unwrap().operations();
        let mut names: Vec<_> = operations.iter().map(Operation::name).collect();
        let mut offered = offered;
        names.sort_unstable();
        offered.sort_unstable();
        assert_eq!(names, offered);
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_its_place() {
    for (value, field) in [
        (json!({}), "url"),
        (json!({ "url": "ftp://prometheus" }), "url"),
        (json!({ "url": "prometheus:9090" }), "url"),
        (json!({ "url": "http://user:pass@prometheus" }), "url"),
        (json!({ "url": "http://prometheus?a=b" }), "url"),
        (json!({ "alertmanager_url": "http://am#x" }), "alertmanager_url"),
        (json!({ "url": URL, "external_url": "http://user:pass@prom" }), "external_url"),
        (json!({ "url": URL, "timeout": 0 }), "timeout"),
        (json!({ "url": URL, "tenant": "a\nb" }), "tenant"),
        (json!({ "url": URL, "labels": { "service": "" } }), "labels.service"),
        (json!({ "url": URL, "labels": { "environment": "__name__" } }), "labels.environment"),
        (json!({ "url": URL, "auth": { "bearer": "env:MISSING" } }), "env:MISSING"),
        (json!({ "url": URL, "auth": { "basic": { "user": "a:b", "password": "env:TOKEN" } } }), "auth"),
        (json!({ "url": URL, "auth": { "header": { "name": "a b", "value": "env:TOKEN" } } }), "auth"),
        (json!({ "url": URL, "client_certificate": "env:PEM" }), "client_certificate"),
        (json!({ "url": URL, "ca_certificate": "env:PEM" }), "ca_certificate"),
    ] {
        assert_invalid(build(value).await, field);
    }
}

#[test]
fn a_configuration_reads_as_it_was_written_and_refuses_what_it_does_not_know() {
    let full = json!({
        "url": "http://prometheus.internal:9090/prometheus",
        "alertmanager_url": "http://alertmanager.internal:9093/",
        "auth": { "bearer": "env:TOKEN" },
        "alertmanager_auth": { "header": { "name": "X-Key", "value": "file:/run/secrets/key" } },
        "tenant": "core",
        "client_certificate": "file:/etc/client.pem",
        "ca_certificate": "file:/etc/ca.pem",
        "timeout": 10,
        "external_url": "https://prometheus.example.org/",
        "alertmanager_external_url": "https://alertmanager.example.org/",
        "labels": { "service": "app", "team": "owner", "environment": "cluster" },
        "webhook": { "basic": { "user": "am", "password": "env:HOOK" } },
    });
    assert_eq!(serde_json::to_value(config(full.clone())).unwrap(), full);
    for misspelled in [
        json!({ "url": URL, "token": "x" }),
        json!({ "url": URL, "auth": { "token": "x" } }),
        json!({ "url": URL, "auth": { "basic": { "user": "a", "password": "env:B", "realm": "c" } } }),
        json!({ "url": URL, "labels": { "env": "x" } }),
        json!({ "url": "prometheus" }),
    ] {
        assert!(serde_json::from_value::<PrometheusConfig>(misspelled.clone()).is_err(), "{misspelled}");
    }
}

#[test]
fn a_file_configures_it() {
    let text = r#"
        [providers.prom]
        kind = "prometheus"
        url = "https://prometheus.example.org/prometheus"
        alertmanager_url = "https://alertmanager.example.org"
        auth = { basic = { user = "reader", password = "env:PROMETHEUS_PASSWORD" } }
        tenant = "core"
        labels = { environment = "cluster" }
        webhook = { bearer = "env:WEBHOOK_TOKEN" }
    "#;
    Config::parse(text).unwrap().check(&opsorch_providers::registry()).unwrap();
    assert!(opsorch_providers::registry().kinds().any(|kind| kind == KIND && kind == PrometheusConfig::KIND));
}

#[tokio::test]
async fn the_path_of_the_address_is_kept_with_and_without_a_slash_at_its_end() {
    let prometheus = Prometheus::with_jobs(&["a"]).await;
    for address in ["", "/", "/prometheus", "/prometheus/", "/a/b%20c/"] {
        let prometheus = Prometheus::answering(failure(400, "bad_data", "no")).await;
        let config = PrometheusConfig::new(format!("{}{address}", prometheus.server.uri()).parse().unwrap());
        let Desk { ops, cx } = Desk::at_once(config).await;
        ops.metrics(&cx).query(up(0.0, 60.0)).await.unwrap_err();
        let path = format!("{}/api/v1/query_range", address.trim_end_matches('/'));
        assert_eq!(prometheus.requests().await[0].url.path(), path);
    }
    assert!(prometheus.requests().await.is_empty());
}

#[tokio::test]
async fn each_credential_is_exactly_its_header_and_a_tenant_goes_with_it() {
    let secret = || SecretRef::env("WEBHOOK");
    let basic = Credential::Basic { user: "reader".to_owned(), password: secret() };
    let header = Credential::Header { name: "X-API-Key".to_owned(), value: secret() };
    for (credential, name, value) in [
        (Credential::Bearer(secret()), "authorization", format!("Bearer {CANARY}")),
        (basic, "authorization", "Basic cmVhZGVyOmNhbmFyeS0wYzdlNDE=".to_owned()),
        (header, "x-api-key", CANARY.to_owned()),
    ] {
        let prometheus = Prometheus::with_jobs(&["a"]).await;
        let config =
            PrometheusConfig::new(prometheus.server.uri().parse().unwrap()).auth(credential).tenant("core|dev");
        let Desk { ops, cx } = Desk::at_once(config).await;
        ops.metrics(&cx).query(up(0.0, 60.0)).await.unwrap();
        let headers = &prometheus.requests().await[0].headers;
        assert_eq!(headers[name], value);
        assert_eq!(headers["x-scope-orgid"], "core|dev");
        assert_eq!(headers.contains_key("authorization"), name == "authorization");
    }
}

#[tokio::test]
async fn alertmanager_gets_its_own_credential_or_else_the_common_one() {
    let alertmanager = Prometheus::answering(failure(400, "bad_data", "no")).await;
    for (own, sent) in [(None, format!("Bearer {CANARY}")), (Some("other"), "Bearer other".to_owned())] {
        let mut config = PrometheusConfig::alertmanager_only(alertmanager.server.uri().parse().unwrap())
            .auth(Credential::Bearer(SecretRef::env("WEBHOOK")));
        config.alertmanager_auth = own.map(|token| Credential::Bearer(SecretRef::literal(token)));
        let Desk { ops, cx } = Desk::at_once(config).await;
        ops.alerts(&cx).query(AlertQuery::new()).await.unwrap_err();
        let headers = &alertmanager.requests().await.pop().unwrap().headers;
        assert_eq!(headers["authorization"], sent);
    }
}

#[tokio::test]
async fn no_secret_is_seen_in_a_debug_an_error_or_an_address() {
    let echo = |request: &wiremock::Request| {
        let said = format!("{:?}", request.headers);
        failure(400, "bad_data", &said)
    };
    let prometheus = Prometheus::over(echo).await;
    let config = PrometheusConfig::new(prometheus.server.uri().parse().unwrap())
        .alertmanager(prometheus.server.uri().parse().unwrap())
        .auth(Credential::Header { name: "X-API-Key".to_owned(), value: SecretRef::literal(CANARY) })
        .webhook(WebhookAuth::Bearer(SecretRef::literal(CANARY)));
    let written = serde_json::to_string(&config).unwrap();
    let shown = format!("{config:?}");
    let env = BuildEnv::new().with_transport(Arc::new(ReqwestTransport::new().unwrap()));
    let provider = config.clone().build(&"prom".into(), &env).await.unwrap();
    let Desk { ops, cx } = Desk::at_once(config).await;
    let error = ops.metrics(&cx).query(up(0.0, 60.0)).await.unwrap_err();
    assert!(error.to_string().contains("***"), "the server echoed it: {error}");
    for text in [written, shown, format!("{provider:?}"), format!("{error} {error:?}")] {
        assert!(!text.contains(CANARY), "{text}");
    }
    for request in prometheus.requests().await {
        assert!(!request.url.as_str().contains(CANARY) && !String::from_utf8_lossy(&request.body).contains(CANARY));
    }
}
