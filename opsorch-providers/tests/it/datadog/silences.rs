//! Alerts are kept quiet, and speak again.

use std::time::Duration;

use opsorch::{Alert, AlertStatusLevel, Error, ErrorKind, OutcomeStatus, Result, SilenceAlert};
use serde_json::{Value, json};

use super::desk::{Desk, Fate, ago, done, status};
use super::simulated::datadog::listing::uuid;
use super::simulated::datadog::monitors::Downtime;
use super::{assert_invalid, assert_unsupported};

const GROUP: &str = "12:env:prod,host:web-1";

fn in_an_hour() -> opsorch::Time {
    ago(0) + Duration::from_secs(3_600)
}

impl Desk {
    async fn silence(&self, input: SilenceAlert) -> Result<Alert> {
        done(self.ops.alerts(&self.cx).silence(input).await)
    }

    fn downtimes(&self) -> Vec<(Value, bool)> {
        self.wire
            .vendor(|vendor| vendor.monitors.downtimes.iter().map(|it| (it.attributes.clone(), it.canceled)).collect())
    }
}

#[tokio::test]
async fn a_silence_is_a_downtime_for_exactly_the_alert() {
    let desk = Desk::open().await;
    let alert = desk.silence(SilenceAlert::new(GROUP, in_an_hour()).reason("known, see OPS-1")).await.unwrap();
    assert_eq!(alert.status.level(), AlertStatusLevel::Suppressed);
    assert_eq!(alert.metadata["downtimes"], json!([uuid(0xd, 0)]));
    let sent = desk.wire.bodies("/api/v2/downtime").into_iter().find(|body| !body.is_null()).unwrap();
    let message = sent["data"]["attributes"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("known, see OPS-1 [opsorch ") && message.ends_with(']'), "{message}");
    assert_eq!(
        sent,
        json!({ "data": { "type": "downtime", "attributes": {
            "monitor_identifier": { "monitor_id": 12 },
            "scope": "env:prod AND host:web-1",
            "schedule": { "end": in_an_hour() },
            "message": message,
        } } })
    );
    let others = desk.ops.alerts(&desk.cx).get("12:env:staging,host:web-3").await.unwrap();
    assert_eq!(others.status.level(), AlertStatusLevel::Firing, "the other groups speak on");
    desk.silence(SilenceAlert::new("11", in_an_hour())).await.unwrap();
    assert_eq!(desk.downtimes()[1].0["scope"], "*");
}

#[tokio::test]
async fn a_value_that_means_something_to_a_scope_stays_a_value() {
    for value in ["a\"b", "a\\", "a b", "a*", "x) OR env:prod", "a}", "-x", "OR", "*"] {
        let desk = Desk::open().await;
        let groups = [(format!("host:{value}"), "Alert"), ("host:other".to_owned(), "Alert")];
        desk.wire.vendor(|vendor| {
            let groups: Vec<_> = groups.iter().map(|(name, state)| (name.as_str(), *state, 5)).collect();
            vendor.monitors.monitors = vec![super::simulated::datadog::monitors::split(7, "x", &groups)];
        });
        let id = format!("7:host:{value}");
        let alert = desk.silence(SilenceAlert::new(id.as_str(), in_an_hour())).await.unwrap();
        assert_eq!((alert.id.as_str(), alert.status.level()), (id.as_str(), AlertStatusLevel::Suppressed), "{value}");
        let quiet = desk.ops.alerts(&desk.cx).get("7:host:other").await.unwrap();
        assert_eq!(quiet.status.level(), AlertStatusLevel::Firing, "{value}");
        assert_eq!(
            desk.ops.alerts(&desk.cx).get(id.as_str()).await.unwrap().status.level(),
            AlertStatusLevel::Suppressed
        );
    }
    let desk = Desk::open().await;
    desk.wire.vendor(|vendor| {
        vendor.monitors.monitors = vec![super::simulated::datadog::monitors::split(7, "x", &[("no tag", "Alert", 5)])];
    });
    assert_unsupported(desk.silence(SilenceAlert::new("7:no tag", in_an_hour())).await, "no tag");
}

#[tokio::test]
async fn a_reason_calls_nobody() {
    let desk = Desk::open().await;
    for reason in ["@all look", "see (@pagerduty-db)", "x,@here"] {
        assert_invalid(desk.silence(SilenceAlert::new("11", in_an_hour()).reason(reason)).await, "reason");
    }
    desk.silence(SilenceAlert::new("11", in_an_hour()).reason("ask ada@example.com")).await.unwrap();
    assert_eq!(desk.downtimes().len(), 1);
}

