//! Who answered what: attacked.

use std::time::Duration;

use opsorch::capability::Webhook;
use opsorch::secret::SecretRef;
use opsorch::{Clock, ErrorKind, Identity, ManualClock, Verdict};
use opsorch_providers::slack::{ApprovalSettings, Approver, SlackConfig, SlackInteractions};
use serde_json::{Value, json};

use super::signing::{KEY, form, signed, signed_by, with};
use super::simulated::slack::Slack;
use super::{config, env};

const DIGEST: &str = "sha256:a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

pub(super) fn asking() -> SlackConfig {
    let people = [
        Approver::new("U0ADA", "T0TEAM").role("sre"),
        Approver::new("U0BOB", "T0TEAM").role("sre").identity(Identity::new("https://id.example.com", "bob")),
    ];
    config().signing_secret(SecretRef::literal(KEY)).approvals(ApprovalSettings::new("#ops", people))
}

pub(super) async fn interactions(clock: &ManualClock) -> SlackInteractions {
    SlackInteractions::new(&asking(), &env(&Slack::new(clock.clone()), clock)).await.unwrap()
}

/// A pressed button, as Slack says it.
pub(super) fn pressed(user: &str, action: &str, value: &str) -> Value {
    json!({
        "type": "block_actions", "team": { "id": "T0TEAM" }, "user": { "id": user, "username": "ada", "team_id": "T0TEAM" },
        "trigger_id": "1.2.3", "response_url": "https://hooks.slack.com/actions/1",
        "actions": [{ "type": "button", "action_id": action, "block_id": "b", "value": value, "action_ts": "1767225600.1" }],
    })
}

fn value() -> String {
    json!({ "grant": "g-1", "digest": DIGEST }).to_string()
}

#[tokio::test]
async fn an_answer_is_of_the_listed_person_with_the_listed_roles() {
    let clock = ManualClock::default();
    let interactions = interactions(&clock).await;
    let answered =
        interactions.receive(&signed(&clock, &form(&pressed("U0ADA", "opsorch_approve", &value())))).unwrap();
    assert_eq!(answered.actor.to_string(), "user U0ADA@slack");
    assert!(answered.actor.has_role("sre") && answered.actor.authentication == "slack");
    assert_eq!((answered.verdict, answered.grant.as_str(), answered.digest.as_str()), (Verdict::Yes, "g-1", DIGEST));

    let answered = interactions.receive(&signed(&clock, &form(&pressed("U0BOB", "opsorch_deny", &value())))).unwrap();
    assert_eq!(answered.actor.identity, Identity::new("https://id.example.com", "bob"));
    assert_eq!(answered.verdict, Verdict::No);
}

#[tokio::test]
async fn nobody_else_answers() {
    let clock = ManualClock::default();
    let interactions = interactions(&clock).await;
    let mut guest = pressed("U0ADA", "opsorch_approve", &value());
    guest["user"]["team_id"] = json!("T0GUEST");
    let mut nameless = pressed("U0ADA", "opsorch_approve", &value());
    nameless["user"] = json!({});
    for payload in [
        pressed("U0EVE", "opsorch_approve", &value()),
        pressed("u0ada", "opsorch_approve", &value()),
        pressed("ada", "opsorch_approve", &value()),
        guest,
        nameless,
    ] {
        let error = interactions.receive(&signed(&clock, &form(&payload))).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Denied, "{payload}");
    }
}

