//! Reads at the same time: who makes the call, who waits for it, and how long.

use futures_util::poll;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_is_made_by_one_of_those_who_wait() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    vendor.next_read(Took::new(seconds(60), Duration::ZERO));
    let cx = cx();
    let mut first = Box::pin(get(&ops, &cx));
    assert!(poll!(&mut first).is_pending());
    let given_up = async {
        tokio::time::sleep(seconds(1)).await;
        drop(first);
    };
    let started = Instant::now();
    let (answers, ()) = tokio::join!(join_all((0..50).map(|_| get(&ops, &cx))), given_up);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((vendor.reads(), started.elapsed()), (2, seconds(1)));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_beyond_the_own_deadline() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    vendor.next_read(Took::new(seconds(5), Duration::ZERO));
    let (patient, hurried) = (cx(), cx().timeout(seconds(2)));
    let started = Instant::now();
    let waits = async { (get(&ops, &hurried).await, started.elapsed()) };
    let (first, (second, after)) = tokio::join!(get(&ops, &patient), waits);
    assert_eq!((first.unwrap(), after), (0, seconds(2)));
    let error = second.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (&ErrorKind::Timeout, false), "{error}");
    assert_eq!(vendor.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_share_the_error_and_do_not_fail_one_after_the_other() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    vendor.next_read(Took::new(seconds(1), Duration::ZERO).failing(ErrorKind::Unavailable));
    let (cx, started) = (cx(), Instant::now());
    let answers = join_all((0..100).map(|_| get(&ops, &cx))).await;
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap_err().kind() == ErrorKind::Unavailable));
    assert_eq!((vendor.reads(), started.elapsed()), (1, seconds(1)));
    assert!(get(&ops, &cx).await.is_ok(), "it was not kept");
}

#[tokio::test(start_paused = true)]
async fn who_ran_out_of_time_does_not_fail_those_who_have_more() {
    let vendor = Vendor::default();
    let ops = build(&vendor, |builder| builder.layer(CacheLayer::new(TTL)).layer(TimeoutLayer::default())).await;
    vendor.next_read(Took::new(seconds(20), Duration::ZERO));
    let (hurried, patient) = (cx().timeout(seconds(1)), cx());
    let (first, others) =
        tokio::join!(get(&ops, &hurried), async { join_all((0..20).map(|_| get(&ops, &patient))).await });
    assert_eq!(*first.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(others.iter().all(Result::is_ok));
    assert_eq!(vendor.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_one_who_had_no_time_to_wait_is_none_for_those_who_have() {
    let asked = |wait| ErrorKind::RateLimited { retry_after: Some(seconds(wait)) };
    let retry = RetryLayer::default().jitter(|| 0.0);
    // The error, the time of the one who asks, and of those who wait; whether they get an answer.
    for (kind, leader, others, answered) in [
        (asked(5), Some(1), Some(60), true),
        (asked(5), Some(1), None, true),
        (asked(5), Some(1), Some(4), false),
        (asked(40), Some(30), Some(60), false),
        (ErrorKind::Unavailable, Some(0), Some(60), true),
        (ErrorKind::NotFound, Some(1), Some(60), false),
    ] {
        let vendor = Vendor::default();
        let ops = build(&vendor, |builder| builder.layer(CacheLayer::new(TTL)).layer(retry.clone())).await;
        vendor.next_read(Took::new(millis(50), Duration::ZERO).failing(kind.clone()));
        if kind == asked(40) {
            vendor.next_read(Took::new(millis(50), Duration::ZERO).failing(kind.clone()));
        }
        let within = |time: Option<u64>| time.map_or_else(cx, |time| cx().timeout(seconds(time) + millis(100)));
        let (hurried, patient) = (within(leader), within(others));
        let (first, rest) =
            tokio::join!(get(&ops, &hurried), async { join_all((0..20).map(|_| get(&ops, &patient))).await });
        assert_eq!(*first.unwrap_err().kind(), kind);
        assert!(rest.iter().all(|answer| answer.is_ok() == answered), "{kind:?} {leader:?} {others:?}");
        let calls = if answered || kind == asked(40) { 2 } else { 1 };
        assert_eq!(vendor.reads(), calls, "{kind:?} {leader:?} {others:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_is_down_is_not_asked_by_one_after_the_other_whatever_their_deadlines() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    (0..200).for_each(|_| vendor.next_read(Took::new(millis(10), Duration::ZERO).failing(ErrorKind::Unavailable)));
    let contexts: Vec<_> = (1..=100).map(|index| cx().timeout(seconds(1) + millis(500 * index))).collect();
    let answers = join_all(contexts.iter().map(|cx| get(&ops, cx))).await;
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap_err().kind() == ErrorKind::Unavailable));
    assert!(vendor.reads() <= 3, "{} reads", vendor.reads());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_holds_for_everybody_fails_everybody_at_once() {
    let vendor = Vendor::default();
    let limit = TimeoutLayer::new(seconds(3));
    let ops = build(&vendor, |builder| builder.layer(CacheLayer::new(TTL)).layer(limit)).await;
    vendor.next_read(Took::new(seconds(20), Duration::ZERO));
    let (cx, started) = (cx().timeout(seconds(60)), Instant::now());
    let answers = join_all((0..20).map(|_| get(&ops, &cx))).await;
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap_err().kind() == ErrorKind::Timeout));
    assert_eq!((vendor.reads(), started.elapsed()), (1, seconds(3)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_its_caller_does_not_go_on_with_holds_nobody_up_for_ever() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let cx = cx();
    vendor.next_read(Took::new(seconds(1), Duration::ZERO));
    let mut held = Box::pin(get(&ops, &cx));
    assert!(poll!(&mut held).is_pending());
    let started = Instant::now();
    let answers = join_all((0..50).map(|_| get(&ops, &cx))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((vendor.reads(), started.elapsed()), (2, seconds(10)));

    vendor.change_behind_our_back();
    assert_eq!(held.await.unwrap(), 1, "it goes on where it was");
    assert_eq!(get(&ops, &cx).await.unwrap(), 0, "and does not replace the answer to a later question");
}

#[tokio::test(start_paused = true)]
async fn a_call_older_than_the_time_to_live_is_not_joined() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(seconds(2))).await;
    let cx = cx();
    vendor.next_read(Took::new(Duration::ZERO, seconds(5)));
    let late = async {
        tokio::time::sleep(seconds(2)).await;
        vendor.change_behind_our_back();
        get(&ops, &cx).await
    };
    let (early, late) = tokio::join!(get(&ops, &cx), late);
    assert_eq!((early.unwrap(), late.unwrap(), vendor.reads()), (0, 1, 2));
    get(&ops, &cx).await.unwrap();
    assert_eq!(vendor.reads(), 3, "neither of them is young enough to be kept");
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_is_told_that_it_was_not_asked_anew() {
    let vendor = Vendor::default();
    let ops = cached(&vendor, CacheLayer::new(TTL)).await;
    let (cx, begin) = (cx(), vendor.clock.now());
    vendor.next_read(Took::new(seconds(1), Duration::ZERO));
    let late = async {
        vendor.clock.advance(millis(500));
        observed(&ops, &cx).await
    };
    let ((_, first), (_, second)) = tokio::join!(observed(&ops, &cx), late);
    assert_eq!((first, second), (Observed::new(begin), Observed::new(begin).cached(true)));
}
