//! Random reads, changes and time: what is served was so less than a time to live ago, and every change that was answered shows.

use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;

const ACTORS: [&str; 2] = ["triage", "report"];
const TICKETS: [&str; 2] = ["T-1", "T-2"];

#[derive(Clone, Debug)]
enum Step {
    /// A read that the vendor looks at after a while and answers a while later; the caller may give up before.
    Read {
        actor: usize,
        ticket: usize,
        before: u64,
        after: u64,
        gives_up: Option<u64>,
        deadline: Option<u64>,
        fails: bool,
    },
    /// The same for a change; one that fails was made all the same.
    Change { before: u64, after: u64, fails: bool },
    /// Somebody else changes something, which nobody here hears of.
    BehindOurBack,
    /// Time goes by.
    Wait(u64),
    /// The clock is set, and time does not go by.
    Jump(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let took = || prop_oneof![3 => Just(0_u64), 2 => 1_u64..100, 1 => 100_u64..3_000];
    let read = (
        0..ACTORS.len(),
        0..TICKETS.len(),
        (took(), took()),
        proptest::option::weighted(0.1, 1_u64..500),
        proptest::option::weighted(0.2, 1_u64..500),
        proptest::bool::weighted(0.1),
    );
    prop_oneof![
        6 => read.prop_map(|(actor, ticket, (before, after), gives_up, deadline, fails)| {
            Step::Read { actor, ticket, before, after, gives_up, deadline, fails }
        }),
        2 => (took(), took(), proptest::bool::weighted(0.2))
            .prop_map(|(before, after, fails)| Step::Change { before, after, fails }),
        1 => Just(Step::BehindOurBack),
        4 => took().prop_map(Step::Wait),
        1 => (-2_000_i64..2_000).prop_map(Step::Jump),
    ]
}

fn took(before: u64, after: u64, fails: bool) -> Took {
    let took = Took::new(millis(before), millis(after));
    if fails { took.failing(ErrorKind::Unavailable) } else { took }
}

/// What was seen of one life.
#[derive(Debug, Default)]
struct Witness {
    /// Version, when its read began, and the newest version that had been answered for by then.
    reads: Vec<(u64, Instant, u64)>,
    /// The newest version that a change was answered with.
    answered: u64,
    /// Reads that were not asked for anew.
    kept: usize,
}

async fn live(ttl: Duration, across: bool, steps: Vec<Step>) -> (Vendor, Witness) {
    let vendor = Vendor::default();
    let cache = CacheLayer::new(ttl).bounds(3, 100_000);
    let ops = cached(&vendor, if across { cache.across_actors() } else { cache }).await;
    let witness = Arc::new(Mutex::new(Witness::default()));
    let mut tasks = JoinSet::new();
    for step in steps {
        match step {
            Step::Wait(time) => {
                vendor.clock.advance(millis(time));
                tokio::time::sleep(millis(time)).await;
            }
            Step::Jump(time) => vendor.clock.set(vendor.clock.now() + chrono::TimeDelta::milliseconds(time)),
            Step::BehindOurBack => vendor.change_behind_our_back(),
            Step::Change { before, after, fails } => {
                vendor.next_change(took(before, after, fails));
                let (ops, witness) = (ops.clone(), Arc::clone(&witness));
                tasks.spawn(async move {
                    if let Ok(Submitted::Done(made)) = ops.tickets(&cx()).create(CreateTicket::new("a change")).await {
                        let mut witness = witness.lock().unwrap();
                        witness.answered = witness.answered.max(vendor::version(&made));
                    }
                });
            }
            Step::Read { actor, ticket, before, after, gives_up, deadline, fails } => {
                vendor.next_read(took(before, after, fails));
                let (ops, witness) = (ops.clone(), Arc::clone(&witness));
                let mut cx = Context::new(Actor::agent(ACTORS[actor]));
                if let Some(deadline) = deadline {
                    cx = cx.timeout(millis(deadline));
                }
                tasks.spawn(async move {
                    let (began, answered) = (Instant::now(), witness.lock().unwrap().answered);
                    let read = ops.observe(&cx, Query::TicketGet(TICKETS[ticket].into()));
                    let limit = gives_up.map_or(seconds(3_600), millis);
                    if let Ok(Ok((response, observed))) = tokio::time::timeout(limit, read).await {
                        let version = vendor::version(&response.try_into().unwrap());
                        let mut witness = witness.lock().unwrap();
                        witness.reads.push((version, began, answered));
                        witness.kept += usize::from(observed.cached);
                    }
                });
            }
        }
        tokio::task::yield_now().await;
    }
    while tasks.join_next().await.is_some() {}
    ops.idle().await;
    drop(ops);
    (vendor, Arc::into_inner(witness).unwrap().into_inner().unwrap())
}

fn run(ttl: u64, across: bool, steps: Vec<Step>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (vendor, witness) = live(millis(ttl), across, steps).await;
        for (version, began, answered) in &witness.reads {
            assert!(version >= answered, "version {version} was served after {answered} had been answered");
            let replaced = vendor.replaced(*version);
            let is_young = replaced.is_none_or(|replaced| replaced + millis(ttl) > *began);
            assert!(is_young, "version {version} was replaced at {replaced:?}, and served to a read of {began:?}");
        }
        witness.kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_served_that_is_older_than_its_time_to_live_or_than_an_own_change(
        ttl in 1_u64..2_000,
        across in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        run(ttl, across, steps);
    }
}

/// The property would hold for a layer that keeps nothing.
#[test]
fn random_lives_do_serve_what_was_kept() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let lives = (1_u64..2_000, any::<bool>(), proptest::collection::vec(step(), 60));
    let kept = (0..50).map(|_| {
        let (ttl, across, steps) = lives.new_tree(&mut runner).unwrap().current();
        run(ttl, across, steps)
    });
    let kept: usize = kept.sum();
    assert!(kept > 100, "{kept}");
}
