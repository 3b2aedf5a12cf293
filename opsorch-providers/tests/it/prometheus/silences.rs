//! Silences: what is sent, what comes back, and what becomes of one when the answer is lost.

use opsorch::gate::Decision;
use opsorch::transport::ReqwestTransport;
use opsorch::{
    Action, Actor, Alert, AlertStatusLevel, Context, ErrorKind, Event, ManualClock, Operation, OpsOrch, OutcomeStatus,
    Quorum, Response, SilenceAlert, Submitted, Target, Time,
};
use opsorch_providers::prometheus::PrometheusConfig;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::alertmanager::{Alertmanager, Desk, LosesAnswers, alert};

/// The fingerprint of the labels below, as Alertmanager computes it.
const FINGERPRINT: &str = "6f059893a53ecb56";

fn target_down() -> Value {
    alert(FINGERPRINT, "2025-12-31T23:00:00.000Z", json!({ "alertname": "TargetDown", "team": "core \"a\"\n" }))
}

fn until(time: &str) -> SilenceAlert {
    SilenceAlert::new(FINGERPRINT, time.parse::<Time>().unwrap())
}

fn silence() -> SilenceAlert {
    until("2026-01-01T02:00:00Z").reason("planned work")
}

async fn silenced(desk: &Desk, input: SilenceAlert) -> opsorch::Result<Alert> {
    desk.ops.alerts(&desk.cx).silence(input).await.map(|submitted| match submitted {
        Submitted::Done(alert) => alert,
        Submitted::Pending(_) => panic!("the policy asks nobody"),
    })
}

async fn outcome(desk: &Desk) -> OutcomeStatus {
    let entries = desk.ops.audit().entries(0, 100).await.unwrap();
    entries.into_iter().rev().find_map(|entry| entry.outcome).unwrap().status
}

#[tokio::test]
async fn a_silence_is_for_exactly_the_labels_of_the_alert() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    let desk = alertmanager.desk().await;
    let alert = silenced(&desk, silence()).await.unwrap();

    assert_eq!(alert.status.level(), AlertStatusLevel::Suppressed);
    assert_eq!(alert.status_raw.as_deref(), Some("suppressed"));
    assert_eq!(alert.fields["silencedBy"], json!(["silence-1"]));
    assert_eq!(alert.metadata["silenceId"], "silence-1");

    let posted = &alertmanager.requests("POST").await[0];
    assert_eq!(posted.headers["content-type"], "application/json");
    let mut body: Value = posted.body_json().unwrap();
    let comment = body["comment"].take();
    let comment = comment.as_str().unwrap();
    assert!(comment.starts_with("planned work [opsorch ") && comment.ends_with(']'), "{comment}");
    assert_eq!(
        body,
        json!({
            "matchers": [
                { "name": "alertname", "value": "TargetDown", "isRegex": false, "isEqual": true },
                { "name": "team", "value": "core \"a\"\n", "isRegex": false, "isEqual": true },
            ],
            "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "2026-01-01T02:00:00Z",
            "createdBy": "agent triage@local",
            "comment": null,
        })
    );
    assert_eq!(outcome(&desk).await, OutcomeStatus::Applied);
}

#[tokio::test]
async fn an_end_in_another_time_zone_is_the_same_moment() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    let input = json!({ "id": FINGERPRINT, "until": "2026-01-01T07:30:00+05:30" });
    silenced(&alertmanager.desk().await, serde_json::from_value(input).unwrap()).await.unwrap();
    let silence = &alertmanager.state.silences()[0];
    assert_eq!(silence["endsAt"], "2026-01-01T02:00:00Z");
    assert!(silence["comment"].as_str().unwrap().starts_with("silenced without a reason [opsorch "));
}

#[tokio::test]
async fn an_end_that_has_passed_is_refused_before_anything_is_sent() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    let desk = alertmanager.desk().await;
    for time in ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"] {
        let error = silenced(&desk, until(time)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "until".into() }, "{error}");
        assert!(!error.may_have_applied());
    }
    assert!(alertmanager.server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_unknown_alert_is_not_found_and_nothing_is_sent() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    let desk = alertmanager.desk().await;
    let input = SilenceAlert::new("0000000000000000", silence().until);
    let error = silenced(&desk, input).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
    assert!(alertmanager.requests("POST").await.is_empty());
    assert_eq!(outcome(&desk).await, OutcomeStatus::NotApplied);
}

