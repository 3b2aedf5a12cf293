//! Timelines: what happened, and what people wrote.

use opsorch::transport::{Reply, StatusCode};
use opsorch::{ErrorKind, Result, TimelineAppend, TimelineEntry};
use serde_json::{Value, json};

use super::desk::{Desk, Fate, ago, done, ok, refusal};
use super::{assert_invalid, assert_unsupported};

async fn timeline(desk: &Desk, id: &str) -> Result<Vec<TimelineEntry>> {
    Ok(desk.ops.incidents(&desk.cx).timeline(id).await?.items)
}

async fn append(desk: &Desk, input: TimelineAppend) -> Result<()> {
    done(desk.ops.incidents(&desk.cx).append(input).await)
}

async fn of(entries: Value, notes: Value) -> Vec<TimelineEntry> {
    let desk = Desk::open().await;
    desk.wire.answer("GET", "/log_entries", ok(&json!({ "log_entries": entries, "more": false })));
    desk.wire.answer("GET", "/notes", ok(&json!({ "notes": notes })));
    timeline(&desk, "P1").await.unwrap()
}

fn shown(entries: &[TimelineEntry]) -> Vec<(&str, &str)> {
    entries.iter().map(|entry| (entry.kind.as_str(), entry.body.as_str())).collect()
}

#[tokio::test]
async fn the_log_and_the_notes_are_one_timeline() {
    let desk = Desk::open().await;
    append(&desk, TimelineAppend::new("INC104", "note", "made room")).await.unwrap();
    let entries = timeline(&desk, "INC104").await.unwrap();
    assert_eq!(shown(&entries), [("trigger_log_entry", "Triggered through the API"), ("note", "made room")]);
    assert_eq!(entries[1].actor["id"], "PUSER1");
    assert_eq!(entries[0].metadata["type"], "trigger_log_entry");
    assert_eq!(desk.wire.change(), json!({ "note": { "content": "made room" } }));
    let sent = &desk.wire.changes()[0];
    assert_eq!(
        (sent.url.path(), sent.headers["from"].to_str().unwrap()),
        ("/api/incidents/INC104/notes", "alice@example.com")
    );
}

#[tokio::test]
async fn entries_of_every_type_are_kept_with_the_oldest_first() {
    let at = |minutes: u64| ago(60 * minutes);
    let user = |id: &str| json!({ "id": id, "type": "user_reference", "summary": id });
    let entries = of(
        json!([
            { "id": "R4", "type": "invented_log_entry", "summary": "something new", "created_at": at(1), "channel": null },
            { "id": "R3", "type": "annotate_log_entry", "summary": "Annotated by Ada", "created_at": at(2), "agent": user("ADA") },
            { "id": "R2", "type": "annotate_log_entry", "summary": "Annotated by Bob", "created_at": at(2), "agent": user("BOB") },
            { "id": "R1", "type": "trigger_log_entry", "summary": null, "created_at": "2025-12-31T18:30:00-05:00",
              "agent": null, "event_details": { "description": "disk at 99 %" } },
        ]),
        json!([
            { "id": "N1", "content": "by Ada", "created_at": at(2), "user": user("ADA") },
            { "id": "N2", "content": "by a bot", "created_at": at(3),
              "user": { "id": "PBOT", "type": "bot_user_reference", "summary": "My Mail Service" } },
        ]),
    )
    .await;
    assert_eq!(
        shown(&entries),
        [
            ("trigger_log_entry", "disk at 99 %"),
            ("note", "by a bot"),
            // Bob's note was deleted; that he wrote one, the log still says.
            ("annotate_log_entry", "Annotated by Bob"),
            ("note", "by Ada"),
            ("invented_log_entry", "something new"),
        ]
    );
    assert_eq!(entries[1].actor["type"], "bot_user_reference");
    assert_eq!(entries[1].actor["name"], "My Mail Service");
    assert_eq!(entries[0].at.unwrap(), ago(30 * 60));
}

#[tokio::test]
async fn a_note_that_was_edited_says_when() {
    let note = json!({ "id": "N1", "content": "x", "created_at": ago(60), "updated_at": ago(5), "user": null });
    let entries = of(json!([]), json!([note])).await;
    assert!(entries[0].metadata.contains_key("updated_at") && entries[0].actor.is_empty());
}

#[tokio::test]
async fn a_long_log_is_read_to_its_end() {
    let desk = Desk::open().await;
    desk.wire.account(|account| {
        for number in 0..230 {
            account.tool.note("INC104", "notify_log_entry", "PUSER1", format!("call {number}")).unwrap();
        }
    });
    assert_eq!(timeline(&desk, "INC104").await.unwrap().len(), 231);
}

#[tokio::test]
async fn what_a_note_cannot_hold_is_refused() {
    let desk = Desk::open().await;
    let note = || TimelineAppend::new("INC104", "note", "x");
    assert_unsupported(append(&desk, TimelineAppend::new("INC104", "status_change", "x")).await, "status_change");
    assert_unsupported(append(&desk, note().at(ago(60))).await, "at");
    assert_unsupported(append(&desk, note().actor("name", "ada")).await, "actor");
    assert_unsupported(append(&desk, note().metadata("x", 1)).await, "metadata");
    assert_invalid(append(&desk, TimelineAppend::new("INC104", "note", " \n")).await, "body");
    assert!(desk.wire.requests().is_empty());
}

#[tokio::test]
async fn an_unknown_incident_has_no_timeline() {
    let desk = Desk::open().await;
    assert_eq!(*timeline(&desk, "PNOBODY").await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = append(&desk, TimelineAppend::new("PNOBODY", "note", "x")).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::NotFound, false));
}

#[tokio::test]
async fn a_note_too_many_is_refused_and_one_whose_answer_was_lost_may_be_there() {
    let desk = Desk::open().await;
    desk.wire.answer("POST", "/notes", refusal(400, 2001, "An incident may have at most 2000 notes"));
    let error = append(&desk, TimelineAppend::new("INC104", "note", "x")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }) && error.to_string().contains("2000 notes"), "{error}");
    desk.wire.next("POST", "/notes", 0, Fate::Lost);
    assert!(append(&desk, TimelineAppend::new("INC104", "note", "y")).await.unwrap_err().may_have_applied());
    desk.wire.answer("POST", "/notes", Reply::new(StatusCode::NO_CONTENT));
    assert!(append(&desk, TimelineAppend::new("INC104", "note", "z")).await.unwrap_err().may_have_applied());
    assert_eq!(desk.wire.changes().len(), 3, "none is sent twice");
}
