//! One chain of attempts: at most one effect, whatever callers and layers do.

use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use opsorch::layer::{Call, Layer, Next, RetryLayer, TimeoutLayer};
use opsorch::{Context, ErrorKind, Event, Operation, OutcomeStatus, Response, Result, Submitted};
use opsorch_testkit::{Fault, MemoryProvider};

use crate::support::{AtOnce, World, agent, allow, one_sre, sre, ticket};

/// Runs the rest of the path so often, whatever comes back.
#[derive(Debug)]
struct Again(usize);

#[async_trait]
impl Layer for Again {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        let mut last = next.run().await;
        for _ in 1..self.0 {
            last = next.run().await;
        }
        last
    }
}

/// Answers without running anything.
#[derive(Debug)]
struct Invents;

#[async_trait]
impl Layer for Invents {
    async fn call(&self, _: Call<'_>, _: Next<'_>) -> Result<Response> {
        Ok(Response::from(opsorch::Ticket::new("T-1", "invented", "done")))
    }
}

async fn world_with(layer: impl Layer) -> World {
    World::with(allow, |builder| builder.without_layers().layer(layer)).await
}

async fn create(world: &World) -> Result<Submitted<opsorch::Ticket>> {
    world.ops.tickets(&Context::new(agent())).create(ticket()).await
}

#[tokio::test]
async fn a_layer_that_runs_a_change_again_causes_one_request_and_gets_the_same_answer() {
    let world = world_with(Again(3)).await;
    assert!(matches!(create(&world).await.unwrap(), Submitted::Done(_)));
    assert_eq!((world.changes(), world.outcome().await), (1, OutcomeStatus::Applied));
}

#[tokio::test]
async fn a_layer_that_retries_after_an_unknown_outcome_causes_one_request() {
    let world = world_with(Again(5)).await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::LostReply);
    let error = create(&world).await.unwrap_err();
    assert!(error.may_have_applied(), "{error}");
    assert_eq!((world.changes(), world.outcome().await), (1, OutcomeStatus::Unknown));
}

#[tokio::test]
async fn a_layer_that_runs_a_change_twice_at_once_causes_one_request() {
    let world = world_with(AtOnce).await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::Delay(Duration::from_millis(5)));
    assert!(matches!(create(&world).await.unwrap(), Submitted::Done(_)));
    assert_eq!((world.changes(), world.outcome().await), (1, OutcomeStatus::Applied));
}

#[tokio::test]
async fn a_layer_cannot_invent_a_change() {
    let world = world_with(Invents).await;
    let error = create(&world).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Unexpected, false));
    assert_eq!((world.changes(), world.outcome().await), (0, OutcomeStatus::NotApplied));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_not_sent_is_tried_again_under_the_same_key() {
    let world = world_with(RetryLayer::new(3)).await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::NotSent);
    world.vendor.faults().next(Operation::TicketCreate, Fault::Error(ErrorKind::RateLimited { retry_after: None }));
    assert!(matches!(create(&world).await.unwrap(), Submitted::Done(_)));
    let requests = world.vendor.requests();
    assert_eq!(requests.len(), 2, "one was never sent: {requests:?}");
    assert_eq!(requests[0].idempotency_key, requests[1].idempotency_key);
    assert_eq!(world.outcome().await, OutcomeStatus::Applied);
}

#[tokio::test(start_paused = true)]
async fn the_retry_layer_does_not_repeat_a_change_that_may_have_been_made() {
    let world = world_with(RetryLayer::new(5)).await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::LostReply);
    assert!(create(&world).await.unwrap_err().may_have_applied());
    assert_eq!(world.changes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_recognises_the_key_is_asked_again_and_makes_one_change() {
    let vendor = MemoryProvider::new(opsorch::SystemClock);
    let builder =
        opsorch::OpsOrch::builder().provider(vendor.provider("tracker")).policy(allow).layer(RetryLayer::new(3));
    let ops = builder.build().await.unwrap();
    vendor.faults().next(Operation::TicketCreate, Fault::LostReply);
    let cx = Context::new(agent());
    assert!(matches!(ops.tickets(&cx).create(ticket()).await.unwrap(), Submitted::Done(_)));
    assert_eq!(vendor.calls(Operation::TicketCreate), 2);
    assert_eq!(ops.tickets(&cx).query(opsorch::TicketQuery::new()).await.unwrap().items.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_timed_out_is_unknown_and_not_repeated() {
    let layers =
        |builder: opsorch::Builder| builder.layer(RetryLayer::new(3)).layer(TimeoutLayer::new(Duration::from_secs(1)));
    let world = World::with(allow, layers).await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::Hang);
    let error = create(&world).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Timeout, true));
    assert_eq!((world.changes(), world.outcome().await), (1, OutcomeStatus::Unknown));
}

#[tokio::test(start_paused = true)]
async fn no_time_left_means_nothing_was_sent() {
    let world = world_with(TimeoutLayer::default()).await;
    let cx = Context::new(agent()).timeout(Duration::ZERO);
    let error = world.ops.tickets(&cx).create(ticket()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Timeout, false));
    assert_eq!((world.changes(), world.outcome().await), (0, OutcomeStatus::NotApplied));
}

/// Polls a future so often, then drops it. Says whether it was done by then.
async fn poll_and_drop<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = future.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
        if matches!(polled, Poll::Ready(_)) {
            return true;
        }
        tokio::time::advance(Duration::from_micros(100)).await;
    }
    false
}