#[tokio::test]
async fn another_user_in_the_body_breaks_the_signature() {
    let clock = ManualClock::default();
    let interactions = interactions(&clock).await;
    let webhook = signed(&clock, &form(&pressed("U0EVE", "opsorch_approve", &value())));
    let forged = String::from_utf8(webhook.body.to_vec()).unwrap().replace("U0EVE", "U0ADA");
    let error = interactions.receive(&Webhook::new(webhook.headers.clone(), forged)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated);
    let changed = String::from_utf8(webhook.body.to_vec()).unwrap().replace("a5a5", "b6b6");
    let error = interactions.receive(&Webhook::new(webhook.headers, changed)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn an_answer_is_received_once() {
    let clock = ManualClock::default();
    let interactions = interactions(&clock).await;
    let body = form(&pressed("U0ADA", "opsorch_approve", &value()));
    let webhook = signed(&clock, &body);
    interactions.receive(&webhook).unwrap();
    let digits = webhook.headers["x-slack-signature"].to_str().unwrap().strip_prefix("v0=").unwrap().to_uppercase();
    let stamp = clock.now().timestamp().to_string();
    for again in [webhook.clone(), with(&stamp, &format!("v0={digits}"), &body)] {
        clock.advance(Duration::from_secs(100));
        let error = interactions.receive(&again).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
        assert!(error.to_string().contains("before"), "{error}");
    }
    clock.advance(Duration::from_secs(101));
    let stale = interactions.receive(&webhook).unwrap_err();
    assert!(stale.to_string().contains("older than 5 minutes"), "{stale}");
}

#[tokio::test]
async fn what_is_received_is_remembered_for_as_long_as_it_could_come_again() {
    let clock = ManualClock::default();
    let interactions = interactions(&clock).await;
    let now = clock.now().timestamp();
    let first = signed_by(KEY, now, &form(&pressed("U0ADA", "opsorch_approve", &value())));
    interactions.receive(&first).unwrap();
    // Signed in Slack's near future, so that these are younger than the first.
    let other = |number: usize| signed_by(KEY, now + 60, &format!("payload={number}"));
    for number in 0..9_999 {
        assert!(matches!(interactions.receive(&other(number)).unwrap_err().kind(), ErrorKind::Invalid { .. }));
    }
    let full = interactions.receive(&other(10_000)).unwrap_err();
    assert_eq!(*full.kind(), ErrorKind::Unavailable, "nothing is forgotten that could come again");
    assert_eq!(*interactions.receive(&first).unwrap_err().kind(), ErrorKind::Unauthenticated);
    clock.advance(Duration::from_secs(301));
    assert!(matches!(interactions.receive(&other(10_000)).unwrap_err().kind(), ErrorKind::Invalid { .. }));
}

#[tokio::test]
async fn what_is_no_answer_is_refused() {
    let clock = ManualClock::default();
    let interactions = interactions(&clock).await;
    let two = {
        let mut two = pressed("U0ADA", "opsorch_approve", &value());
        let action = two["actions"][0].clone();
        two["actions"].as_array_mut().unwrap().push(action);
        two
    };
    for (payload, is_unsupported) in [
        (json!({ "type": "view_submission" }), true),
        (pressed("U0ADA", "another_button", &value()), true),
        (two, false),
        (pressed("U0ADA", "opsorch_approve", "g-1"), false),
        (pressed("U0ADA", "opsorch_approve", r#"{"grant":"g-1"}"#), false),
        (pressed("U0ADA", "opsorch_approve", r#"{"grant":"g-1","digest":"sha256:x"}"#), false),
        (pressed("U0ADA", "opsorch_approve", &value().replace('}', r#","actor":"U0ADA"}"#)), false),
        (json!({ "type": "block_actions" }), false),
        (json!([]), false),
    ] {
        let error = interactions.receive(&signed(&clock, &form(&payload))).unwrap_err();
        let is_right = match is_unsupported {
            true => *error.kind() == ErrorKind::Unsupported,
            false => matches!(error.kind(), ErrorKind::Invalid { .. }),
        };
        assert!(is_right, "{payload}: {error}");
    }
    let twice = format!("{0}&{0}", form(&pressed("U0ADA", "opsorch_approve", &value())));
    for body in ["", "payload=", "a=b", &twice] {
        let error = interactions.receive(&signed(&clock, body)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{body}: {error}");
    }
}
