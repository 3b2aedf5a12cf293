//! Hooks and sinks: they hear of everything, and can neither delay nor break anything.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::gate::{ApprovalHook, AuditSink, Decision};
use opsorch::{
    Answer, ApprovalRequest, Builder, Context, CreateTicket, Entry, Event, GrantState, Operation, Quorum, Submitted,
    TicketQuery, Verdict,
};
use opsorch_testkit::Fault;
use tokio::time::Instant;

use crate::support::{Switch, World, agent, allow, ask, one_sre, sre, ticket};

/// What a hook heard, in a few words each.
#[derive(Clone, Debug, Default)]
struct Hook(Arc<Mutex<Vec<String>>>);

impl Hook {
    fn note(&self, what: &str, request: &ApprovalRequest) {
        self.0.lock().unwrap().push(format!("{what} {}", request.state));
    }

    /// What was heard since the last call; notifications may overlap, so their order is not said.
    async fn heard(&self, world: &World) -> Vec<String> {
        world.ops.idle().await;
        let mut heard = std::mem::take(&mut *self.0.lock().unwrap());
        heard.sort();
        heard
    }
}

#[async_trait]
impl ApprovalHook for Hook {
    async fn requested(&self, request: &ApprovalRequest) {
        self.note("requested", request);
    }

    async fn answered(&self, request: &ApprovalRequest, answer: &Answer) {
        assert_eq!((&answer.grant, &answer.digest), (&request.id, &request.digest));
        assert_eq!(request.answers.last(), Some(answer));
        self.note(if answer.verdict == Verdict::Yes { "yes:" } else { "no:" }, request);
    }

    async fn closed(&self, request: &ApprovalRequest) {
        self.note("closed", request);
    }
}

#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<Entry>>>);

#[async_trait]
impl AuditSink for Sink {
    async fn committed(&self, entries: &[Entry]) {
        self.0.lock().unwrap().extend_from_slice(entries);
    }
}

impl Sink {
    /// What was seen, by its place in the log.
    fn seen(&self) -> Vec<Entry> {
        let mut seen = self.0.lock().unwrap().clone();
        seen.sort_by_key(|entry| entry.sequence);
        seen
    }
}

/// A world that asks two people, and a hook.
async fn hooked() -> (World, Hook) {
    let hook = Hook::default();
    let world = World::with(ask(Quorum::of(2, "sre")), |builder| builder.approval_hook(hook.clone())).await;
    (world, hook)
}

/// A request that both people agreed to.
async fn active(world: &World) -> ApprovalRequest {
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    world.approve(&request, &sre("bob")).await.unwrap()
}

/// What everyone hears of [`active`].
const AGREED: [&str; 3] = ["requested requested", "yes: active", "yes: requested"];

