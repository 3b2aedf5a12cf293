//! A store that fails: it refuses changes and never reads, and nothing is forgotten that was begun.

use std::error::Error as _;
use std::time::Duration;

use opsorch::gate::{AccessRule, AccessRules, Decision, GateKeys};
use opsorch::{
    Actor, ApprovalRequest, Builder, Context, Entry, Error, ErrorKind, Event, GrantState, Operation, OpsOrch,
    OutcomeStatus, Result, Submitted, Target, Ticket, TicketQuery, async_trait,
};
use opsorch_testkit::Fault;
use tokio::time::Instant;

use crate::faulty_store::FaultyStore;
use crate::support::{World, agent, allow, one_sre, sre, ticket};

/// A world over a store that can fail, with nothing between the gate and the vendor.
async fn broken(policy: impl opsorch::gate::Policy) -> (World, FaultyStore) {
    broken_with(policy, |builder| builder).await
}

async fn broken_with(
    policy: impl opsorch::gate::Policy,
    adjust: impl FnOnce(Builder) -> Builder,
) -> (World, FaultyStore) {
    let store = FaultyStore::default();
    let world = World::with(policy, |builder| adjust(builder.without_layers().store(store.clone()))).await;
    (world, store)
}

async fn create(world: &World) -> Result<Submitted<Ticket>> {
    world.ops.tickets(&Context::new(agent())).create(ticket()).await
}

fn assert_refused_by_store(error: &Error) {
    assert!(error.message().contains("the disk is gone"), "{error}");
    assert!(!error.may_have_applied(), "nothing was sent: {error}");
}

fn deny(_: &Context, _: &Target, _: &opsorch::Action) -> Decision {
    Decision::deny("not today")
}

#[tokio::test]
async fn no_intent_means_no_change() {
    let (world, store) = broken(allow).await;
    store.fail("begin_change", 1);
    assert_refused_by_store(&create(&world).await.unwrap_err());
    assert_eq!((world.changes(), world.events().await), (0, vec![]));
    assert!(matches!(create(&world).await.unwrap(), Submitted::Done(_)), "it goes on once the store does");
}

#[tokio::test]
async fn a_grant_whose_intent_cannot_be_written_is_not_spent() {
    let (world, store) = broken(one_sre()).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    store.fail("begin_change", 1);
    assert_refused_by_store(&world.redeem(&request, &agent()).await.unwrap_err());
    assert_eq!((world.changes(), store.stored(&request.id).await.state), (0, GrantState::Active));
    world.redeem(&request, &agent()).await.unwrap();
    assert_eq!(world.changes(), 1);
}