#[tokio::test]
async fn a_label_without_a_value_is_not_silenced_by() {
    let labels = json!({ "alertname": "TargetDown", "zone": "" });
    let alertmanager = Alertmanager::start([alert(FINGERPRINT, "2025-12-31T23:00:00Z", labels)]).await;
    silenced(&alertmanager.desk().await, silence()).await.unwrap();
    assert_eq!(alertmanager.state.silences()[0]["matchers"].as_array().unwrap().len(), 1);

    let alertmanager = Alertmanager::start([alert(FINGERPRINT, "2025-12-31T23:00:00Z", json!({ "zone": "" }))]).await;
    let error = silenced(&alertmanager.desk().await, silence()).await.unwrap_err();
    assert!(!error.may_have_applied(), "{error}");
    assert!(alertmanager.requests("POST").await.is_empty(), "a silence of nothing would be one of everything");
}

#[tokio::test]
async fn a_silence_that_is_not_in_effect_yet_is_not_claimed_to_be() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    alertmanager.state.be_slow();
    let alert = silenced(&alertmanager.desk().await, silence()).await.unwrap();
    assert_eq!(alert.status.level(), AlertStatusLevel::Firing);
    assert_eq!(alert.metadata["silenceId"], "silence-1");
}

#[tokio::test]
async fn an_alert_that_ends_as_it_is_silenced_is_resolved() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    alertmanager.state.forget_silenced();
    let alert = silenced(&alertmanager.desk().await, silence()).await.unwrap();
    assert_eq!((alert.status.level(), alert.status_raw), (AlertStatusLevel::Resolved, None));
    assert_eq!((alert.title.as_str(), &alert.metadata["silenceId"]), ("TargetDown", &json!("silence-1")));
}

#[tokio::test]
async fn a_silence_that_was_made_is_told_of_even_if_the_alert_cannot_be_read_again() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    alertmanager.state.fail("GET", 1, ResponseTemplate::new(500).set_body_json("no"));
    let desk = alertmanager.desk().await;
    let alert = silenced(&desk, silence()).await.unwrap();
    assert_eq!(alert.metadata["silenceId"], "silence-1");
    assert_eq!(alertmanager.requests("POST").await.len(), 1);
    assert_eq!(outcome(&desk).await, OutcomeStatus::Applied);
}

#[tokio::test]
async fn what_fails_before_the_silence_is_sent_changed_nothing() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    for status in [500, 503, 429, 401, 404] {
        alertmanager.state.fail("GET", 0, ResponseTemplate::new(status));
        let desk = Desk::at_once(alertmanager.config()).await;
        let error = silenced(&desk, silence()).await.unwrap_err();
        assert!(!error.may_have_applied(), "{error}");
        assert_ne!(*error.kind(), ErrorKind::NotFound, "it is not the alert that is missing");
        assert_eq!(outcome(&desk).await, OutcomeStatus::NotApplied);
    }
    assert!(alertmanager.requests("POST").await.is_empty());
}

#[tokio::test]
async fn a_refusal_is_an_error_in_the_words_of_alertmanager() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    let refusals = [
        (400, json!("Failed to create silence: end time can't be in the past"), "end time can't be in the past"),
        (415, json!({ "code": 415, "message": "unsupported media type" }), "unsupported media type"),
        (422, json!({ "code": 601, "message": "silence in body is required" }), "in body is required"),
    ];
    for (status, body, words) in refusals {
        alertmanager.state.fail("POST", 0, ResponseTemplate::new(status).set_body_json(body));
        let desk = alertmanager.desk().await;
        let error = silenced(&desk, silence()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }) && !error.may_have_applied(), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(outcome(&desk).await, OutcomeStatus::NotApplied);
    }
}

