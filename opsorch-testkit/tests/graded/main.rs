//! Grades the suite itself: broken providers, each of which has to be caught by the rule that names its fault.
#![allow(missing_docs, unreachable_pub)]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod configured;
mod desk;
mod flaw;
mod guide;
mod live;
mod replayed;
mod tampered;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flaw::{Flaw, flaws};
use opsorch_testkit::conformance::Outcome;
use opsorch_testkit::{Conformance, MemoryProvider};

/// A world in memory, whole.
fn sound() -> Conformance {
    Conformance::provider("memory", |place| Ok(MemoryProvider::seeded(7, place.clock()).provider("memory")))
        .channel("#ops")
}

#[test]
fn a_sound_provider_keeps_every_rule() {
    let report = sound().run();
    assert!(report.broken().is_empty(), "{report:#?}");
}

#[test]
fn a_sound_provider_with_a_configuration_keeps_every_rule() {
    let report = configured::suite::<configured::Sound>().run();
    assert!(report.broken().is_empty(), "{report:#?}");
}

#[test]
fn a_sound_http_adapter_keeps_every_rule() {
    let report = desk::sound().run();
    assert!(report.broken().is_empty(), "{report:#?}");
}

#[test]
fn a_sound_http_adapter_without_idempotency_keys_keeps_every_rule() {
    let report = desk::sound_with_markers().run();
    assert!(report.broken().is_empty(), "{report:#?}");
    for rule in ["TK-081", "TK-087"] {
        let result = report.results.iter().find(|result| result.id == rule).unwrap();
        assert!(matches!(result.outcome, Outcome::Kept { .. }), "{result:?}");
    }
}

#[test]
fn every_broken_provider_is_caught_by_the_rule_that_names_its_fault_and_by_no_other() {
    let wrong = misjudged(flaws().filter(|flaw| !flaw.is_of_desk()).collect());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_broken_http_adapter_is_caught_by_the_rule_that_names_its_fault_and_by_no_other() {
    let wrong = misjudged(flaws().filter(|flaw| flaw.is_of_desk()).collect());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How the suite misjudges flaws. As many are looked at at once as there are processors.
fn misjudged(flaws: Vec<&Flaw>) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let work = || {
        let taken = std::iter::from_fn(|| flaws.get(next.fetch_add(1, Ordering::Relaxed)));
        taken.filter_map(|flaw| misjudgement(flaw)).collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(2, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

/// How the suite misjudges a flaw.
fn misjudgement(flaw: &Flaw) -> Option<String> {
    let report = flaw.conformance().run();
    let expected: Vec<_> = flaw.caught_by.to_vec();
    let found = report.broken();
    (found != expected).then(|| format!("`{}`: expected {expected:?}, got {found:?}: {report:#?}", flaw.name))
}

/// Without a rule some broken provider passes: no rule is there for nothing.
#[test]
fn every_rule_catches_a_provider_that_no_other_rule_catches() {
    let mut alone: BTreeMap<&str, &str> = BTreeMap::new();
    for flaw in flaws() {
        if let [only] = flaw.caught_by {
            alone.insert(only, flaw.name);
        }
    }
    let idle: Vec<_> = Conformance::rules().iter().map(|rule| rule.id()).filter(|id| !alone.contains_key(id)).collect();
    assert!(idle.is_empty(), "these rules catch nothing alone: {idle:?}");
}
