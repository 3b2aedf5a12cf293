//! Random lives of a gate: policies that change, people who answer, callers who give up, a clock that jumps.
//!
//! Whatever happens, two things hold: without an Allow or a met quorum nothing is changed, and every request that the
//! vendor saw has an intent of its own before it in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::{
    Actor, ApprovalRequest, Context, CreateTicket, Digest, Entry, ErrorKind, Event, GrantId, Operation, Quorum,
    Submitted,
};
use opsorch_testkit::Fault;
use proptest::prelude::*;

use crate::support::{Switch, World};

#[derive(Clone, Debug)]
enum Step {
    Policy(Decision),
    Submit {
        actor: usize,
        title: u8,
        key: Option<u8>,
        polls: Option<usize>,
    },
    Answer {
        actor: usize,
        grant: usize,
        digest_of: usize,
        yes: bool,
    },
    /// By an actor, or by whoever asked.
    Redeem {
        actor: Option<usize>,
        grant: usize,
        polls: Option<usize>,
    },
    Withdraw {
        actor: usize,
        grant: usize,
    },
    Revoke {
        actor: usize,
        grant: usize,
    },
    Jump(i64),
    Fault(Fault),
}

fn actors() -> Vec<Actor> {
    vec![
        Actor::user("alice").role("sre"),
        Actor::user("bob").role("sre").role("security"),
        Actor::user("carol").role("security"),
        Actor::user("mallory"),
        Actor::agent("triage").role("sre").on_behalf_of(Actor::user("alice").role("sre")),
        Actor::service("token").role("sre").role("security"),
    ]
}

