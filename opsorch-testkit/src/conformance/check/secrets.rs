//! Secrets: they go to the vendor, and nowhere else.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use opsorch::ErrorKind;
use opsorch::transport::{HeaderMap, HeaderName, HeaderValue, Reply, Request, StatusCode, Url};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::conformance::calls::{Call, Drill, looked_at, no_double};
use crate::conformance::lab::CANARY;
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;
use crate::conformance::tap::{Of, Trouble, What};

/// Another vendor, at which no request of ours ever arrives.
const ELSEWHERE: &str = "http://elsewhere.invalid/";

/// What no double lets in.
const WRONG_SECRET: &str = "wrong-7d1f0a-secret";

const LOCATION: HeaderName = HeaderName::from_static("location");

pub(in crate::conformance) async fn no_address_holds_a_secret(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    if !drill.lab.gave_a_secret() {
        return no_secret();
    }
    let calls = make_all(&drill).await;
    for request in drill.lab.requests() {
        let url = request.url.as_str();
        ensure!(!holds_secret(url), "{} {}: the address holds a secret", request.method, request.url.path());
    }
    looked_at(calls)
}

pub(in crate::conformance) async fn no_debug_shows_a_secret(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open_bare().await?;
    if !lab.gave_a_secret() {
        return no_secret();
    }
    bench.saw_a_call();
    let shown = lab.ops().providers().any(|provider| holds_secret(&format!("{provider:?}")));
    ensure!(!shown, "the `Debug` of the provider shows a secret");
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn no_error_holds_a_secret(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    if !drill.lab.gave_a_secret() {
        return no_secret();
    }
    let mut errors = 0;
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::BAD_GATEWAY] {
        for met in drill.under(&Trouble::new(Of::All, What::Echo(status)), |_| true).await {
            let Err(error) = &met.result else { continue };
            ensure!(
                !holds_secret(&format!("{error} {error:?}")),
                "{}: the vendor repeats in an answer of {status} what it was sent, and the error shows a secret",
                met.call.operation()
            );
            errors += 1;
        }
    }
    looked_at(errors)
}

pub(in crate::conformance) async fn no_trace_holds_a_secret(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    if !drill.lab.gave_a_secret() {
        return no_secret();
    }
    let traces = Traces::default();
    // For this thread, on which the whole check runs.
    let _guard = tracing::subscriber::set_default(traces.clone());
    let mut calls = make_all(&drill).await;
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::BAD_GATEWAY] {
        calls += drill.under(&Trouble::new(Of::All, What::Echo(status)), |_| true).await.len();
    }
    let with_secret = traces.lines().into_iter().find(|line| holds_secret(line));
    let shown = with_secret.map(|line| line.replace(CANARY, "***"));
    ensure!(shown.is_none(), "a trace holds a secret: {}", shown.unwrap_or_default());
    looked_at(calls)
}

pub(in crate::conformance) async fn no_secret_follows_a_redirect(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    if !drill.lab.gave_a_secret() {
        return no_secret();
    }
    let mut calls = 0;
    for status in [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(ELSEWHERE))]);
        let trouble = Trouble::answer(Reply::new(status).headers(headers));
        for met in drill.under(&trouble, |_| true).await {
            let given_away = met.requests.iter().find(|request| is_elsewhere(&request.url) && carries_secret(request));
            ensure!(
                given_away.is_none(),
                "{}: {given_away:?} takes a secret to another server, to which the vendor redirects",
                met.call.operation()
            );
            calls += 1;
        }
    }
    looked_at(calls)
}

fn is_elsewhere(url: &Url) -> bool {
    url.as_str().starts_with(ELSEWHERE)
}

fn carries_secret(request: &Request) -> bool {
    holds_secret(request.url.as_str())
        || holds_secret(&String::from_utf8_lossy(&request.body))
        || request.headers.values().any(|value| holds_secret(&String::from_utf8_lossy(value.as_bytes())))
}

pub(in crate::conformance) async fn a_wrong_secret_is_refused(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    if !drill.lab.gave_a_secret() {
        return no_secret();
    }
    let lab = bench.open_with_secret(WRONG_SECRET).await?;
    let mut calls = 0;
    for call in &drill.calls {
        let before = lab.requests().len();
        let result = call.make(&lab, lab.context()).await;
        if lab.requests().len() == before {
            continue;
        }
        let is_refused = result.as_ref().is_err_and(|error| error.kind() == &ErrorKind::Unauthenticated);
        ensure!(
            is_refused,
            "{} with a wrong secret: expected `unauthenticated`, got {result:?}; either the provider does not use the \
             secret or the double does not ask for it, which is `double::SECRET`",
            call.operation()
        );
        calls += 1;
    }
    looked_at(calls)
}

fn no_secret() -> Checked<Verdict> {
    nothing!("the provider asks for no secret")
}

/// Makes every call once, and says how many there are.
async fn make_all(drill: &Drill) -> usize {
    for call in &drill.calls {
        // Whether it succeeds is not looked at here.
        _ = Call::make(call, &drill.lab, drill.lab.context()).await;
    }
    drill.calls.len()
}

/// Whether a text holds the canary, as it is or as base64 shows it after some other text.
fn holds_secret(text: &str) -> bool {
    let in_base64 = |offset: usize| {
        let encoded = STANDARD_NO_PAD.encode(format!("{}{CANARY}", "x".repeat(offset)));
        // What shares bits with what stands before or after may look different.
        let begin = [0, 2, 3].get(offset).copied().unwrap_or_default();
        encoded.get(begin..encoded.len() - 1).is_some_and(|part| text.contains(part))
    };
    text.contains(CANARY) || (0..3).any(in_base64)
}

/// Keeps everything that is traced.
#[derive(Clone, Default)]
struct Traces(Arc<Mutex<Vec<String>>>);

impl Traces {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, record: impl FnOnce(&mut Line)) {
        let mut line = Line::default();
        record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }
}

/// The fields of one span or event.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Subscriber for Traces {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.keep(|line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.keep(|line| values.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.keep(|line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_seen_as_it_is_and_in_base64_after_whatever_text() {
        assert!(holds_secret(&format!("https://desk.example.com/?token={CANARY}")));
        for before in ["", "a", "ab", "user:", "agent@example.com:"] {
            let encoded = STANDARD_NO_PAD.encode(format!("{before}{CANARY}"));
            assert!(holds_secret(&format!("Basic {encoded}")), "{encoded}");
        }
        assert!(!holds_secret("Basic YWdlbnQ6YW5vdGhlci1zZWNyZXQ"));
        assert!(!holds_secret(&CANARY[1..]));
    }
}
