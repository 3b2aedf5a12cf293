//! What is made of answers: statuses, waits, JSON, and what an error quotes.

use std::time::Duration;

use opsorch::ErrorKind;
use opsorch::transport::{Reply, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use wiremock::ResponseTemplate;

use super::{answering, client, cx};

type Headers<'a> = &'a [(&'a str, &'a str)];

fn with_headers(status: u16, headers: Headers) -> Reply {
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Reply::new(StatusCode::from_u16(status).unwrap()).headers(headers)
}

#[tokio::test]
async fn every_status_has_its_kind_and_says_whether_a_change_may_have_applied() {
    let invalid = || ErrorKind::Invalid { field: "request".into() };
    let cases = [
        (400, invalid(), false),
        (401, ErrorKind::Unauthenticated, false),
        (402, invalid(), false),
        (403, ErrorKind::Forbidden, false),
        (404, ErrorKind::NotFound, false),
        (405, invalid(), false),
        (406, invalid(), false),
        (408, ErrorKind::Timeout, true),
        (409, ErrorKind::Conflict, false),
        (410, ErrorKind::NotFound, false),
        (412, ErrorKind::Conflict, false),
        (413, invalid(), false),
        (415, invalid(), false),
        (422, invalid(), false),
        (429, ErrorKind::RateLimited { retry_after: None }, false),
        (499, invalid(), false),
        (500, ErrorKind::Unavailable, true),
        (501, ErrorKind::Unsupported, true),
        (502, ErrorKind::Unavailable, true),
        (503, ErrorKind::Unavailable, true),
        (504, ErrorKind::Unavailable, true),
        (599, ErrorKind::Unavailable, true),
        (300, ErrorKind::Unexpected, true),
        (304, ErrorKind::Unexpected, true),
        (600, ErrorKind::Unexpected, true),
    ];
    for (status, kind, may_have_applied) in cases {
        let server = answering(ResponseTemplate::new(status)).await;
        let client = client(&server.uri());
        let error = client.post("x").send(&cx()).await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{status}");
        assert_eq!(error.may_have_applied(), may_have_applied, "{status}");
        // The closer look gets the same answer as it is.
        let reply = client.post("x").send_any(&cx()).await.unwrap();
        assert_eq!(reply.error_for_status().unwrap_err().to_string(), error.to_string());
    }
    for status in [200, 201, 202, 204, 206, 299] {
        let server = answering(ResponseTemplate::new(status)).await;
        assert_eq!(client(&server.uri()).post("x").send(&cx()).await.unwrap().status.as_u16(), status);
    }
}

#[tokio::test]
async fn an_error_names_method_path_status_and_what_the_vendor_says_but_not_the_query() {
    let body = r#"{ "error": {"message": "Not \u0046ound", "code": 2100} }"#;
    let server = answering(ResponseTemplate::new(404).set_body_raw(body, "application/json")).await;
    let client = client(&format!("{}/api/", server.uri()));
    let error = client.get(["incidents", "a/b"]).query(&[("token", "canary")]).send(&cx()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "not found: the server answered 404 Not Found (method: GET, path: /api/incidents/a%2Fb, status: 404, \
         answer: {\"error\":{\"code\":2100,\"message\":\"Not Found\"}})"
    );
}

#[tokio::test]
async fn a_quoted_answer_is_one_short_visible_line() {
    let body = format!("<html>\n<h1>Bad\tGateway</h1>\u{1b}[31m \u{202e}txet\u{200b} \0\r\n{}", "ü".repeat(500));
    let server = answering(ResponseTemplate::new(502).set_body_raw(body, "text/html")).await;
    let error = client(&server.uri()).get("x").send(&cx()).await.unwrap_err();
    let answer = error.context().find(|(name, _)| *name == "answer").unwrap().1;
    assert!(answer.starts_with("<html> <h1>Bad Gateway</h1> [31m txet ü"), "{answer}");
    assert_eq!(answer.chars().count(), 201, "200 and an ellipsis");

    let server = answering(ResponseTemplate::new(502).set_body_string("x".repeat(65 * 1024))).await;
    let error = client(&server.uri()).get("x").send(&cx()).await.unwrap_err();
    assert!(error.context().all(|(name, _)| name != "answer"), "{error}");
}

#[test]
fn an_answer_can_be_an_error_of_another_kind() {
    let reply = with_headers(403, &[]).body("secondary rate limit");
    let error = reply.error(ErrorKind::RateLimited { retry_after: None });
    assert!(error.is_retryable() && !error.may_have_applied());
    assert!(error.to_string().contains("403") && error.to_string().contains("secondary rate limit"), "{error}");
    assert!(!reply.error(ErrorKind::Unexpected).may_have_applied(), "a 4xx is a refusal, whatever it is called");
    assert!(with_headers(500, &[]).error(ErrorKind::Conflict).may_have_applied());
}

#[test]
fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    let cases: [(Headers, Option<u64>); 15] = [
        (&[], None),
        (&[("retry-after", "30")], Some(30)),
        (&[("retry-after", " 0 ")], Some(0)),
        (&[("retry-after", "86401")], Some(86_400)),
        (&[("retry-after", "99999999999999999999999999")], Some(86_400)),
        (&[("retry-after", "Wed, 21 Oct 2026 07:29:30 GMT"), ("date", date)], Some(90)),
        (&[("retry-after", "Wednesday, 21-Oct-26 07:29:30 GMT"), ("date", date)], Some(90)),
        (&[("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT"), ("date", date)], Some(0)),
        (&[("retry-after", "Fri, 23 Oct 2026 07:28:00 GMT"), ("date", date)], Some(86_400)),
        // Without a usable date the system's time counts: one long past, one far ahead.
        (&[("retry-after", "Thu, 01 Jan 2015 00:00:00 GMT"), ("date", "yesterday")], Some(0)),
        (&[("retry-after", "Mon, 01 Jan 2998 00:00:00 GMT")], Some(86_400)),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "1.5")], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "")], None),
    ];
    for (headers, expected) in cases {
        assert_eq!(with_headers(429, headers).retry_after(), expected.map(Duration::from_secs), "{headers:?}");
    }
}

