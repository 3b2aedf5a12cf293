//! Deadlines, and callers that are gone.

use std::pin::pin;
use std::time::Duration;

use futures_util::poll;
use opsorch::{Context, ErrorKind};
use tokio::time::Instant;

use crate::conformance::calls::{Call, Drill, looked_at, no_double};
use crate::conformance::lab::Lab;
use crate::conformance::rule::{Broken, Checked, Verdict, ensure};
use crate::conformance::subject::Bench;
use crate::conformance::tap::{Of, Trouble, What};

/// The time that calls get.
const GIVEN: Duration = Duration::from_millis(100);

/// How long they may take at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long is waited for what should not happen.
const AFTERWARDS: Duration = Duration::from_secs(2);

pub(in crate::conformance) async fn a_call_ends_at_its_deadline(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    // From here on time moves by itself, and only while everything waits.
    tokio::time::pause();
    let mut calls = 0;
    for call in &drill.calls {
        let operation = call.operation();
        drill.lab.trouble(Trouble::new(Of::All, What::Silence));
        let (cx, begin) = (drill.lab.context().clone().timeout(GIVEN), Instant::now());
        let result = tokio::time::timeout(PATIENCE, call.make(&drill.lab, &cx)).await;
        if drill.lab.tap().met() == 0 {
            continue;
        }
        let took = begin.elapsed();
        let Ok(result) = result else {
            return Err(Broken(format!(
                "{operation}: with {GIVEN:?} left and a vendor that never answers, it has not ended after {took:?}"
            )));
        };
        let is_timeout = result.as_ref().is_err_and(|error| error.kind() == &ErrorKind::Timeout);
        ensure!(is_timeout, "{operation} at its deadline: expected `timeout`, got {result:?}");
        calls += 1;
    }
    looked_at(calls)
}

pub(in crate::conformance) async fn a_call_that_is_dropped_stops(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    tokio::time::pause();
    let mut calls = 0;
    // A change goes on when its caller is gone: it belongs to the control plane.
    for call in drill.calls.iter().filter(|call| call.is_read()) {
        drill.lab.trouble(Trouble::new(Of::All, What::Silence));
        if !begin_and_drop(&drill.lab, call).await {
            continue;
        }
        let (lab, operation) = (&drill.lab, call.operation());
        tokio::task::yield_now().await;
        ensure!(lab.tap().under_way() == 0, "{operation}: its caller is gone, and its request is still under way");
        let before = lab.requests().len();
        tokio::time::sleep(AFTERWARDS).await;
        let more = lab.requests().len() - before;
        ensure!(more == 0, "{operation}: {more} requests were sent after its caller was gone");
        calls += 1;
    }
    looked_at(calls)
}

/// Begins a call and drops it while it waits for its vendor; whether it ever did.
async fn begin_and_drop(lab: &Lab, call: &Call) -> bool {
    /// How often a call is given the chance to send its first request.
    const CHANCES: usize = 100;
    let mut call = pin!(call.make(lab, lab.context()));
    for _ in 0..CHANCES {
        if poll!(&mut call).is_ready() {
            return false;
        }
        if lab.tap().under_way() > 0 {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

pub(in crate::conformance) async fn nothing_is_sent_after_the_deadline(bench: &Bench<'_>) -> Checked<Verdict> {
    let Some(drill) = Drill::open(bench).await? else { return no_double() };
    let late: Context = drill.lab.context().clone().timeout(Duration::ZERO);
    let mut calls = 0;
    for call in &drill.calls {
        let (operation, before) = (call.operation(), drill.lab.requests().len());
        let result = call.make(&drill.lab, &late).await;
        let sent = drill.lab.requests().len() - before;
        ensure!(sent == 0, "{operation} after its deadline: {sent} requests were sent");
        match result {
            Err(error) if error.kind() == &ErrorKind::Timeout => {
                let leaves_open = call.is_change() && error.may_have_applied();
                ensure!(!leaves_open, "{operation}: nothing was sent, and the error leaves it open: {error:?}");
                calls += 1;
            }
            // It never asks its vendor, or is refused for another reason.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Invalid { .. }) => {}
            Err(error) => ensure!(false, "{operation} after its deadline: expected `timeout`, got {error:?}"),
        }
    }
    looked_at(calls)
}