#[tokio::test]
async fn after_an_answer_that_says_nothing_sure_the_silence_may_be_there_and_is_not_sent_again() {
    let page = ResponseTemplate::new(200).set_body_raw("<html>log in</html>", "text/html");
    let answers = [
        ResponseTemplate::new(500).set_body_json("no"),
        ResponseTemplate::new(502),
        ResponseTemplate::new(503).insert_header("retry-after", "0"),
        ResponseTemplate::new(408),
        ResponseTemplate::new(200),
        ResponseTemplate::new(200).set_body_json(json!({})),
        page,
    ];
    for answer in answers {
        let alertmanager = Alertmanager::start([target_down()]).await;
        alertmanager.state.fail("POST", 0, answer);
        let desk = alertmanager.desk().await;
        let error = silenced(&desk, silence()).await.unwrap_err();
        assert!(error.may_have_applied(), "{error}");
        assert_eq!(alertmanager.requests("POST").await.len(), 1);
        assert_eq!(outcome(&desk).await, OutcomeStatus::Unknown);
    }
}

/// A silence whose answer is lost, and what is asked about it.
struct Lost {
    alertmanager: Alertmanager,
    desk: Desk,
}

impl Lost {
    async fn silence() -> Self {
        let alertmanager = Alertmanager::start([target_down()]).await;
        let transport = LosesAnswers(ReqwestTransport::new().unwrap());
        let desk = Desk::at_once_over(transport, alertmanager.config()).await;
        let error = desk.ops.alerts(&desk.cx).idempotency_key("k").silence(silence()).await.unwrap_err();
        assert!(error.may_have_applied(), "{error}");
        Self { alertmanager, desk }
    }

    /// What the addendum says, if the vendor could be asked and knew.
    async fn reconciled(&self) -> opsorch::Result<Option<OutcomeStatus>> {
        let grant = self.desk.ops.audit().entries(0, 1).await.unwrap()[0].grant.clone().unwrap();
        let entry = self.desk.ops.reconcile(&self.desk.cx, &grant).await?;
        Ok(entry.map(|entry| {
            assert_eq!(entry.event, Event::Addendum);
            entry.outcome.unwrap().status
        }))
    }

    /// What the same submission gives, once more.
    async fn again(&self) -> opsorch::Result<Alert> {
        let alerts = self.desk.ops.alerts(&self.desk.cx).idempotency_key("k");
        alerts.silence(silence()).await.map(|submitted| match submitted {
            Submitted::Done(alert) => alert,
            Submitted::Pending(_) => panic!("the policy asks nobody"),
        })
    }
}

#[tokio::test]
async fn a_silence_whose_answer_was_lost_is_found_by_its_comment() {
    let lost = Lost::silence().await;
    assert_eq!(lost.reconciled().await.unwrap(), Some(OutcomeStatus::Applied));

    let alert = lost.again().await.unwrap();
    assert_eq!(alert.status.level(), AlertStatusLevel::Suppressed);
    assert_eq!(alert.metadata["silenceId"], "silence-1");
    assert_eq!(lost.alertmanager.requests("POST").await.len(), 1);
}

#[tokio::test]
async fn a_silence_whose_answer_was_lost_is_found_before_it_would_be_sent_again() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    let transport = LosesAnswers(ReqwestTransport::new().unwrap());
    let desk = Desk::over(transport, alertmanager.config()).await.unwrap();
    assert_eq!(silenced(&desk, silence()).await.unwrap().metadata["silenceId"], "silence-1");
    assert_eq!((alertmanager.requests("POST").await.len(), outcome(&desk).await), (1, OutcomeStatus::Applied));
}

#[tokio::test]
async fn a_silence_is_found_also_when_its_alert_has_ended() {
    let lost = Lost::silence().await;
    lost.alertmanager.state.set([]);
    assert_eq!(lost.reconciled().await.unwrap(), Some(OutcomeStatus::Applied));
    let alert = lost.again().await.unwrap();
    assert_eq!((alert.title.as_str(), alert.status.level()), ("TargetDown", AlertStatusLevel::Resolved));
    let labels = alert.fields["labels"].as_object().unwrap();
    assert_eq!(labels.keys().collect::<Vec<_>>(), ["alertname", "team"]);
}