#[tokio::test]
async fn a_silence_that_has_ended_cancels_those_of_exactly_this_alert() {
    let desk = Desk::open().await;
    desk.silence(SilenceAlert::new(GROUP, in_an_hour())).await.unwrap();
    desk.silence(SilenceAlert::new(GROUP, in_an_hour())).await.unwrap();
    desk.silence(SilenceAlert::new("11", in_an_hour())).await.unwrap();
    let alert = desk.silence(SilenceAlert::new(GROUP, ago(0))).await.unwrap();
    assert_eq!(alert.status.level(), AlertStatusLevel::Firing);
    assert_eq!(desk.downtimes().iter().map(|it| it.1).collect::<Vec<_>>(), [true, true, false]);
    let sent: Vec<_> = desk.wire.paths().into_iter().filter(|path| path.starts_with("DELETE")).collect();
    let expected = [uuid(0xd, 0), uuid(0xd, 1)].map(|id| format!("DELETE /api/v2/downtime/{id}"));
    assert_eq!(sent, expected);
    // An alert that nothing keeps quiet is as it should be.
    let again = desk.silence(SilenceAlert::new(GROUP, ago(60))).await.unwrap();
    assert_eq!(again.status.level(), AlertStatusLevel::Firing);
}

#[tokio::test]
async fn what_keeps_more_quiet_than_the_alert_is_not_ended_but_named() {
    let desk = Desk::open().await;
    let attributes =
        json!({ "monitor_identifier": { "monitor_id": 12 }, "scope": "env:prod", "schedule": { "end": null } });
    desk.wire
        .vendor(|vendor| vendor.monitors.downtimes.push(Downtime { id: "wide".into(), attributes, canceled: false }));
    let error = desk.silence(SilenceAlert::new(GROUP, ago(0))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("wide") && !error.may_have_applied(), "{error}");
    assert!(!desk.downtimes()[0].1);
}

#[tokio::test]
async fn of_two_downtimes_the_error_says_which_was_cancelled() {
    let desk = Desk::open().await;
    desk.silence(SilenceAlert::new("11", in_an_hour())).await.unwrap();
    desk.silence(SilenceAlert::new("11", in_an_hour())).await.unwrap();
    let (first, second) = (uuid(0xd, 0), uuid(0xd, 1));
    let path: &'static str = Box::leak(second.clone().into_boxed_str());
    desk.wire.answer("DELETE", path, status(403, &json!({ "errors": ["Forbidden"] }), &[]));
    let error = desk.silence(SilenceAlert::new("11", ago(0))).await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
    let said: Vec<_> = error.context().filter(|(name, _)| *name == "done").map(|(_, value)| value.to_owned()).collect();
    assert_eq!(said, [format!("1 of 2 downtimes were cancelled: {first}; {second} was not")]);
    // Nothing was cancelled where the first is refused.
    let desk = Desk::open().await;
    desk.silence(SilenceAlert::new("11", in_an_hour())).await.unwrap();
    desk.wire.answer("DELETE", path_of(0), status(403, &json!({ "errors": ["Forbidden"] }), &[]));
    let error = desk.silence(SilenceAlert::new("11", ago(0))).await.unwrap_err();
    assert!(!error.may_have_applied(), "{error}");
}

fn path_of(number: usize) -> &'static str {
    Box::leak(uuid(0xd, number).into_boxed_str())
}

#[tokio::test]
async fn a_downtime_that_is_gone_already_has_ended() {
    let desk = Desk::open().await;
    desk.silence(SilenceAlert::new("11", in_an_hour())).await.unwrap();
    desk.wire.answer("DELETE", path_of(0), status(404, &json!({ "errors": ["not found"] }), &[]));
    assert!(desk.silence(SilenceAlert::new("11", ago(0))).await.is_ok());
}

#[tokio::test]
async fn an_alert_that_nothing_has_is_not_silenced() {
    let desk = Desk::open().await;
    for id in ["99", "12:host:gone", "x"] {
        let error: Error = desk.silence(SilenceAlert::new(id, in_an_hour())).await.unwrap_err();
        assert!(*error.kind() == ErrorKind::NotFound && !error.may_have_applied(), "{id}: {error}");
    }
    assert!(desk.downtimes().is_empty());
}

#[tokio::test]
async fn a_silence_whose_answer_was_lost_is_found_by_its_message() {
    // What is there afterwards, and whether it is what was asked for.
    let cases: [(fn(&mut Value), Option<OutcomeStatus>); 5] = [
        (|_| {}, Some(OutcomeStatus::Applied)),
        (|attributes| attributes["message"] = json!("silenced without a reason [opsorch another]"), None),
        (|attributes| attributes["scope"] = json!("env:prod"), None),
        (|attributes| attributes["monitor_identifier"] = json!({ "monitor_id": 11 }), None),
        (|attributes| attributes["schedule"] = json!({ "end": ago(0) }), None),
    ];
    for (change, outcome) in cases {
        let desk = Desk::open().await;
        desk.wire.next("POST", "/downtime", 0, Fate::Lost);
        let error = desk.silence(SilenceAlert::new(GROUP, in_an_hour())).await.unwrap_err();
        assert!(error.may_have_applied(), "{error}");
        desk.wire.vendor(|vendor| change(&mut vendor.monitors.downtimes[0].attributes));
        let grant = desk.ops.audit().entries(0, 1).await.unwrap()[0].grant.clone().unwrap();
        let addendum = desk.ops.reconcile(&desk.cx, &grant).await.unwrap();
        assert_eq!(addendum.map(|entry| entry.outcome.unwrap().status), outcome);
        assert_eq!(desk.downtimes().len(), 1, "it only looks");
    }
}
