//! Silences alerts, and looks up what became of a silence.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{AlertSilencer, Reconciled, Reconciler};
use opsorch::gate::Approved;
use opsorch::signal::labels::fingerprint;
use opsorch::{
    Action, Actor, Alert, AlertId, AlertStatusLevel, Clock, Context, Error, ErrorKind, Response, Result, SilenceAlert,
    Time,
};

use super::api::{self, Server};
use super::map::alert::{AlertMap, silenced_by};
use super::wire::alertmanager::{Labels, Matcher, PostableSilence, Silence};

/// What a comment says where nobody gave a reason.
const NO_REASON: &str = "silenced without a reason";

/// Silences the alerts of an Alertmanager.
///
/// A silence is for exactly the labels of one alert. Its comment ends with the idempotency key of the change, by which
/// it is found when nobody knows whether it was made.
#[derive(Debug)]
pub(super) struct Silencer {
    alertmanager: Server,
    map: AlertMap,
    clock: Arc<dyn Clock>,
}

impl Silencer {
    pub(super) fn new(alertmanager: Server, map: AlertMap, clock: Arc<dyn Clock>) -> Self {
        Self { alertmanager, map, clock }
    }

    /// The alert as it is now.
    async fn alert(&self, cx: &Context, id: &AlertId) -> Result<Alert> {
        let alert = api::alertmanager::alert(cx, &self.alertmanager, id).await?;
        Ok(self.map.of_alertmanager(alert, &self.alertmanager.page))
    }
}

#[async_trait]
impl AlertSilencer for Silencer {
    async fn silence(&self, cx: &Context, input: Approved<'_, SilenceAlert>) -> Result<Alert> {
        let now = self.clock.now();
        if input.until <= now {
            return Err(Error::invalid("until", format!("expected a time after {now}, got {}", input.until)));
        }
        let alert = api::alertmanager::alert(cx, &self.alertmanager, &input.id).await.map_err(Error::not_applied)?;
        let silence = PostableSilence {
            matchers: exactly(&alert.labels)?,
            starts_at: now,
            ends_at: input.until,
            created_by: created_by(cx.actor(), input.approved_by()),
            comment: comment(input.reason.as_deref(), input.idempotency_key()),
        };
        let posted = api::alertmanager::post_silence(cx, &self.alertmanager, &silence).await?;

        // From here on the silence is there. An alert that cannot be read again is shown as it was.
        let before = self.map.of_alertmanager(alert, &self.alertmanager.page);
        let after = match self.alert(cx, &input.id).await {
            Ok(alert) => alert,
            Err(error) if *error.kind() == ErrorKind::NotFound => ended(before),
            Err(error) => {
                tracing::debug!(code = error.kind().code(), "a silenced alert could not be read again");
                before
            }
        };
        Ok(silenced_by(after, &posted.id))
    }
}

#[async_trait]
impl Reconciler for Silencer {
    /// A silence that is found was made. One that is not found may still be on its way, or known to another
    /// Alertmanager of the cluster only, so that nothing is certain.
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let Action::AlertSilence(input) = action else { return Ok(Reconciled::Unknown) };
        let mark = mark(idempotency_key);
        let silences = api::alertmanager::silences(cx, &self.alertmanager).await?;
        // The mark alone proves nothing: who reads one comment can write another like it.
        let is_ours = |silence: &Silence| silence.comment.ends_with(&mark) && is_for(silence, input);
        let Some(silence) = silences.into_iter().find(is_ours) else { return Ok(Reconciled::Unknown) };
        let alert = match self.alert(cx, &input.id).await {
            Ok(alert) => alert,
            Err(error) if *error.kind() == ErrorKind::NotFound => {
                self.map.of_silence(&input.id, &silence, &self.alertmanager.page)
            }
            Err(error) => return Err(error),
        };
        Ok(Reconciled::Applied(Response::from(silenced_by(alert, &silence.id))))
    }
}

/// Whether a silence does what was asked for: it keeps this alert quiet until this time.
fn is_for(silence: &Silence, input: &SilenceAlert) -> bool {
    let until = |time: Time| time.timestamp_millis();
    silence.matchers.iter().all(Matcher::is_exact)
        && fingerprint(&silence.labels()) == input.id.as_str()
        && silence.ends_at.map(until) == Some(until(input.until))
}

/// A matcher for each label. An empty value is no label, and Alertmanager refuses a silence of nothing else.
fn exactly(labels: &Labels) -> Result<Vec<Matcher>> {
    let labels = labels.iter().filter(|(_, value)| !value.is_empty());
    let matchers: Vec<Matcher> = labels.map(|(name, value)| Matcher::equal(name, value)).collect();
    match matchers.is_empty() {
        true => Err(Error::unexpected("the alert has no labels to silence it by").not_applied()),
        false => Ok(matchers),
    }
}

/// Who asked, and who agreed.
fn created_by(actor: &Actor, approved_by: &[Actor]) -> String {
    let approvers: Vec<String> = approved_by.iter().map(Actor::to_string).collect();
    match approvers.is_empty() {
        true => actor.to_string(),
        false => format!("{actor}, approved by {}", approvers.join(" and ")),
    }
}

fn comment(reason: Option<&str>, idempotency_key: &str) -> String {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).unwrap_or(NO_REASON);
    format!("{reason} {}", mark(idempotency_key))
}

/// The end of a comment. What a reason says comes before it, so that no reason passes for another change's mark.
fn mark(idempotency_key: &str) -> String {
    format!("[opsorch {idempotency_key}]")
}

/// An alert that Alertmanager no longer has: its condition holds no more.
fn ended(alert: Alert) -> Alert {
    let mut alert = alert;
    alert.status = AlertStatusLevel::Resolved.into();
    alert.status_raw = None;
    alert
}
