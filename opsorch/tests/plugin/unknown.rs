//! A plugin that is lost while it makes a change.

use std::path::Path;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::plugin::Protocol;
use opsorch::{Action, Context, CreateTicket, OpsOrch, OutcomeStatus, Submitted, Target};
use serde_json::{Value, json};

use crate::support::{agent, assert_gone, eventually, plugin, token};
use crate::trials;

trials!(
    killing_a_plugin_while_a_change_is_in_flight_is_unknown_and_not_sent_again,
    a_crash_during_a_change_is_unknown_and_not_sent_again,
    a_change_that_was_not_sent_is_not_made,
    a_change_whose_key_the_plugin_honours_is_sent_again_under_the_same_key,
    the_plugin_is_asked_what_became_of_a_change,
    a_change_that_is_found_by_its_marker_is_sent_again_only_if_it_was_not_made,
    a_process_that_did_not_get_a_change_is_not_believed_that_it_was_not_made,
    a_new_process_that_no_longer_honours_the_key_gets_no_change_again,
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

async fn a_change_whose_key_the_plugin_honours_is_sent_again_under_the_same_key() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let file = directory.path().join("notes");
    let ops = plane(Protocol::Two, "crash-once", &token, &file).await;
    let created = ops.tickets(&agent()).create(CreateTicket::new("disk full")).await.unwrap();
    assert!(matches!(created, Submitted::Done(ticket) if ticket.id.as_str() == "T-new"));
    assert_eq!(outcome(&ops).await, OutcomeStatus::Applied);
    let keys: Vec<Value> = creates(&file)
        .iter()
        .map(|line| {
            let call: Value = serde_json::from_str(line.splitn(3, ' ').nth(2).unwrap()).unwrap();
            call["params"]["approval"]["idempotencyKey"].clone()
        })
        .collect();
    assert_eq!(keys.len(), 2, "it was sent again");
    assert_eq!(keys[0], keys[1]);
    drop(ops);
    assert_gone(&token).await;
}

async fn the_plugin_is_asked_what_became_of_a_change() {
    let cases = [
        ("made", Ok(Some(OutcomeStatus::Applied))),
        // The process that got it is gone, and with it what it had begun.
        ("lost", Ok(None)),
        ("disk full", Ok(None)),
        ("odd", Err("makes no sense")),
    ];
    for (title, expected) in cases {
        let (token, directory) = (token(), tempfile::tempdir().unwrap());
        let file = directory.path().join("notes");
        let ops = plane(Protocol::Two, "crash-before", &token, &file).await;
        ops.tickets(&agent()).create(CreateTicket::new(title)).await.unwrap_err();
        let entries = ops.audit().entries(0, 100).await.unwrap();
        let grant = entries.iter().find_map(|entry| entry.grant.clone()).unwrap();
        let found = ops.reconcile(&agent(), &grant).await;
        match expected {
            Ok(status) => assert_eq!(found.unwrap().map(|entry| entry.outcome.unwrap().status), status, "{title}"),
            Err(words) => assert!(found.unwrap_err().to_string().contains(words), "{title}"),
        }
        assert_eq!(creates(&file).len(), 1, "it only looks");
        let notes = std::fs::read_to_string(&file).unwrap();
        let asked: Value =
            serde_json::from_str(notes.lines().find_map(|line| line.strip_prefix("reconcile ")).unwrap()).unwrap();
        assert_eq!(asked["input"], json!({ "title": title }));
        assert!(notes.contains(&format!("\"idempotencyKey\":{}", asked["idempotencyKey"])), "the key of the change");
        drop(ops);
        assert_gone(&token).await;
    }
}

/// How many lines of one sort a plugin noted.
fn noted(file: &Path, what: &str) -> usize {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.split(' ').next() == Some(what)).count()
}

async fn a_change_that_is_found_by_its_marker_is_sent_again_only_if_it_was_not_made() {
    let cases = [
        ("lost", Some("T-new"), OutcomeStatus::Applied, 2),
        ("made", Some("T-made"), OutcomeStatus::Applied, 1),
        ("disk full", None, OutcomeStatus::Unknown, 1),
    ];
    for (title, id, status, sent) in cases {
        let (token, directory) = (token(), tempfile::tempdir().unwrap());
        let file = directory.path().join("notes");
        let ops = plane(Protocol::Two, "marks", &token, &file).await;
        let created = ops.tickets(&agent()).create(CreateTicket::new(title)).await;
        match (created, id) {
            (Ok(Submitted::Done(ticket)), Some(id)) => assert_eq!(ticket.id.as_str(), id),
            (Err(error), None) => assert!(error.may_have_applied(), "{error}"),
            (other, _) => panic!("{title}: {other:?}"),
        }
        assert_eq!(outcome(&ops).await, status, "{title}");
        assert_eq!(creates(&file).len(), sent, "{title}");
        assert!(noted(&file, "reconcile") >= 1, "{title}: it is asked first");
        drop(ops);
        assert_gone(&token).await;
    }
}

async fn a_process_that_did_not_get_a_change_is_not_believed_that_it_was_not_made() {
    // One that was started after a crash.
    let (crashed, directory) = (token(), tempfile::tempdir().unwrap());
    let file = directory.path().join("notes");
    let ops = plane(Protocol::Two, "marks-and-crashes", &crashed, &file).await;
    let error = ops.tickets(&agent()).create(CreateTicket::new("lost")).await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
    assert_eq!(outcome(&ops).await, OutcomeStatus::Unknown);
    assert_eq!((creates(&file).len(), noted(&file, "reconcile") >= 1), (1, true));
    drop(ops);
    assert_gone(&crashed).await;

    // Another one of several, while the first works on.
    let several = token();
    let file = directory.path().join("more");
    let config = plugin(Protocol::Two, "marks-and-is-mute", &several).arg(file.to_str().unwrap());
    let config = config.processes(2).timeout(Duration::from_secs(2));
    let ops = OpsOrch::builder()
        .configure("tracker", config)
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
        .build()
        .await
        .unwrap();
    let (cx, brief) = (agent(), agent().timeout(Duration::from_millis(1000)));
    let (tickets, reads) = (ops.tickets(&cx), ops.tickets(&brief));
    let change = async {
        eventually("the read is not sent", || noted(&file, "held") > 0).await;
        tickets.create(CreateTicket::new("lost")).await
    };
    // The read occupies the first process, and is over before the change is.
    let (read, created) = tokio::join!(reads.get("bad"), change);
    assert!(read.is_err());
    let error = created.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
    assert_eq!(outcome(&ops).await, OutcomeStatus::Unknown);
    assert_eq!((creates(&file).len(), noted(&file, "reconcile") >= 1), (1, true));
    drop(ops);
    assert_gone(&several).await;
}

async fn a_new_process_that_no_longer_honours_the_key_gets_no_change_again() {
    let (token, directory) = (token(), tempfile::tempdir().unwrap());
    let file = directory.path().join("notes");
    let ops = plane(Protocol::Two, "forgets", &token, &file).await;
    let error = ops.tickets(&agent()).create(CreateTicket::new("disk full")).await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
    assert_eq!(creates(&file).len(), 1, "no second write");
    let error = ops.tickets(&agent()).get("T-1").await.unwrap_err();
    assert!(error.to_string().contains("no longer declares"), "{error}");
    assert!(error.to_string().contains("ticket.create in `idempotentByKey`"), "{error}");
    drop(ops);
    assert_gone(&token).await;
}
