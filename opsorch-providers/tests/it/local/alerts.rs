//! Alerts that are raised and resolved by hand.

use std::time::Duration;

use opsorch::{
    AcknowledgeAlert, Alert, AlertQuery, AlertStatusLevel, ErrorKind, RaiseAlert, ResolveAlert, Result, SilenceAlert,
};

use super::{Desk, assert_invalid, assert_unsupported, done, folder, time};

const WHO: &str = "agent triage@local for user alice@local";

async fn raise(desk: &Desk, key: &str, title: &str) -> Alert {
    done(desk.ops.alerts(&desk.cx).raise(RaiseAlert::new(key, title, "critical")).await.unwrap())
}

async fn status(desk: &Desk, id: &str) -> AlertStatusLevel {
    desk.ops.alerts(&desk.cx).get(id).await.unwrap().status.level()
}

#[tokio::test]
async fn a_raised_alert_says_what_it_was_raised_with_and_by_whom() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let input = RaiseAlert::new("disk/db-1", "disk full", "SEV1").description("99 %").service("db").source("cron");
    let input = input.field("rack", 7).metadata("check", "df");
    let alert = done(desk.ops.alerts(&desk.cx).raise(input).await.unwrap());
    assert_eq!((alert.id.as_str(), alert.status.level()), ("ALR-1", AlertStatusLevel::Firing));
    assert_eq!((alert.severity.as_str(), alert.service.as_deref()), ("SEV1", Some("db")));
    assert_eq!((alert.description.as_deref(), alert.created_at), (Some("99 %"), Some(time("2026-01-01T00:00:00Z"))));
    assert_eq!((&alert.fields["source"], &alert.fields["rack"]), (&"cron".into(), &7.into()));
    assert_eq!((&alert.metadata["dedupKey"], &alert.metadata["check"]), (&"disk/db-1".into(), &"df".into()));
    assert_eq!(alert.metadata["raisedBy"], WHO);
}

