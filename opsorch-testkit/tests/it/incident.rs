use std::time::Duration;

use opsorch::capability::{IncidentReader, TimelineReader};
use opsorch::{
    Clock, CreateIncident, ErrorKind, Incident, IncidentQuery, IncidentStatusLevel, Service, SeverityLevel,
    TimelineAppend, UpdateIncident,
};

use crate::{Lab, assert_kind, done, invalid, made};

#[tokio::test]
async fn what_is_created_is_read_updated_and_listed() {
    let lab = Lab::new().await;
    let incidents = lab.ops.incidents(&lab.cx);
    let created =
        made(incidents.create(CreateIncident::new("disk full").description("db-1").field("team", "dba")).await);
    assert_eq!(created.id.as_str(), "inc-1");
    assert_eq!(created.status.level(), IncidentStatusLevel::Open);
    assert_eq!(created.created_at, Some(lab.clock.now()));

    lab.clock.advance(Duration::from_secs(60));
    let update =
        UpdateIncident::new("inc-1").status(IncidentStatusLevel::Resolved).description("").field("cause", "logs");
    let updated = made(incidents.update(update).await);
    assert_eq!((updated.title.as_str(), updated.description.as_deref()), ("disk full", None));
    assert_eq!((&updated.fields["team"], &updated.fields["cause"]), (&"dba".into(), &"logs".into()));
    assert_eq!(updated.updated_at, Some(lab.clock.now()));

    let read = done(IncidentReader::get(&lab.memory, &lab.cx, &"inc-1".into()).await);
    let listed = done(IncidentReader::query(&lab.memory, &lab.cx, &IncidentQuery::new()).await);
    assert_eq!(read.status.level(), IncidentStatusLevel::Resolved);
    assert_eq!(listed.items, [read]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_cannot_be_meant_is_invalid() {
    let lab = Lab::new().await;
    let incidents = lab.ops.incidents(&lab.cx);
    assert_kind(incidents.get("inc-9").await, ErrorKind::NotFound);
    assert_kind(incidents.timeline("inc-9").await, ErrorKind::NotFound);
    assert_kind(incidents.update(UpdateIncident::new("inc-9").title("x")).await, ErrorKind::NotFound);
    assert_kind(incidents.append(TimelineAppend::new("inc-9", "note", "x")).await, ErrorKind::NotFound);
    assert_kind(incidents.create(CreateIncident::new(" ")).await, invalid("title"));

    let reader: &dyn IncidentReader = &lab.memory;
    assert_kind(reader.query(&lab.cx, &IncidentQuery::new().limit(0)).await, invalid("limit"));
    let foreign = IncidentQuery::new().after(opsorch::Cursor::new("somewhere"));
    assert_kind(reader.query(&lab.cx, &foreign).await, invalid("cursor"));
    let query = IncidentQuery::new().metadata("jql", "x");
    assert_kind(reader.query(&lab.cx, &query).await, ErrorKind::Unsupported);
}

#[tokio::test]
async fn each_filter_narrows_the_result() {
    let lab = Lab::new().await;
    let now = lab.clock.now();
    lab.memory.seed_service(Service::new("svc-1", "api").tag("team", "platform").tag("environment", "production"));
    let seeds = [
        Incident::new("a", "Disk full", "triggered", "SEV-1").service("api").created_at(now),
        Incident::new("b", "slow", "resolved", "low").service("svc-1").created_at(now - Duration::from_secs(60)),
        Incident::new("c", "slow disk", "weird", "purple").field("team", "dba"),
    ];
    seeds.into_iter().for_each(|incident| lab.memory.seed_incident(incident));

    let all = IncidentQuery::new;
    let cases = [
        (all(), "abc"),
        (all().query("DISK"), "ac"),
        (IncidentQuery::open(), "a"),
        (all().status("weird").status("closed"), "bc"),
        (all().status("odd"), ""),
        (all().severity(SeverityLevel::Critical), "a"),
        (all().service("api"), "ab"),
        (all().service("svc-1"), "ab"),
        (all().service("nothing"), ""),
        (all().team("platform"), "ab"),
        (all().team("dba"), "c"),
        (all().environment("production"), "ab"),
        (all().environment("staging"), ""),
        (all().since(now), "a"),
        (all().until(now), "b"),
    ];
    for (query, expected) in cases {
        let page = done(IncidentReader::query(&lab.memory, &lab.cx, &query).await);
        let found: String = page.items.iter().map(|incident| incident.id.as_str()).collect();
        assert_eq!(found, expected, "{query:?}");
    }
}

#[tokio::test]
async fn a_timeline_is_in_the_order_of_what_happened() {
    let lab = Lab::new().await;
    lab.memory.seed_incident(Incident::new("a", "disk full", "open", "high"));
    let incidents = lab.ops.incidents(&lab.cx);
    made(incidents.append(TimelineAppend::new("a", "note", "now")).await);
    let before = lab.clock.now() - Duration::from_secs(60);
    made(incidents.append(TimelineAppend::new("a", "note", "before").at(before)).await);

    let page = done(lab.memory.timeline(&lab.cx, &"a".into()).await);
    let bodies: Vec<_> = page.items.iter().map(|entry| (entry.body.as_str(), entry.at)).collect();
    assert_eq!(bodies, [("before", Some(before)), ("now", Some(lab.clock.now()))]);
    assert!(page.is_complete());
}
