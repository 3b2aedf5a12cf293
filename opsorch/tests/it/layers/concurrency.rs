//! How many run at once, and what becomes of the others.

use futures_util::future::join_all;
use opsorch::layer::ConcurrencyLayer;

use super::*;

/// A world whose next so many reads take a second each.
async fn slow(layer: ConcurrencyLayer, reads: usize) -> World {
    let world = world_with(layer).await;
    for _ in 0..reads {
        world.vendor.faults().next(READ, Fault::Delay(seconds(1)));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn so_many_run_at_once_and_the_others_wait_their_turn() {
    let world = slow(ConcurrencyLayer::new(4), 12).await;
    let started = Instant::now();
    let cx = cx();
    let results = join_all((0..12).map(|_| read(&world, &cx))).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(started.elapsed() >= seconds(3) && started.elapsed() < millis(3_010), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_waits_no_longer_than_its_deadline_and_gives_its_turn_to_the_next() {
    let world = slow(ConcurrencyLayer::new(1), 2).await;
    let (first, hurried, last) = (cx(), cx().timeout(millis(500)), cx());
    let (one, two, three) = tokio::join!(read(&world, &first), read(&world, &hurried), read(&world, &last));
    assert!(one.is_ok() && three.is_ok());
    let error = two.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Timeout, false), "{error}");
    assert_eq!(world.vendor.calls(READ), 2);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_queue_one_is_told_at_once() {
    let world = slow(ConcurrencyLayer::new(2).queue(3), 5).await;
    let started = Instant::now();
    let cx = cx();
    let calls = (0..6).map(|_| async { (read(&world, &cx).await, started.elapsed()) });
    let (busy, fine): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(|(result, _)| result.is_err());
    assert_eq!((busy.len(), fine.len()), (1, 5));
    let (error, at) = (busy[0].0.as_ref().unwrap_err(), busy[0].1);
    assert_eq!((error.kind(), at), (&ErrorKind::Unavailable, Duration::ZERO), "{error}");
    assert!(error.to_string().contains("2 calls run and 3 wait already"), "{error}");
    assert!(read(&world, &cx).await.is_ok(), "its places are free again");
}
