//! What is on the disk: it outlasts the process, is shared by several, and is never overwritten when it is not ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use opsorch::{
    Action, CommentTicket, CreateIncident, CreateTicket, ErrorKind, ManualClock, Message, RaiseAlert, RecordDeployment,
    ResolveAlert, Response, Result, SilenceAlert, Submission, TicketQuery, TimelineAppend, UpdateIncident,
    UpdateMessage, UpdateTicket,
};
use opsorch_providers::local::LocalConfig;
use rusqlite::Connection;

use super::{Desk, build, done, folder, time};

#[tokio::test]
async fn everything_is_there_after_opening_again_and_numbers_go_on() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let ticket = done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("é\n\"")).await.unwrap());
    let incident = CreateIncident::new("x").field("ratio", 0.1 + 0.2).service("db");
    let incident = done(desk.ops.incidents(&desk.cx).create(incident).await.unwrap());
    let timeline = desk.ops.incidents(&desk.cx).timeline("INC-1").await.unwrap();
    drop(desk);

    let desk = Desk::open(folder.path()).await;
    let mut read = desk.ops.tickets(&desk.cx).get("TCK-1").await.unwrap();
    read.provider = ticket.provider.clone();
    assert_eq!(read, ticket);
    let mut read = desk.ops.incidents(&desk.cx).get("INC-1").await.unwrap();
    read.provider = incident.provider.clone();
    assert_eq!(read, incident);
    assert_eq!(desk.ops.incidents(&desk.cx).timeline("INC-1").await.unwrap(), timeline);
    let next = done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("y")).await.unwrap());
    assert_eq!(next.id.as_str(), "TCK-2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_in_parallel_lose_nothing() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (ops, cx) = (desk.ops.clone(), desk.cx.clone());
            tokio::spawn(async move {
                for index in 0..4 {
                    done(ops.tickets(&cx).create(CreateTicket::new(format!("{task}-{index}"))).await.unwrap());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    drop(desk);
    let desk = Desk::open(folder.path()).await;
    let tickets = desk.ops.tickets(&desk.cx).query(TicketQuery::new()).await.unwrap().items;
    assert_eq!(tickets.iter().map(|ticket| &ticket.title).collect::<BTreeSet<_>>().len(), 64);
    assert_eq!(tickets.iter().map(|ticket| &ticket.id).collect::<BTreeSet<_>>().len(), 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_providers_share_a_folder() {
    let folder = folder();
    let (one, other) = tokio::join!(Desk::open(folder.path()), Desk::open(folder.path()));
    let write = async |desk: &Desk| {
        for _ in 0..8 {
            done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("x")).await.unwrap());
        }
    };
    tokio::join!(write(&one), write(&other));
    for desk in [&one, &other] {
        let tickets = desk.ops.tickets(&desk.cx).query(TicketQuery::new()).await.unwrap().items;
        assert_eq!(tickets.iter().map(|ticket| &ticket.id).collect::<BTreeSet<_>>().len(), 16);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_wait_for_a_writer() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("one")).await.unwrap());
    let other = connect(folder.path());
    other.execute_batch("BEGIN IMMEDIATE; UPDATE records SET body = 'half of a change'").unwrap();
    assert_eq!(desk.ops.tickets(&desk.cx).get("TCK-1").await.unwrap().title, "one");
    other.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_named_and_kept() {
    let open = |content: Vec<u8>| async move {
        let folder = folder();
        let file = folder.path().join("local.db");
        fs::write(&file, &content).unwrap();
        let opened = build(LocalConfig::new(folder.path()), &ManualClock::default()).await.map(drop);
        assert!(fs::read(&file).unwrap() == content || opened.is_ok(), "the file is as it was");
        opened
    };
    let made_by = |sql: &str| {
        let folder = folder();
        Connection::open(folder.path().join("any")).unwrap().execute_batch(sql).unwrap();
        fs::read(folder.path().join("any")).unwrap()
    };
    open(Vec::new()).await.unwrap();
    let path = ErrorKind::Invalid { field: "path".into() };
    for (content, kind, reason) in [
        (b"half of a change, and no database at all".repeat(100), path.clone(), "no SQLite database"),
        (made_by("CREATE TABLE songs (name)"), path.clone(), "another application's"),
        (made_by("PRAGMA application_id = 7"), path, "another application's"),
        (made_by("PRAGMA application_id = 0x4F70734C; PRAGMA user_version = 2"), ErrorKind::Unsupported, "version 2"),
    ] {
        let error = open(content).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.to_string().contains("local.db") && error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_record_that_was_damaged_is_named_and_the_others_can_be_read() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let tickets = desk.ops.tickets(&desk.cx);
    done(tickets.create(CreateTicket::new("one")).await.unwrap());
    done(tickets.create(CreateTicket::new("two")).await.unwrap());
    connect(folder.path()).execute("UPDATE records SET body = '{' WHERE id = 'TCK-2'", []).unwrap();
    for error in [tickets.get("TCK-2").await.unwrap_err(), tickets.query(TicketQuery::new()).await.unwrap_err()] {
        assert_eq!(*error.kind(), ErrorKind::Unexpected);
        assert!(error.to_string().contains("`TCK-2`"), "{error}");
    }
    assert_eq!(tickets.get("TCK-1").await.unwrap().title, "one");
}

#[tokio::test]
async fn a_change_that_fails_half_way_is_not_made() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let incidents = desk.ops.incidents(&desk.cx);
    // The incident itself could be written; the first entry of its timeline cannot.
    connect(folder.path()).execute_batch("ALTER TABLE entries RENAME TO elsewhere").unwrap();
    let error = incidents.create(CreateIncident::new("one")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unexpected);
    assert!(!error.may_have_applied(), "{error}");
    connect(folder.path()).execute_batch("ALTER TABLE elsewhere RENAME TO entries").unwrap();
    assert_eq!(*incidents.get("INC-1").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(done(incidents.create(CreateIncident::new("two")).await.unwrap()).id.as_str(), "INC-1");
}

#[tokio::test]
async fn nothing_is_written_to_a_file_that_nobody_would_find() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let (file, moved) = (folder.path().join("local.db"), folder.path().join("moved.db"));
    fs::rename(&file, &moved).unwrap();
    let error = desk.ops.tickets(&desk.cx).create(CreateTicket::new("one")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(!error.may_have_applied() && error.to_string().contains("moved"), "{error}");
    fs::rename(&moved, &file).unwrap();
    done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("one")).await.unwrap());
}

#[tokio::test]
async fn what_grows_too_large_is_refused_and_stays_as_it_was() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let tickets = desk.ops.tickets(&desk.cx);
    done(tickets.create(CreateTicket::new("x")).await.unwrap());
    let grow = async |index: u32| {
        let update = UpdateTicket::new("TCK-1").field(format!("part {index}"), "a".repeat(100 << 10));
        tickets.update(update).await
    };
    let mut index = 0;
    let error = loop {
        match grow(index).await {
            Ok(_) => index += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(index, 10, "a MiB has room for ten parts of 100 KiB");
    assert_eq!(*error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("1048576"), "{error}");
    assert_eq!(tickets.get("TCK-1").await.unwrap().fields.len(), 10);
}

#[tokio::test]
async fn after_its_deadline_nothing_is_read_and_nothing_begun() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("x")).await.unwrap());
    let late = desk.cx.clone().timeout(Duration::ZERO);
    let error = desk.ops.tickets(&late).get("TCK-1").await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    let error = desk.ops.tickets(&late).create(CreateTicket::new("y")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Timeout);
    assert!(!error.may_have_applied());
    assert_eq!(*desk.ops.tickets(&desk.cx).get("TCK-2").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("new/folder");
    let desk = Desk::open(&path).await;
    done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("one")).await.unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for name in ["local.db", "local.db-wal", "local.db-shm"] {
        assert_eq!(mode(&path.join(name)), 0o600, "{name}");
    }
}

