//! Real processes on one file: many writers, death at any moment, and nothing acknowledged is lost.
//!
//! This program is the test and, called with `child`, the process that it starts and kills. It has no harness, so that
//! a child is nothing but a child.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::{
    Action, Actor, BuildEnv, CommentTicket, Context, CreateIncident, CreateTicket, IncidentQuery, OpsOrch,
    ProviderConfig, Submitted, Target, TicketQuery, TimelineAppend,
};
use opsorch_providers::local::LocalConfig;

/// How often a process is killed.
const ROUNDS: u64 = 30;

/// How many write at the same time in each process.
const WRITERS: usize = 16;

/// How long a process may live, in microseconds, after it has acknowledged its first change.
const LONGEST_LIFE: u64 = 150_000;

/// How many processes are killed while they may be making the file, each within so many microseconds of its start.
const BEGINNINGS: u64 = 15;
const LONGEST_BEGINNING: u64 = 40_000;

/// What each of two processes that are not killed writes in all.
const CHANGES: usize = 160;

async fn plane(folder: &Path) -> OpsOrch {
    let config = LocalConfig::new(folder).metrics(false);
    let provider = config.build(&"here".into(), &BuildEnv::new()).await.unwrap();
    let allow = |_: &Context, _: &Target, _: &Action| Decision::allow("a test");
    OpsOrch::builder().provider(provider).policy(allow).without_layers().build().await.unwrap()
}

fn agent() -> Context {
    Context::new(Actor::agent("triage"))
}

fn done<T>(submitted: Submitted<T>) -> T {
    match submitted {
        Submitted::Done(done) => done,
        Submitted::Pending(_) => panic!("the policy asks nobody"),
    }
}

