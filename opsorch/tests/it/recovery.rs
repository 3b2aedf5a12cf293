//! Changes whose outcome nobody wrote: leases, addenda, and asking the vendor.

use std::sync::Arc;
use std::time::Duration;

use opsorch::capability::{Reconciled, Reconciler, TicketReader};
use opsorch::gate::GateKeys;
use opsorch::store::MemoryStore;
use opsorch::{
    Action, Context, ErrorKind, Event, ManualClock, Operation, OpsOrch, OutcomeStatus, Response, Result, Submitted,
    TicketQuery,
};
use opsorch_testkit::{Fault, MemoryProvider};

use crate::support::{World, agent, allow, ticket};

/// Looks the ticket up by its title, as one does with a vendor that has no keys.
#[derive(Debug)]
struct ByTitle(MemoryProvider);

#[opsorch::async_trait]
impl Reconciler for ByTitle {
    async fn reconcile(&self, cx: &Context, action: &Action, _: &str) -> Result<Reconciled> {
        let Action::TicketCreate(wanted) = action else { return Ok(Reconciled::Unknown) };
        let tickets = TicketReader::query(&self.0, cx, &TicketQuery::new()).await?.items;
        Ok(match tickets.into_iter().find(|ticket| ticket.title == wanted.title) {
            Some(ticket) => Reconciled::Applied(Response::from(ticket)),
            None => Reconciled::NotApplied,
        })
    }
}

/// A control plane over a store that others share, with a vendor that can be asked.
async fn plane(vendor: &MemoryProvider, store: &MemoryStore, keys: &GateKeys, clock: &ManualClock) -> OpsOrch {
    let provider = vendor.provider("tracker").idempotent_by_key([]).with_reconciler(Arc::new(ByTitle(vendor.clone())));
    let builder = OpsOrch::builder().provider(provider).policy(allow).without_layers().clock(clock.clone());
    builder.store(store.clone()).keys(keys.clone()).build().await.unwrap()
}

struct Shared {
    vendor: MemoryProvider,
    store: MemoryStore,
    keys: GateKeys,
    clock: ManualClock,
}

impl Shared {
    fn new() -> Self {
        let clock = ManualClock::default();
        let keys = GateKeys::generate("example.com/log").unwrap();
        Self { vendor: MemoryProvider::new(clock.clone()), store: MemoryStore::new(), keys, clock }
    }

    async fn plane(&self) -> OpsOrch {
        plane(&self.vendor, &self.store, &self.keys, &self.clock).await
    }

