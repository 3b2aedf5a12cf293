//! Silences, made through the gate.

use async_trait::async_trait;
use opsorch::transport::{Method, Reply, Request, ReqwestTransport, Transport};
use opsorch::{
    AlertQuery, AlertStatusLevel, Clock, Error, ErrorKind, Fields, OutcomeStatus, Response, Result, SilenceAlert,
    SystemClock, Time,
};
use serde_json::json;

use super::{Desk, QUOTED, config, eventually, now, seconds};

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn a_silence_waits_for_a_person_is_seen_in_alertmanager_and_expires() {
    let (desk, reason) = (Desk::new().await, "planned work on \"db\\1\"");
    let labels = json!({ "alertname": "Expires", "quoted": QUOTED, "line": "one\ntwo", "word": "ü ✓" });
    let alert = desk.raise(labels.clone()).await;
    let until = now() + seconds(4);
    let request = desk.ask(SilenceAlert::new(alert.id.clone(), until).reason(reason)).await;
    assert!(desk.silences(reason).await.is_empty(), "nobody approved");
    desk.approve(&request).await;
    assert!(desk.silences(reason).await.is_empty(), "approving changes nothing");
    let first = desk.ops.approvals(&desk.agent).redeem(&request.id).await.unwrap();
    assert_eq!(desk.ops.approvals(&desk.agent).redeem(&request.id).await.unwrap(), first);

    let silences = desk.silences(reason).await;
    assert_eq!((silences.len(), &silences[0]["status"]["state"]), (1, &json!("active")));
    assert_eq!(silences[0]["createdBy"], "agent triage@local, approved by user alice@local");
    assert_eq!(silences[0]["endsAt"].as_str().unwrap().parse::<Time>().unwrap(), until);
    let matchers = silences[0]["matchers"].as_array().unwrap();
    assert!(matchers.iter().all(|matcher| matcher["isRegex"] == false && matcher["isEqual"] == true));
    let silenced: Fields =
        matchers.iter().map(|it| (it["name"].as_str().unwrap().to_owned(), it["value"].clone())).collect();
    assert_eq!(json!(silenced), labels);

    let id = &alert.id;
    let silenced = desk.alert(id).await.unwrap();
    assert_eq!(silenced.status.level(), AlertStatusLevel::Suppressed);
    assert_eq!(silenced.fields["silencedBy"], json!([silences[0]["id"]]));
    assert!(desk.finds(id, AlertQuery::new().status("suppressed")).await);
    assert!(!desk.finds(id, AlertQuery::firing()).await);

    let fires = eventually("the end of the silence", async || {
        let alert = desk.alert(id).await.unwrap();
        (alert.status.level() == AlertStatusLevel::Firing).then_some(alert)
    })
    .await;
    assert!(SystemClock.now() >= until && !fires.fields.contains_key("silencedBy"), "{fires:?}");
    assert_eq!(desk.silences(reason).await[0]["status"]["state"], "expired");
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn a_silence_whose_answer_was_lost_is_found_and_made_only_once() {
    let (desk, reason) = (Desk::over(LosesAnswers(ReqwestTransport::new().unwrap()), config()).await, "lost");
    let alert = desk.raise(json!({ "alertname": "Lost", "quoted": QUOTED })).await;
    let request = desk.ask(SilenceAlert::new(alert.id, now() + seconds(600)).reason(reason)).await;
    desk.approve(&request).await;
    let Response::Alert(alert) = desk.ops.approvals(&desk.agent).redeem(&request.id).await.unwrap() else {
        panic!("expected an alert");
    };
    assert_eq!(alert.status.level(), AlertStatusLevel::Suppressed);
    let silences = desk.silences(reason).await;
    assert_eq!((silences.len(), &silences[0]["id"]), (1, &alert.metadata["silenceId"]));
    let entries = desk.ops.audit().entries(0, 100).await.unwrap();
    let outcomes: Vec<_> =
        entries.into_iter().filter_map(|entry| entry.outcome).map(|outcome| outcome.status).collect();
    assert_eq!(outcomes, [OutcomeStatus::Applied]);
}

#[tokio::test]
#[ignore = "needs .ci/servers"]
async fn an_alert_that_is_not_there_cannot_be_silenced() {
    let desk = Desk::new().await;
    let error = desk.silence(SilenceAlert::new("0000000000000000", now() + seconds(600))).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::NotFound, false), "{error}");
}

/// Makes silences and loses what is answered.
#[derive(Debug)]
struct LosesAnswers(ReqwestTransport);

#[async_trait]
impl Transport for LosesAnswers {
    async fn send(&self, request: Request) -> Result<Reply> {
        let is_silence = request.method == Method::POST && request.url.path().ends_with("/silences");
        let reply = self.0.send(request).await?;
        match is_silence {
            true => Err(Error::new(ErrorKind::Timeout, "no complete answer in time")),
            false => Ok(reply),
        }
    }
}