/// Whoever reads a comment can write one like it: the mark of a change alone proves nothing.
#[tokio::test]
async fn a_silence_with_the_mark_of_another_is_not_taken_for_it() {
    let lost = Lost::silence().await;
    let made = lost.alertmanager.state.silences().remove(0);
    let forged = |member: &str, value: Value| {
        let mut silence = made.clone();
        silence[member] = value;
        silence
    };
    let matcher = |name: &str, is_regex: bool| json!({ "name": name, "value": "TargetDown", "isRegex": is_regex });
    lost.alertmanager.state.set_silences([
        forged("matchers", json!([matcher("alertname", false)])),
        forged("matchers", json!([matcher("team", false)])),
        forged("matchers", json!([matcher("alertname", true)])),
        forged("matchers", json!([])),
        forged("endsAt", json!("2026-01-01T01:59:59Z")),
    ]);
    assert_eq!(lost.reconciled().await.unwrap(), None);
    assert!(lost.again().await.unwrap_err().may_have_applied());
}

#[tokio::test]
async fn a_silence_that_is_not_found_may_still_come() {
    let lost = Lost::silence().await;
    let made = lost.alertmanager.state.silences().remove(0);
    let comment = made["comment"].as_str().unwrap().to_owned();
    let of_another = |comment: String| {
        let mut silence = made.clone();
        silence["comment"] = json!(comment);
        silence
    };
    // Somebody quotes the mark in a reason, or has a key that begins like this one.
    let quoting = of_another(format!("{comment} [opsorch another]"));
    let longer = of_another(comment.replace(']', "0]"));
    lost.alertmanager.state.set_silences([quoting, longer]);
    assert_eq!(lost.reconciled().await.unwrap(), None);
    assert!(lost.again().await.unwrap_err().may_have_applied());
}

#[tokio::test]
async fn a_vendor_that_cannot_be_asked_leaves_it_unknown() {
    let lost = Lost::silence().await;
    lost.alertmanager.state.fail("GET", 0, ResponseTemplate::new(403));
    assert_eq!(*lost.reconciled().await.unwrap_err().kind(), ErrorKind::Forbidden);
    assert_eq!(lost.reconciled().await.unwrap(), Some(OutcomeStatus::Applied), "asked again, it knows");
}

#[tokio::test]
async fn those_who_agreed_are_named_beside_the_one_who_asked() {
    let alertmanager = Alertmanager::start([target_down()]).await;
    let ask = |_: &Context, _: &Target, _: &Action| Decision::require_approval(Quorum::of(1, "sre"), "a test");
    let builder = OpsOrch::builder().configure("prom", alertmanager.config()).policy(ask);
    let builder = builder.clock(ManualClock::default()).transport(ReqwestTransport::new().unwrap());
    let ops = builder.build().await.unwrap();

    let (agent, alice) = (Context::new(Actor::agent("triage")), Context::new(Actor::user("alice").role("sre")));
    let Submitted::Pending(request) = ops.alerts(&agent).silence(silence()).await.unwrap() else {
        panic!("the policy asks an sre");
    };
    ops.approvals(&alice).approve(&request.id, &request.digest).await.unwrap();
    assert!(alertmanager.requests("POST").await.is_empty(), "approving sends nothing");

    let response = ops.approvals(&agent).redeem(&request.id).await.unwrap();
    assert!(matches!(response, Response::Alert(_)));
    let silences = alertmanager.state.silences();
    assert_eq!(silences[0]["createdBy"], "agent triage@local, approved by user alice@local");
}

#[tokio::test]
async fn without_an_alertmanager_nothing_can_be_silenced() {
    let config = PrometheusConfig::new("http://127.0.0.1:9".parse().unwrap());
    let desk = Desk::of(config).await;
    let provider = desk.ops.providers().next().unwrap();
    assert!(provider.operations().contains(Operation::AlertQuery));
    assert!(!provider.operations().contains(Operation::AlertSilence));
    let error = silenced(&desk, silence()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
}
