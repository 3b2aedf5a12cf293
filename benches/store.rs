//! What the durable store and the provable log cost, beside what the database itself can do in the same run.
//!
//! `cargo bench -p opsorch-benches --bench store`. Read the ratios: the rates are this machine's.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod changes;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use changes::{SPAN, TURNS, changes, median, plane, report};
use opsorch::audit::{
    Bundle, BundleEntry, Checkpoint, Frontier, LogWriter, MemoryNodes, SigningKey, inclusion_proof, leaf_hash, verify,
};
use opsorch::store::{SqliteStore, Store};
use opsorch::{Actor, Clock, Entry, Event, Operation, OpsOrch, SystemClock};
use opsorch_benches::results::{Goal, Number, Results};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut results = Results::of("store");
    runtime.block_on(rates(folder.path(), &mut results));
    runtime.block_on(appends(folder.path(), &mut results));
    proofs(&mut results);
    results.write();
}

/// What the gate reaches beside what the database does alone.
async fn rates(folder: &Path, results: &mut Results) {
    let database = raw(&folder.join("raw.db"));
    let (one, many) = (open(&folder.join("one.db")).await, open(&folder.join("many.db")).await);
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        turns.push([raw_commits(&database), changes(&one, 1).await, changes(&many, 64).await]);
    }
    report(&turns, results);
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

async fn open(path: &Path) -> OpsOrch {
    plane().store(SqliteStore::open(path).unwrap()).build().await.unwrap()
}

/// What one more entry costs, in logs of different lengths that take turns.
async fn appends(folder: &Path, results: &mut Results) {
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
        let time = median(times);
        println!("one append to a log of {length:>9} entries       {time:>10.0} µs");
        results.add(Number::new(format!("one append to a log of {length} entries"), time, "µs"));
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
fn proofs(results: &mut Results) {
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
    let verified = ENTRIES as f64 / started.elapsed().as_secs_f64();
    println!("verify, one core                              {verified:>10.0} entries/s");
    results.add(Number::new("`verify` on one core", verified, "entries/s").goal(Goal::Least(500_000.0)));

    let mut index = 0;
    let proofs = rate(|| {
        index = (index + 7919) % ENTRIES;
        inclusion_proof(index, ENTRIES, &nodes).unwrap();
    });
    println!("inclusion proof in a log of a million         {:>10.1} µs", 1e6 / proofs);
    results.add(Number::new("an inclusion proof in a log of a million", 1e6 / proofs, "µs"));
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
