//! Alerts: which are the same, and how far they are.

use std::time::Duration;

use opsorch::{AlertStatus, AlertStatusLevel, Clock as _, ErrorKind, Operation};
use serde_json::{Value, json};

use crate::conformance::lab::Lab;
use crate::conformance::listing::{Listing, identity};
use crate::conformance::maker::{Maker, Surroundings, change};
use crate::conformance::rule::{Broken, Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

pub(in crate::conformance) async fn one_key_is_one_alert(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    if !lab.offers(Operation::AlertRaise) {
        nothing!("the provider raises no alerts");
    }
    let raise =
        |key: &str, title: &str| json!({ "dedupKey": lab.named(key), "title": lab.titled(title), "severity": "high" });
    let mut ids = Vec::new();
    for input in [raise("one", "raised once"), raise("one", "raised again"), raise("another", "raised once")] {
        let raised = change(&lab, Operation::AlertRaise, input.clone()).await?;
        let raised = raised.map_err(|error| Broken(format!("alert.raise of {input}: {error}")))?;
        ids.push(identity(&raised));
    }
    let [first, again, another] = ids.as_slice() else { nothing!("nothing was raised") };
    ensure!(first == again, "alert.raise under one key made `{first}`, and then another alert, `{again}`");
    ensure!(first != another, "alert.raise under another key made `{first}` again, so that its alert is lost");
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn an_alert_is_acknowledged_and_resolved(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for (operation, level) in [
        (Operation::AlertAcknowledge, AlertStatusLevel::Acknowledged),
        (Operation::AlertResolve, AlertStatusLevel::Resolved),
    ] {
        let Some(id) = firing(&lab, operation).await? else { continue };
        let answer = change(&lab, operation, json!({ "id": id })).await?;
        // The trait holds both, and some vendors know only one of them.
        if answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::Unsupported) {
            continue;
        }
        ensure!(answer.is_ok(), "{operation} of {id}, which fires: {answer:?}");
        let status = status(&lab, &id).await?;
        ensure!(status.level() == level, "{operation} of {id} succeeds, and its status is `{status}`");
        looked = true;
    }
    if !looked {
        nothing!("there is no alert that fires and can be acknowledged or resolved");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_silenced_alert_is_suppressed(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let Some(id) = silenced(&lab).await? else { nothing!("there is no alert that fires and can be silenced") };
    let status = status(&lab, &id).await?;
    let is_suppressed = status.level() == AlertStatusLevel::Suppressed;
    ensure!(is_suppressed, "alert.silence of {id} succeeds, and its status is `{status}`");
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_silence_ends(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    if lab.time_passes() {
        nothing!("time cannot be moved");
    }
    let Some(id) = silenced(&lab).await? else { nothing!("there is no alert that fires and can be silenced") };
    let was = status(&lab, &id).await?;
    for (passes, is_over) in [(SILENCE - MARGIN, false), (2 * MARGIN, true)] {
        lab.place().clock().advance(passes);
        let status = status(&lab, &id).await?;
        // Whether it is suppressed at all is looked at elsewhere.
        let is_as_it_should = if is_over { status.level() != AlertStatusLevel::Suppressed } else { status == was };
        ensure!(
            is_as_it_should,
            "alert.silence of {id}: its status is `{status}` a minute {} the time until which it was silenced, \
             and was `{was}` at once",
            if is_over { "after" } else { "before" }
        );
    }
    Ok(Verdict::Kept)
}

/// For how long alerts are silenced.
const SILENCE: Duration = Duration::from_secs(60 * 60);

/// How long before and after its end a silence is looked at.
const MARGIN: Duration = Duration::from_secs(60);

/// An alert that was silenced, where there is one that can be.
async fn silenced(lab: &Lab) -> Checked<Option<Value>> {
    let Some(id) = firing(lab, Operation::AlertSilence).await? else { return Ok(None) };
    let input = json!({ "id": id, "until": lab.place().clock().now() + SILENCE });
    let answer = change(lab, Operation::AlertSilence, input.clone()).await?;
    ensure!(answer.is_ok(), "alert.silence of {input}: it is offered, but nothing is silenced: {answer:?}");
    Ok(Some(id))
}

/// The id of an alert that fires, for this operation where it is offered: a new one, else one that is there.
async fn firing(lab: &Lab, operation: Operation) -> Checked<Option<Value>> {
    if !lab.offers(operation) || !lab.offers(Operation::AlertGet) {
        return Ok(None);
    }
    if let Some(maker) = Maker::offered(lab).find(|maker| maker.create == Operation::AlertRaise) {
        let made = maker.made(lab, &Surroundings::of(lab).await?, operation.name()).await?;
        return Ok(made.and_then(|made| made.get("id").cloned()));
    }
    let Some(listing) = Listing::offered(lab).find(|listing| listing.query == Operation::AlertQuery) else {
        return Ok(None);
    };
    let fires = |alert: &&Value| status_of(alert).level() == AlertStatusLevel::Firing;
    Ok(listing.all(lab).await?.iter().find(fires).and_then(|alert| alert.get("id").cloned()))
}

async fn status(lab: &Lab, id: &Value) -> Checked<AlertStatus> {
    Ok(status_of(&lab.read(Operation::AlertGet, id.clone()).await??))
}

fn status_of(alert: &Value) -> AlertStatus {
    AlertStatus::new(alert.get("status").and_then(Value::as_str).unwrap_or_default())
}
