use std::time::Duration;

use opsorch::capability::AlertReader;
use opsorch::{
    AcknowledgeAlert, Alert, AlertQuery, AlertStatusLevel, Clock, ErrorKind, RaiseAlert, ResolveAlert, SeverityLevel,
    SilenceAlert,
};

use crate::{Lab, assert_kind, done, invalid, made};

async fn status(lab: &Lab, id: &str) -> AlertStatusLevel {
    done(AlertReader::get(&lab.memory, &lab.cx, &id.into()).await).status.level()
}

#[tokio::test]
async fn the_same_key_is_the_same_alert_until_it_is_resolved() {
    let lab = Lab::new().await;
    let alerts = lab.ops.alerts(&lab.cx);
    let raise = |title: &str| RaiseAlert::new("disk/db-1", title, SeverityLevel::High).source("db-1");
    let first = made(alerts.raise(raise("80 % full")).await);
    made(alerts.acknowledge(AcknowledgeAlert::new(&first.id).reason("on it")).await);
    let again = made(alerts.raise(raise("90 % full")).await);
    assert_eq!((again.id, again.title.as_str()), (first.id.clone(), "90 % full"));
    assert_eq!(again.status.level(), AlertStatusLevel::Acknowledged);
    assert_eq!(again.fields["source"], "db-1");

    made(alerts.resolve(ResolveAlert::new(&first.id)).await);
    let other = made(alerts.raise(raise("80 % full")).await);
    assert_ne!(other.id, first.id);
    let firing = done(AlertReader::query(&lab.memory, &lab.cx, &AlertQuery::firing()).await);
    assert_eq!(firing.items.iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&other.id]);
}

#[tokio::test]
async fn a_silence_ends_when_its_time_has_come() {
    let lab = Lab::new().await;
    lab.memory.seed_alert(Alert::new("a", "disk full", "triggered", "high"));
    let until = lab.clock.now() + Duration::from_secs(60);
    let alerts = lab.ops.alerts(&lab.cx);
    assert_kind(alerts.silence(SilenceAlert::new("a", lab.clock.now())).await, invalid("until"));
    let silenced = made(alerts.silence(SilenceAlert::new("a", until)).await);
    assert_eq!(silenced.status.level(), AlertStatusLevel::Suppressed);
    // Silenced again, it still remembers what it was before the first time.
    let until = until + Duration::from_secs(60);
    made(alerts.silence(SilenceAlert::new("a", until).reason("known")).await);

    lab.clock.advance(Duration::from_secs(119));
    assert_eq!(status(&lab, "a").await, AlertStatusLevel::Suppressed);
    lab.clock.advance(Duration::from_secs(1));
    let alert = done(AlertReader::get(&lab.memory, &lab.cx, &"a".into()).await);
    assert_eq!((alert.status.as_str(), alert.updated_at), ("triggered", Some(until)));
}

#[tokio::test]
async fn an_answer_ends_the_silence() {
    let lab = Lab::new().await;
    lab.memory.seed_alert(Alert::new("a", "disk full", "firing", "high"));
    let alerts = lab.ops.alerts(&lab.cx);
    made(alerts.silence(SilenceAlert::new("a", lab.clock.now() + Duration::from_secs(60))).await);
    made(alerts.resolve(ResolveAlert::new("a")).await);
    lab.clock.advance(Duration::from_secs(120));
    assert_eq!(status(&lab, "a").await, AlertStatusLevel::Resolved);
}

#[tokio::test]
async fn what_is_over_is_a_conflict_and_what_is_unknown_is_not_found() {
    let lab = Lab::new().await;
    lab.memory.seed_alert(Alert::new("a", "disk full", "ok", "high"));
    let alerts = lab.ops.alerts(&lab.cx);
    let until = lab.clock.now() + Duration::from_secs(60);
    assert_kind(alerts.acknowledge(AcknowledgeAlert::new("a")).await, ErrorKind::Conflict);
    assert_kind(alerts.silence(SilenceAlert::new("a", until)).await, ErrorKind::Conflict);
    assert_kind(alerts.acknowledge(AcknowledgeAlert::new("b")).await, ErrorKind::NotFound);
    assert_kind(alerts.resolve(ResolveAlert::new("b")).await, ErrorKind::NotFound);
    assert_kind(alerts.silence(SilenceAlert::new("b", until)).await, ErrorKind::NotFound);
    assert_kind(alerts.get("b").await, ErrorKind::NotFound);
}