fn decision() -> impl Strategy<Value = Decision> {
    prop_oneof![
        Just(Decision::Abstain),
        Just(Decision::deny("no")),
        Just(Decision::allow("yes")),
        (1..3u32).prop_map(|people| Decision::require_approval(Quorum::of(people, "sre"), "ask")),
        Just(Decision::require_approval(Quorum::of(1, "sre").and(1, "security"), "ask")),
        Just(Decision::require_approval(Quorum::of(1, "sre").excluding_principal().redeemable_by("security"), "ask")),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let actor = 0..6usize;
    let grant = 0..4usize;
    let polls = prop::option::weighted(0.2, 0..6usize);
    let fault = prop_oneof![
        Just(Fault::LostReply),
        Just(Fault::NotSent),
        Just(Fault::Panic),
        Just(Fault::Error(ErrorKind::Forbidden)),
        Just(Fault::Error(ErrorKind::Timeout)),
        Just(Fault::Delay(Duration::from_millis(1))),
    ];
    prop_oneof![
        1 => decision().prop_map(Step::Policy),
        4 => (actor.clone(), 0..2u8, prop::option::weighted(0.3, 0..2u8), polls.clone())
            .prop_map(|(actor, title, key, polls)| Step::Submit { actor, title, key, polls }),
        8 => (prop_oneof![3 => 0..3usize, 1 => actor.clone()], grant.clone(), prop_oneof![4 => Just(None), 1 => grant.clone().prop_map(Some)], prop::bool::weighted(0.9))
            .prop_map(|(actor, grant, other, yes)| Step::Answer { actor, grant, digest_of: other.unwrap_or(grant), yes }),
        6 => (prop::option::weighted(0.3, actor.clone()), grant.clone(), polls)
            .prop_map(|(actor, grant, polls)| Step::Redeem { actor, grant, polls }),
        1 => (actor.clone(), grant.clone()).prop_map(|(actor, grant)| Step::Withdraw { actor, grant }),
        1 => (actor, grant).prop_map(|(actor, grant)| Step::Revoke { actor, grant }),
        1 => prop_oneof![-3600..0i64, 0..1000i64, 80_000..90_000i64].prop_map(Step::Jump),
        2 => fault.prop_map(Step::Fault),
    ]
}

/// Drives a future to its end, or polls it so often and drops it.
async fn drive<F: Future>(polls: Option<usize>, future: F) -> Option<F::Output> {
    let Some(polls) = polls else { return Some(future.await) };
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

async fn live(steps: Vec<Step>) -> (World, Vec<ApprovalRequest>) {
    let switch = Switch::new(Decision::require_approval(Quorum::of(1, "sre"), "ask"));
    let world = World::with(switch.policy(), |builder| builder.without_layers()).await;
    let mut requests: Vec<ApprovalRequest> = Vec::new();
    let unknown = || (GrantId::new("unknown"), Digest::from_sha256([0; 32]));
    for step in steps {
        let known = |index: usize, requests: &[ApprovalRequest]| {
            requests
                .iter()
                .rev()
                .nth(index)
                .map_or_else(unknown, |request| (request.id.clone(), request.digest.clone()))
        };
        match step {
            Step::Policy(decision) => switch.set(decision),
            Step::Submit { actor, title, key, polls } => {
                let cx = Context::new(actors()[actor].clone());
                let mut tickets = world.ops.tickets(&cx);
                if let Some(key) = key {
                    tickets = tickets.idempotency_key(format!("key-{key}"));
                }
                let submitted = drive(polls, tickets.create(CreateTicket::new(format!("ticket {title}")))).await;
                if let Some(Ok(Submitted::Pending(request))) = submitted {
                    requests.push(request);
                }
            }
            Step::Answer { actor, grant, digest_of, yes } => {
                let cx = Context::new(actors()[actor].clone());
                let (id, digest) = (known(grant, &requests).0, known(digest_of, &requests).1);
                let approvals = world.ops.approvals(&cx);
                let _ =
                    if yes { approvals.approve(&id, &digest).await } else { approvals.deny(&id, &digest, "no").await };
            }
            Step::Redeem { actor, grant, polls } => {
                let requester = requests.iter().rev().nth(grant).map(|request| request.requester.clone());
                let actor = actor.map(|actor| actors()[actor].clone()).or(requester).unwrap_or(Actor::agent("nobody"));
                let cx = Context::new(actor);
                drive(polls, world.ops.approvals(&cx).redeem(&known(grant, &requests).0)).await;
            }
            Step::Withdraw { actor, grant } => {
                let cx = Context::new(actors()[actor].clone());
                let _ = world.ops.approvals(&cx).withdraw(&known(grant, &requests).0).await;
            }
            Step::Revoke { actor, grant } => {
                let cx = Context::new(actors()[actor].clone());
                let _ = world.ops.approvals(&cx).revoke(&known(grant, &requests).0, "no").await;
            }
            Step::Jump(seconds) => {
                use opsorch::Clock;
                world.clock.set(world.clock.now() + chrono::TimeDelta::seconds(seconds));
            }
            Step::Fault(fault) => world.vendor.faults().next(Operation::TicketCreate, fault),
        }
    }
    world.ops.idle().await;
    (world, requests)
}

/// What the log must show for a change of this grant to be right: read from the entries alone.
fn check_authority(intent: &Entry, before: &[Entry]) {
    let decision = intent.decision.as_deref().unwrap();
    if decision.starts_with("allow: ") {
        return;
    }
    let quorum: Quorum = decision.strip_prefix("require ").unwrap().rsplit_once(": ").unwrap().0.parse().unwrap();
    let of_grant: Vec<&Entry> = before.iter().filter(|entry| entry.grant == intent.grant).collect();
    let requested = of_grant.iter().find(|entry| entry.event == Event::Requested).expect("it was requested");
    assert_eq!(requested.digest, intent.digest, "what runs is what was asked for");
    let ended = [Event::Denied, Event::Withdrawn, Event::Revoked, Event::Expired, Event::Intent];
    assert!(of_grant.iter().all(|entry| !ended.contains(&entry.event)), "{of_grant:#?}");
    let approvals: Vec<&&Entry> = of_grant.iter().filter(|entry| entry.event == Event::Approved).collect();
    let people: BTreeMap<_, BTreeSet<String>> =
        approvals.iter().map(|entry| (&entry.actor.identity, entry.actor.roles.clone())).collect();
    assert_eq!(people.len(), approvals.len(), "nobody answered twice");
    for entry in &approvals {
        assert_eq!(entry.actor.kind, opsorch::ActorKind::User);
        assert_ne!(entry.actor.identity, requested.actor.identity, "the requester did not answer");
    }
    assert!(quorum.is_met_by(&people.into_values().collect::<Vec<_>>()), "{quorum} is met");
    let active_since = approvals.last().unwrap().time;
    assert!(intent.time < active_since + chrono::TimeDelta::minutes(15), "it was redeemed in time");
}

async fn check(world: &World) {
    let entries = world.entries().await;
    let intents: Vec<&Entry> = entries.iter().filter(|entry| entry.event == Event::Intent).collect();
    let grants: BTreeSet<_> = intents.iter().map(|entry| entry.grant.clone()).collect();
    assert_eq!(grants.len(), intents.len(), "no grant is spent twice");
    for intent in &intents {
        let before: Vec<Entry> = entries.iter().take_while(|entry| entry.sequence < intent.sequence).cloned().collect();
        check_authority(intent, &before);
        let ends = |entry: &&Entry| entry.event == Event::Outcome && entry.intent == Some(intent.sequence);
        assert_eq!(entries.iter().filter(ends).count(), 1, "every intent has one outcome");
    }
    // Each request that the vendor saw carries the key of one chain, and no chain was seen twice.
    let seen: Vec<_> = world.vendor.requests().into_iter().filter_map(|request| request.idempotency_key).collect();
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "no chain made two requests: {seen:?}");
    assert!(seen.len() <= intents.len(), "effects without intent: {seen:?}");
    for key in seen.iter().filter(|key| !key.starts_with("key-")) {
        let grant = GrantId::new(key.strip_suffix("-1").expect("the key is the grant's"));
        assert!(grants.contains(&Some(grant)), "{key} has an intent");
    }
    if !entries.is_empty() {
        world.assert_log_verifies().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_changes_without_authority_and_nothing_changes_twice(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (world, _) = live(steps).await;
            check(&world).await;
        });
    }
}

/// The property above would hold for a gate that refuses everything; this one does not.
#[test]
fn random_lives_do_change_things() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (mut allowed, mut approved) = (0, 0);
    for _ in 0..100 {
        let steps = prop::collection::vec(step(), 40).new_tree(&mut runner).unwrap().current();
        let entries = runtime.block_on(async { live(steps).await.0.entries().await });
        for intent in entries.iter().filter(|entry| entry.event == Event::Intent) {
            match intent.decision.as_deref().unwrap().starts_with("allow") {
                true => allowed += 1,
                false => approved += 1,
            }
        }
    }
    assert!(allowed > 20 && approved > 20, "{allowed} allowed, {approved} approved");
}
