//! Alerts: raised and resolved by hand, or by the provider itself.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{AlertRaiser, AlertReader, AlertResponder, AlertSilencer};
use opsorch::gate::Approved;
use opsorch::{
    AcknowledgeAlert, Alert, AlertId, AlertQuery, AlertStatus, AlertStatusLevel, Context, Error, Operation, Page,
    RaiseAlert, ResolveAlert, Result, SilenceAlert, Time,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::database::{Attempt, Database, Edit, Part, Record};
use super::input::{refuse_deep, require};
use super::query::{Text, among, is_or_any, is_within, refuse_metadata, refuse_team_and_environment};
use super::thresholds::Watch;

// What the metadata of an alert says beside what it was raised with.
const DEDUP_KEY: &str = "dedupKey";
const RAISED_BY: &str = "raisedBy";
const CHANGED_BY: &str = "changedBy";
const REASON: &str = "reason";
const SILENCED_UNTIL: &str = "silencedUntil";
const RESERVED: [&str; 5] = [DEDUP_KEY, RAISED_BY, CHANGED_BY, REASON, SILENCED_UNTIL];

/// Answers questions about alerts, and changes them.
#[derive(Clone, Debug)]
pub(super) struct Alerts {
    database: Database,
    /// What raises alerts by itself, for as long as alerts are offered.
    _watch: Option<Arc<Watch>>,
}

/// An alert as it is kept: its silence ends by itself, whenever it is looked at.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    alert: Alert,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    silence: Option<Silence>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Silence {
    until: Time,
    /// The status before it.
    before: AlertStatus,
}

impl Record for Kept {
    const KIND: &'static str = "alert";
    const PREFIX: &'static str = "ALR";

    fn at(&self) -> Option<Time> {
        self.alert.created_at
    }

    /// The deduplication key, until it is resolved: so there are never two open alerts of one key.
    fn key(&self) -> Option<&str> {
        let key = self.alert.metadata.get(DEDUP_KEY).and_then(|key| key.as_str());
        key.filter(|_| !self.is_resolved())
    }
}

/// Whether the provider itself has noticed something that is not over yet. It is kept apart from the alert, which people
/// may resolve while it goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Noticed {
    id: String,
    key: String,
    goes_on: bool,
}

impl Record for Noticed {
    const KIND: &'static str = "noticed";
    const PREFIX: &'static str = "NTC";

    fn at(&self) -> Option<Time> {
        None
    }

    fn key(&self) -> Option<&str> {
        Some(&self.key)
    }
}

impl Noticed {
    /// Notes whether it goes on, and says whether that is news.
    fn set(edit: &Edit<'_>, key: &str, goes_on: bool) -> Result<bool> {
        match edit.with_key::<Self>(key)? {
            Some(known) if known.goes_on == goes_on => Ok(false),
            Some(known) => edit.put(&known.id.clone(), &Self { goes_on, ..known }).map(|()| true),
            None if goes_on => {
                edit.add(|id| Self { id: id.to_owned(), key: key.to_owned(), goes_on })?;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

impl Alerts {
    pub(super) fn new(database: Database) -> Self {
        Self { database, _watch: None }
    }

    /// Keeps a watch over thresholds going.
    pub(super) fn holding(self, watch: Option<Watch>) -> Self {
        Self { _watch: watch.map(Arc::new), ..self }
    }

    /// Raises an alert that the provider itself noticed, by the name of what noticed it; nobody asked for it, so
    /// nobody approved it. `None` if it was noticed before, by whichever process, and is not over yet: then the
    /// alert was raised, and may have been resolved by hand.
    pub(super) async fn raise_by_itself(&self, input: RaiseAlert, by: &'static str) -> Result<Option<Alert>> {
        check(&input)?;
        let work = move |edit: &Edit<'_>| {
            if !Noticed::set(edit, &input.dedup_key, true)? {
                return Ok(None);
            }
            let id = raise(edit, input, by)?;
            Ok(Some(edit.get::<Kept>(&id)?.settled(edit.now()).alert))
        };
        self.database.write(work).await
    }

    /// Resolves the open alert of a key, if there is one, because the provider itself sees that it is over.
    pub(super) async fn resolve_by_itself(
        &self,
        dedup_key: String,
        by: &'static str,
        reason: String,
    ) -> Result<Option<Alert>> {
        let work = move |edit: &Edit<'_>| {
            Noticed::set(edit, &dedup_key, false)?;
            let Some(kept) = edit.with_key::<Kept>(&dedup_key)? else { return Ok(None) };
            let mut kept = kept.settled(edit.now());
            kept.set(AlertStatusLevel::Resolved, edit.now(), by, Some(reason));
            edit.put(kept.alert.id.as_str(), &kept)?;
            Ok(Some(kept.alert))
        };
        self.database.write(work).await
    }

    async fn respond(
        &self,
        cx: &Context,
        attempt: Attempt,
        id: AlertId,
        work: impl FnOnce(&mut Kept, Time) -> Result<()> + Send + 'static,
    ) -> Result<Alert> {
        let work = move |edit: &Edit<'_>| {
            let mut kept = edit.get::<Kept>(id.as_str())?.settled(edit.now());
            work(&mut kept, edit.now())?;
            edit.put(id.as_str(), &kept)?;
            Ok(id.to_string())
        };
        self.database.change(cx, attempt, work, |view, id| Ok(view.get::<Kept>(id)?.settled(view.now()).alert)).await
    }
}

#[async_trait]
impl AlertReader for Alerts {
    async fn query(&self, cx: &Context, query: &AlertQuery) -> Result<Page<Alert>> {
        refuse_metadata(&query.metadata)?;
        refuse_team_and_environment(&query.scope)?;
        let part = Part::new(query.page_size(), query.cursor.as_ref())?.within(query.since, query.until);
        let (query, text) = (query.clone(), Text::new(&query.query));
        let matches = move |alert: &Alert| {
            text.occurs_in([Some(alert.title.as_str()), alert.description.as_deref()])
                && among(&query.statuses, &alert.status)
                && among(&query.severities, &alert.severity)
                && is_or_any(&query.scope.service, &alert.service)
                && is_within(alert.created_at, query.since, query.until)
        };
        let select = move |kept: Kept, now| Some(kept.settled(now).alert).filter(&matches);
        self.database.read(cx, move |view| view.page(part, |kept| select(kept, view.now()))).await
    }