/// Drops `submit` after every number of polls, with a vendor that takes its time, until it is done before it is dropped.
#[tokio::test(start_paused = true)]
async fn dropping_submit_at_every_await_leaves_one_outcome_and_no_orphan() {
    let mut dropped_midway = 0;
    for polls in 0.. {
        let world = World::new(allow).await;
        world.vendor.faults().next(Operation::TicketCreate, Fault::Delay(Duration::from_millis(1)));
        let cx = Context::new(agent());
        let done = poll_and_drop(polls, world.ops.tickets(&cx).create(ticket())).await;
        world.ops.idle().await;
        let events = world.events().await;
        if events.is_empty() {
            assert_eq!((world.changes(), polls < 2), (0, true), "dropped before it was begun");
        } else {
            assert_eq!((world.changes(), world.outcome().await), (1, OutcomeStatus::Applied));
            assert_eq!(events, [Event::Intent, Event::Outcome]);
            dropped_midway += usize::from(!done);
        }
        if done {
            break;
        }
        assert!(polls < 100, "it ends if it is not dropped");
    }
    assert!(dropped_midway > 0, "the change was dropped while it was being made");
}

#[tokio::test(start_paused = true)]
async fn dropping_redeem_at_every_await_spends_the_grant_at_most_once() {
    for polls in 0..20 {
        let world = World::new(one_sre()).await;
        let request = world.ask(&agent()).await;
        world.approve(&request, &sre("alice")).await.unwrap();
        world.vendor.faults().next(Operation::TicketCreate, Fault::Delay(Duration::from_millis(1)));
        let cx = Context::new(agent());
        poll_and_drop(polls, world.ops.approvals(&cx).redeem(&request.id)).await;
        world.ops.idle().await;
        world.redeem(&request, &agent()).await.unwrap();
        assert_eq!((world.changes(), world.outcome().await), (1, OutcomeStatus::Applied));
        world.assert_log_verifies().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_change_keeps_its_lease_and_a_lost_one_becomes_unknown() {
    let settings = || {
        let mut settings = opsorch::gate::GateSettings::default();
        settings.lease = Duration::from_secs(3);
        settings
    };
    let world = World::with(allow, |builder| builder.without_layers().settings(settings())).await;
    world.vendor.faults().next(Operation::TicketCreate, Fault::Hang);
    let ops = world.ops.clone();
    let cx = Context::new(agent());
    let change = tokio::spawn(async move { ops.tickets(&cx).create(ticket()).await });
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(world.ops.recover().await.unwrap(), [], "its process vouches for it");
    }
    // The process is gone: nobody renews, and the clock goes on.
    world.clock.advance(Duration::from_secs(60));
    let written = world.ops.recover().await.unwrap();
    assert_eq!(written.len(), 1);
    assert_eq!(world.outcome().await, OutcomeStatus::Unknown);
    assert_eq!(world.ops.recover().await.unwrap(), [], "it is written once");
    change.abort();
}

/// A vendor that recognises keys answers, and the answer is lost; whatever the later attempts say, it is not known that
/// nothing was made.
#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_attempt_that_may_have_applied_does_not_make_it_undone() {
    for later in [Fault::NotSent, Fault::Error(ErrorKind::Conflict), Fault::Error(ErrorKind::Forbidden)] {
        let vendor = MemoryProvider::new(opsorch::SystemClock);
        let builder = opsorch::OpsOrch::builder().provider(vendor.provider("tracker")).policy(allow);
        let ops = builder.layer(Again(3)).build().await.unwrap();
        vendor.faults().next(Operation::TicketCreate, Fault::LostReply);
        vendor.faults().next(Operation::TicketCreate, later.clone());
        vendor.faults().next(Operation::TicketCreate, later.clone());
        let cx = Context::new(agent());
        let error = ops.tickets(&cx).create(ticket()).await.unwrap_err();
        assert!(error.may_have_applied(), "{later:?}: {error}");
        let entries = ops.audit().entries(0, 10).await.unwrap();
        assert_eq!(entries[1].outcome.as_ref().unwrap().status, OutcomeStatus::Unknown, "{later:?}");
    }
}

/// Moves the clock before it runs the rest, as a machine that was suspended does.
#[derive(Debug)]
struct Suspended(opsorch::ManualClock, Duration);

#[async_trait]
impl Layer for Suspended {
    async fn call(&self, _: Call<'_>, next: Next<'_>) -> Result<Response> {
        self.0.advance(self.1);
        next.run().await
    }
}

#[tokio::test]
async fn a_process_whose_lease_has_lapsed_sends_nothing_any_more() {
    for (seconds, sent) in [(59, 1), (60, 0)] {
        let clock = opsorch::ManualClock::default();
        let vendor = MemoryProvider::new(clock.clone());
        let builder =
            opsorch::OpsOrch::builder().provider(vendor.provider("tracker")).policy(allow).clock(clock.clone());
        let ops = builder.layer(Suspended(clock, Duration::from_secs(seconds))).build().await.unwrap();
        let cx = Context::new(agent());
        let result = ops.tickets(&cx).create(ticket()).await;
        assert_eq!((vendor.calls(Operation::TicketCreate), result.is_ok()), (sent, sent == 1), "{result:?}");
        assert!(!result.is_err_and(|error| error.may_have_applied()), "nothing was sent");
    }
}
