//! Incidents and their timelines.

use std::time::Duration;

use opsorch::{
    CreateIncident, ErrorKind, Fields, IncidentQuery, IncidentStatusLevel, Page, SeverityLevel, TimelineAppend,
    UpdateIncident,
};
use serde_json::{Value, json};

use super::{Desk, assert_invalid, assert_unsupported, done, folder, time};

#[tokio::test]
async fn an_incident_is_opened_with_honest_defaults() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incident = done(desk.ops.incidents(&desk.cx).create(CreateIncident::new("disk full")).await.unwrap());
    assert_eq!(incident.id.as_str(), "INC-1");
    assert_eq!(incident.status.level(), IncidentStatusLevel::Open);
    assert_eq!(incident.severity.level(), SeverityLevel::Unknown, "nobody said how bad it is");
    assert_eq!(incident.created_at, Some(time("2026-01-01T00:00:00Z")));
    assert_eq!(incident.updated_at, incident.created_at);
    assert_eq!(desk.ops.incidents(&desk.cx).get("INC-1").await.unwrap().title, "disk full");
}

#[tokio::test]
async fn an_update_changes_what_is_given_and_nothing_else() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    let create = CreateIncident::new("disk full").description("db-1").severity("SEV1").service("db").field("rack", 7);
    let before = done(incidents.create(create).await.unwrap());
    desk.clock.advance(Duration::from_secs(60));
    let update = UpdateIncident::new("INC-1").description("").field("room", "b").title("disk very full");
    let after = done(incidents.update(update).await.unwrap());
    let mut expected = before.clone();
    (expected.title, expected.description) = ("disk very full".into(), None);
    expected.fields.insert("room".into(), "b".into());
    expected.updated_at = Some(time("2026-01-01T00:01:00Z"));
    assert_eq!(after, expected);
    assert_eq!(after.severity.as_str(), "SEV1");
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_not_a_change() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    let before = done(incidents.create(CreateIncident::new("disk full")).await.unwrap());
    desk.clock.advance(Duration::from_secs(60));
    let after = done(incidents.update(UpdateIncident::new("INC-1").title("disk full")).await.unwrap());
    assert_eq!(after, before);
}

#[tokio::test]
async fn the_timeline_tells_what_happened_oldest_first_and_who_did_it() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    done(incidents.create(CreateIncident::new("disk full")).await.unwrap());
    desk.clock.advance(Duration::from_secs(60));
    done(incidents.update(UpdateIncident::new("INC-1").status("investigating")).await.unwrap());
    let earlier = TimelineAppend::new("INC-1", "note", "alarm").at(time("2025-12-31T23:59:00Z")).actor("name", "cron");
    done(incidents.append(earlier).await.unwrap());

    let entries = incidents.timeline("INC-1").await.unwrap().items;
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.id.as_str(), entry.kind.as_str())).collect();
    assert_eq!(kinds, [("INC-1-3", "note"), ("INC-1-1", "created"), ("INC-1-2", "status")]);
    assert_eq!(entries[2].body, "status changed from open to investigating");
    assert_eq!(entries[2].metadata["to"], "investigating");
    let actor = json!({ "kind": "agent", "subject": "triage", "issuer": "local", "onBehalfOf": "user alice@local" });
    assert_eq!(json!(entries[2].actor), actor);
    assert_eq!(entries[0].actor["remark"], json!({ "name": "cron" }));
    assert_eq!(entries[0].actor["subject"], "triage", "the words of the caller are no identity");
}

#[tokio::test]
async fn an_unknown_id_is_not_found_and_named() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    done(incidents.create(CreateIncident::new("disk full")).await.unwrap());
    for id in ["INC-2", "INC-01", "inc-1", "TCK-1", "", "../INC-1"] {
        let errors = [
            incidents.get(id).await.err(),
            incidents.timeline(id).await.err(),
            incidents.update(UpdateIncident::new(id).title("x")).await.err(),
            incidents.append(TimelineAppend::new(id, "note", "x")).await.err(),
        ];
        for error in errors {
            let error = error.unwrap();
            assert_eq!(*error.kind(), ErrorKind::NotFound, "{id}");
            assert!(error.to_string().contains(&format!("`{id}`")), "{error}");
            assert!(!error.may_have_applied());
        }
    }
}

