//! GitHub: 5 000 requests in an hour that begins with the first, 900 points, 80 new things and 100 requests at once in a minute.

use opsorch::secret::SecretRef;
use opsorch::{CreateTicket, ErrorKind, Submitted, TeamQuery};
use opsorch_providers::github::GitHubConfig;
use opsorch_testkit::double::json;
use serde_json::json;

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn is_post(request: &Request) -> bool {
    request.method == "POST"
}

fn vendor() -> Arc<Vendor> {
    let limits = vec![
        Enforced::fixed(5_000, HOUR, |_| 1),
        Enforced::sliding(900, MINUTE, |request| if is_post(request) { 5 } else { 1 }),
        Enforced::sliding(80, MINUTE, |request| is_post(request).into()),
        Enforced::sliding(500, HOUR, |request| is_post(request).into()),
    ];
    // Its clock is that of the double, and the answer's own date says what the time is.
    let headers: Headers = |limit, remaining, reset| {
        vec![
            ("date", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset", (1_767_225_600 + reset.as_secs() + 1).to_string()),
            ("x-ratelimit-resource", "core".to_owned()),
        ]
    };
    Vendor::new(limits, headers, |request| match is_post(request) {
        true => json(StatusCode::CREATED, &issue()),
        false => json(StatusCode::OK, &json!([])),
    })
}

fn issue() -> serde_json::Value {
    json!({
        "id": 1, "number": 1, "state": "open", "title": "disk full", "body": null, "user": null, "labels": [], "assignees": [],
        "html_url": "https://github.com/acme/api/issues/1", "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    })
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_meet_no_refusal_and_use_what_is_allowed() {
    let vendor = vendor();
    let config = GitHubConfig::new(SecretRef::literal("canary")).repository("acme/api").organization("acme");
    let ops = plane(&vendor, config).await;
    let took = flood(CALLS, |cx, number| {
        let ops = ops.clone();
        async move {
            if number % 25 == 7 {
                let made = ops.tickets(&cx).create(CreateTicket::new("disk full")).await.unwrap();
                assert!(matches!(made, Submitted::Done(_)));
            } else {
                ops.teams(&cx).query(TeamQuery::new()).await.unwrap();
            }
        }
    })
    .await;
    // The second half has to wait for the second hour, and is at least 5 000 points, of which the first 900 go at once.
    check(&vendor, HOUR + 5 * MINUTE, &took);
    assert!(vendor.seen.lock().unwrap().most_under_way <= 100);
}

#[tokio::test(start_paused = true)]
async fn an_enterprise_server_without_limits_is_not_slowed_down() {
    let answer = |_: &Request| json(StatusCode::OK, &json!([]));
    let vendor = Vendor::new(vec![Enforced::sliding(u64::MAX, SECOND, |_| 0)], |_, _, _| Vec::new(), answer);
    let config = GitHubConfig::new(SecretRef::literal("canary"))
        .url("https://github.example.org/api/v3".parse().unwrap())
        .organization("acme");
    let ops = plane(&vendor, config).await;
    let (took, _) = flood(CALLS, |cx, _| {
        let ops = ops.clone();
        async move { drop(ops.teams(&cx).query(TeamQuery::new()).await.unwrap()) }
    })
    .await;
    assert!(took < SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_would_wait_longer_than_the_layers_allow_is_certainly_not_made() {
    let vendor = vendor();
    let config = GitHubConfig::new(SecretRef::literal("canary")).repository("acme/api").requests_per_minute(1);
    let ops = OpsOrch::builder()
        .configure("vendor", config)
        .transport(Wire(Arc::clone(&vendor)))
        .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a test"))
        .build()
        .await
        .unwrap();
    let cx = Context::new(Actor::agent("a"));
    drop(ops.tickets(&cx).create(CreateTicket::new("disk full")).await.unwrap());
    let began = Instant::now();
    let error = ops.tickets(&cx).create(CreateTicket::new("disk full again")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::RateLimited { retry_after: Some(_) }), "{error}");
    assert!(!error.may_have_applied() && began.elapsed() < 30 * SECOND, "{error}");
    assert_eq!(vendor.seen.lock().unwrap().requests, 1);
}
