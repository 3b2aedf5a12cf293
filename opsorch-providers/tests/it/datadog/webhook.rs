//! What Datadog sends by itself, as the template makes it.

use opsorch::capability::{Delivery, Webhook, WebhookEvent};
use opsorch::secret::SecretRef;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue};
use opsorch::{Alert, AlertStatusLevel, ErrorKind, Result, SeverityLevel};
use serde_json::{Value, json};

use super::desk::Desk;

const SECRET: &str = opsorch_testkit::double::SECRET;
const NEXT: &str = "the next secret of the webhook";

/// The template as it stands in the documents.
fn template() -> String {
    let documents = include_str!("../../../src/datadog/docs.md");
    let begin = documents.find("```json\n{\n  \"opsorch\": \"1\"").unwrap() + 8;
    let length = documents[begin..].find("```").unwrap();
    documents[begin..begin + length].to_owned()
}

/// What Datadog makes of the template: variables that are not given stay as they are.
fn filled(variables: &[(&str, &str)]) -> String {
    let mut sorted = variables.to_vec();
    sorted.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    sorted.iter().fold(template(), |text, (name, value)| {
        let value = json!(value).to_string();
        text.replace(&format!("\"${name}\""), &value)
    })
}

const TRIGGERED: [(&str, &str); 15] = [
    ("ID", "7771"),
    ("EVENT_TYPE", "query_alert_monitor"),
    ("EVENT_TITLE", "[Triggered on {host:web-1}] Slow answers"),
    ("TEXT_ONLY_MSG", "it is \"slow\"\nsee the runbook"),
    ("ALERT_ID", "12"),
    ("ALERT_TITLE", "Slow answers on host:web-1"),
    ("ALERT_TRANSITION", "Triggered"),
    ("ALERT_CYCLE_KEY", "cycle-1"),
    ("ALERT_SCOPE", "host:web-1, env:prod"),
    ("ALERT_PRIORITY", "P2"),
    ("ALERT_QUERY", "avg(last_5m):avg:x{*} by {host,env} > 1"),
    ("TAGS", "env:prod,host:web-1,monitor,service:api"),
    ("LINK", "https://app.datadoghq.com/event/event?id=7771"),
    ("DATE", "1767225600000"),
    ("LAST_UPDATED", "1767225660000"),
];

fn with(changes: &[(&'static str, &'static str)]) -> String {
    let mut variables = TRIGGERED.to_vec();
    variables.retain(|(name, _)| !changes.iter().any(|(other, _)| other == name));
    variables.extend(changes);
    filled(&variables)
}

async fn desk() -> Desk {
    Desk::configured(json!({ "webhook_secrets": [SecretRef::env("KEY")] })).await
}

fn headers(secrets: &[&str]) -> HeaderMap {
    let name = HeaderName::from_static("x-opsorch-secret");
    let mut headers = HeaderMap::new();
    secrets.iter().for_each(|secret| {
        headers.append(name.clone(), HeaderValue::from_str(secret).unwrap());
    });
    headers
}

async fn received(desk: &Desk, secrets: &[&str], body: impl Into<Vec<u8>>) -> Result<Delivery> {
    desk.ops.receive(&desk.cx, "dd", &Webhook::new(headers(secrets), body.into())).await
}