#[tokio::test]
async fn blank_texts_and_words_are_refused() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    assert_invalid(incidents.create(CreateIncident::new(" ")).await, "title");
    assert_invalid(incidents.create(CreateIncident::new("x").status("")).await, "status");
    assert_invalid(incidents.create(CreateIncident::new("x").severity(" ")).await, "severity");
    assert_invalid(incidents.update(UpdateIncident::new("INC-1").title("")).await, "title");
    assert_invalid(incidents.append(TimelineAppend::new("INC-1", "", "x")).await, "kind");
    assert_invalid(incidents.append(TimelineAppend::new("INC-1", "note", "\n")).await, "body");
    assert!(incidents.query(IncidentQuery::new()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn values_that_could_not_be_read_again_are_refused() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let nested = |levels: usize| (0..levels).fold(json!(1), |value, _| Value::Array(vec![value]));
    let incidents = desk.ops.incidents(&desk.cx);
    assert_invalid(incidents.create(CreateIncident::new("x").field("deep", nested(64))).await, "fields");
    done(incidents.create(CreateIncident::new("x").field("deep", nested(63))).await.unwrap());
    drop(incidents);
    drop(desk);
    let desk = Desk::open(folder.path()).await;
    let read = desk.ops.incidents(&desk.cx).get("INC-1").await.unwrap();
    assert_eq!(read.fields, Fields::from([("deep".into(), nested(63))]));
}

#[tokio::test]
async fn every_filter_is_honoured() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    for create in [
        CreateIncident::new("Disk full").severity("SEV-1").service("db"),
        CreateIncident::new("slow").description("the DISK is slow").severity("purple").status("investigating"),
        CreateIncident::new("fixed").severity("low").status("done").service("api"),
    ] {
        done(incidents.create(create).await.unwrap());
        desk.clock.advance(Duration::from_secs(60));
    }
    let find = async |query: IncidentQuery| {
        let page = desk.ops.incidents(&desk.cx).query(query).await.unwrap();
        page.items.into_iter().map(|incident| incident.title).collect::<Vec<_>>()
    };
    let all = IncidentQuery::new;
    assert_eq!(find(all()).await, ["fixed", "slow", "Disk full"]);
    assert_eq!(find(IncidentQuery::open()).await, ["slow", "Disk full"]);
    assert_eq!(find(all().query("disk")).await, ["slow", "Disk full"]);
    assert_eq!(find(all().severity("critical")).await, ["Disk full"]);
    assert_eq!(find(all().severity("Purple")).await, ["slow"], "an unknown word stands for itself");
    assert_eq!(find(all().severity("unknown")).await, [""; 0]);
    assert_eq!(find(all().status("acknowledged").severity("critical")).await, [""; 0]);
    assert_eq!(find(all().service("db")).await, ["Disk full"]);
    assert_eq!(find(all().service("d")).await, [""; 0], "a name that resolves to nothing yields nothing");
    assert_eq!(find(all().since(time("2026-01-01T00:01:00Z"))).await, ["fixed", "slow"]);
    assert_eq!(find(all().until(time("2026-01-01T00:01:00Z"))).await, ["Disk full"]);
}

#[tokio::test]
async fn a_filter_that_cannot_be_honoured_is_refused() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    let all = IncidentQuery::new;
    assert_unsupported(incidents.query(all().team("sre")).await, "scope.team");
    assert_unsupported(incidents.query(all().environment("production")).await, "scope.environment");
    assert_unsupported(incidents.query(all().metadata("rack", 7)).await, "metadata");
}

#[tokio::test]
async fn pages_have_no_gap_and_no_repeat_while_incidents_are_opened() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    // Several in the same moment, and more than nine, so that the order is that of numbers.
    for index in 0..12 {
        done(incidents.create(CreateIncident::new(format!("{index}"))).await.unwrap());
        desk.clock.advance(Duration::from_millis(index % 2));
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let mut query = IncidentQuery::new().limit(5);
        query.cursor = cursor;
        let page: Page<_> = incidents.query(query).await.unwrap();
        assert!(page.items.len() <= 5);
        seen.extend(page.items.into_iter().map(|incident| incident.title));
        cursor = page.next;
        done(incidents.create(CreateIncident::new("new")).await.unwrap());
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..12).rev().map(|index| index.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_or_a_limit_that_cannot_be_meant_is_refused() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    for cursor in ["", "1", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z/x", "soon/1", "2026-01-01T00:00:00Z/1/1"] {
        let query = IncidentQuery::new().after(opsorch::Cursor::new(cursor));
        assert_invalid(incidents.query(query).await, "cursor");
    }
    assert_invalid(incidents.query(IncidentQuery::new().limit(0)).await, "limit");
}