    async fn get(&self, cx: &Context, id: &AlertId) -> Result<Alert> {
        let id = id.to_string();
        self.database.read(cx, move |view| Ok(view.get::<Kept>(&id)?.settled(view.now()).alert)).await
    }
}

#[async_trait]
impl AlertRaiser for Alerts {
    /// An alert of the key that is not resolved takes what the input says and keeps its status.
    async fn raise(&self, cx: &Context, input: Approved<'_, RaiseAlert>) -> Result<Alert> {
        check(&input)?;
        let attempt = Attempt::new(Operation::AlertRaise, &input)?;
        let (input, actor) = (RaiseAlert::clone(&input), cx.actor().to_string());
        let work = move |edit: &Edit<'_>| raise(edit, input, &actor);
        self.database.change(cx, attempt, work, |view, id| Ok(view.get::<Kept>(id)?.settled(view.now()).alert)).await
    }
}

#[async_trait]
impl AlertResponder for Alerts {
    /// An alert that is resolved is a `Conflict`.
    async fn acknowledge(&self, cx: &Context, input: Approved<'_, AcknowledgeAlert>) -> Result<Alert> {
        let attempt = Attempt::new(Operation::AlertAcknowledge, &input)?;
        let (AcknowledgeAlert { id, reason, .. }, actor) = (AcknowledgeAlert::clone(&input), cx.actor().to_string());
        let work = move |kept: &mut Kept, now| {
            kept.expect_unresolved()?;
            kept.set(AlertStatusLevel::Acknowledged, now, &actor, reason);
            Ok(())
        };
        self.respond(cx, attempt, id, work).await
    }

    async fn resolve(&self, cx: &Context, input: Approved<'_, ResolveAlert>) -> Result<Alert> {
        let attempt = Attempt::new(Operation::AlertResolve, &input)?;
        let (ResolveAlert { id, reason, .. }, actor) = (ResolveAlert::clone(&input), cx.actor().to_string());
        let work = move |kept: &mut Kept, now| {
            kept.set(AlertStatusLevel::Resolved, now, &actor, reason);
            Ok(())
        };
        self.respond(cx, attempt, id, work).await
    }
}

#[async_trait]
impl AlertSilencer for Alerts {
    /// The alert is `suppressed` until the clock shows the time, then again what it was. A time that has passed is
    /// `Invalid`; an alert that is resolved is a `Conflict`.
    async fn silence(&self, cx: &Context, input: Approved<'_, SilenceAlert>) -> Result<Alert> {
        let attempt = Attempt::new(Operation::AlertSilence, &input)?;
        let (SilenceAlert { id, until, reason, .. }, actor) = (SilenceAlert::clone(&input), cx.actor().to_string());
        let work = move |kept: &mut Kept, now| {
            kept.expect_unresolved()?;
            if until <= now {
                return Err(Error::invalid("until", format!("expected a time after {now}, got {until}")));
            }
            let before = kept.silence.take().map_or_else(|| kept.alert.status.clone(), |silence| silence.before);
            kept.set(AlertStatusLevel::Suppressed, now, &actor, reason);
            kept.alert.metadata.insert(SILENCED_UNTIL.into(), json!(until));
            kept.silence = Some(Silence { until, before });
            Ok(())
        };
        self.respond(cx, attempt, id, work).await
    }
}

fn check(input: &RaiseAlert) -> Result<()> {
    require("dedupKey", Some(&input.dedup_key))?;
    require("title", Some(&input.title))?;
    require("severity", Some(&input.severity))?;
    if let Some(name) = RESERVED.into_iter().find(|name| input.metadata.contains_key(*name)) {
        return Err(Error::invalid("metadata", format!("`{name}` is written by the provider; leave it out")));
    }
    refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])
}

