//! One life: up to two control planes on one store, a vendor, a clock, and what happens to them.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::gate::{Decision, GateKeys, GateSettings, digest};
use opsorch::layer::{Call, Layer, Next, RetryLayer};
use opsorch::store::MemoryStore;
use opsorch::{
    Action, Actor, ApprovalRequest, Clock, Context, Digest, Entry, Event, GrantId, ManualClock, OpsOrch, Quorum,
    Response, Result, Submission, Submitted,
};

use super::step::{Act, Kind, Layers, Setting, Step};
use super::vendor::Vendor;
use crate::support::{AtOnce, Switch};

pub(super) struct Life {
    pub(super) vendor: Vendor,
    pub(super) planes: Vec<OpsOrch>,
    clock: ManualClock,
    policy: Switch,
    decision: Decision,
    requests: Vec<ApprovalRequest>,
    submissions: usize,
    pub(super) witness: Witness,
}

/// What was seen from outside.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// Submissions while policy allowed everything.
    pub(super) allowed: BTreeSet<Digest>,
    /// Redemptions while policy neither denied nor abstained.
    pub(super) permitted: BTreeSet<GrantId>,
    /// Redemptions while it did.
    pub(super) forbidden: usize,
    /// Changes that somebody was told were made.
    pub(super) told_made: BTreeSet<Digest>,
    /// Changes that somebody was told were certainly not made, of those that are submitted once.
    pub(super) told_not_made: BTreeSet<Digest>,
    /// Changes that were begun by the second plane.
    pub(super) on_second: usize,
}

impl Life {
    pub(super) async fn live(setting: &Setting, steps: Vec<Step>) -> Self {
        let mut life = Self::begin(setting).await;
        for step in steps {
            life.step(step).await;
        }
        life.end().await;
        life
    }

    async fn begin(setting: &Setting) -> Self {
        let decision = Decision::require_approval(Quorum::of(1, "sre"), "ask");
        let (policy, clock) = (Switch::new(decision.clone()), ManualClock::default());
        let vendor = Vendor::new(setting.honours_keys);
        let (store, keys) = (MemoryStore::new(), GateKeys::generate("example.com/lives").unwrap());
        // No key is forgotten, so that it stands for one change all life long.
        let settings = GateSettings::default().key_ttl(Duration::from_secs(365 * 24 * 60 * 60));
        let mut planes = Vec::new();
        for _ in 0..=usize::from(setting.two_planes) {
            let builder = OpsOrch::builder().provider(vendor.provider()).policy(policy.policy()).clock(clock.clone());
            let builder = builder.store(store.clone()).keys(keys.clone()).settings(settings.clone());
            let builder = match setting.layers {
                Layers::None => builder.without_layers(),
                Layers::Default => builder,
                Layers::Retry => builder.layer(RetryLayer::new(4)),
                Layers::Twice => builder.layer(Twice),
                Layers::AtOnce => builder.layer(AtOnce),
            };
            planes.push(builder.build().await.unwrap());
        }
        let (requests, witness) = (Vec::new(), Witness::default());
        Self { vendor, planes, clock, policy, decision, requests, submissions: 0, witness }
    }

    async fn step(&mut self, Step { plane, act }: Step) {
        let is_second = plane == 1 && self.planes.len() == 2;
        let ops = self.planes[usize::from(is_second)].clone();
        let before = if is_second { self.intents().await.len() } else { 0 };
        match act {
            Act::Policy(decision) => {
                self.policy.set(decision.clone());
                self.decision = decision;
            }
            Act::Submit { actor, kind, key, variant, polls } => {
                self.submit(&ops, actor, kind, key.map(|key| (key, variant)), polls).await;
            }
            Act::Answer { actor, grant, digest_of, yes } => {
                let cx = Context::new(actors()[actor].clone());
                let (id, digest) = (self.known(grant).0, self.known(digest_of).1);
                let approvals = ops.approvals(&cx);
                let _ =
                    if yes { approvals.approve(&id, &digest).await } else { approvals.deny(&id, &digest, "no").await };
            }
            Act::Redeem { actor, grant, polls } => self.redeem(&ops, actor, grant, polls).await,
            Act::Withdraw { actor, grant } => {
                let cx = Context::new(actors()[actor].clone());
                let _ = ops.approvals(&cx).withdraw(&self.known(grant).0).await;
            }
            Act::Revoke { actor, grant } => {
                let cx = Context::new(actors()[actor].clone());
                let _ = ops.approvals(&cx).revoke(&self.known(grant).0, "no").await;
            }
            Act::Recover => drop(ops.recover().await.unwrap()),
            Act::Reconcile(index) => {
                let intents = self.intents().await;
                if let Some(grant) = intents.iter().rev().nth(index).and_then(|intent| intent.grant.as_ref()) {
                    ops.reconcile(&Context::new(Actor::user("alice")), grant).await.unwrap();
                }
            }
            Act::Jump(seconds) => {
                if seconds < 0 {
                    self.idle().await;
                }
                self.jump(seconds);
            }
            Act::Lapse(seconds) => {
                self.jump(seconds);
                ops.recover().await.unwrap();
            }
            Act::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Act::Faults(faults) => self.vendor.next(faults),
        }
        if is_second {
            self.witness.on_second += self.intents().await.len() - before;
        }
    }

