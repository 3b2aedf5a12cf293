//! What a budget learns from the vendor's answers.

use opsorch::transport::{RateHeaders, Reset};
use opsorch::{Clock, ManualClock};

use super::*;

/// Headers of what remains.
fn says(limit: Option<u64>, remaining: u64, reset: u64) -> Reply {
    let (remaining, reset) = (remaining.to_string(), reset.to_string());
    let mut headers = vec![("x-ratelimit-remaining", remaining.as_str()), ("x-ratelimit-reset", reset.as_str())];
    let limit = limit.map(|limit| limit.to_string());
    if let Some(limit) = &limit {
        headers.push(("x-ratelimit-limit", limit));
    }
    reply(200, &headers)
}

/// How many of many requests arrive at once after a first one was answered with this.
async fn at_once_after(first: Reply, budget: Budget) -> usize {
    let mut first = Some(first);
    let vendor = Vendor::answering(move |_| Ok(first.take().unwrap_or(Reply::new(StatusCode::OK))));
    let (client, cx) = (vendor.client(budget), agent("a").timeout(SECOND));
    get(&client, &cx, "first").await.unwrap();
    join_all((0..500).map(|_| get(&client, &cx, "x"))).await.iter().filter(|result| result.is_ok()).count()
}

fn learned(requests: u32) -> Budget {
    Budget::new().limit(Limit::new("requests", requests, MINUTE).learned())
}

#[tokio::test(start_paused = true)]
async fn what_others_used_is_not_used_again() {
    assert_eq!(at_once_after(says(Some(100), 7, 60), learned(100)).await, 7);
    assert_eq!(at_once_after(says(None, 7, 60), learned(100)).await, 7);
    assert_eq!(at_once_after(says(None, 0, 60), learned(100)).await, 0);
    assert_eq!(at_once_after(says(Some(100), 7, 60), per_minute(100)).await, 99, "headers speak of learned limits");
}

#[tokio::test(start_paused = true)]
async fn only_the_vendors_own_limit_raises_the_limit() {
    assert_eq!(at_once_after(says(None, 10_000, 60), learned(100)).await, 99);
    assert_eq!(at_once_after(says(Some(300), 299, 60), learned(100)).await, 299);
    assert_eq!(at_once_after(says(Some(20), 19, 60), learned(100)).await, 19, "and lowers it");
    assert_eq!(at_once_after(says(Some(0), 100, 60), learned(100)).await, 99, "a limit of nothing is none");
    let capped = learned(100).limit(Limit::new("own", 5, MINUTE));
    assert_eq!(at_once_after(says(Some(300), 299, 60), capped).await, 4, "our own limit is ours");
}

