//! What a vendor's answers mean: statuses, and bodies that are none.

use std::time::Duration;

use opsorch::ErrorKind;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Reply, StatusCode};

use crate::conformance::calls::{Call, Drill, looked_at, no_double};
use crate::conformance::rule::{Checked, Verdict, ensure};
use crate::conformance::subject::Bench;
use crate::conformance::tap::{Of, Trouble, What};
use crate::{FaultServer, NetworkFault};

/// The most that a provider may want to read of one answer.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// What no provider may read.
const TEN_MEGABYTES: u64 = 10 * 1024 * 1024;

const RETRY_AFTER: HeaderName = HeaderName::from_static("retry-after");
const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");

/// What the error is that the vendor's refusals become.
struct Expected {
    statuses: &'static [u16],
    /// Of which calls.
    of: fn(&Call) -> bool,
    words: &'static str,
    is: fn(&ErrorKind) -> bool,
}

pub(in crate::conformance) async fn status_401_is_unauthenticated(bench: &Bench<'_>) -> Checked<Verdict> {
    let is = |kind: &ErrorKind| kind == &ErrorKind::Unauthenticated;
    refused(bench, &[Expected { statuses: &[401], of: |_| true, words: "`unauthenticated`", is }]).await
}

pub(in crate::conformance) async fn status_403_is_forbidden(bench: &Bench<'_>) -> Checked<Verdict> {
    let is = |kind: &ErrorKind| kind == &ErrorKind::Forbidden;
    refused(bench, &[Expected { statuses: &[403], of: |_| true, words: "`forbidden`", is }]).await
}

pub(in crate::conformance) async fn status_404_is_not_found(bench: &Bench<'_>) -> Checked<Verdict> {
    let is = |kind: &ErrorKind| kind == &ErrorKind::NotFound;
    let of_one = Expected { statuses: &[404], of: Call::is_get, words: "`not_found`", is };
    let of_many = Expected { statuses: &[404], of: Call::is_read, words: "an error", is: |_| true };
    refused(bench, &[of_one, of_many]).await
}

pub(in crate::conformance) async fn status_409_is_a_conflict(bench: &Bench<'_>) -> Checked<Verdict> {
    let is = |kind: &ErrorKind| kind == &ErrorKind::Conflict;
    refused(bench, &[Expected { statuses: &[409], of: Call::is_change, words: "`conflict`", is }]).await
}

pub(in crate::conformance) async fn status_400_and_422_are_invalid(bench: &Bench<'_>) -> Checked<Verdict> {
    let is = |kind: &ErrorKind| matches!(kind, ErrorKind::Invalid { .. });
    refused(bench, &[Expected { statuses: &[400, 422], of: Call::is_change, words: "`invalid`", is }]).await
}

pub(in crate::conformance) async fn status_5xx_is_unavailable(bench: &Bench<'_>) -> Checked<Verdict> {
    let is = |kind: &ErrorKind| kind == &ErrorKind::Unavailable;
    let down = Expected { statuses: &[500, 502, 503], of: |_| true, words: "`unavailable`", is };
    let is = |kind: &ErrorKind| matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout);
    let late = Expected { statuses: &[504], of: |_| true, words: "`unavailable` or `timeout`", is };
    refused(bench, &[down, late]).await
}

pub(in crate::conformance) async fn status_429_says_when_to_come_back(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let Some(plain) = bench.refusal(StatusCode::TOO_MANY_REQUESTS) else { return no_double() };
    let mut headers = plain.headers.clone();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
    let with_wait = plain.clone().headers(headers);
    let mut calls = 0;
    for (reply, because, wait) in
        [(with_wait, "answered 429 and `Retry-After: 7`", Some(Duration::from_secs(7))), (plain, "answered 429", None)]
    {
        for met in drill.under(&Trouble::answer(reply), |_| true).await {
            let error = met.error(because)?;
            let expected = ErrorKind::RateLimited { retry_after: wait };
            let is_meant = match wait {
                Some(_) => error.kind() == &expected,
                // The vendor may say it in its own way.
                None => matches!(error.kind(), ErrorKind::RateLimited { .. }),
            };
            ensure!(is_meant, "{}, {because}: expected {expected:?}, got {error:?}", met.call.operation());
            calls += 1;
        }
    }
    looked_at(calls)
}

/// Checks what kind of error the vendor's refusals are.
async fn refused(bench: &Bench<'_>, expectations: &[Expected]) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let mut calls = 0;
    for expected in expectations {
        for status in expected.statuses {
            let known = StatusCode::from_u16(*status).ok();
            let Some(reply) = known.and_then(|status| bench.refusal(status)) else { continue };
            let because = format!("answered {status}");
            for met in drill.under(&Trouble::answer(reply), expected.of).await {
                // Where no request is about the one thing, 404 speaks of the address and not of the thing.
                if *status == 404 && met.call.is_get() && !met.names_its_id() {
                    continue;
                }
                let (call, error) = (met.call.operation(), met.error(&because)?);
                ensure!((expected.is)(error.kind()), "{call}, {because}: expected {}, got {error:?}", expected.words);
                calls += 1;
            }
        }
    }
    looked_at(calls)
}

pub(in crate::conformance) async fn a_login_page_is_an_error(bench: &Bench<'_>) -> Checked<Verdict> {
    let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>…</form></body></html>";
    nonsense(bench, &[page], "text/html; charset=utf-8", |_| true).await
}

pub(in crate::conformance) async fn what_is_not_json_is_an_error(bench: &Bench<'_>) -> Checked<Verdict> {
    nonsense(bench, &["upstream is warming up", r#"{"items": [{"id": "17", "ti"#], "application/json", Call::is_read)
        .await
}

pub(in crate::conformance) async fn json_of_another_kind_is_an_error(bench: &Bench<'_>) -> Checked<Verdict> {
    nonsense(bench, &["42", r#""maintenance""#], "application/json", Call::is_read).await
}

/// Checks that answers with status 200 which make no sense are errors.
async fn nonsense(
    bench: &Bench<'_>,
    bodies: &[&'static str],
    content_type: &'static str,
    is_meant: impl Fn(&Call) -> bool,
) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let mut calls = 0;
    for body in bodies {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let reply = Reply::new(StatusCode::OK).headers(headers).body(*body);
        for met in drill.under(&Trouble::answer(reply), &is_meant).await {
            met.error(&format!("answered 200 with {content_type} of `{body}`"))?;
            calls += 1;
        }
    }
    looked_at(calls)
}

pub(in crate::conformance) async fn a_huge_answer_is_an_error(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(mut drill) = Drill::open(bench).await? else { return no_double() };
    let requests = drill.lab.requests();
    for request in &requests {
        ensure!(
            request.body_limit <= LARGEST_ANSWER,
            "{} {}: an answer of up to {} bytes is read; expected a limit of at most {LARGEST_ANSWER}",
            request.method,
            request.url.path(),
            request.body_limit
        );
    }
    // One call is enough: each costs as much as is read.
    drill.calls.retain(Call::is_read);
    drill.calls.truncate(1);
    let server = FaultServer::start(vec![NetworkFault::HugeBody { bytes: TEN_MEGABYTES }; 4]).await?;
    let trouble = Trouble::new(Of::All, What::Detour(server.url()));
    let met = drill.under(&trouble, |_| true).await;
    for met in &met {
        met.error("answered with 10 MB")?;
    }
    looked_at(met.len())
}
