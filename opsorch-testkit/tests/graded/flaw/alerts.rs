//! Faults of alerts that are raised and answered.

use std::thread;
use std::time::Duration;

use opsorch::gate::Decision;
use opsorch::{
    Action, Actor, Alert, AlertQuery, AlertStatusLevel, Context, Error, OpsOrch, Query, Response, Result, SilenceAlert,
    Submitted, Target,
};
use opsorch_testkit::MemoryProvider;

use super::Fault::Write;
use super::{Flaw, Properly};
use crate::tampered::ask;

pub const FLAWS: &[Flaw] = &[
    Flaw {
        name: "raises one alert for each title",
        caught_by: &["TK-060"],
        fault: Write(raises_one_alert_for_each_title),
    },
    Flaw { name: "raises one alert for all keys", caught_by: &["TK-060"], fault: Write(raises_one_alert_for_all_keys) },
    Flaw { name: "acknowledges in words only", caught_by: &["TK-061"], fault: Write(acknowledges_in_words_only) },
    Flaw { name: "resolves by acknowledging", caught_by: &["TK-061"], fault: Write(resolves_by_acknowledging) },
    Flaw { name: "silences nothing", caught_by: &["TK-062"], fault: Write(silences_nothing) },
    Flaw { name: "silences for ever", caught_by: &["TK-063"], fault: Write(silences_for_ever) },
    Flaw { name: "silences for a minute", caught_by: &["TK-063"], fault: Write(silences_for_a_minute) },
];

/// The alerts with this key that were raised, as they are.
fn raised(memory: &MemoryProvider, dedup_key: &str) -> Result<Vec<Alert>> {
    let Response::Alerts(page) = ask(memory, AlertQuery::new().limit(1_000))? else { return Ok(Vec::new()) };
    let mut alerts = page.items;
    alerts.retain(|alert| alert.metadata.get("dedupKey").is_some_and(|key| key == dedup_key));
    Ok(alerts)
}

fn raises_one_alert_for_each_title(
    memory: &MemoryProvider,
    action: &Action,
    properly: Properly<'_>,
) -> Result<Response> {
    let Action::AlertRaise(input) = action else { return properly() };
    match raised(memory, &input.dedup_key)?.first() {
        Some(known) if known.title != input.title => {
            let alert = Alert::new("alert-again", &input.title, AlertStatusLevel::Firing, &input.severity);
            memory.seed_alert(alert.clone());
            Ok(alert.into())
        }
        _ => properly(),
    }
}

/// Takes the title for the key.
fn raises_one_alert_for_all_keys(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let Action::AlertRaise(input) = action else { return properly() };
    match raised(memory, "one")?.into_iter().next() {
        Some(known) if input.dedup_key == "another" => Ok(known.into()),
        _ => properly(),
    }
}

/// Makes every change properly, and leaves the alert in this status after those that are meant.
fn leaves(
    memory: &MemoryProvider,
    properly: Properly<'_>,
    is_meant: bool,
    status: AlertStatusLevel,
) -> Result<Response> {
    let mut response = properly()?;
    if let (true, Response::Alert(alert)) = (is_meant, &mut response) {
        alert.status = status.into();
        memory.seed_alert(alert.clone());
    }
    Ok(response)
}

fn acknowledges_in_words_only(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    leaves(memory, properly, matches!(action, Action::AlertAcknowledge(_)), AlertStatusLevel::Firing)
}

fn resolves_by_acknowledging(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    leaves(memory, properly, matches!(action, Action::AlertResolve(_)), AlertStatusLevel::Acknowledged)
}

fn silences_nothing(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    leaves(memory, properly, matches!(action, Action::AlertSilence(_)), AlertStatusLevel::Firing)
}

/// Suppresses an alert and forgets until when.
fn silences_for_ever(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let Action::AlertSilence(input) = action else { return properly() };
    let mut response = ask(memory, Query::AlertGet(input.id.clone()))?;
    if let Response::Alert(alert) = &mut response {
        alert.status = AlertStatusLevel::Suppressed.into();
        memory.seed_alert(alert.clone());
    }
    Ok(response)
}

/// Silences an alert for a minute, however long it was to be.
fn silences_for_a_minute(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let Action::AlertSilence(input) = action else { return properly() };
    let until = input.until - Duration::from_secs(59 * 60);
    let silence = async {
        let ops = OpsOrch::builder()
            .provider(memory.provider("memory"))
            .without_layers()
            .policy(|_: &Context, _: &Target, _: &Action| Decision::allow("a flaw"))
            .build()
            .await?;
        let action = Action::from(SilenceAlert::new(&input.id, until));
        match ops.submit(&Context::new(Actor::service("tampering")), action).await? {
            Submitted::Done(response) => Ok(response),
            Submitted::Pending(_) => Err(Error::unexpected("nobody is asked")),
        }
    };
    // A control plane waits for timers, which a check that is under way does not lend.
    thread::scope(|scope| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        scope.spawn(move || runtime.block_on(silence)).join().unwrap()
    })
}