#[tokio::test(start_paused = true)]
async fn numbers_of_any_length_are_read_and_none_of_them_breaks_the_budget() {
    const HUGE: &str = "99999999999999999999";
    let largest = u64::MAX.to_string();
    for (limit, remaining, room) in
        [(HUGE, "0", 0), (HUGE, "7", 7), (HUGE, HUGE, 500), (&largest, "0", 0), (HUGE, "", 500)]
    {
        let headers = [("x-ratelimit-limit", limit), ("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", "60")];
        for budget in [learned(100), Budget::new().limit(Limit::unknown("requests"))] {
            let sent = at_once_after(reply(200, &headers), budget).await;
            assert_eq!(sent, room, "{limit} {remaining}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_limit_is_learned() {
    let unknown = || Budget::new().limit(Limit::unknown("requests"));
    assert_eq!(at_once_after(Reply::new(StatusCode::OK), unknown()).await, 500);
    assert_eq!(at_once_after(says(Some(50), 30, 60), unknown()).await, 30);
    assert_eq!(at_once_after(says(None, 0, 60), unknown()).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_began_anew_is_used_at_once() {
    // A vendor whose window ends at fixed times, of which this process knows nothing but the headers.
    let began = Instant::now();
    let mut counted = (0, 0_u64);
    let vendor = Vendor::answering(move |_| {
        let now = began.elapsed().as_secs() + 50;
        let window = now / 60;
        counted = if counted.0 == window { (window, counted.1 + 1) } else { (window, 1) };
        match counted.1 {
            1..=10 => Ok(says(Some(10), 10 - counted.1, (window + 1) * 60 - now)),
            _ => Ok(reply(429, &[])),
        }
    });
    let (client, cx) = (vendor.client(learned(10)), agent("a").timeout(3600 * SECOND));
    join_all((0..8).map(|_| get(&client, &cx, "x"))).await;
    // Its window began anew ten seconds after that, and the first answer says so.
    sleep(15 * SECOND).await;
    get(&client, &cx, "x").await.unwrap();
    let results = join_all((0..9).map(|_| get(&client, &cx, "x"))).await;
    assert!(results.iter().all(|result| result.as_ref().is_ok_and(|reply| reply.status == StatusCode::OK)));
    assert!(began.elapsed() <= 16 * SECOND, "{:?}", began.elapsed());
    let error = get(&client, &agent("a").timeout(SECOND), "x").await.unwrap_err();
    assert!(!error.may_have_applied(), "and what is too much is not sent: {error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_shuts_the_budget_for_all_clones_until_its_wait_is_over() {
    for budget in [Budget::new(), per_minute(1000)] {
        let mut first = Some(reply(429, &[("retry-after", "30")]));
        let vendor = Vendor::answering(move |_| Ok(first.take().unwrap_or(Reply::new(StatusCode::OK))));
        let client = vendor.client(budget);
        let error = client.get("x").send(&agent("a")).await.unwrap_err();
        assert_eq!(wait(&error), Some(30 * SECOND));
        let began = Instant::now();
        let error = get(&client.clone(), &agent("b").timeout(10 * SECOND), "x").await.unwrap_err();
        assert!(wait(&error) == Some(30 * SECOND) && !error.may_have_applied(), "{error}");
        assert_eq!((vendor.arrived().len(), began.elapsed()), (1, Duration::ZERO));
        let cx = agent("c");
        join_all((0..5).map(|_| get(&client, &cx, "x"))).await;
        assert!(vendor.times(began)[1..].iter().all(|time| *time >= 30 * SECOND), "{:?}", vendor.times(began));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_shuts_what_it_speaks_of() {
    let budget = || {
        Budget::new()
            .limit(Limit::new("all", 1000, MINUTE))
            .limit(Limit::new("searches", 10, MINUTE).only(["search"]).learned())
    };
    let over = reply(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "60")]);
    for (refusal, shuts_all) in [(over, false), (reply(429, &[("retry-after", "60")]), true)] {
        let vendor = Vendor::answering(move |request| match request.url.path().ends_with("search") {
            true => Ok(refusal.clone()),
            false => Ok(Reply::new(StatusCode::OK)),
        });
        let (client, cx) = (vendor.client(budget()), agent("a").timeout(SECOND));
        client.get("search").class("search").send(&cx).await.unwrap_err();
        let error = client.get("search").class("search").send(&cx).await.unwrap_err();
        assert!(!error.may_have_applied() && wait(&error).is_some());
        assert_eq!(get(&client, &cx, "x").await.is_err(), shuts_all);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_to_nobody_is_not_believed() {
    let mut nobody = says(Some(60), 0, 3600);
    nobody.status = StatusCode::UNAUTHORIZED;
    assert_eq!(at_once_after(nobody, learned(100)).await, 99);
}

#[test]
fn every_vendors_dialect_is_read() {
    let clock = ManualClock::default(); // 1767225600
    type Case = (Reset, &'static [(&'static str, &'static str)], Option<u64>);
    let cases: &[Case] = &[
        (Reset::Seconds, &[("x-ratelimit-reset", "20")], Some(20)),
        (Reset::Seconds, &[("x-ratelimit-reset", "20"), ("x-ratelimit-period", "3600")], Some(20)),
        (Reset::Seconds, &[("x-ratelimit-reset", "20"), ("retry-after", "7")], Some(7)),
        (Reset::Seconds, &[("x-ratelimit-reset", "99999999999999999999")], Some(86_400)),
        (Reset::Seconds, &[("x-ratelimit-reset", "-1")], None),
        (Reset::Seconds, &[("x-ratelimit-reset", "soon")], None),
        (Reset::Seconds, &[("x-ratelimit-reset", "")], None),
        (Reset::Seconds, &[], None),
        (Reset::Epoch, &[("x-ratelimit-reset", "1767225660")], Some(60)),
        (Reset::Epoch, &[("x-ratelimit-reset", "1767225000")], Some(0)),
        (Reset::Epoch, &[("x-ratelimit-reset", "99999999999999999999")], Some(86_400)),
        (Reset::Epoch, &[("x-ratelimit-reset", "1767225660"), ("date", "Thu, 01 Jan 2026 00:00:30 GMT")], Some(30)),
        (Reset::Time, &[("x-ratelimit-reset", "2026-01-01T00:02Z")], Some(120)),
        (Reset::Time, &[("x-ratelimit-reset", "2026-01-01T00:00:09Z")], Some(9)),
        (Reset::Time, &[("x-ratelimit-reset", "2025-01-01T00:00Z")], Some(0)),
        (Reset::Time, &[("x-ratelimit-reset", "9999-01-01T00:00Z")], Some(86_400)),
        (Reset::Time, &[("x-ratelimit-reset", "1767225660")], None),
    ];
    for (reset, headers, seconds) in cases {
        let wait = RateHeaders::new("x-ratelimit", *reset).wait(&reply(429, headers), clock.now());
        assert_eq!(wait, seconds.map(Duration::from_secs), "{reset:?} {headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_period_that_the_vendor_names_is_that_of_its_limit() {
    let headers = [
        ("x-ratelimit-limit", "2"),
        ("x-ratelimit-period", "10"),
        ("x-ratelimit-remaining", "1"),
        ("x-ratelimit-reset", "10"),
    ];
    let mut first = Some(reply(200, &headers));
    let vendor = Vendor::answering(move |_| Ok(first.take().unwrap_or(Reply::new(StatusCode::OK))));
    let client = vendor.client(Budget::new().limit(Limit::new("logs", 300, 60 * MINUTE).learned()));
    let (began, cx) = (Instant::now(), agent("a"));
    for _ in 0..6 {
        get(&client, &cx, "x").await.unwrap();
    }
    assert!(began.elapsed() >= 20 * SECOND && began.elapsed() < 21 * SECOND, "{:?}", began.elapsed());
}