    async fn submit(&mut self, ops: &OpsOrch, actor: usize, kind: Kind, key: Option<(u8, u8)>, polls: Option<usize>) {
        self.submissions += 1;
        let action = match key {
            Some((key, variant)) => kind.action(format!("key {key}, variant {variant}")),
            None => kind.action(format!("submission {}", self.submissions)),
        };
        let digest = self.digest(&action);
        let mut submission = Submission::from(action);
        if let Some((key, _)) = key {
            submission = submission.idempotency_key(format!("key-{key}"));
        }
        if matches!(self.decision, Decision::Allow { .. }) {
            self.witness.allowed.insert(digest.clone());
        }
        let cx = Context::new(actors()[actor].clone());
        match drive(polls, ops.submit(&cx, submission)).await {
            Some(Ok(Submitted::Pending(request))) => self.requests.push(request),
            Some(Ok(Submitted::Done(_))) => drop(self.witness.told_made.insert(digest)),
            // Whoever is refused a key that others use learns nothing of what the others did with it.
            Some(Err(error)) if key.is_none() && !error.may_have_applied() => {
                self.witness.told_not_made.insert(digest);
            }
            Some(Err(_)) | None => {}
        }
    }

    async fn redeem(&mut self, ops: &OpsOrch, actor: Option<usize>, grant: usize, polls: Option<usize>) {
        let requester = self.requests.iter().rev().nth(grant).map(|request| request.requester.clone());
        let actor = actor.map(|actor| actors()[actor].clone()).or(requester).unwrap_or(Actor::agent("nobody"));
        let (id, digest) = self.known(grant);
        match self.decision {
            Decision::Deny { .. } | Decision::Abstain => self.witness.forbidden += 1,
            _ => drop(self.witness.permitted.insert(id.clone())),
        }
        let cx = Context::new(actor);
        if let Some(Ok(_)) = drive(polls, ops.approvals(&cx).redeem(&id)).await {
            self.witness.told_made.insert(digest);
        }
    }

    /// Everybody comes to an end, every lease lapses, and somebody looks for what was left.
    async fn end(&mut self) {
        self.idle().await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        self.clock.advance(Duration::from_secs(24 * 60 * 60));
        self.planes[0].recover().await.unwrap();
    }

    async fn idle(&self) {
        for plane in &self.planes {
            plane.idle().await;
        }
    }

    fn jump(&self, seconds: i64) {
        self.clock.set(self.clock.now() + chrono::TimeDelta::seconds(seconds));
    }

    /// The n-th request from the last, or one that nobody made.
    fn known(&self, index: usize) -> (GrantId, Digest) {
        let unknown = || (GrantId::new("unknown"), Digest::from_sha256([0; 32]));
        let known = self.requests.iter().rev().nth(index);
        known.map_or_else(unknown, |request| (request.id.clone(), request.digest.clone()))
    }

    /// The digest of an action at the vendor of this life.
    pub(super) fn digest(&self, action: &Action) -> Digest {
        let target = self.planes[0].providers().next().unwrap().target(Some(action));
        digest(&target, action).unwrap().0
    }

    pub(super) async fn entries(&self) -> Vec<Entry> {
        self.planes[0].audit().entries(0, 10_000).await.unwrap()
    }

    async fn intents(&self) -> Vec<Entry> {
        self.entries().await.into_iter().filter(|entry| entry.event == Event::Intent).collect()
    }
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

#[derive(Debug)]
struct Twice;

#[async_trait]
impl Layer for Twice {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        let _ = next.run().await;
        next.run().await
    }
}
