//! The budget of retries: a vendor in trouble is not asked several times as much.

use futures_util::future::join_all;

use super::*;

/// Lets every read fail from now on.
fn die(world: &World, calls: usize) {
    (0..calls).for_each(|_| world.vendor.faults().next(READ, Fault::Error(ErrorKind::Unavailable)));
}

async fn read_at_once(world: &World, callers: usize) -> Vec<Result<Page<Ticket>>> {
    let cx = cx();
    join_all((0..callers).map(|_| read(world, &cx))).await
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_ask_a_dead_vendor_a_fifth_more_and_no_more() {
    let world = world_with(RetryLayer::new(5)).await;
    die(&world, 10_000);
    let results = read_at_once(&world, 1_000).await;
    assert!(results.iter().all(Result::is_err));
    let calls = world.vendor.calls(READ);
    assert!((1_010..=1_210).contains(&calls), "{calls} calls of 1000");
    let used_up = results.iter().filter(|result| context(result.as_ref().unwrap_err(), "retry budget").is_some());
    assert!(used_up.count() >= 790, "the error says why there was no further attempt");

    let before = world.vendor.calls(READ);
    for _ in 0..9 {
        read_at_once(&world, 100).await;
    }
    let calls = world.vendor.calls(READ) - before;
    assert!((900..=1_130).contains(&calls), "{calls} calls of 900");
}

#[tokio::test(start_paused = true)]
async fn it_recovers_with_the_vendor() {
    let world = world_with(RetryLayer::new(3)).await;
    die(&world, 5_000);
    while world.vendor.calls(READ) < 5_000 {
        read_at_once(&world, 10).await;
    }
    assert!(read_at_once(&world, 200).await.iter().all(Result::is_ok));
    die(&world, 20);
    let results = read_at_once(&world, 20).await;
    assert!(results.iter().all(Result::is_ok), "200 calls paid for 20 retries");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_asked_seldom_is_tried_again() {
    let world = world_with(RetryLayer::new(3).budget(0.0)).await;
    for _ in 0..50 {
        die(&world, 2);
        assert!(read(&world, &cx()).await.is_ok());
        tokio::time::advance(seconds(2)).await;
    }
    // Without time to pass there are ten, however long nothing was asked.
    tokio::time::advance(seconds(10_000)).await;
    die(&world, 1_000);
    let before = world.vendor.calls(READ);
    read_at_once(&world, 100).await;
    assert!((108..=112).contains(&(world.vendor.calls(READ) - before)), "{}", world.vendor.calls(READ) - before);
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_budget_and_providers_do_not() {
    let layer = RetryLayer::new(2).budget(0.0);
    let (one, other) = (world_with(layer.clone()).await, world_with(layer.clone()).await);
    die(&one, 40);
    read_at_once(&one, 20).await;
    die(&other, 1);
    let error = read(&other, &cx()).await.unwrap_err();
    assert_eq!(context(&error, "retry budget"), Some("used up by earlier calls"));
    assert_eq!(context(&error, "attempts"), None, "it is the error as it was");
    die(&other, 1);
    let fresh = world_with(layer.budget(0.0)).await;
    die(&fresh, 1);
    assert!(read(&fresh, &cx()).await.is_ok());
}