#[test]
fn retry_after_reaches_the_error() {
    let limited = with_headers(429, &[("retry-after", "30")]).error_for_status().unwrap_err();
    assert_eq!(limited.kind(), &ErrorKind::RateLimited { retry_after: Some(Duration::from_secs(30)) });
    let unavailable = with_headers(503, &[("retry-after", "30")]).error_for_status().unwrap_err();
    assert!(unavailable.context().any(|pair| pair == ("retry after", "30 s")), "{unavailable}");
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its shape matters")]
struct Issues {
    issues: Vec<Issue>,
    kind: Option<Kind>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Issue {
    id: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Bug,
    Task,
}

async fn json_error(response: ResponseTemplate) -> String {
    let server = answering(response).await;
    let error = client(&server.uri()).get("x").fetch::<Issues>(&cx()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unexpected);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("canary"), "{shown}");
    error.message().to_owned()
        + " | "
        + error.context().find(|(name, _)| *name == "content type").map_or("-", |(_, value)| value)
}

#[tokio::test]
async fn what_is_not_the_json_expected_is_located_and_not_quoted() {
    let json = |body: &str| ResponseTemplate::new(200).set_body_raw(body, "application/json");
    let expected = "expected JSON as documented by the vendor: ";
    let cases = [
        (
            ResponseTemplate::new(200).set_body_raw("<html>canary</html>", "text/html; charset=utf-8"),
            "it is not JSON, line 1 column 1 | text/html; charset=utf-8",
        ),
        (
            json("{\"issues\": [\n{\"id\": \"canary\"}]}"),
            "something else where u64 was expected at issues[0].id, line 2 column 15 | application/json",
        ),
        (
            json(r#"{"issues": [{"id": -5}]}"#),
            "something else where u64 was expected at issues[0].id, line 1 column 21 | application/json",
        ),
        (json(r#"{"issues": [{}]}"#), "missing field `id` at issues[0], line 1 column 14 | application/json"),
        (
            json(r#"{"issues": [], "kind": "canary, expected canary"}"#),
            "something else where `bug` or `task` was expected at kind, line 1 column 48 | application/json",
        ),
        (
            json(r#"{"issues": [{"id": 1, "id": 2}]}"#),
            "duplicate field `id` at issues[0], line 1 column 26 | application/json",
        ),
        (json(r#"{"issues": "#), "it ends too early at issues, line 1 column 11 | application/json"),
        (json(r#"{"issues": []} canary"#), "it is not JSON, line 1 column 16 | application/json"),
        (json("\"canary\""), "something else where struct Issues was expected, line 1 column 8 | application/json"),
    ];
    for (response, found) in cases {
        assert_eq!(json_error(response).await, format!("{expected}{found}"));
    }
    let invalid_utf8 =
        ResponseTemplate::new(200).set_body_raw(b"{\"issues\": \"canary\xff\"}".to_vec(), "application/json");
    assert_eq!(json_error(invalid_utf8).await, format!("{expected}it is not UTF-8 at byte 18 | application/json"));
    let empty = ResponseTemplate::new(204);
    assert_eq!(json_error(empty).await, "expected JSON, got an empty body | -");
}

#[test]
fn a_type_that_quotes_what_it_refuses_is_not_repeated() {
    #[derive(Debug)]
    struct Quoting;
    impl<'de> Deserialize<'de> for Quoting {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(serde::de::Error::custom(format!("{text} will not do, expected not {text}")))
        }
    }
    let error = Reply::new(StatusCode::OK).body(r#"["canary"]"#).json::<Vec<Quoting>>().unwrap_err();
    assert!(error.message().ends_with("a value that does not fit at [0], line 1 column 10"), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn deep_nesting_is_an_error_and_not_a_crash() {
    for depth in [129, 1_000_000] {
        let server = answering(ResponseTemplate::new(200).set_body_string("[".repeat(depth))).await;
        let error = client(&server.uri()).get("x").fetch::<Value>(&cx()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unexpected);
        assert!(error.message().contains("nested deeper than 128"), "{error}");
    }
    let server = answering(ResponseTemplate::new(500).set_body_string("[".repeat(60_000))).await;
    assert!(client(&server.uri()).get("x").send(&cx()).await.is_err());
}

#[tokio::test]
async fn an_empty_answer_is_no_error_until_it_is_read_as_json() {
    let server = answering(ResponseTemplate::new(204)).await;
    let reply = client(&server.uri()).put("x").send(&cx()).await.unwrap();
    assert!(reply.is_empty());
    assert!(reply.json::<Value>().is_err());
    assert!(!Reply::new(StatusCode::OK).body("{}").is_empty());
}