fn raise(edit: &Edit<'_>, input: RaiseAlert, by: &str) -> Result<String> {
    let now = edit.now();
    if let Some(kept) = edit.with_key::<Kept>(&input.dedup_key)? {
        let mut kept = kept.settled(now);
        let id = kept.alert.id.to_string();
        kept.take(input, now, by);
        edit.put(&id, &kept)?;
        return Ok(id);
    }
    edit.add(|id| {
        let alert = Alert::new(id, &input.title, AlertStatusLevel::Firing, &input.severity).created_at(now);
        let mut kept = Kept { alert, silence: None };
        kept.take(input, now, by);
        kept
    })
}

impl Kept {
    fn is_resolved(&self) -> bool {
        self.alert.status.level() == AlertStatusLevel::Resolved
    }

    fn expect_unresolved(&self) -> Result<()> {
        match self.is_resolved() {
            true => Err(Error::conflict(format!("alert `{}` is resolved", self.alert.id))),
            false => Ok(()),
        }
    }

    /// As it is at this time: a silence that is over has ended.
    fn settled(mut self, now: Time) -> Self {
        if let Some(over) = self.silence.take_if(|silence| silence.until <= now) {
            self.alert.status = over.before;
            self.alert.updated_at = Some(over.until);
            self.alert.metadata.remove(SILENCED_UNTIL);
        }
        self
    }

    /// Takes what it was raised with.
    fn take(&mut self, input: RaiseAlert, now: Time, by: &str) {
        let RaiseAlert { dedup_key, title, description, severity, service, source, fields, metadata, .. } = input;
        let alert = &mut self.alert;
        (alert.title, alert.severity) = (title, severity);
        (alert.description, alert.service) = (description, service);
        alert.fields.extend(fields);
        alert.fields.extend(source.map(|source| ("source".into(), json!(source))));
        alert.metadata.extend(metadata);
        alert.metadata.insert(DEDUP_KEY.into(), json!(dedup_key));
        alert.metadata.insert(RAISED_BY.into(), json!(by));
        alert.updated_at = Some(now);
    }

    /// Changes the status, which ends a silence, and notes who did it and why.
    fn set(&mut self, status: AlertStatusLevel, now: Time, by: &str, reason: Option<String>) {
        let metadata = &mut self.alert.metadata;
        metadata.insert(CHANGED_BY.into(), json!(by));
        for name in [REASON, SILENCED_UNTIL] {
            metadata.remove(name);
        }
        metadata.extend(reason.map(|reason| (REASON.into(), json!(reason))));
        self.alert.status = status.into();
        self.alert.updated_at = Some(now);
        self.silence = None;
    }
}

#[cfg(test)]
mod tests {
    use opsorch::{ErrorKind, ManualClock};

    use super::*;

    #[tokio::test]
    async fn what_the_provider_notices_is_raised_and_resolved_without_a_caller() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path().to_owned(), Arc::new(ManualClock::default())).await.unwrap();
        let alerts = Alerts::new(database);
        let over =
            async |key: &str| alerts.resolve_by_itself(key.into(), "metrics", "below 90 %".into()).await.unwrap();
        let full = async |title: &str| {
            let input = RaiseAlert::new("disk", title, "high");
            alerts.raise_by_itself(input, "metrics").await.unwrap()
        };
        assert_eq!(over("disk").await, None, "nothing is open");
        let raised = full("91 %").await.unwrap();
        assert_eq!((raised.id.as_str(), raised.title.as_str()), ("ALR-1", "91 %"));
        assert_eq!(raised.metadata[RAISED_BY], "metrics");
        assert_eq!(full("93 %").await, None, "it was noticed before");
        let resolved = over("disk").await.unwrap();
        assert_eq!(resolved.status.level(), AlertStatusLevel::Resolved);
        assert_eq!(
            (&resolved.metadata[CHANGED_BY], &resolved.metadata[REASON]),
            (&json!("metrics"), &json!("below 90 %"))
        );
        assert_eq!(over("disk").await, None, "it is resolved already");
        assert_eq!(full("95 %").await.unwrap().id.as_str(), "ALR-2");
        let blank = alerts.raise_by_itself(RaiseAlert::new("", "95 %", "high"), "metrics").await.unwrap_err();
        assert_eq!(*blank.kind(), ErrorKind::Invalid { field: "dedupKey".into() });
    }
}
