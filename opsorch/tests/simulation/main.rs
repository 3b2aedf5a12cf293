//! Whole histories of processes that share a store, made up from a seed: many callers, layers, vendors and a store that fail
//! in all ways, processes that die and come back, a clock that jumps.
//!
//! Whatever happens: no change takes effect twice, none without an intent, what the log and the answers say for certain is
//! so, no acknowledged entry is lost, no grant is stuck, every limit holds. A history is a function of its seed.
//!
//! * `cargo test -p opsorch --test simulation` runs a thousand histories.
//! * `OPSORCH_HISTORIES=100000` runs as many, from the seed `OPSORCH_FIRST_SEED` on.
//! * `OPSORCH_SEED=4711` runs one, and prints what happens.
#![allow(missing_docs, unreachable_pub)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod check;
mod layers;
mod life;
mod process;
mod rng;
mod script;
mod store;
mod vendor;

use std::any::Any;
use std::collections::BTreeMap;
use std::env;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use opsorch::{Event, OutcomeStatus};

use self::check::check;
use self::life::Life;

/// What became of a history.
struct History {
    trace: Vec<String>,
    wrong: Vec<String>,
    met: BTreeMap<String, usize>,
}

fn run(seed: u64) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let life = Life::live(seed).await;
        let wrong = check(&life).await;
        History { trace: life.trace(), wrong, met: met(&life).await }
    })
}

#[test]
fn every_history_keeps_what_the_gate_promises() {
    if let Some(seed) = number("OPSORCH_SEED") {
        let history = run(seed);
        println!("{}", history.trace.join("\n"));
        assert!(history.wrong.is_empty(), "{}", failure(seed, &history.wrong));
        return;
    }
    let (first, many) = (number("OPSORCH_FIRST_SEED").unwrap_or(0), number("OPSORCH_HISTORIES").unwrap_or(MANY));
    let met = run_all(first..first + many);
    println!("{met:#?}");
    let is_met = |what: &&&str| met.get(**what).is_some_and(|times| *times >= 5);
    let unmet: Vec<_> = EXPECTED.iter().filter(|what| many >= MANY && !is_met(what)).collect();
    assert!(unmet.is_empty(), "{many} histories hardly ever met {unmet:?}");
}

/// How many histories there are unless it is said otherwise.
const MANY: u64 = 1_000;

/// What a thousand histories must have met several times each; else they prove nothing.
const EXPECTED: &[&str] = &[
    "a process died in the store",
    "a store failed",
    "an intent in place of another",
    "asked: certainly not made",
    "asked: failed",
    "asked: found",
    "asked: not certain",
    "event approved",
    "event denied",
    "event expired",
    "event refused",
    "event revoked",
    "event withdrawn",
    "lease lapsed",
    "made",
    "outcome applied",
    "outcome notApplied",
    "outcome unknown",
    "outcome unknown, then applied",
    "outcome unknown, then notApplied",
    "sent more than once",
];

/// Runs histories on all processors; what they met.
fn run_all(seeds: std::ops::Range<u64>) -> BTreeMap<String, usize> {
    let (next, failed, met) = (AtomicU64::new(seeds.start), AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    let work = || {
        let mut own: BTreeMap<String, usize> = BTreeMap::new();
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let history = catch_unwind(AssertUnwindSafe(|| run(seed)));
            let wrong = history.as_ref().map_or_else(|panic| vec![words(&**panic)], |history| history.wrong.clone());
            if !wrong.is_empty() {
                failed.store(true, Ordering::Relaxed);
                panic!("{}", failure(seed, &wrong));
            }
            for (what, times) in history.into_iter().flat_map(|history| history.met) {
                *own.entry(what).or_default() += times;
            }
        }
        let mut met = met.lock().unwrap();
        own.into_iter().for_each(|(what, times)| *met.entry(what).or_default() += times);
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(2, NonZero::get);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    met.into_inner().unwrap()
}

#[test]
fn a_history_is_a_function_of_its_seed() {
    for seed in 0..100 {
        let (one, other) = (run(seed), run(seed));
        let differs = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.trace.len(), other.trace.len(), "seed {seed}");
    }
}

fn failure(seed: u64, wrong: &[String]) -> String {
    let command = format!("OPSORCH_SEED={seed} cargo test -p opsorch --test simulation every_history -- --nocapture");
    format!("the history of seed {seed} breaks a promise:\n* {}\nTo see it: {command}", wrong.join("\n* "))
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: expected a number, got `{text}`")))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "a panic".to_owned())
}

/// What a history met, to be counted.
async fn met(life: &Life) -> BTreeMap<String, usize> {
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let mut note = |times: usize, what: String| *met.entry(what).or_default() += times;
    let entries = life.last().ops.audit().entries(0, 100_000).await.unwrap();
    for entry in &entries {
        let lapsed = entry.outcome.as_ref().is_some_and(|outcome| outcome.error.as_deref() == Some("lease_lapsed"));
        note(usize::from(lapsed), "lease lapsed".to_owned());
        let in_place = entry.event == Event::Intent && entry.reason.is_some();
        note(usize::from(in_place), "an intent in place of another".to_owned());
        note(1, format!("event {}", entry.event));
    }
    for chain in check::all_chains(&entries).into_values().flatten() {
        let mut words: Vec<_> = chain.words.iter().map(OutcomeStatus::to_string).collect();
        words.dedup();
        note(1, format!("outcome {}", words.join(", then ")));
    }
    for vendor in &life.world().vendors {
        note(vendor.made().len(), "made".to_owned());
        note(vendor.calls().values().filter(|calls| **calls > 1).count(), "sent more than once".to_owned());
        vendor.looked_up().into_iter().for_each(|(word, times)| note(times, format!("asked: {word}")));
    }
    let book = life.world().store.book();
    note(book.crashes, "a process died in the store".to_owned());
    note(book.failures, "a store failed".to_owned());
    met
}
