//! PagerDuty: 960 requests in any minute.

use opsorch::TeamQuery;
use opsorch::secret::SecretRef;
use opsorch_providers::pagerduty::PagerDutyConfig;

use super::*;

fn vendor(size: u64) -> Arc<Vendor> {
    let headers: Headers = |limit, remaining, reset| {
        vec![
            ("ratelimit-limit", limit.to_string()),
            ("ratelimit-remaining", remaining.to_string()),
            ("ratelimit-reset", reset.as_secs().to_string()),
        ]
    };
    let answer = |_: &Request| Reply::new(StatusCode::OK).body(r#"{"teams":[],"limit":100,"offset":0,"more":false}"#);
    Vendor::new(vec![Enforced::sliding(size, MINUTE, |_| 1)], headers, answer)
}

fn config() -> PagerDutyConfig {
    PagerDutyConfig::new(SecretRef::literal("canary"))
}

async fn query(ops: &OpsOrch, cx: &Context) {
    ops.teams(cx).query(TeamQuery::new()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_reads_meet_no_429_and_use_what_is_allowed() {
    let vendor = vendor(960);
    let ops = plane(&vendor, config()).await;
    let person = tokio::spawn({
        let ops = ops.clone();
        async move {
            let cx = Context::new(Actor::user("ada")).timeout(24 * 60 * MINUTE);
            let mut longest = Duration::ZERO;
            for _ in 0..5 {
                tokio::time::sleep(90 * SECOND).await;
                let asked = Instant::now();
                query(&ops, &cx).await;
                longest = longest.max(asked.elapsed());
            }
            longest
        }
    });
    let took = flood(CALLS, |cx, _| {
        let ops = ops.clone();
        async move { query(&ops, &cx).await }
    })
    .await;
    // The first 960 go at once, the last when the tenth minute is over.
    check(&vendor, 10 * MINUTE, &took);
    assert!(person.await.unwrap() <= MINUTE + SECOND, "a person waits for one window at most");
}

#[tokio::test(start_paused = true)]
async fn an_account_with_another_limit_is_learned() {
    for (size, best) in [(1_920, 5), (480, 20)] {
        let vendor = vendor(size);
        let ops = plane(&vendor, config()).await;
        let one = Context::new(Actor::user("ada")).timeout(24 * 60 * MINUTE);
        query(&ops, &one).await;
        let took = flood(CALLS, |cx, _| {
            let ops = ops.clone();
            async move { query(&ops, &cx).await }
        })
        .await;
        check(&vendor, best * MINUTE, &took);
    }
}

#[tokio::test(start_paused = true)]
async fn others_with_the_same_key_are_left_their_part() {
    let vendor = vendor(960);
    // Two processes share an account: what each sees of the other are the headers.
    let (one, other) = (plane(&vendor, config()).await, plane(&vendor, config().requests_per_minute(200)).await);
    let cx = Context::new(Actor::service("sync")).timeout(24 * 60 * MINUTE);
    for _ in 0..200 {
        query(&other, &cx).await;
    }
    query(&one, &cx).await;
    let took = flood(700, |cx, _| {
        let ops = one.clone();
        async move { query(&ops, &cx).await }
    })
    .await;
    assert!(took.0 < MINUTE, "{took:?}");
    assert_eq!(vendor.seen.lock().unwrap().refused, 0);
}
