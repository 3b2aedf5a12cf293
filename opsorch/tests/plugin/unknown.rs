//! A plugin that is lost while it makes a change.

use std::path::Path;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::plugin::Protocol;
use opsorch::{Action, Context, CreateTicket, OpsOrch, OutcomeStatus, Target};

use crate::support::{agent, assert_gone, eventually, plugin, token};
use crate::trials;

trials!(
    killing_a_plugin_while_a_change_is_in_flight_is_unknown_and_not_sent_again,
    a_crash_during_a_change_is_unknown_and_not_sent_again,
    a_change_that_was_not_sent_is_not_made,
);

/// With the usual layers, which repeat what may be repeated.
async fn plane(protocol: Protocol, behaviour: &str, token: &str, file: &Path) -> OpsOrch {
    OpsOrch::builder()
        .configure("tracker", plugin(protocol, behaviour, token).arg(file.to_str().unwrap()))
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
        .build()
        .await
        .unwrap()
}

fn creates(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.starts_with("create")).map(str::to_owned).collect()
}

async fn outcome(ops: &OpsOrch) -> OutcomeStatus {
    let entries = ops.audit().entries(0, 100).await.unwrap();
    entries.iter().filter_map(|entry| entry.outcome.as_ref()).next_back().unwrap().status
}

async fn killing_a_plugin_while_a_change_is_in_flight_is_unknown_and_not_sent_again() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let (token, directory) = (token(), tempfile::tempdir().unwrap());
        let file = directory.path().join("notes");
        let ops = plane(protocol, "hang", &token, &file).await;
        let cx = agent();
        let tickets = ops.tickets(&cx);
        let killer = async {
            eventually("the change is not sent", || !creates(&file).is_empty()).await;
            let process = creates(&file)[0].split(' ').nth(1).unwrap().parse().unwrap();
            let process = rustix::process::Pid::from_raw(process).unwrap();
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        };
        let (result, ()) = tokio::join!(tickets.create(CreateTicket::new("disk full")), killer);
        let error = result.unwrap_err();
        assert!(error.may_have_applied(), "{error}");
        assert_eq!(outcome(&ops).await, OutcomeStatus::Unknown);
        assert!(ops.tickets(&cx).get("T-1").await.is_ok(), "reads go on");
        assert_eq!(creates(&file).len(), 1, "no second write");
        drop(ops);
        assert_gone(&token).await;
    }
}

async fn a_crash_during_a_change_is_unknown_and_not_sent_again() {
    for protocol in [Protocol::Two, Protocol::Legacy] {
        let (token, directory) = (token(), tempfile::tempdir().unwrap());
        let file = directory.path().join("notes");
        let ops = plane(protocol, "crash-before", &token, &file).await;
        let error = ops.tickets(&agent()).create(CreateTicket::new("disk full")).await.unwrap_err();
        assert!(error.may_have_applied(), "{error}");
        assert_eq!(outcome(&ops).await, OutcomeStatus::Unknown);
        assert_eq!(creates(&file).len(), 1, "no second write");
        drop(ops);
        assert_gone(&token).await;
    }
}

async fn a_change_that_was_not_sent_is_not_made() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let file = directory.path().join("notes");
    let ops = plane(Protocol::Legacy, "hang", &token, &file).await;
    let cx = agent().timeout(Duration::from_millis(600));
    let hanging = agent().timeout(Duration::from_millis(2500));
    let first = ops.tickets(&hanging);
    let second = ops.tickets(&cx);
    // The read occupies the plugin; the change waits behind it until its time is over.
    let (read, change) = tokio::join!(first.get("bad"), second.create(CreateTicket::new("late")));
    assert!(read.is_err());
    let error = change.unwrap_err();
    assert!(!error.may_have_applied(), "{error}");
    assert_eq!(outcome(&ops).await, OutcomeStatus::NotApplied);
    assert!(creates(&file).is_empty());
    drop(ops);
    assert_gone(&token).await;
}
