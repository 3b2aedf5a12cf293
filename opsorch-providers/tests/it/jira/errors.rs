//! What refusals mean.

use std::time::Duration;

use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Method, Reply, ReqwestTransport, StatusCode};
use opsorch::{CreateTicket, ErrorKind, Result, Ticket};
use opsorch_providers::jira::Deployment;
use opsorch_testkit::double::SECRET;
use serde_json::json;

use super::desk::{Desk, failure};

/// The clock of Jira.
const NOW: (&str, &str) = ("date", "Thu, 01 Jan 2026 00:00:00 GMT");

fn with(reply: Reply, headers: &[(&str, &str)]) -> Reply {
    let pair =
        |(name, value): &(&str, &str)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    reply.headers(headers.iter().map(pair).collect::<HeaderMap>())
}

/// What becomes of a read that is answered so.
async fn read(reply: Reply) -> Result<Ticket> {
    let desk = Desk::cloud().await;
    desk.vendor.fail(Method::GET, "/OPS-1", reply);
    desk.get("OPS-1").await
}

#[tokio::test]
async fn what_is_said_in_general_and_of_fields_is_shown_together() {
    let desk = Desk::cloud().await;
    let errors = json!({ "customfield_10010": "Team is required.", "priority": "Priority is wrong." });
    desk.vendor.fail(Method::POST, "/issue", failure(400, &["Two fields are wrong."], errors));
    let error = desk.create(CreateTicket::new("x")).await.unwrap_err();
    for words in ["Two fields are wrong.", "customfield_10010: Team is required.", "priority: Priority is wrong."] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "request".to_owned() });
}

#[tokio::test]
async fn nothing_that_jira_repeats_gives_the_secret_away() {
    let desk = Desk::cloud().await;
    let errors = json!({ SECRET: format!("no {SECRET}") });
    desk.vendor.fail(Method::POST, "/issue", failure(400, &[SECRET], errors));
    let error = desk.create(CreateTicket::new("x")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
}

#[tokio::test]
async fn the_wait_is_read_from_either_header() {
    let limited = || failure(429, &["Rate limit exceeded."], json!({}));
    for (headers, wait) in [
        (&[("retry-after", "7"), ("x-ratelimit-reset", "2026-03-26T16:00Z")][..], Some(7)),
        (&[("x-ratelimit-reset", "2026-01-01T00:02Z"), NOW], Some(120)),
        (&[("x-ratelimit-reset", "2026-03-26T16:00Z"), ("date", "Thu, 26 Mar 2026 15:59:30 GMT")], Some(30)),
        (&[("x-ratelimit-reset", "2025-01-01T00:00Z"), NOW], Some(0)),
        (&[("x-ratelimit-reset", "2026-01-01T00:00:09Z"), NOW], Some(9)),
        (&[("x-ratelimit-reset", "9999-01-01T00:00Z"), NOW], Some(24 * 60 * 60)),
        (&[("x-ratelimit-reset", "soon")], None),
        (&[], None),
    ] {
        let desk = Desk::cloud().await;
        desk.vendor.fail(Method::POST, "/issue", with(limited(), headers));
        let error = desk.create(CreateTicket::new("x")).await.unwrap_err();
        let retry_after = wait.map(Duration::from_secs);
        assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after }, "{headers:?}: {error}");
    }
}

#[tokio::test]
async fn the_reason_of_a_limit_is_shown() {
    let desk = Desk::cloud().await;
    let headers = [("ratelimit-reason", "jira-per-issue-on-write"), ("retry-after", "3600")];
    desk.vendor.fail(Method::POST, "/issue", with(failure(429, &[], json!({})), &headers));
    let error = desk.create(CreateTicket::new("x")).await.unwrap_err();
    assert!(error.to_string().contains("jira-per-issue-on-write"), "{error}");
}

#[tokio::test]
async fn a_login_that_jira_does_not_believe_is_not_taken_for_that_of_nobody() {
    let hidden = failure(404, &["Issue does not exist or you do not have permission to see it."], json!({}));
    let error = read(with(hidden, &[("x-ausername", "anonymous")])).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated, "{error}");
    let page = Reply::new(StatusCode::UNAUTHORIZED).body("<html><h1>Unauthorized (401)</h1></html>");
    let error = read(page).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unauthenticated);
    assert!(error.to_string().contains("expire within a year"), "{error}");
    let captcha = with(Reply::new(StatusCode::FORBIDDEN), &[("x-seraph-loginreason", "AUTHENTICATION_DENIED")]);
    let error = read(captcha).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Forbidden);
    assert!(error.to_string().contains("CAPTCHA"), "{error}");
}

#[tokio::test]
async fn a_wrong_token_is_unauthenticated() {
    let transport = ReqwestTransport::new().unwrap();
    let desk = Desk::over(Deployment::Cloud, |_| {}, |config| config.email("somebody@example.com"), transport).await;
    assert_eq!(*desk.get("OPS-1").await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}