/// The child: many tasks that make changes, each of which is told, by a line, once it was acknowledged. A line is the id
/// of what was made and what it says.
async fn child(folder: &Path, name: &str, changes: usize) {
    let ops = plane(folder).await;
    let writers = (0..WRITERS).map(|writer| {
        let (ops, name) = (ops.clone(), name.to_owned());
        tokio::spawn(async move {
            for index in 0..changes / WRITERS {
                write(&ops, &format!("{name}/{writer}/{index}")).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

/// A ticket with a comment, or an incident with an entry in its timeline.
async fn write(ops: &OpsOrch, text: &str) {
    let cx = agent();
    if text.len().is_multiple_of(2) {
        let ticket = done(ops.tickets(&cx).create(CreateTicket::new(text)).await.unwrap());
        acknowledge(ticket.id.as_str(), text);
        let comment = done(ops.tickets(&cx).comment(CommentTicket::new(&ticket.id, text)).await.unwrap());
        acknowledge(comment.id.as_str(), text);
    } else {
        let incident = done(ops.incidents(&cx).create(CreateIncident::new(text)).await.unwrap());
        acknowledge(incident.id.as_str(), text);
        done(ops.incidents(&cx).append(TimelineAppend::new(&incident.id, "note", text)).await.unwrap());
        acknowledge(&format!("{}-2", incident.id), text);
    }
}

/// In one write, so that a line is whole or not there.
fn acknowledge(id: &str, text: &str) {
    let line = format!("{id} {text}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

fn start(folder: &Path, name: &str, changes: usize) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("child").arg(folder).arg(name).arg(changes.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

/// What was acknowledged: what each id says.
type Acknowledged = BTreeMap<String, String>;

fn remember(acknowledged: &mut Acknowledged, lines: &str) {
    for line in lines.lines() {
        let (id, text) = line.split_once(' ').unwrap();
        let earlier = acknowledged.insert(id.to_owned(), text.to_owned());
        assert_eq!(earlier, None, "`{id}` was given twice");
    }
}

/// Kills a process that writes, at a moment that the round decides, and returns what it had acknowledged.
fn kill_one(folder: &Path, round: u64) -> (ExitStatus, String) {
    let mut child = start(folder, &format!("round {round}"), 1_000_000);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = String::new();
    output.read_line(&mut lines).unwrap();
    std::thread::sleep(Duration::from_micros(scattered(round) % LONGEST_LIFE));
    child.kill().unwrap();
    output.read_to_string(&mut lines).unwrap();
    (child.wait().unwrap(), lines)
}

/// The same for the same round, and anything between rounds: the finalizer of splitmix64.
fn scattered(round: u64) -> u64 {
    let mut mixed = round.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

async fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    for round in 0..ROUNDS {
        let (status, lines) = kill_one(folder.path(), round);
        assert_eq!(status.code(), None, "round {round}: it was alive until then: {status}");
        remember(&mut acknowledged, &lines);
        check(folder.path(), &acknowledged).await;
    }
    assert!(acknowledged.len() > 100, "there was something to lose");
    println!("  {} changes were acknowledged", acknowledged.len());
}

/// A file that is half made is no hindrance to whoever comes next.
async fn death_at_the_beginning() {
    for round in 0..BEGINNINGS {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path(), "first", 1_000_000);
        std::thread::sleep(Duration::from_micros(scattered(round) % LONGEST_BEGINNING));
        child.kill().unwrap();
        let mut acknowledged = Acknowledged::new();
        let mut lines = String::new();
        child.stdout.take().unwrap().read_to_string(&mut lines).unwrap();
        child.wait().unwrap();
        remember(&mut acknowledged, &lines);
        check(folder.path(), &acknowledged).await;
    }
}

async fn two_processes_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut children = ["one", "two"].map(|name| start(folder.path(), name, CHANGES));
    // Each is read by a thread of its own, so that neither waits for the other to be heard.
    let readers = children.each_mut().map(|child| {
        let mut output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut lines = String::new();
            output.read_to_string(&mut lines).map(|_| lines).unwrap()
        })
    });
    let mut acknowledged = Acknowledged::new();
    for reader in readers {
        remember(&mut acknowledged, &reader.join().unwrap());
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(acknowledged.len(), 4 * CHANGES);
    check(folder.path(), &acknowledged).await;
}

/// What was acknowledged is there and says what it said; numbers go on without a gap; the file is whole.
async fn check(folder: &Path, acknowledged: &Acknowledged) {
    let connection = rusqlite::Connection::open(folder.join("local.db")).unwrap();
    let mut there = there(&plane(folder).await).await;
    there.extend(comments(&connection));
    for (id, text) in acknowledged {
        assert_eq!(there.get(id), Some(text), "`{id}` was acknowledged");
    }
    for prefix in ["INC-", "TCK-"] {
        let numbers: BTreeSet<usize> = there.keys().filter_map(|id| id.strip_prefix(prefix)?.parse().ok()).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len()), "each number was given once: {numbers:?}");
    }
    let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
}

/// What is in the file, by the doors that callers use: what each id says.
async fn there(ops: &OpsOrch) -> Acknowledged {
    let cx = agent();
    let tickets = ops.tickets(&cx).query(TicketQuery::new().limit(u32::MAX)).await.unwrap();
    let incidents = ops.incidents(&cx).query(IncidentQuery::new().limit(u32::MAX)).await.unwrap();
    assert!(tickets.is_complete() && incidents.is_complete());
    let mut there: Acknowledged =
        tickets.items.into_iter().map(|ticket| (ticket.id.to_string(), ticket.title)).collect();
    for incident in incidents.items {
        for entry in ops.incidents(&cx).timeline(&incident.id).await.unwrap().items {
            there.insert(entry.id.to_string(), entry.body);
        }
        there.insert(incident.id.to_string(), incident.title);
    }
    there
}

/// No operation reads comments, so the file is asked.
fn comments(connection: &rusqlite::Connection) -> Acknowledged {
    let sql = "SELECT body ->> 'id', body ->> 'body' FROM entries WHERE kind = 'comment'";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(|row| row.unwrap()).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let [first, folder, name, changes] = &arguments[..]
        && first == "child"
    {
        return runtime.block_on(child(Path::new(folder), name, changes.parse().unwrap()));
    }
    runtime.block_on(nothing_acknowledged_is_lost());
    println!("test {ROUNDS} processes of {WRITERS} writers killed at any moment lose nothing acknowledged ... ok");
    runtime.block_on(death_at_the_beginning());
    println!("test {BEGINNINGS} processes killed at their beginning leave a file that can be used ... ok");
    runtime.block_on(two_processes_write_at_once());
    println!("test two processes of {WRITERS} writers write at once ... ok");
    println!("\n3 passed, 0 failed");
}
