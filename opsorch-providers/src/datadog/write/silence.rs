//! Keeps alerts quiet and lets them speak again: downtimes.

use async_trait::async_trait;
use opsorch::capability::{AlertSilencer, Reconciled, Reconciler};
use opsorch::gate::Approved;
use opsorch::{Action, Alert, Context, Error, ErrorKind, Response, Result, SilenceAlert};
use serde::Serialize;
use serde_json::json;

use crate::datadog::map::alert::{Found, Id, is_for, muted};
use crate::datadog::read::alert::Alerts;
use crate::datadog::scope;
use crate::datadog::wire::alert::Downtime;
use crate::datadog::wire::resource::Document;

/// What a message says where nobody gave a reason.
const NO_REASON: &str = "silenced without a reason";

/// Mutes alerts. A downtime is for exactly the tags of one alert. Its message ends with the idempotency key of the change,
/// by which it is found when nobody knows whether it was made.
///
/// A silence that ends now or has ended is none: the downtimes that are for exactly this alert are cancelled.
#[derive(Debug)]
pub(in crate::datadog) struct Silencer {
    alerts: Alerts,
}

#[derive(Serialize)]
struct NewDowntime<'a> {
    monitor_identifier: Monitor,
    scope: &'a str,
    schedule: Until,
    message: &'a str,
}

#[derive(Serialize)]
struct Monitor {
    monitor_id: u64,
}

#[derive(Serialize)]
struct Until {
    end: opsorch::Time,
}

impl Silencer {
    pub(in crate::datadog) fn new(alerts: Alerts) -> Self {
        Self { alerts }
    }

    async fn mute(&self, cx: &Context, input: &Approved<'_, SilenceAlert>, before: Found) -> Result<Alert> {
        let id = before.id;
        let scope = scope::of_tags(&id.tags()).ok_or_else(|| {
            let message =
                format!("a downtime cannot be for the group `{}` alone", opsorch::visible(&id.tags.join(",")));
            Error::unsupported(message).not_applied()
        })?;
        let attributes = NewDowntime {
            monitor_identifier: Monitor { monitor_id: id.monitor },
            scope: &scope,
            schedule: Until { end: input.until },
            message: &message(input.reason.as_deref(), input.idempotency_key())?,
        };
        let body = json!({ "data": { "type": "downtime", "attributes": attributes } });
        let made: Document<Downtime> = self.alerts.datadog.post(cx, ["api", "v2", "downtime"], &body).await?;
        // From here on the downtime is there. An alert that cannot be read again is shown as it was.
        let after = match self.alerts.find(cx, &id).await {
            Ok(found) => found.alert,
            Err(error) => {
                tracing::debug!(code = error.kind().code(), "a muted alert could not be read again");
                before.alert
            }
        };
        Ok(muted(after, &made.data.id))
    }

    /// Cancels one downtime after the other: the error of one says which were cancelled before it.
    async fn unmute(&self, cx: &Context, id: &Id, before: Found) -> Result<Alert> {
        let downtimes = self.alerts.downtimes(cx, true).await.map_err(Error::not_applied)?;
        let ours: Vec<&Downtime> = downtimes.iter().filter(|downtime| is_for(downtime, id)).collect();
        if let (true, Some(others)) = (ours.is_empty(), before.alert.metadata.get("downtimes")) {
            let message = format!(
                "the alert is kept quiet by downtimes that are for more than it: {others}; end them in Datadog"
            );
            return Err(Error::conflict(message).not_applied());
        }
        for (count, downtime) in ours.iter().enumerate() {
            self.cancel(cx, &downtime.id).await.map_err(|error| {
                if count == 0 {
                    return error;
                }
                let done: Vec<&str> = ours.iter().take(count).map(|it| it.id.as_str()).collect();
                error.maybe_applied().with_context(
                    "done",
                    format!(
                        "{count} of {} downtimes were cancelled: {}; {} was not",
                        ours.len(),
                        done.join(", "),
                        downtime.id
                    ),
                )
            })?;
        }
        self.alerts
            .find(cx, id)
            .await
            .map(|found| found.alert)
            .map_err(|error| if ours.is_empty() { error } else { error.maybe_applied() })
    }

    /// A downtime that is gone has ended too.
    async fn cancel(&self, cx: &Context, id: &str) -> Result<()> {
        let request = self.alerts.datadog.client.delete(["api", "v2", "downtime", id]);
        match self.alerts.datadog.ask(cx, request).await {
            Err(error) if *error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl AlertSilencer for Silencer {
    async fn silence(&self, cx: &Context, input: Approved<'_, SilenceAlert>) -> Result<Alert> {
        let id = Id::parse(&input.id)?;
        let before = self.alerts.find(cx, &id).await.map_err(Error::not_applied)?;
        match input.until <= self.alerts.datadog.clock.now() {
            true => self.unmute(cx, &id, before).await,
            false => self.mute(cx, &input, before).await,
        }
    }
}

#[async_trait]
impl Reconciler for Silencer {
    /// A downtime that is found was made. One that is not found may still be on its way.
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let Action::AlertSilence(input) = action else { return Ok(Reconciled::Unknown) };
        let (id, mark) = (Id::parse(&input.id)?, mark(idempotency_key));
        let downtimes = self.alerts.downtimes(cx, false).await?;
        // The mark alone proves nothing: who reads one message can write another like it.
        let is_ours = |downtime: &&Downtime| {
            let attributes = &downtime.attributes;
            attributes.message.as_deref().is_some_and(|message| message.ends_with(&mark))
                && is_for(downtime, &id)
                && attributes.schedule.end.map(|end| end.timestamp()) == Some(input.until.timestamp())
        };
        let Some(downtime) = downtimes.iter().find(is_ours) else { return Ok(Reconciled::Unknown) };
        let alert = self.alerts.find(cx, &id).await?.alert;
        Ok(Reconciled::Applied(Response::from(match downtime.attributes.status.as_deref() {
            Some("active") => muted(alert, &downtime.id),
            _ => alert,
        })))
    }
}

/// The reason, and the mark after it, so that no reason passes for another change's mark.
///
/// # Errors
/// `Invalid` for a reason that would call people: Datadog sends the message to whom it names with `@`.
fn message(reason: Option<&str>, idempotency_key: &str) -> Result<String> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).unwrap_or(NO_REASON);
    let letters = || reason.chars();
    let before = std::iter::once(' ').chain(letters());
    let calls = before.zip(letters()).any(|(before, letter)| letter == '@' && !before.is_alphanumeric());
    if calls {
        let problem = "Datadog sends the message of a downtime to whom it names with `@`; leave the `@` out";
        return Err(Error::invalid("reason", problem).not_applied());
    }
    Ok(format!("{reason} {}", mark(idempotency_key)))
}

fn mark(idempotency_key: &str) -> String {
    format!("[opsorch {idempotency_key}]")
}
