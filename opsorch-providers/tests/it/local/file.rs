//! What is on the disk: it outlasts the process, is shared with nobody, and is never overwritten when it is not
//! understood.

use std::collections::BTreeSet;
use std::fs;

use opsorch::{
    CommentTicket, CreateIncident, CreateTicket, ErrorKind, ManualClock, Submission, TicketQuery, TimelineAppend,
    UpdateIncident, UpdateTicket,
};
use opsorch_providers::local::LocalConfig;

use super::{Desk, build, done, folder};

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

#[tokio::test]
async fn a_folder_belongs_to_one_provider() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let config = LocalConfig::new(folder.path());
    let error = build(config.clone(), &ManualClock::default()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("local.lock"), "{error}");
    drop(desk);
    build(config, &ManualClock::default()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_understood_is_refused_named_and_kept() {
    let empty = r#"{"version":1,"incidents":{"last":0,"records":{}},"tickets":{"last":0,"records":{}},"changes":[]}"#;
    let ticket = r#"{"1":{"ticket":{"id":"TCK-1","title":"x","status":"todo","createdAt":"2026-01-01T00:00:00Z"},"comments":[]}}"#;
    let with = |last: u64, records: &str| {
        let tickets = format!(r#""tickets":{{"last":{last},"records":{records}}}"#);
        empty.replace(r#""tickets":{"last":0,"records":{}}"#, &tickets)
    };
    let open = |text: String| async move {
        let folder = folder();
        let file = folder.path().join("local.json");
        fs::write(&file, &text).unwrap();
        let opened = build(LocalConfig::new(folder.path()), &ManualClock::default()).await;
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "the file is as it was");
        opened.map(drop)
    };
    open(empty.to_owned()).await.unwrap();
    open(with(1, ticket)).await.unwrap();
    for (text, reason) in [
        (String::new(), "damaged"),
        ("{".to_owned(), "damaged"),
        ("[]".to_owned(), "damaged"),
        (empty[..empty.len() - 2].to_owned(), "damaged"),
        (empty.replace("version\":1", "version\":2"), "version 2"),
        (empty.replace("\"changes\"", "\"changed\""), "damaged"),
        (with(0, ticket), "ticket of number 1"),
        (with(2, &ticket.replace("{\"1\"", "{\"2\"")), "ticket of number 2"),
        (with(1, &ticket.replace(r#","createdAt":"2026-01-01T00:00:00Z""#, "")), "ticket of number 1"),
    ] {
        let error = open(text.clone()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unexpected, "{text}");
        assert!(error.to_string().contains("local.json") && error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_written_is_not_made() {
    let folder = folder();
    let desk = Desk::open(folder.path()).await;
    let tickets = desk.ops.tickets(&desk.cx);
    done(tickets.create(CreateTicket::new("one")).await.unwrap());
    let before = fs::read(folder.path().join("local.json")).unwrap();

    // Something is in the way of the file that is written first.
    let in_the_way = folder.path().join("local.json.tmp");
    fs::create_dir(&in_the_way).unwrap();
    let error = tickets.create(CreateTicket::new("two")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert!(!error.may_have_applied(), "{error}");
    assert!(tickets.get("TCK-2").await.is_err());
    assert_eq!(fs::read(folder.path().join("local.json")).unwrap(), before);

    fs::remove_dir(&in_the_way).unwrap();
    let ticket = done(tickets.create(CreateTicket::new("three")).await.unwrap());
    assert_eq!(ticket.id.as_str(), "TCK-2");
}

#[tokio::test]
async fn what_a_crash_left_behind_is_no_hindrance() {
    let folder = folder();
    fs::write(folder.path().join("local.json.tmp"), "half of a ch").unwrap();
    let desk = Desk::open(folder.path()).await;
    done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("one")).await.unwrap());
    assert!(!folder.path().join("local.json.tmp").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("new/folder");
    let desk = Desk::open(&path).await;
    done(desk.ops.tickets(&desk.cx).create(CreateTicket::new("one")).await.unwrap());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("local.json")), 0o600);
    assert_eq!(mode(&path.join("local.lock")), 0o600);
}

/// Submits with a key to a control plane that knows nothing of earlier ones: only the file remembers.
async fn submit(desk: &Desk, key: &str, action: impl Into<opsorch::Action>) -> opsorch::Result<opsorch::Response> {
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
        assert!(matches!(comment, opsorch::Response::Comment(comment) if comment.id.as_str() == "TCK-1-1"));
        let file = fs::read(folder.path().join("local.json")).unwrap();
        assert_eq!(*before.get_or_insert(file.clone()), file, "a repetition changes nothing");
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