#[tokio::test]
async fn a_request_that_cannot_be_written_is_no_request() {
    let (world, store) = broken(one_sre()).await;
    store.fail("request", 1);
    assert_refused_by_store(&create(&world).await.unwrap_err());
    let cx = Context::new(sre("alice"));
    assert_eq!((world.ops.approvals(&cx).list().await.unwrap(), world.events().await), (vec![], vec![]));
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_does_not_count() {
    let (world, store) = broken(one_sre()).await;
    let request = world.ask(&agent()).await;
    store.fail("transition", 1);
    let error = world.approve(&request, &sre("alice")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert_eq!(*world.redeem(&request, &agent()).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(world.approve(&request, &sre("alice")).await.unwrap().state, GrantState::Active);
}

#[tokio::test]
async fn a_refusal_that_cannot_be_written_is_still_a_refusal() {
    let (world, store) = broken(deny).await;
    store.fail("record", 1);
    assert_refused_by_store(&create(&world).await.unwrap_err());
    assert_eq!((world.changes(), world.events().await), (0, vec![]));

    let access = AccessRules::new([AccessRule::new(["*"]).role("operator")]);
    let (world, store) = broken_with(allow, |builder| builder.access(access)).await;
    let cx = Context::new(agent());
    store.fail("record", 2);
    assert_refused_by_store(&create(&world).await.unwrap_err());
    let error = world.ops.tickets(&cx).query(TicketQuery::new()).await.unwrap_err();
    assert_refused_by_store(&error);
    assert_eq!(world.vendor.requests(), []);

    let (world, store) = broken(one_sre()).await;
    let request = world.ask(&agent()).await;
    store.fail("record", 2);
    assert_refused_by_store(&world.approve(&request, &Actor::service("bot").role("sre")).await.unwrap_err());
    assert_eq!(store.stored(&request.id).await.state, GrantState::Requested);
    world.approve(&request, &sre("alice")).await.unwrap();
    assert_refused_by_store(&world.redeem(&request, &sre("mallory")).await.unwrap_err());
    assert_eq!((world.changes(), store.stored(&request.id).await.state), (0, GrantState::Active));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_tried_three_times() {
    let (world, store) = broken(allow).await;
    store.fail("finish_change", 2);
    assert!(matches!(create(&world).await.unwrap(), Submitted::Done(_)));
    assert_eq!((world.changes(), world.outcome().await), (1, OutcomeStatus::Applied));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_cannot_be_written_is_an_error_that_says_so_and_is_left_to_recovery() {
    let (world, store) = broken(one_sre()).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    store.fail("finish_change", 3);
    let error = world.redeem(&request, &agent()).await.unwrap_err();
    assert!(error.message().contains("its outcome could not be written to the audit log"), "{error}");
    assert!(error.may_have_applied());
    assert_eq!(error.context().find(|(name, _)| *name == "grant").unwrap().1, request.id.as_str());
    assert!(error.source().unwrap().to_string().contains("the disk is gone"));
    assert_eq!(world.events().await, [Event::Requested, Event::Approved, Event::Intent]);

    let error = world.redeem(&request, &agent()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Conflict, true));
    assert!(error.message().contains("its outcome is not known yet"), "{error}");

    assert_eq!(world.ops.recover().await.unwrap(), [], "the lease has not lapsed");
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.ops.recover().await.unwrap().len(), 1);
    assert_eq!(world.outcome().await, OutcomeStatus::Unknown);
    assert!(world.redeem(&request, &agent()).await.unwrap_err().may_have_applied());
    assert_eq!(world.changes(), 1, "it was made once, whatever was known of it");
    world.assert_log_verifies().await;
}

#[tokio::test(start_paused = true)]
async fn a_hook_hears_of_a_change_whose_outcome_could_not_be_written() {
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Debug, Default)]
    struct Closed(Arc<Mutex<Vec<GrantState>>>);
    #[async_trait]
    impl opsorch::gate::ApprovalHook for Closed {
        async fn requested(&self, _: &ApprovalRequest) {}
        async fn answered(&self, _: &ApprovalRequest, _: &opsorch::Answer) {}
        async fn closed(&self, request: &ApprovalRequest) {
            self.0.lock().unwrap().push(request.state);
        }
    }
    let closed = Closed::default();
    let (world, store) = broken_with(one_sre(), |builder| builder.approval_hook(closed.clone())).await;
    let request = world.ask(&agent()).await;
    world.approve(&request, &sre("alice")).await.unwrap();
    store.fail("finish_change", 3);
    world.redeem(&request, &agent()).await.unwrap_err();
    world.ops.idle().await;
    assert_eq!(*closed.0.lock().unwrap(), [GrantState::Spent], "it no longer waits for anybody");
}

#[tokio::test]
async fn reads_go_on_with_a_store_that_fails_everything_and_changes_do_not() {
    let (world, store) = broken(allow).await;
    let cx = Context::new(agent());
    let Submitted::Done(made) = create(&world).await.unwrap() else { panic!("it waits") };
    store.fail_everything(true);
    assert_eq!(world.ops.tickets(&cx).get(&made.id).await.unwrap().id, made.id);
    assert!(world.ops.tickets(&cx).query(TicketQuery::new()).await.unwrap().is_complete());
    assert_refused_by_store(&create(&world).await.unwrap_err());
    assert_refused_by_store(&world.ops.audit().bundle().await.unwrap_err().not_applied());
    assert_eq!((world.changes(), world.vendor.calls(Operation::TicketCreate)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_does_not_disturb_the_change() {
    let (world, store) = broken(allow).await;
    store.fail("renew_lease", 100);
    world.vendor.faults().next(Operation::TicketCreate, Fault::Delay(Duration::from_secs(300)));
    assert!(matches!(create(&world).await.unwrap(), Submitted::Done(_)));
    assert_eq!(world.outcome().await, OutcomeStatus::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_renewal_hangs_does_not_hold_the_change_up() {
    let (world, store) = broken(allow).await;
    store.hang("renew_lease");
    let delay = Duration::from_secs(25);
    world.vendor.faults().next(Operation::TicketCreate, Fault::Delay(delay));
    let started = Instant::now();
    let submitted = tokio::time::timeout(Duration::from_secs(3600), create(&world)).await;
    assert!(matches!(submitted.expect("the change ends").unwrap(), Submitted::Done(_)));
    assert_eq!(started.elapsed(), delay);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_comes_after_recovery_is_an_addendum_and_counts() {
    let store = FaultyStore::default();
    let keys = GateKeys::generate("example.com/log").unwrap();
    let adjust = |builder: Builder| builder.without_layers().store(store.clone()).keys(keys.clone());
    let world = World::with(allow, adjust).await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::Delay(Duration::from_secs(5)));
    let slow = tokio::spawn({
        let ops = world.ops.clone();
        async move { ops.tickets(&Context::new(agent())).idempotency_key("k-1").create(ticket()).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;

    // Another process of the same store finds that nobody vouches for the change any more.
    let provider = world.vendor.provider("tracker").idempotent_by_key([]);
    let builder = OpsOrch::builder().provider(provider).policy(allow).clock(world.clock.clone());
    let second = adjust(builder).build().await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(second.recover().await.unwrap().len(), 1);
    let again = || async { second.tickets(&Context::new(agent())).idempotency_key("k-1").create(ticket()).await };
    assert!(again().await.unwrap_err().may_have_applied());

    let made = slow.await.unwrap().unwrap();
    let entries = world.entries().await;
    let status = |entry: &Entry| entry.outcome.as_ref().map(|outcome| outcome.status);
    let told: Vec<_> = entries.iter().map(|entry| (entry.event, entry.intent, status(entry))).collect();
    let expected = [
        (Event::Intent, None, None),
        (Event::Outcome, Some(0), Some(OutcomeStatus::Unknown)),
        (Event::Addendum, Some(0), Some(OutcomeStatus::Applied)),
    ];
    assert_eq!(told, expected);
    assert_eq!(again().await.unwrap(), made, "the late word is the last");
    assert_eq!(world.changes(), 1);
    world.assert_log_verifies().await;
}
