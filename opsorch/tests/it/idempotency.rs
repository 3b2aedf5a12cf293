//! A vendor that takes no idempotency keys, but can be asked what was made under one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use opsorch::capability::{Reconciled, Reconciler};
use opsorch::gate::GateKeys;
use opsorch::layer::{Call, Layer, Next, RetryLayer, TimeoutLayer};
use opsorch::store::MemoryStore;
use opsorch::{
    Action, Actor, Builder, Context, Entry, Error, ErrorKind, Event, GrantId, ManualClock, Operation, OpsOrch,
    OutcomeStatus, Response, Result, Submitted, Ticket, TicketQuery,
};
use opsorch_testkit::{Fault, MemoryProvider};

use crate::support::{AtOnce, agent, allow, one_sre, sre, ticket};

/// What a vendor that is asked does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Tells,
    DoesNotKnow,
    Denies,
    Fails,
    Panics,
    NeverAnswers,
}

#[derive(Debug)]
struct Desk {
    vendor: MemoryProvider,
    truth: Arc<dyn Reconciler>,
    asked: Mutex<Asked>,
    times: AtomicUsize,
    /// Moves the clock while it looks.
    takes: Mutex<Option<(ManualClock, Duration)>>,
}

#[async_trait]
impl Reconciler for Desk {
    async fn reconcile(&self, cx: &Context, action: &Action, key: &str) -> Result<Reconciled> {
        self.times.fetch_add(1, Ordering::Relaxed);
        if let Some((clock, time)) = &*self.takes.lock().unwrap() {
            clock.advance(*time);
        }
        let asked = *self.asked.lock().unwrap();
        match asked {
            Asked::Tells => self.truth.reconcile(cx, action, key).await,
            Asked::DoesNotKnow => Ok(Reconciled::Unknown),
            Asked::Denies => Ok(Reconciled::NotApplied),
            Asked::Fails => Err(Error::new(ErrorKind::Unavailable, "the search is down")),
            Asked::Panics => panic!("a provider with a bug"),
            Asked::NeverAnswers => std::future::pending().await,
        }
    }
}

/// A vendor in memory, and what control planes around it share.
struct Shop {
    desk: Arc<Desk>,
    clock: ManualClock,
    store: MemoryStore,
    keys: GateKeys,
}

impl Shop {
    fn new() -> Self {
        let clock = ManualClock::default();
        let vendor = MemoryProvider::new(clock.clone());
        let desk = Desk {
            truth: Arc::new(vendor.clone()),
            vendor,
            asked: Mutex::new(Asked::Tells),
            times: AtomicUsize::new(0),
            takes: Mutex::default(),
        };
        let keys = GateKeys::generate("example.com/shop").unwrap();
        Self { desk: Arc::new(desk), clock, store: MemoryStore::new(), keys }
    }

    async fn plane(&self, adjust: impl FnOnce(Builder) -> Builder) -> OpsOrch {
        let provider = self.desk.vendor.marked("tracker").with_reconciler(self.desk.clone());
        let builder = OpsOrch::builder().provider(provider).policy(allow).clock(self.clock.clone()).without_layers();
        adjust(builder.store(self.store.clone()).keys(self.keys.clone())).build().await.unwrap()
    }

    async fn retrying(&self) -> OpsOrch {
        self.plane(|builder| builder.layer(RetryLayer::new(3))).await
    }

    fn next(&self, fault: Fault) {
        self.desk.vendor.faults().next(Operation::TicketCreate, fault);
    }

    fn asked(&self, asked: Asked) {
        *self.desk.asked.lock().unwrap() = asked;
    }

    /// How often it was asked what became of a change.
    fn times(&self) -> usize {
        self.desk.times.load(Ordering::Relaxed)
    }

    /// How often it was asked for a ticket.
    fn calls(&self) -> u64 {
        self.desk.vendor.calls(Operation::TicketCreate)
    }
}

async fn create(ops: &OpsOrch, key: &str) -> Result<Ticket> {
    create_as(ops, agent(), key).await
}

async fn create_as(ops: &OpsOrch, actor: Actor, key: &str) -> Result<Ticket> {
    match ops.tickets(&Context::new(actor)).idempotency_key(key).create(ticket()).await? {
        Submitted::Done(ticket) => Ok(ticket),
        Submitted::Pending(request) => panic!("nobody is asked: {request:?}"),
    }
}

