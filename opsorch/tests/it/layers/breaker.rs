//! When a circuit opens, what it refuses, and how it closes again.

use opsorch::layer::BreakerLayer;

use super::*;

const WRITE: Operation = Operation::TicketCreate;

async fn fails(world: &World, kind: ErrorKind) -> Error {
    world.vendor.faults().next(READ, Fault::Error(kind));
    read(world, &cx()).await.unwrap_err()
}

/// The error of a call that was not let through.
async fn is_refused(world: &World) -> Error {
    let calls = world.vendor.calls(READ);
    let error = read(world, &cx()).await.unwrap_err();
    assert_eq!(world.vendor.calls(READ), calls, "something was sent");
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Unavailable, false), "{error}");
    error
}

async fn open(layer: BreakerLayer) -> World {
    let world = world_with(layer.failures(3).open_for(seconds(10))).await;
    for _ in 0..3 {
        fails(&world, ErrorKind::Unavailable).await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn after_failures_in_a_row_nothing_is_sent_until_a_probe() {
    let world = open(BreakerLayer::default()).await;
    let error = is_refused(&world).await;
    assert!(error.to_string().contains("the next is let through in 10 s"), "{error}");
    tokio::time::advance(millis(9_990)).await;
    is_refused(&world).await;
    tokio::time::advance(millis(10)).await;
    assert!(read(&world, &cx()).await.is_ok(), "the probe");
    assert!(read(&world, &cx()).await.is_ok(), "and all after it");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_for_as_long_again() {
    let world = open(BreakerLayer::default()).await;
    tokio::time::advance(seconds(10)).await;
    fails(&world, ErrorKind::Timeout).await;
    is_refused(&world).await;
    tokio::time::advance(millis(9_999)).await;
    is_refused(&world).await;
    tokio::time::advance(millis(1)).await;
    assert!(read(&world, &cx()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_and_one_that_is_given_up_leaves_it_to_the_next() {
    let world = open(BreakerLayer::default()).await;
    tokio::time::advance(seconds(10)).await;
    world.vendor.faults().next(READ, Fault::Delay(seconds(60)));
    let (cx, other) = (cx(), cx());
    let probe = tokio::time::timeout(seconds(5), read(&world, &cx));
    let beside = async {
        tokio::time::sleep(seconds(1)).await;
        read(&world, &other).await.unwrap_err()
    };
    let (probe, refused) = tokio::join!(probe, beside);
    assert!(probe.is_err(), "its caller gave up");
    assert!(refused.to_string().contains("when a probe has answered"), "{refused}");
    assert!(read(&world, &other).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer_and_a_success_starts_the_count_anew() {
    let world = world_with(BreakerLayer::default().failures(2).ratio(2.0, 1)).await;
    for kind in [ErrorKind::NotFound, ErrorKind::Forbidden, ErrorKind::RateLimited { retry_after: None }] {
        for _ in 0..3 {
            fails(&world, kind.clone()).await;
        }
    }
    for _ in 0..3 {
        fails(&world, ErrorKind::Unavailable).await;
        assert!(read(&world, &cx()).await.is_ok());
    }
    fails(&world, ErrorKind::Unexpected).await;
    fails(&world, ErrorKind::Unavailable).await;
    is_refused(&world).await;
}

#[tokio::test(start_paused = true)]
async fn half_of_the_last_calls_are_enough() {
    let world = world_with(BreakerLayer::default().failures(100).ratio(0.5, 4)).await;
    for _ in 0..2 {
        assert!(read(&world, &cx()).await.is_ok());
        fails(&world, ErrorKind::Unavailable).await;
    }
    is_refused(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_circuit_is_of_one_effect_and_clones_share_it() {
    let layer = BreakerLayer::default().failures(1);
    let (world, sibling) = (world_with(layer.clone()).await, world_with(layer).await);
    fails(&world, ErrorKind::Unavailable).await;
    is_refused(&world).await;
    is_refused(&sibling).await;
    let submitted = world.ops.tickets(&cx()).create(CreateTicket::new("disk full")).await.unwrap();
    assert!(matches!(submitted, Submitted::Done(_)));
    assert_eq!(world.vendor.calls(WRITE), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_not_let_through_was_certainly_not_made() {
    let world = world_with(BreakerLayer::default().failures(1)).await;
    world.vendor.faults().next(WRITE, Fault::Error(ErrorKind::Unavailable));
    let cx = cx();
    assert!(world.ops.tickets(&cx).create(CreateTicket::new("one")).await.unwrap_err().may_have_applied());
    assert!(!world.ops.tickets(&cx).create(CreateTicket::new("two")).await.unwrap_err().may_have_applied());
    let log = world.entries().await;
    let outcomes: Vec<_> =
        log.iter().filter_map(|entry| entry.outcome.as_ref()).map(|outcome| outcome.status).collect();
    assert_eq!(outcomes, [OutcomeStatus::Unknown, OutcomeStatus::NotApplied]);
}
