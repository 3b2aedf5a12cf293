//! What GitHub sends by itself: who may send it, what it says, and what is refused.

use hmac::{Hmac, KeyInit, Mac};
use opsorch::capability::{Delivery, Webhook, WebhookEvent};
use opsorch::secret::SecretRef;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue};
use opsorch::{ErrorKind, Result};
use opsorch_providers::github::{DeploymentSource, GitHubConfig};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;
use url::form_urlencoded;

use super::desk::{Desk, HOOK, NEXT_HOOK, bare, config, minute};
use super::simulated::github::deployments::{Deployment, Run};
use super::simulated::github::issues::{Comment, Issue};

fn signature(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// A delivery that is signed with this key.
fn signed(key: &str, event: &str, body: &[u8]) -> Webhook {
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    let headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-github-event"), value(event)),
        (HeaderName::from_static("x-github-delivery"), value("72d3162e-cc78-11e3-81ab-4c9367dc0958")),
        (HeaderName::from_static("content-type"), value("application/json")),
        (HeaderName::from_static("x-hub-signature-256"), value(&signature(key, body))),
    ]);
    Webhook::new(headers, body.to_vec())
}

async fn desk(config: GitHubConfig) -> Desk {
    Desk::configured(config.webhook_secret(SecretRef::env("HOOK")), |_| ()).await
}

async fn receive(desk: &Desk, webhook: &Webhook) -> Result<Delivery> {
    desk.ops.receive(&desk.cx, "github", webhook).await
}

