//! What GitHub's refusals mean: a 403 alone says five things.

use std::time::Duration;

use opsorch::{ErrorKind, Result, Ticket};
use serde_json::json;

use super::desk::{Desk, Fault, answer};

/// What reading an issue gives when this is answered.
async fn read(status: u16, headers: &[(&'static str, &str)], message: &str) -> Result<Ticket> {
    let desk = Desk::open().await;
    desk.wire.fail("GET", "/issues/1", Fault::Answer(answer(status, headers, json!({ "message": message }))));
    desk.ops.tickets(&desk.cx).get("1").await
}

#[tokio::test]
async fn every_403_and_429_is_told_apart() {
    let limited = |seconds| ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
    // The clock stands at 1767225600.
    const OVER: (&str, &str) = ("x-ratelimit-remaining", "0");
    type Case = (u16, &'static [(&'static str, &'static str)], &'static str, ErrorKind, &'static str);
    let cases: [Case; 14] = [
        (403, &[], "Resource not accessible by personal access token", ErrorKind::Forbidden, "Resource not accessible"),
        (
            403,
            &[("x-accepted-github-permissions", "issues=write")],
            "Resource not accessible by integration",
            ErrorKind::Forbidden,
            "the credential needs: issues=write",
        ),
        (403, &[("x-ratelimit-remaining", "4999")], "Must have admin rights", ErrorKind::Forbidden, "admin rights"),
        (
            403,
            &[("x-github-sso", "required; url=https://github.com/orgs/acme/sso?authorization_request=canary")],
            "Resource protected by organization SAML enforcement",
            ErrorKind::Forbidden,
            "authorize the token",
        ),
        (403, &[], "Request forbidden by administrative rules.", ErrorKind::Forbidden, "User-Agent"),
        (
            403,
            &[OVER, ("x-ratelimit-reset", "1767225660")],
            "API rate limit exceeded",
            limited(60),
            "retry after: 60 s",
        ),
        (429, &[OVER, ("x-ratelimit-reset", "1767225660")], "API rate limit exceeded", limited(60), ""),
        (403, &[OVER, ("x-ratelimit-reset", "1767225000")], "API rate limit exceeded", limited(0), ""),
        (403, &[OVER, ("x-ratelimit-reset", "99999999999")], "API rate limit exceeded", limited(86_400), ""),
        (
            403,
            &[OVER, ("x-ratelimit-reset", "1767225660"), ("date", "Thu, 01 Jan 2026 00:00:30 GMT")],
            "API rate limit exceeded",
            limited(30),
            "",
        ),
        (403, &[("retry-after", "7")], "You have exceeded a secondary rate limit.", limited(7), "retry after: 7 s"),
        (403, &[], "You have exceeded a secondary rate limit.", limited(60), ""),
        (429, &[], "", limited(60), ""),
        (403, &[OVER, ("x-ratelimit-resource", "search")], "API rate limit exceeded", limited(60), "limit: search"),
    ];
    for (status, headers, message, kind, says) in cases {
        let error = read(status, headers, message).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{status} {headers:?}: {error}");
        assert!(error.to_string().contains(says) && !error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn the_other_statuses_mean_what_they_say() {
    for (status, message, kind, says) in [
        (401, "Bad credentials", ErrorKind::Unauthenticated, "Bad credentials"),
        (404, "Not Found", ErrorKind::NotFound, "of what the credential may not see"),
        (410, "This issue was deleted", ErrorKind::NotFound, "deleted"),
        (410, "API version 2022-11-28 is no longer supported", ErrorKind::Unsupported, "api_version"),
        (451, "Repository access blocked", ErrorKind::Forbidden, "legal reasons"),
        (500, "Server Error", ErrorKind::Unavailable, ""),
    ] {
        let error = read(status, &[], message).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn what_a_refusal_repeats_shows_no_secret() {
    let secret = opsorch_testkit::double::SECRET;
    let errors = json!([{ "field": secret, "code": secret, "message": secret }]);
    let body = json!({ "message": format!("no: {secret}"), "errors": errors });
    for status in [401, 403, 404, 422] {
        let desk = Desk::open().await;
        desk.wire.fail("GET", "/issues/1", Fault::Answer(answer(status, &[], body.clone())));
        let error = desk.ops.tickets(&desk.cx).get("1").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
}
