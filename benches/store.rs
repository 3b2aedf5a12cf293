//! What the durable store and the provable log cost, beside what the database itself can do in the same run.
//!
//! `cargo bench -p opsorch-benches --bench store`. Read the ratios: the rates are this machine's.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opsorch::audit::{
    Bundle, BundleEntry, Checkpoint, Frontier, LogWriter, MemoryNodes, SigningKey, inclusion_proof, leaf_hash, verify,
};
use opsorch::capability::TicketWriter;
use opsorch::gate::{Approved, Decision};
use opsorch::store::{SqliteStore, Store};
use opsorch::{
    Action, Actor, Clock, Context, CreateTicket, Entry, Event, Operation, OpsOrch, Provider, Result, SystemClock,
    Target, Ticket, UpdateTicket,
};

/// How long each rate is measured at a time, and how often: the disk of a busy machine changes from second to second, so
/// the rates take turns, and each ratio is the median of the ratios of one turn.
const SPAN: Duration = Duration::from_millis(400);
const TURNS: usize = 15;

/// A vendor that answers at once, so that only the gate is measured.
#[derive(Debug)]
struct Instantly;

#[async_trait]
impl TicketWriter for Instantly {
    async fn create(&self, _: &Context, input: Approved<'_, CreateTicket>) -> Result<Ticket> {
        Ok(Ticket::new("T-1", &input.title, "todo"))
    }

    async fn update(&self, _: &Context, input: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        Ok(Ticket::new(&input.id, "title", "todo"))
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(rates(folder.path()));
    runtime.block_on(appends(folder.path()));
    proofs();
}

/// What the gate reaches beside what the database does alone.
async fn rates(folder: &Path) {
    let database = raw(&folder.join("raw.db"));
    let (one, many) = (plane(&folder.join("one.db")).await, plane(&folder.join("many.db")).await);
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        turns.push([raw_commits(&database), changes(&one, 1).await, changes(&many, 64).await]);
    }
    let of = |value: fn(&[f64; 3]) -> f64| median(turns.iter().map(value).collect());
    println!("raw durable commits, one row of 600 bytes     {:>10.0} /s", of(|turn| turn[0]));
    println!(
        "changes, 1 writer (two commits each)          {:>10.0} /s   {:.2} of raw",
        of(|turn| turn[1]),
        of(|turn| turn[1] / turn[0])
    );
    // The ratio cannot exceed 0.5, and depends on the disk: this is what the gate and its store add, whatever the disk.
    println!("what a change takes beside two raw commits    {:>10.0} µs", of(|turn| 1e6 / turn[1] - 2e6 / turn[0]));
    println!(
        "changes, 64 writers                           {:>10.0} /s   {:.1} times one writer",
        of(|turn| turn[2]),
        of(|turn| turn[2] / turn[1])
    );
}

fn raw(path: &Path) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(path).unwrap();
    let sql = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)";
    database.execute_batch(sql).unwrap();
    database
}

/// What the database does alone: one transaction a row, durable before the next.
fn raw_commits(database: &rusqlite::Connection) -> f64 {
    let row = "x".repeat(600);
    rate(|| {
        database.prepare_cached("INSERT INTO t (v) VALUES (?1)").unwrap().execute([&row]).unwrap();
    })
}

async fn plane(path: &Path) -> OpsOrch {
    OpsOrch::builder()
        .provider(Provider::new("instant").with_ticket_writer(Arc::new(Instantly)))
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a benchmark"))
        .store(SqliteStore::open(path).unwrap())
        .without_layers()
        .build()
        .await
        .unwrap()
}

/// Whole changes through the gate, by so many callers at once.
async fn changes(ops: &OpsOrch, writers: usize) -> f64 {
    let started = Instant::now();
    let tasks = (0..writers).map(|_| {
        let ops = ops.clone();
        tokio::spawn(async move {
            let cx = Context::new(Actor::agent("bench"));
            let mut made = 0_u32;
            while started.elapsed() < SPAN {
                let _ = ops.tickets(&cx).create(CreateTicket::new("disk full on db-1")).await.unwrap();
                made += 1;
            }
            made
        })
    });
    let mut made = 0;
    for task in tasks.collect::<Vec<_>>() {
        made += task.await.unwrap();
    }
    f64::from(made) / started.elapsed().as_secs_f64()
}

/// What one more entry costs, in logs of different lengths that take turns.
async fn appends(folder: &Path) {
    let mut logs = Vec::new();
    for length in [1_000_u32, 10_000, 100_000, 1_000_000] {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.join(format!("{length}.db"))).unwrap());
        let log = LogWriter::new(Arc::new(SigningKey::generate("example.com/bench").unwrap()));
        fill(&store, &log, length).await;
        logs.push((length, store, log, Vec::new()));
    }
    for _ in 0..TURNS * 40 {
        for (_, store, log, times) in &mut logs {
            let started = Instant::now();
            store.record(log, entry()).await.unwrap();
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    for (length, _, _, times) in logs {
        println!("one append to a log of {length:>9} entries       {:>10.0} µs", median(times));
    }
}

async fn fill(store: &Arc<dyn Store>, log: &LogWriter, length: u32) {
    let mut filled = 0;
    while filled < length {
        let batch = (length - filled).min(4096);
        let appended = (0..batch).map(|_| {
            let (store, log) = (Arc::clone(store), log.clone());
            tokio::spawn(async move { store.record(&log, entry()).await.unwrap() })
        });
        for append in appended.collect::<Vec<_>>() {
            append.await.unwrap();
        }
        filled += batch;
    }
}

/// Verification and proofs, without any store.
fn proofs() {
    const ENTRIES: u64 = 1_000_000;
    let key = SigningKey::generate("example.com/bench").unwrap();
    let (mut tree, mut nodes, mut entries) = (Frontier::default(), MemoryNodes::default(), Vec::new());
    let mut sample = entry();
    for sequence in 0..ENTRIES {
        sample.sequence = sequence;
        let text = serde_json::to_string(&sample).unwrap();
        let leaf = leaf_hash(text.as_bytes());
        tree.push(leaf);
        nodes.push(leaf);
        entries.push(BundleEntry::new(sequence, text, leaf));
    }
    let head = key.sign(&Checkpoint::new(key.name(), tree.size(), tree.root()).unwrap());
    let bundle = Bundle::new(key.name()).checkpoints([head]).entries(entries);
    let started = Instant::now();
    assert!(verify(&bundle, &[key.verifier()], &[]).is_intact());
    println!(
        "verify, one core                              {:>10.0} entries/s",
        ENTRIES as f64 / started.elapsed().as_secs_f64()
    );

    let mut index = 0;
    let proofs = rate(|| {
        index = (index + 7919) % ENTRIES;
        inclusion_proof(index, ENTRIES, &nodes).unwrap();
    });
    println!("inclusion proof in a log of a million         {:>10.1} µs", 1e6 / proofs);
}

fn entry() -> Entry {
    let mut entry =
        Entry::new(SystemClock.now(), Event::Refused, Actor::agent("bench"), Operation::TicketCreate, "request");
    entry.reason = Some("no rule matches, so the change is denied".into());
    entry
}

/// How often a second it can be done.
fn rate(mut work: impl FnMut()) -> f64 {
    let (started, mut times) = (Instant::now(), 0_u32);
    while started.elapsed() < SPAN {
        work();
        times += 1;
    }
    f64::from(times) / started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
