//! Broken connections, and what they leave open.

use std::collections::BTreeSet;

use opsorch::ErrorKind;
use opsorch::transport::{Request, StatusCode};
use serde_json::{Value, json};

use crate::conformance::calls::{Call, Drill, is_change, looked_at, no_double};
use crate::conformance::listing::Listing;
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;
use crate::conformance::tap::{Of, Trouble, What};
use crate::{ClosedPort, FaultServer, NetworkFault, double};

/// The most connections that the calls of a check make.
const CONNECTIONS: usize = 64;

pub(in crate::conformance) async fn a_refused_connection_changes_nothing(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let closed = ClosedPort::reserve()?;
    let because = "with a vendor that refuses connections";
    let all = drill.under(&Trouble::new(Of::All, What::Detour(closed.url())), |_| true).await;
    for met in &all {
        let (call, error) = (met.call.operation(), met.error(because)?);
        ensure!(error.kind() == &ErrorKind::Unavailable, "{call}, {because}: expected `unavailable`, got {error:?}");
        let leaves_open = met.call.is_change() && error.may_have_applied();
        ensure!(!leaves_open, "{call}, {because}: it was certainly not made, and the error leaves it open: {error:?}");
    }
    looked_at(all.len())
}

pub(in crate::conformance) async fn a_broken_answer_leaves_it_open(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let mut calls = 0;
    for (fault, because) in broken_connections() {
        let server = FaultServer::start(vec![fault; CONNECTIONS]).await?;
        for of in [Of::All, Of::Changes] {
            let trouble = Trouble::new(of, What::Detour(server.url()));
            // What is read before a change has to be answered, or else the change is never asked for.
            let is_meant = |call: &Call| call.is_change() == matches!(of, Of::Changes);
            for met in drill.under(&trouble, is_meant).await {
                let (call, error) = (met.call.operation(), met.error(because)?);
                let is_failure =
                    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unexpected | ErrorKind::Timeout);
                ensure!(is_failure, "{call}, {because}: expected `unavailable` or `unexpected`, got {error:?}");
                let certain = met.call.is_change() && !error.may_have_applied();
                ensure!(!certain, "{call}, {because}: it may have been made, and the error denies it: {error:?}");
                calls += 1;
            }
        }
    }
    looked_at(calls)
}

fn broken_connections() -> [(NetworkFault, &'static str); 3] {
    let half = double::json(StatusCode::OK, &json!({ "id": "17", "title": "an answer of which half arrives" }));
    [
        (NetworkFault::Reset, "with a connection that is reset"),
        (NetworkFault::CutBody(half), "with an answer that is cut"),
        (NetworkFault::Garbage, "with an answer that is no HTTP"),
    ]
}

pub(in crate::conformance) async fn a_failure_leaves_it_open_and_a_refusal_does_not(
    bench: &Bench<'_>,
) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let mut calls = 0;
    for status in [400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504] {
        let Some(reply) = StatusCode::from_u16(status).ok().and_then(|status| bench.refusal(status)) else { continue };
        let because = format!("answered {status}");
        let expected = status >= 500;
        for met in drill.under(&Trouble::new(Of::Changes, What::Answer(reply)), Call::is_change).await {
            let (call, error) = (met.call.operation(), met.error(&because)?);
            ensure!(
                error.may_have_applied() == expected,
                "{call}, {because}: expected `may_have_applied` to be {expected}, got {error:?}"
            );
            calls += 1;
        }
    }
    looked_at(calls)
}

pub(in crate::conformance) async fn a_change_is_sent_once(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let server = FaultServer::start(vec![NetworkFault::Reset; CONNECTIONS]).await?;
    let mut whats = vec![(What::Detour(server.url()), "with a connection that is reset")];
    whats.extend(bench.refusal(StatusCode::SERVICE_UNAVAILABLE).map(|reply| (What::Answer(reply), "answered 503")));
    let mut calls = 0;
    for (what, because) in whats {
        for met in drill.under(&Trouble::new(Of::Changes, what), Call::is_change).await {
            let mut seen = BTreeSet::new();
            for request in met.requests.iter().filter(|request| is_change(request)) {
                ensure!(
                    seen.insert(sent(request)),
                    "{}, {because}: {} {} was sent again; only the control plane knows whether that is safe",
                    met.call.operation(),
                    request.method,
                    request.url.path()
                );
            }
            calls += 1;
        }
    }
    looked_at(calls)
}

/// What makes two requests the same.
fn sent(request: &Request) -> (String, &str, &[u8]) {
    (request.method.to_string(), request.url.as_str(), &request.body)
}

pub(in crate::conformance) async fn a_reading_that_breaks_off_says_so(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let Some(reply) = bench.refusal(StatusCode::SERVICE_UNAVAILABLE) else { return no_double() };
    let server = FaultServer::start(vec![NetworkFault::Reset; CONNECTIONS]).await?;
    let mut calls = 0;
    for listing in Listing::offered(&drill.lab) {
        let query = listing.with(&drill.lab, json!({ "limit": 1_000 }));
        for what in [What::Answer(reply.clone()), What::Detour(server.url())] {
            drill.lab.trouble(Trouble::new(Of::After(1), what));
            let answer = drill.lab.read(listing.query, query.clone()).await?;
            let met = drill.lab.tap().met();
            drill.lab.trouble(None);
            if met == 0 {
                continue;
            }
            let passes_for_all = answer.as_ref().is_ok_and(is_complete);
            ensure!(
                !passes_for_all,
                "{}: the second request fails, and the page has neither `next` nor `truncated` nor `failures`",
                listing.query
            );
            calls += 1;
        }
    }
    if calls == 0 {
        nothing!("no query takes more than one request; put more into the double than its vendor gives at once");
    }
    Ok(Verdict::Kept)
}

fn is_complete(page: &Value) -> bool {
    let is_nothing = |name: &str| match page.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::Array(failures)) => failures.is_empty(),
        Some(_) => false,
    };
    ["next", "truncated", "failures"].into_iter().all(is_nothing)
}
