//! What PagerDuty's refusals mean.

use std::time::Duration;

use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Reply, Request, StatusCode, Transport};
use opsorch::{ErrorKind, IncidentQuery, Result, async_trait};
use opsorch_testkit::double::json as reply;
use serde_json::json;

use super::desk::{Desk, ok, refusal, too_many};

#[tokio::test]
async fn a_refusal_has_a_kind_by_its_code_and_its_status() {
    let invalid = || ErrorKind::Invalid { field: "request".into() };
    for (status, code, kind) in [
        (400, 2001, invalid()),
        (400, 2006, ErrorKind::Unauthenticated),
        (400, 2010, ErrorKind::Forbidden),
        (400, 2014, ErrorKind::Unsupported),
        (400, 2016, ErrorKind::Timeout),
        (400, 2100, ErrorKind::NotFound),
        (400, 1001, ErrorKind::Conflict),
        (401, 2006, ErrorKind::Unauthenticated),
        (402, 2014, ErrorKind::Unsupported),
        (403, 2010, ErrorKind::Forbidden),
        (404, 2100, ErrorKind::NotFound),
        (408, 2016, ErrorKind::Timeout),
        (413, 0, invalid()),
        (500, 2000, ErrorKind::Unavailable),
    ] {
        let desk = Desk::open().await;
        desk.wire.answer("GET", "/incidents/INC1", refusal(status, code, "so it is"));
        let error = desk.ops.incidents(&desk.cx).get("INC1").await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{status} {code}");
        assert!(error.to_string().contains("so it is"), "{error}");
    }
}

#[tokio::test]
async fn the_wait_is_in_seconds_from_now_and_may_be_missing() {
    let wait = |seconds: u64| Some(Duration::from_secs(seconds));
    for (headers, expected) in [
        (vec![("ratelimit-limit", "960"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "20")], wait(20)),
        (vec![("ratelimit-reset", "20"), ("retry-after", "7")], wait(7)),
        (vec![("ratelimit-reset", "99999999999")], wait(24 * 60 * 60)),
        (vec![("ratelimit-reset", "soon")], None),
        (vec![], None),
    ] {
        let desk = Desk::open().await;
        desk.wire.answer("GET", "/incidents/INC1", too_many(&headers));
        let error = desk.ops.incidents(&desk.cx).get("INC1").await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: expected }, "{headers:?}");
    }
}

#[tokio::test]
async fn errors_of_version_three_and_pages_of_proxies_are_read_too() {
    let desk = Desk::open().await;
    let v3 = json!({ "error": { "code": 2001, "message": "Invalid", "errors": { "time_zone": ["is unknown"] } } });
    desk.wire.answer("GET", "/incidents/INC1", reply(StatusCode::BAD_REQUEST, &v3));
    let error = desk.ops.incidents(&desk.cx).get("INC1").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }) && error.to_string().contains("time_zone"), "{error}");
    for (reply, kind) in [
        (Reply::new(StatusCode::BAD_GATEWAY).body("<html>bad gateway</html>"), ErrorKind::Unavailable),
        (Reply::new(StatusCode::NO_CONTENT), ErrorKind::Unexpected),
        (Reply::new(StatusCode::OK).body("<html>sign in</html>"), ErrorKind::Unexpected),
        (ok(&json!({ "incidents": 5 })), ErrorKind::Unexpected),
    ] {
        desk.wire.answer("GET", "/incidents", reply);
        assert_eq!(*desk.query(IncidentQuery::new()).await.unwrap_err().kind(), kind);
    }
}

/// Sends everybody elsewhere, and keeps what arrives there.
#[derive(Debug, Default)]
struct Elsewhere(std::sync::Mutex<Vec<Request>>);

#[async_trait]
impl Transport for Elsewhere {
    async fn send(&self, request: Request) -> Result<Reply> {
        let is_ours = request.url.host_str() == Some("pd.example");
        self.0.lock().unwrap().push(request);
        let location = (HeaderName::from_static("location"), HeaderValue::from_static("https://elsewhere.example/x"));
        match is_ours {
            true => Ok(Reply::new(StatusCode::FOUND).headers(HeaderMap::from_iter([location]))),
            false => Ok(ok(&json!({ "incident": { "id": "P1" } }))),
        }
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_carry_the_token() {
    use opsorch::{Actor, Context, OpsOrch};
    let elsewhere = std::sync::Arc::new(Elsewhere::default());

    #[derive(Debug)]
    struct Shared(std::sync::Arc<Elsewhere>);
    #[async_trait]
    impl Transport for Shared {
        async fn send(&self, request: Request) -> Result<Reply> {
            self.0.send(request).await
        }
    }

    let config: opsorch_providers::pagerduty::PagerDutyConfig =
        serde_json::from_value(json!({ "api_token": "canary-of-a-token", "api_url": "https://pd.example/api" }))
            .unwrap();
    let ops = OpsOrch::builder().configure("pd", config).transport(Shared(elsewhere.clone())).build().await.unwrap();
    let cx = Context::new(Actor::agent("triage"));
    ops.incidents(&cx).get("P1").await.unwrap();
    let requests = elsewhere.0.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].headers.contains_key("authorization"));
    assert!(!requests[1].headers.contains_key("authorization"), "{:?}", requests[1].url);
}