/// The one event of a delivery.
async fn event(desk: &Desk, kind: &str, body: Value) -> WebhookEvent {
    let delivery = receive(desk, &signed(HOOK, kind, body.to_string().as_bytes())).await.unwrap();
    assert_eq!(delivery.id.as_deref(), Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"));
    let [event] = &delivery.events[..] else { panic!("{delivery:?}") };
    event.clone()
}

fn repository() -> Value {
    json!({ "full_name": "acme/api" })
}

fn issue() -> Issue {
    Issue::new("api", 17, "disk full", minute(-5))
}

#[tokio::test]
async fn what_happens_to_an_issue_is_a_ticket_or_a_comment() {
    let desk = desk(config()).await;
    let opened = json!({ "action": "opened", "issue": issue().shape(), "repository": repository() });
    let WebhookEvent::Ticket(ticket) = event(&desk, "issues", opened).await else { panic!("an issue is a ticket") };
    assert_eq!((ticket.id.as_str(), ticket.title.as_str()), ("17", "disk full"));
    assert_eq!(ticket.provider.unwrap().as_str(), "github");

    let comment = Comment {
        repository: "api".into(),
        issue: 17,
        id: 5,
        body: "on it\n\n<!-- opsorch:k -->".into(),
        created: minute(0),
    };
    let said = json!({ "action": "created", "issue": issue().shape(), "comment": comment.shape(), "repository": repository() });
    let WebhookEvent::Comment(comment) = event(&desk, "issue_comment", said.clone()).await else { panic!("a comment") };
    assert_eq!((comment.ticket_id.as_str(), comment.body.as_str()), ("17", "on it"));

    let mut of_a_pull_request = said;
    of_a_pull_request["issue"]["pull_request"] = json!({});
    assert!(matches!(event(&desk, "issue_comment", of_a_pull_request).await, WebhookEvent::Other(_)));
}

#[tokio::test]
async fn what_is_gone_or_served_by_nobody_has_no_place() {
    let desk = desk(config()).await;
    for (action, repository) in [("deleted", "acme/api"), ("transferred", "acme/api"), ("opened", "other/api")] {
        let body = json!({ "action": action, "issue": issue().shape(), "repository": { "full_name": repository } });
        let WebhookEvent::Other(other) = event(&desk, "issues", body).await else { panic!("{action}") };
        assert_eq!((other.kind.as_str(), &other.fields["action"]), ("issues", &json!(action)));
    }
}

#[tokio::test]
async fn deployments_and_runs_are_what_the_configuration_says() {
    let made = Deployment::new("api", 9, "v1", "production", minute(-5)).said("failure", 30);
    let status = made.shape_of(&made.statuses[0]);
    // Some have no log.
    let mut status = status;
    status.as_object_mut().unwrap().remove("log_url");
    let said = json!({ "action": "created", "deployment": made.shape(), "deployment_status": status, "repository": repository() });
    let run = Run::new("api", 8_589_934_600, "Deploy", minute(-5)).shape();
    let ran = json!({ "action": "completed", "workflow_run": run, "repository": repository() });

    let deployments = desk(config()).await;
    let WebhookEvent::Deployment(it) = event(&deployments, "deployment_status", said.clone()).await else {
        panic!("one")
    };
    assert_eq!((it.id.as_str(), it.status.as_str(), it.status_raw.as_deref()), ("9", "failed", Some("failure")));
    let made = json!({ "action": "created", "deployment": made.shape(), "repository": repository() });
    let WebhookEvent::Deployment(it) = event(&deployments, "deployment", made).await else { panic!("one") };
    assert_eq!(it.status.as_str(), "queued");
    assert!(matches!(event(&deployments, "workflow_run", ran.clone()).await, WebhookEvent::Other(_)));

    let runs = desk(config().deployments(DeploymentSource::WorkflowRuns)).await;
    let WebhookEvent::Deployment(it) = event(&runs, "workflow_run", ran).await else { panic!("one") };
    assert_eq!((it.id.as_str(), it.status.as_str()), ("8589934600", "success"));
    assert!(matches!(event(&runs, "deployment_status", said).await, WebhookEvent::Other(_)));
}

#[tokio::test]
async fn a_ping_and_what_github_adds_one_day_are_passed_on() {
    let desk = desk(config()).await;
    for (kind, body) in [
        ("ping", json!({ "zen": "Keep it logically awesome.", "hook_id": 1 })),
        ("teleportation", json!({ "action": "began" })),
        ("issues", json!({ "action": "evaporated", "repository": repository() })),
    ] {
        let WebhookEvent::Other(other) = event(&desk, kind, body.clone()).await else { panic!("{kind}") };
        assert_eq!((other.kind.as_str(), json!(other.fields)), (kind, body));
    }
    let odd = json!({ "action": "unheard_of", "issue": issue().shape(), "repository": repository() });
    assert!(matches!(event(&desk, "issues", odd).await, WebhookEvent::Ticket(_)), "the issue is as it says");
}

#[tokio::test]
async fn a_form_is_read_too_and_signed_as_it_came() {
    let desk = desk(config()).await;
    let json = json!({ "action": "opened", "issue": issue().shape(), "repository": repository() }).to_string();
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
    let as_form = |mut webhook: Webhook| {
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        webhook.headers.insert("content-type", kind);
        webhook
    };
    let delivery = receive(&desk, &as_form(signed(HOOK, "issues", form.as_bytes()))).await.unwrap();
    assert!(matches!(delivery.events[0], WebhookEvent::Ticket(_)));
    let mut of_the_json = as_form(signed(HOOK, "issues", json.as_bytes()));
    of_the_json.body = form.clone().into();
    assert_eq!(*receive(&desk, &of_the_json).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
    let empty = receive(&desk, &as_form(signed(HOOK, "issues", b"a=b"))).await.unwrap_err();
    assert_eq!(*empty.kind(), ErrorKind::Invalid { field: "body".into() });
}

#[tokio::test]
async fn a_signature_that_is_wrong_missing_or_of_another_kind_is_refused() {
    let desk = desk(config()).await;
    let body = json!({ "zen": "x" }).to_string();
    let good = signed(HOOK, "ping", body.as_bytes());
    receive(&desk, &good).await.unwrap();
    let with = |change: &dyn Fn(&mut HeaderMap)| {
        let mut webhook = good.clone();
        change(&mut webhook.headers);
        webhook
    };
    let set = |value: String| {
        with(&|headers| {
            headers.insert("x-hub-signature-256", value.parse().unwrap());
        })
    };
    let right = signature(HOOK, body.as_bytes());
    for webhook in [
        with(&|headers| _ = headers.remove("x-hub-signature-256")),
        // SHA-1 alone proves nothing.
        with(&|headers| {
            headers.remove("x-hub-signature-256");
            headers.insert("x-hub-signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59".parse().unwrap());
        }),
        with(&|headers| _ = headers.append("x-hub-signature-256", right.parse().unwrap())),
        set(signature("another", body.as_bytes())),
        set(right.replace("sha256=", "sha1=")),
        set(right.replace("sha256=", "")),
        set(right[..right.len() - 1].to_owned()),
        set(format!("{right}0")),
        set(String::new()),
        Webhook::new(good.headers.clone(), body.replace('x', "y")),
        Webhook::new(good.headers.clone(), body[1..].to_owned()),
    ] {
        let error = receive(&desk, &webhook).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
        assert!(!format!("{error:?}").contains(HOOK) && !error.to_string().contains(&right));
    }
    let nameless = with(&|headers| _ = headers.remove("x-github-event"));
    assert_eq!(*receive(&desk, &nameless).await.unwrap_err().kind(), ErrorKind::Invalid { field: "headers".into() });
}

#[tokio::test]
async fn both_secrets_are_good_while_one_takes_the_place_of_the_other() {
    let both = desk(config().webhook_secret(SecretRef::env("NEXT_HOOK"))).await;
    let one = desk(config()).await;
    let body = json!({ "zen": "x" }).to_string();
    for key in [HOOK, NEXT_HOOK] {
        receive(&both, &signed(key, "ping", body.as_bytes())).await.unwrap();
    }
    assert!(receive(&one, &signed(NEXT_HOOK, "ping", body.as_bytes())).await.is_err());
    let none = Desk::configured(bare().repository("acme/api"), |_| ()).await;
    assert!(receive(&none, &signed(HOOK, "ping", body.as_bytes())).await.is_err(), "without a secret none is accepted");
}

#[tokio::test]
async fn a_delivery_that_comes_again_has_the_same_id() {
    let desk = desk(config()).await;
    let webhook = signed(HOOK, "ping", b"{}");
    let (first, second) = (receive(&desk, &webhook).await.unwrap(), receive(&desk, &webhook).await.unwrap());
    assert!(first.id.is_some() && first == second, "GitHub gives no time by which the second could be refused");
}

#[tokio::test]
async fn a_body_that_cannot_be_meant_is_explained_without_being_shown() {
    let desk = desk(config()).await;
    for (body, says) in [
        ("not json canary", "expected JSON"),
        ("{\"issue\": {\"title\": \"canary\"}}", "another shape"),
        ("[1]", "another shape"),
    ] {
        let error = receive(&desk, &signed(HOOK, "issues", body.as_bytes())).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "body".into() });
        assert!(error.to_string().contains(says) && !format!("{error:?}").contains("canary"), "{error:?}");
    }
    let huge = receive(&desk, &signed(HOOK, "issues", &vec![b' '; 25 * 1024 * 1024 + 1])).await.unwrap_err();
    assert_eq!(*huge.kind(), ErrorKind::Invalid { field: "body".into() });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is signed, reading it ends in a delivery or an error.
    #[test]
    fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), kind in "(issues|issue_comment|deployment_status|workflow_run|x)") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = desk(config()).await;
            let found = receive(&desk, &signed(HOOK, &kind, &body)).await;
            assert!(found.is_ok() || matches!(found.unwrap_err().kind(), ErrorKind::Invalid { .. }));
        });
    }
}
