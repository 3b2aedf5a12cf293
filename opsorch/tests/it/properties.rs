//! Random lives of a gate: policies that change, people who answer, callers who give up, a clock that jumps, a vendor
//! that fails in all ways, layers that repeat, and a second control plane on the same store that cleans up.
//!
//! Whatever happens, the same holds: without an Allow or a met quorum nothing is changed; every request that the vendor
//! saw has an intent of its own before it in the log; no chain takes effect twice; and what the log or an answer says
//! for certain is so in the vendor's world.

mod check;
mod life;
mod step;
mod vendor;

use std::collections::BTreeMap;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::{ErrorKind, Event};
use opsorch_testkit::Fault;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use self::check::{chains, check};
use self::life::Life;
use self::step::{Act, Kind, Layers, Setting, Step, setting, steps};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_changes_without_authority_and_nothing_changes_twice((setting, steps) in (setting(), steps(1..60))) {
        runtime().block_on(async {
            let life = Life::live(&setting, steps).await;
            check(&life).await;
        });
    }
}

/// A life that chance finds too seldom: between two attempts a process stands still beyond its lease, and another one
/// ends the change. The first must not renew what it lost, and not make its second attempt.
#[test]
fn a_change_that_another_plane_has_ended_is_not_attempted_again() {
    for wait in [Duration::from_millis(50), Duration::from_secs(25)] {
        let fault = Fault::Error(ErrorKind::RateLimited { retry_after: Some(wait) });
        let submit = Act::Submit { actor: 0, kind: Kind::CreateTicket, key: None, variant: 0, polls: Some(5) };
        let acts = [
            (0, Act::Policy(Decision::allow("yes"))),
            (0, Act::Faults(vec![fault])),
            (0, submit),
            (1, Act::Lapse(61)),
            (0, Act::Wait(60_000)),
        ];
        let steps = acts.into_iter().map(|(plane, act)| Step { plane, act }).collect();
        let setting = Setting { layers: Layers::Retry, honours_keys: false, two_planes: true };
        runtime().block_on(async {
            let life = Life::live(&setting, steps).await;
            assert_eq!(life.vendor.requests().len(), 1, "after {wait:?}");
            check(&life).await;
        });
    }
}

/// The property would hold for a gate that refuses everything; this one does not, and meets all it may meet.
#[test]
fn random_lives_do_change_things() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..100 {
        let (setting, steps) = (setting(), steps(60)).new_tree(&mut runner).unwrap().current();
        for what in runtime().block_on(async { meets(&Life::live(&setting, steps).await).await }) {
            *met.entry(what).or_default() += 1;
        }
    }
    for what in EXPECTED {
        assert!(met.get(*what).is_some_and(|times| *times >= 5), "{what} is met: {met:#?}");
    }
}

/// What a hundred lives must have met several times each.
const EXPECTED: &[&str] = &[
    "allowed",
    "approved",
    "redemption while policy denies",
    "intent of the second plane",
    "several requests of one chain",
    "several effects of one life",
    "lapsed lease",
    "applied",
    "notApplied",
    "unknown",
    "unknown, then applied",
    "unknown, then notApplied",
    "somebody was told that it was not made",
    "incident.create",
    "messaging.send",
    "ticket.comment",
    "ticket.create",
    "ticket.update",
];

async fn meets(life: &Life) -> Vec<String> {
    let entries = life.entries().await;
    let mut met: Vec<String> = life.vendor.made().iter().map(|made| made.action.operation().to_string()).collect();
    let mut note = |times: usize, what: &str| met.extend(std::iter::repeat_n(what.to_owned(), times));
    for chain in chains(&entries).values() {
        let is_allowed = chain.intent.decision.as_deref().unwrap().starts_with("allow");
        note(1, if is_allowed { "allowed" } else { "approved" });
        let mut words: Vec<String> = chain.words.iter().map(ToString::to_string).collect();
        words.dedup();
        note(1, &words.join(", then "));
    }
    let lapsed = |error: &Option<String>| error.as_deref() == Some("lease_lapsed");
    let outcomes = entries.iter().filter(|entry| entry.event == Event::Outcome);
    note(
        outcomes.filter_map(|entry| entry.outcome.as_ref()).filter(|outcome| lapsed(&outcome.error)).count(),
        "lapsed lease",
    );
    note(life.witness.forbidden, "redemption while policy denies");
    note(life.witness.told_not_made.len(), "somebody was told that it was not made");
    note(life.witness.on_second, "intent of the second plane");
    note(usize::from(life.vendor.made().len() > 1), "several effects of one life");
    let mut requests: BTreeMap<String, usize> = BTreeMap::new();
    life.vendor.requests().into_iter().for_each(|key| *requests.entry(key).or_default() += 1);
    note(requests.values().filter(|times| **times > 1).count(), "several requests of one chain");
    met
}