fn connect(folder: &Path) -> Connection {
    Connection::open(folder.join("local.db")).unwrap()
}

/// All that is in the file.
fn content(folder: &Path) -> Vec<String> {
    let connection = connect(folder);
    let sql = "SELECT kind || id || body FROM records UNION ALL SELECT parent || number || body FROM entries
        UNION ALL SELECT key || id FROM changes ORDER BY 1";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect()
}

/// Submits with a key to a control plane that knows nothing of earlier ones: only the file remembers.
async fn submit(desk: &Desk, key: &str, action: impl Into<Action>) -> Result<Response> {
    let mut submission = Submission::from(action.into());
    submission.idempotency_key = Some(key.to_owned());
    desk.beside().await.submit(&desk.cx, submission).await.map(done)
}

#[tokio::test]
async fn the_same_key_takes_effect_once_also_after_opening_again() {
    let folder = folder();
    let mut desk = Desk::open(folder.path()).await;
    let mut before = None;
    for _ in 0..2 {
        submit(&desk, "a", CreateIncident::new("x")).await.unwrap();
        submit(&desk, "b", UpdateIncident::new("INC-1").status("resolved")).await.unwrap();
        submit(&desk, "c", TimelineAppend::new("INC-1", "note", "y")).await.unwrap();
        submit(&desk, "d", CreateTicket::new("z")).await.unwrap();
        submit(&desk, "e", UpdateTicket::new("TCK-1").status("done")).await.unwrap();
        let comment = submit(&desk, "f", CommentTicket::new("TCK-1", "w")).await.unwrap();
        assert!(matches!(comment, Response::Comment(comment) if comment.id.as_str() == "TCK-1-1"));
        submit(&desk, "g", RaiseAlert::new("disk", "v", "high")).await.unwrap();
        submit(&desk, "h", SilenceAlert::new("ALR-1", time("2026-01-02T00:00:00Z"))).await.unwrap();
        submit(&desk, "i", ResolveAlert::new("ALR-1")).await.unwrap();
        submit(&desk, "j", Message::new("#ops", "u")).await.unwrap();
        submit(&desk, "k", UpdateMessage::new("MSG-1", "#ops", "t")).await.unwrap();
        submit(&desk, "l", RecordDeployment::new("api", "test", "v1", "success")).await.unwrap();
        let content = content(folder.path());
        assert_eq!(*before.get_or_insert(content.clone()), content, "a repetition changes nothing");
        drop(desk);
        desk = Desk::open(folder.path()).await;
    }
    assert_eq!(desk.ops.incidents(&desk.cx).timeline("INC-1").await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn the_key_of_a_caller_is_another_key_for_another_change() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let first = submit(&desk, "a", CreateTicket::new("x")).await.unwrap();
    assert_eq!(submit(&desk, "a", CreateTicket::new("x")).await.unwrap(), first);
    assert_ne!(submit(&desk, "a", CreateTicket::new("y")).await.unwrap(), first);
    submit(&desk, "a", CreateIncident::new("x")).await.unwrap();
}