#[tokio::test]
async fn an_open_alert_of_the_key_is_updated_and_a_resolved_one_leads_to_another() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let alerts = desk.ops.alerts(&desk.cx);
    let first = raise(&desk, "disk", "disk full").await;
    assert_ne!(raise(&desk, "cpu", "cpu busy").await.id, first.id);
    done(alerts.acknowledge(AcknowledgeAlert::new(&first.id)).await.unwrap());
    desk.clock.advance(Duration::from_secs(60));
    let again = raise(&desk, "disk", "disk very full").await;
    assert_eq!((&again.id, again.title.as_str()), (&first.id, "disk very full"));
    assert_eq!(again.status.level(), AlertStatusLevel::Acknowledged, "somebody is at it already");
    assert_eq!((again.created_at, again.updated_at), (first.created_at, Some(time("2026-01-01T00:01:00Z"))));

    done(alerts.resolve(ResolveAlert::new(&first.id)).await.unwrap());
    let next = raise(&desk, "disk", "disk full again").await;
    assert_eq!((next.id.as_str(), next.status.level()), ("ALR-3", AlertStatusLevel::Firing));
    assert_eq!(status(&desk, "ALR-1").await, AlertStatusLevel::Resolved);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_raise_one_key_raise_one_alert() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let other = Desk::open(folder.path()).await;
    let tasks: Vec<_> = (0..16)
        .map(|index| {
            let desk = if index % 2 == 0 { &desk } else { &other };
            let (ops, cx) = (desk.ops.clone(), desk.cx.clone());
            tokio::spawn(async move {
                done(ops.alerts(&cx).raise(RaiseAlert::new("disk", format!("{index}"), "high")).await.unwrap())
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().id.as_str(), "ALR-1");
    }
}

#[tokio::test]
async fn a_response_says_who_and_why() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    raise(&desk, "disk", "disk full").await;
    let alerts = desk.ops.alerts(&desk.cx);
    let seen = done(alerts.acknowledge(AcknowledgeAlert::new("ALR-1").reason("on it")).await.unwrap());
    assert_eq!(seen.metadata["reason"], "on it");
    assert_eq!(seen.metadata["changedBy"], WHO);
    let over = done(alerts.resolve(ResolveAlert::new("ALR-1")).await.unwrap());
    assert_eq!(over.status.level(), AlertStatusLevel::Resolved);
    assert!(!over.metadata.contains_key("reason"), "the reason was that of another response");
    let error = alerts.acknowledge(AcknowledgeAlert::new("ALR-1")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_silence_ends_by_itself() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let alerts = desk.ops.alerts(&desk.cx);
    raise(&desk, "disk", "disk full").await;
    done(alerts.acknowledge(AcknowledgeAlert::new("ALR-1")).await.unwrap());
    for minutes in ["02", "05"] {
        let until = time(&format!("2026-01-01T00:{minutes}:00Z"));
        let silent = done(alerts.silence(SilenceAlert::new("ALR-1", until).reason("works")).await.unwrap());
        assert_eq!(silent.status.level(), AlertStatusLevel::Suppressed);
        assert_eq!(silent.metadata["silencedUntil"], format!("2026-01-01T00:{minutes}:00Z"));
    }
    desk.clock.advance(Duration::from_secs(299));
    assert_eq!(status(&desk, "ALR-1").await, AlertStatusLevel::Suppressed);
    desk.clock.advance(Duration::from_secs(1));
    let after = alerts.get("ALR-1").await.unwrap();
    assert_eq!(after.status.level(), AlertStatusLevel::Acknowledged, "as before the first silence");
    assert_eq!(after.updated_at, Some(time("2026-01-01T00:05:00Z")));
    assert!(!after.metadata.contains_key("silencedUntil"));
    let found = alerts.query(AlertQuery::new().status("acknowledged")).await.unwrap().items;
    assert_eq!(found.len(), 1, "a query sees that it ended");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let alerts = desk.ops.alerts(&desk.cx);
    assert_invalid(alerts.raise(RaiseAlert::new(" ", "x", "high")).await, "dedupKey");
    assert_invalid(alerts.raise(RaiseAlert::new("x", "", "high")).await, "title");
    assert_invalid(alerts.raise(RaiseAlert::new("x", "x", "")).await, "severity");
    let forged = RaiseAlert::new("x", "x", "high").metadata("changedBy", "user alice@local");
    assert_invalid(alerts.raise(forged).await, "metadata");
    raise(&desk, "disk", "disk full").await;
    let now = time("2026-01-01T00:00:00Z");
    assert_invalid(alerts.silence(SilenceAlert::new("ALR-1", now)).await, "until");
    let unknown: [Result<()>; 3] = [
        alerts.acknowledge(AcknowledgeAlert::new("ALR-2")).await.map(drop),
        alerts.resolve(ResolveAlert::new("INC-1")).await.map(drop),
        alerts.silence(SilenceAlert::new("ALR-01", now + Duration::from_secs(1))).await.map(drop),
    ];
    for error in unknown.map(Result::unwrap_err) {
        assert_eq!(*error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[tokio::test]
async fn every_filter_is_honoured_or_refused() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let alerts = desk.ops.alerts(&desk.cx);
    for (key, severity) in [("one", "critical"), ("two", "low"), ("three", "purple")] {
        let input = RaiseAlert::new(key, key, severity).description("Disk").service(key);
        done(alerts.raise(input).await.unwrap());
        desk.clock.advance(Duration::from_secs(60));
    }
    done(alerts.resolve(ResolveAlert::new("ALR-2")).await.unwrap());
    let find = async |query: AlertQuery| {
        let page = desk.ops.alerts(&desk.cx).query(query).await.unwrap();
        page.items.into_iter().map(|alert| alert.title).collect::<Vec<_>>()
    };
    let all = AlertQuery::new;
    assert_eq!(find(all()).await, ["three", "two", "one"]);
    assert_eq!(find(AlertQuery::firing()).await, ["three", "one"]);
    assert_eq!(find(all().query("dISK").severity("SEV-1")).await, ["one"]);
    assert_eq!(find(all().severity("Purple")).await, ["three"]);
    assert_eq!(find(all().service("two")).await, ["two"]);
    assert_eq!(find(all().since(time("2026-01-01T00:01:00Z")).until(time("2026-01-01T00:02:00Z"))).await, ["two"]);
    assert_unsupported(alerts.query(all().team("sre")).await, "scope.team");
    assert_unsupported(alerts.query(all().environment("test")).await, "scope.environment");
    assert_unsupported(alerts.query(all().metadata("x", 1)).await, "metadata");
}
