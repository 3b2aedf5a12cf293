//! What the tests of the gate share: a control plane over a vendor in memory, and people.

use std::sync::Arc;

use opsorch::gate::{Decision, Policy};
use opsorch::layer::{Call, Layer, Next};
use opsorch::{
    Action, Actor, ApprovalRequest, Builder, Context, CreateTicket, Entry, Event, ManualClock, OpsOrch, OutcomeStatus,
    Quorum, Response, Result, Submitted, Target,
};
use opsorch_testkit::MemoryProvider;

/// A control plane over one vendor in memory that does not recognise idempotency keys, with a clock to move.
pub(crate) struct World {
    pub(crate) ops: OpsOrch,
    pub(crate) vendor: MemoryProvider,
    pub(crate) clock: ManualClock,
}

impl World {
    pub(crate) async fn new(policy: impl Policy) -> Self {
        Self::with(policy, |builder| builder).await
    }

    pub(crate) async fn with(policy: impl Policy, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = ManualClock::default();
        let vendor = MemoryProvider::new(clock.clone());
        let provider = vendor.provider("tracker").idempotent_by_key([]);
        let builder = OpsOrch::builder().provider(provider).policy(policy).clock(clock.clone());
        let ops = adjust(builder).build().await.expect("it is valid");
        Self { ops, vendor, clock }
    }

    /// Submits a ticket that is expected to wait.
    pub(crate) async fn ask(&self, requester: &Actor) -> ApprovalRequest {
        let cx = Context::new(requester.clone());
        match self.ops.tickets(&cx).create(ticket()).await.expect("policy asks people") {
            Submitted::Pending(request) => request,
            Submitted::Done(ticket) => panic!("nobody was asked: {ticket:?}"),
        }
    }

    pub(crate) async fn approve(&self, request: &ApprovalRequest, person: &Actor) -> Result<ApprovalRequest> {
        let cx = Context::new(person.clone());
        self.ops.approvals(&cx).approve(&request.id, &request.digest).await
    }

    pub(crate) async fn redeem(&self, request: &ApprovalRequest, actor: &Actor) -> Result<Response> {
        let cx = Context::new(actor.clone());
        self.ops.approvals(&cx).redeem(&request.id).await
    }

    /// How many requests for changes reached the vendor.
    pub(crate) fn changes(&self) -> usize {
        self.vendor.requests().iter().filter(|request| request.idempotency_key.is_some()).count()
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        self.ops.audit().entries(0, 10_000).await.expect("the log can be read")
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        self.entries().await.iter().map(|entry| entry.event).collect()
    }

    /// The status of the only outcome.
    pub(crate) async fn outcome(&self) -> OutcomeStatus {
        let entries = self.entries().await;
        let mut outcomes = entries.iter().filter(|entry| entry.event == Event::Outcome);
        let only = outcomes.next().expect("there is an outcome");
        assert!(outcomes.next().is_none(), "there is one outcome: {entries:#?}");
        only.outcome.as_ref().expect("an outcome says what became").status
    }

    /// Fails unless the log verifies with everything in it covered.
    pub(crate) async fn assert_log_verifies(&self) {
        let bundle = self.ops.audit().bundle().await.expect("the log can be exported");
        let report = opsorch::audit::verify(&bundle, self.ops.audit().verifier_keys(), &[]);
        assert!(report.is_intact(), "{report}");
    }
}

pub(crate) fn ticket() -> CreateTicket {
    CreateTicket::new("disk full on db-1")
}

/// Asks one person of the role `sre`.
pub(crate) fn one_sre() -> impl Policy {
    ask(Quorum::of(1, "sre"))
}

pub(crate) fn ask(quorum: Quorum) -> impl Policy {
    move |_: &Context, _: &Target, _: &Action| Decision::require_approval(quorum.clone(), "a test")
}

pub(crate) fn allow(_: &Context, _: &Target, _: &Action) -> Decision {
    Decision::allow("a test")
}

pub(crate) fn agent() -> Actor {
    Actor::agent("triage")
}

pub(crate) fn sre(name: &str) -> Actor {
    Actor::user(name).role("sre")
}

/// A policy that a test can change while it runs.
#[derive(Clone)]
pub(crate) struct Switch(Arc<std::sync::Mutex<Decision>>);

impl Switch {
    pub(crate) fn new(decision: Decision) -> Self {
        Self(Arc::new(std::sync::Mutex::new(decision)))
    }

    pub(crate) fn set(&self, decision: Decision) {
        *self.0.lock().unwrap() = decision;
    }

    pub(crate) fn policy(&self) -> impl Policy {
        let this = self.clone();
        move |_: &Context, _: &Target, _: &Action| this.0.lock().unwrap().clone()
    }
}

/// Runs the rest of the path twice at the same time.
#[derive(Debug)]
pub(crate) struct AtOnce;

#[opsorch::async_trait]
impl Layer for AtOnce {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        let (one, other) = tokio::join!(next.run(), next.run());
        one.or(other)
    }
}