async fn alert(body: String) -> Alert {
    let delivery = received(&desk().await, &[SECRET], body).await.unwrap();
    match &delivery.events[..] {
        [WebhookEvent::Alert(alert)] => alert.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_notification_is_an_alert_under_the_id_that_it_is_read_by() {
    let desk = desk().await;
    let delivery = received(&desk, &[SECRET], with(&[])).await.unwrap();
    assert_eq!(delivery.id.as_deref(), Some("7771/Triggered"));
    let alert = alert(with(&[])).await;
    assert_eq!(alert.id.as_str(), "12:env:prod,host:web-1");
    assert_eq!(desk.ops.alerts(&desk.cx).get(&alert.id).await.unwrap().id, alert.id, "it can be read by that id");
    assert_eq!(alert.title, "Slow answers on host:web-1");
    assert_eq!(alert.description.as_deref(), Some("it is \"slow\"\nsee the runbook"));
    assert_eq!((alert.status.level(), alert.status_raw.as_deref()), (AlertStatusLevel::Firing, Some("Triggered")));
    assert_eq!((alert.severity.level(), alert.severity_raw.as_deref()), (SeverityLevel::High, Some("P2")));
    assert_eq!(alert.service.as_deref(), Some("api"));
    assert_eq!(alert.created_at.unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00", "milliseconds");
    assert_eq!(alert.updated_at.unwrap().to_rfc3339(), "2026-01-01T00:01:00+00:00");
    assert_eq!(alert.url.unwrap().as_str(), "https://app.datadoghq.com/event/event?id=7771");
    assert_eq!(alert.metadata["fingerprint"], "cycle-1");
    assert!(!alert.metadata.contains_key("org_id"), "a variable that Datadog left as it is says nothing");
}

#[tokio::test]
async fn its_end_is_of_the_same_alert() {
    let begin = alert(with(&[])).await;
    let end =
        alert(with(&[("ID", "7772"), ("ALERT_TRANSITION", "Recovered"), ("ALERT_SCOPE", "env:prod,host:web-1")])).await;
    assert_eq!((end.id.clone(), &end.metadata["fingerprint"]), (begin.id.clone(), &begin.metadata["fingerprint"]));
    assert_eq!((end.status.level(), end.status_raw.as_deref()), (AlertStatusLevel::Resolved, Some("Recovered")));
    let other = alert(with(&[("ALERT_SCOPE", "host:web-2,env:prod")])).await;
    assert_ne!(other.id, begin.id);
    assert_eq!(alert(with(&[("ALERT_SCOPE", "*")])).await.id.as_str(), "12");
}

#[tokio::test]
async fn every_transition_has_its_status_and_a_new_one_is_kept() {
    for (transition, status) in [
        ("Triggered", "firing"),
        ("Re-Triggered", "firing"),
        ("Renotify", "firing"),
        ("Warn", "firing"),
        ("Re-Warn", "firing"),
        ("No Data", "No Data"),
        ("Re-No Data", "No Data"),
        ("Recovered", "resolved"),
        ("recovered", "resolved"),
        ("Paused", "Paused"),
    ] {
        let alert = alert(with(&[("ALERT_TRANSITION", transition), ("ALERT_PRIORITY", "$ALERT_PRIORITY")])).await;
        assert_eq!(alert.status.as_str(), status, "{transition}");
        let severity = match transition {
            "Triggered" | "Re-Triggered" | "Renotify" => SeverityLevel::High,
            "Warn" | "Re-Warn" => SeverityLevel::Medium,
            _ => SeverityLevel::Unknown,
        };
        assert_eq!(alert.severity.level(), severity, "{transition}");
    }
}

#[tokio::test]
async fn a_body_may_be_a_form() {
    let mut url = opsorch::transport::Url::parse("http://x").unwrap();
    url.query_pairs_mut().append_pair("payload", &with(&[("TEXT_ONLY_MSG", "a & b = ä")]));
    let alert = alert(url.query().unwrap().to_owned()).await;
    assert_eq!(alert.description.as_deref(), Some("a & b = ä"));
}

#[tokio::test]
async fn only_one_of_the_secrets_opens() {
    let desk = desk().await;
    let half = &SECRET[..SECRET.len() / 2];
    let longer = format!("{SECRET}x");
    let refused: [&[&str]; 9] = [
        &[],
        &[""],
        &["wrong"],
        &[half],
        &[&longer],
        &[&SECRET.to_uppercase()],
        &[SECRET, SECRET],
        &["wrong", SECRET],
        &[NEXT],
    ];
    for secrets in refused {
        let error = received(&desk, secrets, with(&[])).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{secrets:?}");
        assert!(!format!("{error} {error:?}").contains(half), "{error:?}");
        // The secret is looked at before the body is.
        let error = received(&desk, secrets, "{").await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{secrets:?}");
    }
    assert!(received(&desk, &[SECRET], with(&[])).await.is_ok());
}

#[tokio::test]
async fn while_secrets_are_replaced_both_open() {
    let secrets = json!([SecretRef::env("KEY"), SecretRef::env("NEXT_HOOK")]);
    let desk = Desk::configured(json!({ "webhook_secrets": secrets })).await;
    for secret in [SECRET, NEXT] {
        assert!(received(&desk, &[secret], with(&[])).await.is_ok());
    }
    assert!(received(&desk, &["a third secret of the webhook"], with(&[])).await.is_err());
}

#[tokio::test]
async fn without_a_secret_nothing_is_accepted() {
    let desk = Desk::open().await;
    let error = received(&desk, &[SECRET], with(&[])).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn what_the_template_does_not_make_is_refused() {
    let desk = desk().await;
    let template: Value = serde_json::from_str(&with(&[])).unwrap();
    let changed = |name: &str, value: Option<Value>| {
        let mut body = template.clone();
        match value {
            Some(value) => body[name] = value,
            None => {
                body.as_object_mut().unwrap().remove(name);
            }
        }
        body.to_string()
    };
    let bodies = [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "payload=".to_owned(),
        "other=%7B%7D".to_owned(),
        changed("opsorch", Some(json!("2"))),
        changed("opsorch", None),
        changed("alert_id", None),
        changed("alert_id", Some(json!(12))),
        changed("surprise", Some(json!("x"))),
        "{}".to_owned(),
        format!("{}{}", " ".repeat(1024 * 1024), with(&[])),
    ];
    for body in bodies {
        let start: String = body.chars().take(60).collect();
        let error = received(&desk, &[SECRET], body).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() }, "{start}: {error}");
    }
}

#[tokio::test]
async fn a_notification_of_no_monitor_is_passed_on() {
    let desk = desk().await;
    let comment = filled(&[("ID", "5"), ("EVENT_TYPE", "comment"), ("EVENT_TITLE", "look"), ("TAGS", "")]);
    let delivery = received(&desk, &[SECRET], comment).await.unwrap();
    let [WebhookEvent::Other(other)] = &delivery.events[..] else { panic!("{delivery:?}") };
    assert_eq!((other.kind.as_str(), &other.fields["title"]), ("comment", &json!("look")));
    assert_eq!(delivery.id.as_deref(), Some("5"));
}

#[tokio::test]
async fn a_link_that_is_no_page_is_not_shown() {
    for link in ["javascript:alert(1)", "https://user:pass@example.com/", "not a link", "$LINK", ""] {
        assert_eq!(alert(with(&[("LINK", link)])).await.url, None, "{link}");
    }
}
