//! Alerts.

use async_trait::async_trait;
use opsorch::capability::{AlertRaiser, AlertReader, AlertResponder, AlertSilencer};
use opsorch::gate::Approved;
use opsorch::{
    AcknowledgeAlert, Alert, AlertId, AlertQuery, AlertStatusLevel, Context, Error, Operation, Page, RaiseAlert,
    ResolveAlert, Result, SilenceAlert,
};

use super::MemoryProvider;
use super::matching::{among, check_title, mentions, within};
use super::table::{newest, page_of, wanted};
use super::world::{Place, World};

/// Where an alert keeps the key it was raised under.
const DEDUP_KEY: &str = "dedupKey";

#[async_trait]
impl AlertReader for MemoryProvider {
    async fn query(&self, _: &Context, query: &AlertQuery) -> Result<Page<Alert>> {
        self.page(Operation::AlertQuery, |world| {
            world.end_silences();
            page_of(world.alerts.rows(), wanted!(query), newest, |alert| matches(world, query, alert))
        })
        .await
    }

    async fn get(&self, _: &Context, id: &AlertId) -> Result<Alert> {
        self.read(Operation::AlertGet, |world| {
            world.end_silences();
            world.alerts.get(id).cloned()
        })
        .await
    }
}

fn matches(world: &World, query: &AlertQuery, alert: &Alert) -> bool {
    mentions(&query.query, [Some(&alert.title), alert.description.as_deref()])
        && among(&query.statuses, &alert.status)
        && among(&query.severities, &alert.severity)
        && within(alert.created_at, query.since, query.until)
        && world.in_scope(&query.scope, Place::in_fields(&alert.fields).at(&alert.service))
}

#[async_trait]
impl AlertRaiser for MemoryProvider {
    /// An alert that is not resolved yet takes what the input says and keeps its status.
    async fn raise(&self, _: &Context, input: Approved<'_, RaiseAlert>) -> Result<Alert> {
        self.change(input, |world, input| {
            check_title(&input.title)?;
            world.end_silences();
            let now = world.now();
            let known = world.alerts.rows_mut().iter_mut().find(|alert| is_raised(alert, &input.dedup_key));
            Ok(match known {
                Some(alert) => {
                    take(alert, input);
                    alert.updated_at = Some(now);
                    alert.clone()
                }
                None => world.alerts.add(|id| {
                    let firing = AlertStatusLevel::Firing;
                    let mut alert =
                        Alert::new(id, &input.title, firing, &input.severity).created_at(now).updated_at(now);
                    take(&mut alert, input);
                    alert
                }),
            })
        })
        .await
    }
}

fn is_raised(alert: &Alert, dedup_key: &str) -> bool {
    alert.status.level() != AlertStatusLevel::Resolved
        && alert.metadata.get(DEDUP_KEY).is_some_and(|key| key == dedup_key)
}

/// Gives an alert what it was raised with.
fn take(alert: &mut Alert, input: &RaiseAlert) {
    alert.title = input.title.clone();
    alert.severity = input.severity.clone();
    alert.description = input.description.clone();
    alert.service = input.service.clone();
    alert.fields.extend(input.fields.clone());
    if let Some(source) = &input.source {
        alert.fields.insert("source".into(), source.clone().into());
    }
    alert.metadata.extend(input.metadata.clone());
    alert.metadata.insert(DEDUP_KEY.into(), input.dedup_key.clone().into());
}

#[async_trait]
impl AlertResponder for MemoryProvider {
    /// An alert that is resolved is a `Conflict`.
    async fn acknowledge(&self, _: &Context, input: Approved<'_, AcknowledgeAlert>) -> Result<Alert> {
        self.change(input, |world, input| {
            world.check_unresolved(&input.id)?;
            world.set_alert(&input.id, AlertStatusLevel::Acknowledged, &input.reason)
        })
        .await
    }

    async fn resolve(&self, _: &Context, input: Approved<'_, ResolveAlert>) -> Result<Alert> {
        self.change(input, |world, input| world.set_alert(&input.id, AlertStatusLevel::Resolved, &input.reason)).await
    }
}

#[async_trait]
impl AlertSilencer for MemoryProvider {
    /// The alert is `suppressed` until the clock shows the time, then again what it was. A time that has passed is
    /// `Invalid`; an alert that is resolved is a `Conflict`.
    async fn silence(&self, _: &Context, input: Approved<'_, SilenceAlert>) -> Result<Alert> {
        self.change(input, |world, input| {
            world.end_silences();
            world.check_unresolved(&input.id)?;
            let now = world.now();
            if input.until <= now {
                return Err(Error::invalid("until", format!("expected a time after {now}, got {}", input.until)));
            }
            let before = match world.silences.get(&input.id) {
                Some((_, before)) => before.clone(),
                None => world.alerts.get(&input.id)?.status.clone(),
            };
            let alert = world.set_alert(&input.id, AlertStatusLevel::Suppressed, &input.reason)?;
            world.silences.insert(input.id.clone(), (input.until, before));
            Ok(alert)
        })
        .await
    }
}

impl World {
    /// Gives alerts whose silence is over the status they had before.
    fn end_silences(&mut self) {
        let now = self.now();
        let alerts = &mut self.alerts;
        self.silences.retain(|id, (until, before)| {
            if *until > now {
                return true;
            }
            if let Ok(alert) = alerts.get_mut(id) {
                alert.status = before.clone();
                alert.updated_at = Some(*until);
            }
            false
        });
    }

    fn check_unresolved(&self, id: &AlertId) -> Result<()> {
        match self.alerts.get(id)?.status.level() {
            AlertStatusLevel::Resolved => Err(Error::conflict(format!("alert `{id}` is resolved"))),
            _ => Ok(()),
        }
    }

    /// Changes the status, which ends a silence.
    fn set_alert(&mut self, id: &AlertId, status: AlertStatusLevel, reason: &Option<String>) -> Result<Alert> {
        let now = self.now();
        let alert = self.alerts.get_mut(id)?;
        alert.status = status.into();
        alert.updated_at = Some(now);
        if let Some(reason) = reason {
            alert.metadata.insert("reason".into(), reason.clone().into());
        }
        self.silences.remove(id);
        Ok(alert.clone())
    }
}