async fn tickets(ops: &OpsOrch) -> usize {
    ops.tickets(&Context::new(agent())).query(TicketQuery::new()).await.unwrap().items.len()
}

async fn entries(ops: &OpsOrch) -> Vec<Entry> {
    ops.audit().entries(0, 1_000).await.unwrap()
}

async fn told(ops: &OpsOrch) -> Vec<(Event, Option<OutcomeStatus>)> {
    let entries = entries(ops).await;
    entries.iter().map(|entry| (entry.event, entry.outcome.as_ref().map(|outcome| outcome.status))).collect()
}

use Event::{Addendum, Intent, Outcome};
use OutcomeStatus::{Applied, NotApplied, Unknown};

/// Nothing is made, and the error does not say so.
fn unavailable() -> Fault {
    Fault::Error(ErrorKind::Unavailable)
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_found_by_the_retry_and_made_once() {
    let shop = Shop::new();
    let ops = shop.retrying().await;
    shop.next(Fault::LostReply);
    let made = create(&ops, "k").await.unwrap();
    assert_eq!(made.provider.unwrap().as_str(), "tracker");
    assert_eq!((shop.calls(), shop.times(), tickets(&ops).await), (1, 1, 1));
    assert_eq!(told(&ops).await, [(Intent, None), (Outcome, Some(Applied))]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_did_not_arrive_is_made_by_the_retry_once_the_vendor_is_certain() {
    let shop = Shop::new();
    let ops = shop.retrying().await;
    shop.next(unavailable());
    assert!(create(&ops, "k").await.is_ok());
    assert_eq!((shop.calls(), shop.times(), tickets(&ops).await), (2, 1, 1));
    let keys: Vec<_> = shop.desk.vendor.requests().into_iter().filter_map(|request| request.idempotency_key).collect();
    assert_eq!(keys[0], keys[1], "attempts of one change have one key");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_the_vendor_was_certain_is_a_refusal() {
    let shop = Shop::new();
    let ops = shop.retrying().await;
    shop.next(unavailable());
    shop.next(Fault::Error(ErrorKind::Forbidden));
    let error = create(&ops, "k").await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Forbidden, false));
    assert_eq!(told(&ops).await, [(Intent, None), (Outcome, Some(NotApplied))]);
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_cannot_tell_is_not_sent_the_change_again() {
    for asked in [Asked::DoesNotKnow, Asked::Fails, Asked::Panics, Asked::NeverAnswers] {
        for fault in [Fault::LostReply, unavailable()] {
            let shop = Shop::new();
            let ops = shop.retrying().await;
            shop.asked(asked);
            shop.next(fault);
            let error = create(&ops, "k").await.unwrap_err();
            assert!(error.may_have_applied(), "{asked:?}: {error}");
            assert_eq!((shop.calls(), shop.times()), (1, 2), "{asked:?}: each retry asks");
            assert_eq!(told(&ops).await, [(Intent, None), (Outcome, Some(Unknown))], "{asked:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_timeout_gave_up_is_asked_after_and_sent_again() {
    let shop = Shop::new();
    let layers = |builder: Builder| builder.layer(RetryLayer::new(3)).layer(TimeoutLayer::new(Duration::from_secs(1)));
    let ops = shop.plane(layers).await;
    shop.next(Fault::Hang);
    assert!(create(&ops, "k").await.is_ok());
    assert_eq!((shop.calls(), shop.times(), tickets(&ops).await), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_certain_of_an_attempt_that_is_on_its_way() {
    let shop = Shop::new();
    let ops = shop.plane(|builder| builder.layer(AtOnce)).await;
    shop.asked(Asked::Denies);
    shop.next(Fault::Delay(Duration::from_secs(1)));
    assert!(create(&ops, "k").await.is_ok());
    assert_eq!((shop.calls(), shop.times(), tickets(&ops).await), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn two_retries_at_once_ask_once_and_send_once() {
    let shop = Shop::new();
    let ops = shop.plane(|builder| builder.layer(RetryLayer::new(2)).layer(AtOnce)).await;
    shop.next(unavailable());
    shop.next(Fault::Delay(Duration::from_millis(5)));
    assert!(create(&ops, "k").await.is_ok());
    assert_eq!((shop.calls(), tickets(&ops).await), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_lapses_while_the_vendor_looks_lets_nothing_be_sent() {
    let shop = Shop::new();
    let ops = shop.retrying().await;
    *shop.desk.takes.lock().unwrap() = Some((shop.clock.clone(), Duration::from_secs(60)));
    shop.next(unavailable());
    let error = create(&ops, "k").await.unwrap_err();
    assert!(!error.may_have_applied(), "the vendor was certain, and nothing was sent since: {error}");
    assert_eq!((shop.calls(), tickets(&ops).await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_same_submission_again_finds_what_the_first_one_made() {
    let shop = Shop::new();
    let (one, other) = (shop.plane(|builder| builder).await, shop.plane(|builder| builder).await);
    shop.next(Fault::LostReply);
    assert!(create(&one, "k").await.unwrap_err().may_have_applied());
    let found = create(&other, "k").await.unwrap();
    assert_eq!(create(&one, "k").await.unwrap(), found);
    assert_eq!((shop.calls(), shop.times(), tickets(&one).await), (1, 1, 1));
    assert_eq!(told(&one).await, [(Intent, None), (Outcome, Some(Unknown)), (Addendum, Some(Applied))]);
    assert_eq!(entries(&one).await[2].intent, Some(0));
}

#[tokio::test(start_paused = true)]
async fn the_same_submission_again_is_made_anew_once_the_vendor_is_certain() {
    let shop = Shop::new();
    let (one, other) = (shop.plane(|builder| builder).await, shop.plane(|builder| builder).await);
    shop.next(unavailable());
    assert!(create(&one, "k").await.unwrap_err().may_have_applied());
    shop.asked(Asked::DoesNotKnow);
    assert!(create(&other, "k").await.unwrap_err().may_have_applied(), "it answers what it answered");
    shop.asked(Asked::Tells);
    let made = create(&other, "k").await.unwrap();
    assert_eq!(create(&one, "k").await.unwrap(), made);
    assert_eq!((shop.calls(), tickets(&one).await), (2, 1));
    let expected = [
        (Intent, None),
        (Outcome, Some(Unknown)),
        (Addendum, Some(NotApplied)),
        (Intent, None),
        (Outcome, Some(Applied)),
    ];
    assert_eq!(told(&one).await, expected);
    let all = entries(&one).await;
    let first = all[0].grant.as_ref().unwrap();
    assert_eq!(all[3].reason.as_deref(), Some(&*format!("in place of {first}, which was not made")));
    assert_ne!(all[3].grant.as_ref(), Some(first));
}

#[tokio::test(start_paused = true)]
async fn of_many_that_come_again_at_once_in_two_processes_one_makes_it() {
    let shop = Shop::new();
    let planes = [shop.plane(|builder| builder).await, shop.plane(|builder| builder).await];
    for round in 0..3 {
        let key = format!("k{round}");
        shop.next(unavailable());
        create(&planes[0], &key).await.unwrap_err();
        shop.next(unavailable());
        create(&planes[1], &key).await.unwrap_err();
        let made = join_all((0..64).map(|number| create(&planes[number % 2], &key))).await;
        let ids: Vec<_> = made.into_iter().map(|made| made.unwrap().id).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!((shop.calls(), tickets(&planes[0]).await), (3 * (round + 1), usize::try_from(round).unwrap() + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_does_not_stand_for_changes_without_end() {
    let shop = Shop::new();
    let ops = shop.plane(|builder| builder).await;
    for _ in 0..40 {
        shop.next(unavailable());
        create(&ops, "k").await.unwrap_err();
    }
    assert_eq!(shop.calls(), 16);
    let error = create(&ops, "k").await.unwrap_err();
    assert!(!error.may_have_applied(), "{error}");
}

/// A process that was slow, not dead, ends its change after another has made it anew: the key stands for the latter.
#[tokio::test(start_paused = true)]
async fn a_late_outcome_takes_nothing_back() {
    let shop = Shop::new();
    // Between two attempts it stands still beyond its lease.
    let slow = shop.plane(|builder| builder.layer(RetryLayer::new(2))).await;
    shop.next(Fault::Error(ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(10)) }));
    let change = tokio::spawn({
        let slow = slow.clone();
        async move { create(&slow, "k").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    shop.clock.advance(Duration::from_secs(61));
    let quick = shop.plane(|builder| builder).await;
    let made = create(&quick, "k").await.unwrap();
    let late = change.await.unwrap().unwrap_err();
    assert!(!late.may_have_applied(), "nothing was sent: {late}");
    for ops in [&slow, &quick] {
        assert_eq!(create(ops, "k").await.unwrap(), made);
    }
    assert_eq!(tickets(&quick).await, 1);
}

/// Takes so long to hand on what came back.
#[derive(Debug)]
struct Dawdles(Duration);

#[async_trait]
impl Layer for Dawdles {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        let result = next.run().await;
        tokio::time::sleep(self.0).await;
        result
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_vendor_said_stays_although_a_slow_process_knows_less() {
    let shop = Shop::new();
    let slow = shop.plane(|builder| builder.layer(Dawdles(Duration::from_secs(5)))).await;
    shop.next(Fault::LostReply);
    let change = tokio::spawn(async move { create(&slow, "k").await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    shop.clock.advance(Duration::from_secs(61));
    let quick = shop.plane(|builder| builder).await;
    let found = create(&quick, "k").await.unwrap();
    assert!(change.await.unwrap().unwrap_err().may_have_applied());
    shop.asked(Asked::DoesNotKnow);
    assert_eq!(create(&quick, "k").await.unwrap(), found);
    let expected = [(Intent, None), (Outcome, Some(Unknown)), (Addendum, Some(Applied)), (Addendum, Some(Unknown))];
    assert_eq!(told(&quick).await, expected);
}

#[tokio::test(start_paused = true)]
async fn nobody_finds_what_another_caller_made() {
    let shop = Shop::new();
    let ours = shop.plane(|builder| builder).await;
    let made = create(&ours, "k").await.unwrap();
    // Another control plane, with a store of its own, knows nothing of the key.
    let theirs = shop.plane(|builder| builder.store(MemoryStore::new()).layer(RetryLayer::new(2))).await;
    shop.next(unavailable());
    let other = create_as(&theirs, Actor::agent("mallory"), "k").await.unwrap();
    assert_ne!(other.id, made.id);
    // With the same store it is told nothing, and the vendor is not asked.
    let times = shop.times();
    let error = create_as(&ours, Actor::agent("mallory"), "k").await.unwrap_err();
    assert_eq!((error.kind(), shop.times()), (&ErrorKind::Conflict, times));
}

#[tokio::test(start_paused = true)]
async fn redeeming_again_finds_what_the_first_redemption_made() {
    let shop = Shop::new();
    let provider = shop.desk.vendor.marked("tracker");
    let builder = OpsOrch::builder().provider(provider).policy(one_sre()).without_layers();
    let ops = builder.build().await.unwrap();
    let (asking, answering) = (Context::new(agent()), Context::new(sre("alice")));
    let Submitted::Pending(request) = ops.tickets(&asking).create(ticket()).await.unwrap() else { panic!("it asks") };
    ops.approvals(&answering).approve(&request.id, &request.digest).await.unwrap();
    shop.next(Fault::LostReply);
    assert!(ops.approvals(&asking).redeem(&request.id).await.unwrap_err().may_have_applied());
    assert!(ops.approvals(&asking).redeem(&request.id).await.is_ok());
    assert_eq!((shop.calls(), tickets(&ops).await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn vendors_that_never_say_what_became_keep_no_control_plane_from_starting() {
    for asked in [Asked::NeverAnswers, Asked::Panics] {
        let shop = Shop::new();
        let dying = shop.plane(|builder| builder).await;
        let changes = ["one", "two", "three"].map(|key| {
            let dying = dying.clone();
            shop.next(Fault::Hang);
            tokio::spawn(async move { create(&dying, key).await })
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        shop.clock.advance(Duration::from_secs(61));
        shop.asked(asked);
        let started = tokio::time::timeout(Duration::from_secs(31), shop.plane(|builder| builder)).await;
        assert_eq!(started.expect("it starts").recovered().len(), 3, "{asked:?}");
        changes.iter().for_each(|change| change.abort());
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_declaration_nobody_is_asked_before_a_retry() {
    let shop = Shop::new();
    let provider = shop.desk.vendor.marked("tracker").found_by_marker([]).with_reconciler(shop.desk.clone());
    let ops = OpsOrch::builder().provider(provider).policy(allow).layer(RetryLayer::new(3)).build().await.unwrap();
    shop.next(Fault::LostReply);
    assert!(create(&ops, "k").await.unwrap_err().may_have_applied());
    assert!(create(&ops, "k").await.unwrap_err().may_have_applied());
    assert_eq!((shop.calls(), shop.times()), (1, 0));
    let grant: GrantId = entries(&ops).await[0].grant.clone().unwrap();
    assert!(ops.reconcile(&Context::new(agent()), &grant).await.unwrap().is_some(), "whoever asks is told");
}