fn and(end: &str) -> Vec<String> {
    let mut all: Vec<_> = AGREED.iter().chain([&end]).map(|heard| (*heard).to_owned()).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_hook_hears_of_a_request_that_is_redeemed() {
    let (world, hook) = hooked().await;
    let request = active(&world).await;
    assert_eq!(hook.heard(&world).await, AGREED);
    for _ in 0..2 {
        world.redeem(&request, &agent()).await.unwrap();
    }
    assert_eq!(hook.heard(&world).await, ["closed spent"]);
}

#[tokio::test]
async fn a_hook_hears_of_a_request_whose_change_failed() {
    for fault in [Fault::LostReply, Fault::NotSent, Fault::Panic] {
        let hook = Hook::default();
        let world = World::with(one_sre(), |builder| builder.without_layers().approval_hook(hook.clone())).await;
        let request = world.ask(&agent()).await;
        world.approve(&request, &sre("alice")).await.unwrap();
        world.vendor.faults().next(Operation::TicketCreate, fault);
        world.redeem(&request, &agent()).await.unwrap_err();
        assert_eq!(hook.heard(&world).await, ["closed spent", "requested requested", "yes: active"]);
    }
}

#[tokio::test]
async fn a_hook_hears_of_a_request_that_is_denied() {
    let (world, hook) = hooked().await;
    let request = world.ask(&agent()).await;
    let bob = Context::new(sre("bob"));
    world.ops.approvals(&bob).deny(&request.id, &request.digest, "not today").await.unwrap();
    assert_eq!(hook.heard(&world).await, ["closed denied", "no: denied", "requested requested"]);
}

#[tokio::test]
async fn a_hook_hears_of_a_request_that_is_withdrawn() {
    let (world, hook) = hooked().await;
    let cx = Context::new(agent());
    let request = world.ask(&agent()).await;
    world.ops.approvals(&cx).withdraw(&request.id).await.unwrap();
    assert_eq!(hook.heard(&world).await, ["closed withdrawn", "requested requested"]);

    let request = active(&world).await;
    world.ops.approvals(&cx).withdraw(&request.id).await.unwrap();
    assert_eq!(hook.heard(&world).await, and("closed withdrawn"));
}

#[tokio::test]
async fn a_hook_hears_of_a_grant_that_is_revoked() {
    let (world, hook) = hooked().await;
    let request = active(&world).await;
    let alice = Context::new(sre("alice"));
    world.ops.approvals(&alice).revoke(&request.id, "changed my mind").await.unwrap();
    assert_eq!(hook.heard(&world).await, and("closed revoked"));
}

#[tokio::test]
async fn a_hook_hears_of_a_request_and_of_a_grant_that_lapsed_as_soon_as_somebody_looks() {
    let (world, hook) = hooked().await;
    let request = world.ask(&agent()).await;
    world.clock.advance(Duration::from_secs(24 * 60 * 60));
    for _ in 0..2 {
        world.approve(&request, &sre("alice")).await.unwrap_err();
    }
    assert_eq!(hook.heard(&world).await, ["closed expired", "requested requested"]);

    let request = active(&world).await;
    world.clock.advance(Duration::from_secs(15 * 60));
    for _ in 0..2 {
        world.redeem(&request, &agent()).await.unwrap_err();
    }
    assert_eq!(hook.heard(&world).await, and("closed expired"));
}

#[tokio::test]
async fn a_hook_hears_nothing_of_what_nobody_is_asked_about() {
    let hook = Hook::default();
    let world = World::with(allow, |builder| builder.approval_hook(hook.clone())).await;
    let cx = Context::new(agent());
    assert!(matches!(world.ops.tickets(&cx).create(ticket()).await.unwrap(), Submitted::Done(_)));
    world.ops.tickets(&cx).query(TicketQuery::new()).await.unwrap();
    assert_eq!(hook.heard(&world).await, [] as [&str; 0]);
}

/// Does a little of everything that writes to the log.
async fn live(world: &World, switch: &Switch) {
    let cx = Context::new(agent());
    let approved = active(world).await;
    world.redeem(&approved, &agent()).await.unwrap();
    world.redeem(&approved, &sre("mallory")).await.unwrap_err();
    let revoked = active(world).await;
    world.ops.approvals(&Context::new(sre("bob"))).revoke(&revoked.id, "no").await.unwrap();
    let withdrawn = world.ask(&agent()).await;
    world.ops.approvals(&cx).withdraw(&withdrawn.id).await.unwrap();
    let denied = world.ask(&agent()).await;
    world.ops.approvals(&Context::new(sre("bob"))).deny(&denied.id, &denied.digest, "no").await.unwrap();
    let lapsed = world.ask(&agent()).await;
    world.clock.advance(Duration::from_secs(24 * 60 * 60));
    world.approve(&lapsed, &sre("alice")).await.unwrap_err();
    switch.set(Decision::deny("the office is on fire"));
    world.ops.tickets(&cx).create(ticket()).await.unwrap_err();
    switch.set(Decision::allow("a test"));
    for _ in 0..5 {
        let _ = world.ops.tickets(&cx).create(CreateTicket::new("one of many")).await.unwrap();
    }
}

#[tokio::test]
async fn a_sink_sees_every_entry_of_the_log_once_as_it_is_in_the_log() {
    let (one, other) = (Sink::default(), Sink::default());
    let switch = Switch::new(Decision::require_approval(Quorum::of(2, "sre"), "a test"));
    let sinks = |builder: Builder| builder.audit_sink(one.clone()).audit_sink(other.clone());
    let world = World::with(switch.policy(), sinks).await;
    live(&world, &switch).await;
    world.ops.idle().await;
    let entries = world.entries().await;
    assert_eq!((one.seen(), other.seen()), (entries.clone(), entries.clone()));
    let all = [
        Event::Requested,
        Event::Approved,
        Event::Denied,
        Event::Expired,
        Event::Withdrawn,
        Event::Revoked,
        Event::Refused,
        Event::Intent,
        Event::Outcome,
    ];
    for event in all {
        assert!(entries.iter().any(|entry| entry.event == event), "{event}");
    }
}

/// Never answers.
#[derive(Debug)]
struct Hangs;

/// Panics.
#[derive(Debug)]
struct Panics;

macro_rules! misbehaves {
    ($type:ty: $what:expr) => {
        #[async_trait]
        impl ApprovalHook for $type {
            async fn requested(&self, _: &ApprovalRequest) {
                $what
            }
            async fn answered(&self, _: &ApprovalRequest, _: &Answer) {
                $what
            }
            async fn closed(&self, _: &ApprovalRequest) {
                $what
            }
        }

        #[async_trait]
        impl AuditSink for $type {
            async fn committed(&self, _: &[Entry]) {
                $what
            }
        }
    };
}
misbehaves!(Hangs: pending().await);
misbehaves!(Panics: panic!("a bug in a hook"));

#[tokio::test(start_paused = true)]
async fn hooks_and_sinks_that_hang_or_panic_delay_and_break_nothing() {
    let (hook, sink) = (Hook::default(), Sink::default());
    let all = |builder: Builder| {
        let builder = builder.approval_hook(Hangs).approval_hook(Panics).approval_hook(hook.clone());
        builder.audit_sink(Hangs).audit_sink(Panics).audit_sink(sink.clone())
    };
    let world = World::with(ask(Quorum::of(2, "sre")), all).await;
    let started = Instant::now();
    let request = active(&world).await;
    world.redeem(&request, &agent()).await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO, "nobody waited for a hook");

    world.ops.idle().await;
    assert_eq!(started.elapsed(), Duration::from_secs(30), "a notification has half a minute");
    let outcome = request.state == GrantState::Active && world.changes() == 1;
    assert!(outcome, "the change was made once");
    assert_eq!(hook.heard(&world).await, and("closed spent"));
    assert_eq!(sink.seen(), world.entries().await);
    world.assert_log_verifies().await;

    // It goes on after that.
    assert_eq!(world.ask(&agent()).await.state, GrantState::Requested);
    world.ops.idle().await;
    assert_eq!(hook.heard(&world).await, ["requested requested"]);
}

#[tokio::test]
async fn who_was_told_has_only_been_told_what_is_in_the_log() {
    /// Asks the log about what it was told.
    #[derive(Clone, Debug, Default)]
    struct Asks(Arc<Mutex<Option<opsorch::OpsOrch>>>, Arc<Mutex<Vec<bool>>>);
    #[async_trait]
    impl AuditSink for Asks {
        async fn committed(&self, entries: &[Entry]) {
            let ops = self.0.lock().unwrap().clone().unwrap();
            let stored = ops.audit().entries(entries[0].sequence, 1).await.unwrap();
            self.1.lock().unwrap().push(stored == entries);
        }
    }
    let asks = Asks::default();
    let world = World::with(allow, |builder| builder.audit_sink(asks.clone())).await;
    *asks.0.lock().unwrap() = Some(world.ops.clone());
    let cx = Context::new(agent());
    let _ = world.ops.tickets(&cx).create(ticket()).await.unwrap();
    world.ops.idle().await;
    assert_eq!(*asks.1.lock().unwrap(), [true, true]);
    // Else the sink and the control plane would keep each other.
    asks.0.lock().unwrap().take();
}