    /// A change that another control plane begins and never ends.
    async fn hanging_change(&self) -> tokio::task::JoinHandle<Result<Submitted<opsorch::Ticket>>> {
        let dying = self.plane().await;
        self.vendor.faults().next(Operation::TicketCreate, Fault::Hang);
        let change = tokio::spawn(async move { dying.tickets(&Context::new(agent())).create(ticket()).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        change
    }
}

async fn statuses(ops: &OpsOrch) -> Vec<(Event, Option<OutcomeStatus>)> {
    let entries = ops.audit().entries(0, 100).await.unwrap();
    entries.iter().map(|entry| (entry.event, entry.outcome.as_ref().map(|outcome| outcome.status))).collect()
}

#[tokio::test]
async fn a_lost_reply_is_cleared_up_by_asking_the_vendor_and_whoever_asks_again_gets_the_ticket() {
    for (fault, found) in
        [(Fault::LostReply, OutcomeStatus::Applied), (Fault::Error(ErrorKind::Timeout), OutcomeStatus::NotApplied)]
    {
        let shared = Shared::new();
        let ops = shared.plane().await;
        let cx = Context::new(agent());
        shared.vendor.faults().next(Operation::TicketCreate, fault);
        let tickets = ops.tickets(&cx).idempotency_key("k");
        assert!(tickets.create(ticket()).await.unwrap_err().may_have_applied());
        let grant = ops.audit().entries(0, 1).await.unwrap()[0].grant.clone().unwrap();

        let addendum = ops.reconcile(&cx, &grant).await.unwrap().expect("the vendor knows");
        assert_eq!((addendum.event, addendum.intent), (Event::Addendum, Some(0)));
        assert_eq!(addendum.outcome.unwrap().status, found);
        assert_eq!(ops.reconcile(&cx, &grant).await.unwrap(), None, "it is known by now");
        match tickets.create(ticket()).await {
            Ok(Submitted::Done(made)) => assert_eq!((made.title, found), (ticket().title, OutcomeStatus::Applied)),
            Ok(Submitted::Pending(_)) => panic!("nobody is asked"),
            Err(error) => assert_eq!((error.may_have_applied(), found), (false, OutcomeStatus::NotApplied)),
        }
        assert_eq!(shared.vendor.calls(Operation::TicketCreate), 1);
    }
}

#[tokio::test]
async fn a_provider_that_cannot_look_it_up_says_so() {
    let world = World::with(allow, |builder| builder.without_layers()).await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::LostReply);
    let cx = Context::new(agent());
    world.ops.tickets(&cx).create(ticket()).await.unwrap_err();
    let grant = world.entries().await[0].grant.clone().unwrap();
    assert_eq!(*world.ops.reconcile(&cx, &grant).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_died_leaves_an_unknown_that_the_next_one_clears_up_at_its_start() {
    let shared = Shared::new();
    let change = shared.hanging_change().await;

    let early = shared.plane().await;
    assert_eq!(early.recovered(), [], "the first process vouches for its change");
    shared.clock.advance(Duration::from_secs(61));
    let late = shared.plane().await;
    assert_eq!(late.recovered().len(), 2, "it is unknown, then the vendor is asked");
    let expected = [
        (Event::Intent, None),
        (Event::Outcome, Some(OutcomeStatus::Unknown)),
        (Event::Addendum, Some(OutcomeStatus::NotApplied)),
    ];
    assert_eq!(statuses(&late).await, expected);
    change.abort();
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_was_configured_anew_under_the_name_is_not_asked() {
    let shared = Shared::new();
    let change = shared.hanging_change().await;
    let elsewhere = MemoryProvider::new(shared.clock.clone());
    let provider = elsewhere.provider("tracker").fingerprint("another account");
    let provider = provider.idempotent_by_key([]).with_reconciler(Arc::new(ByTitle(elsewhere)));
    shared.clock.advance(Duration::from_secs(61));
    let builder = OpsOrch::builder().provider(provider).policy(allow).clock(shared.clock.clone());
    let late = builder.store(shared.store.clone()).keys(shared.keys.clone()).build().await.unwrap();
    let [unknown] = late.recovered() else { panic!("it can say nothing") };
    let grant = unknown.grant.clone().unwrap();
    assert_eq!(late.reconcile(&Context::new(agent()), &grant).await.unwrap(), None);
    assert_eq!(late.audit().entries(0, 100).await.unwrap().len(), 2);
    change.abort();
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_comes_after_the_lease_lapsed_is_an_addendum() {
    let shared = Shared::new();
    let slow = shared.plane().await;
    let cx = Context::new(agent());
    shared.vendor.faults().next(Operation::TicketCreate, Fault::Delay(Duration::from_secs(5)));
    let change = tokio::spawn({
        let slow = slow.clone();
        async move { slow.tickets(&cx).create(ticket()).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    shared.clock.advance(Duration::from_secs(61));
    // Without a vendor to ask, so that only the late outcome follows.
    let builder = OpsOrch::builder().policy(allow).clock(shared.clock.clone());
    let other = builder.store(shared.store.clone()).keys(shared.keys.clone()).build().await.unwrap();
    assert_eq!(other.recovered().len(), 1);

    assert!(matches!(change.await.unwrap().unwrap(), Submitted::Done(_)));
    let expected = [
        (Event::Intent, None),
        (Event::Outcome, Some(OutcomeStatus::Unknown)),
        (Event::Addendum, Some(OutcomeStatus::Applied)),
    ];
    assert_eq!(statuses(&other).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_restarts_within_the_lease_finds_the_orphan_beside_a_later_change() {
    let shared = Shared::new();
    let change = shared.hanging_change().await;
    let cx = Context::new(agent());
    let restarted = shared.plane().await;
    assert_eq!(restarted.recovered(), []);
    shared.clock.advance(Duration::from_secs(61));
    let _ = restarted.tickets(&cx).create(opsorch::CreateTicket::new("another")).await.unwrap();
    restarted.idle().await;
    let unknown = (Event::Outcome, Some(OutcomeStatus::Unknown));
    assert!(statuses(&restarted).await.contains(&unknown));
    change.abort();
}
