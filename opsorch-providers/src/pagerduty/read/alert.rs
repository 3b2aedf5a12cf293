//! Reads alerts.
//!
//! PagerDuty has no list of the alerts of an account: an alert belongs to an incident. So those of the open incidents are
//! read and put in order here; that those of resolved ones are missing, a page says.

use std::cmp::Reverse;

use async_trait::async_trait;
use chrono::SecondsFormat;
use opsorch::capability::AlertReader;
use opsorch::{
    Alert, AlertId, AlertQuery, AlertStatus, AlertStatusLevel, Context, Cursor, Error, ErrorKind, Page, Result, Time,
};
use serde_json::Value;

use super::conditions::{by_scope, no_environments};
use super::incident::Incidents;
use crate::pagerduty::api::{LARGEST_PAGE, Parameters, Rest, is_id};
use crate::pagerduty::wire::{self, AlertList, IncidentList, OneAlert};
use crate::query::{Text, among, is_within, page_size, refuse_metadata_but};

/// The member of [`AlertQuery::metadata`] that names one incident, open or not.
const INCIDENT: &str = "incident_id";

/// The alerts of an account.
#[derive(Clone, Debug)]
pub(in crate::pagerduty) struct Alerts {
    incidents: Incidents,
}

impl Alerts {
    pub(in crate::pagerduty) fn new(incidents: Incidents) -> Self {
        Self { incidents }
    }

    /// The newest alert of this key.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub(in crate::pagerduty) async fn find(&self, cx: &Context, key: &str) -> Result<Alert> {
        for incident in self.incidents.of_key(cx, key).await? {
            let of_key = vec![("alert_key", key.to_owned())];
            let (alerts, _) = self.alerts_of(cx, &incident, of_key).await?;
            let mut alerts: Vec<_> =
                alerts.into_iter().filter(|alert| alert.alert_key.as_deref() == Some(key)).collect();
            alerts.sort_by_key(|alert| alert.created_at);
            if let Some(alert) = alerts.pop() {
                return Ok(self.incidents.map.alert(alert, &incident));
            }
        }
        match key.split_once('/').filter(|(incident, alert)| is_id(incident) && is_id(alert)) {
            Some((incident, alert)) => self.without_key(cx, incident, alert).await,
            None => Err(Error::not_found(format!("PagerDuty has no alert with the key `{}`", opsorch::visible(key)))),
        }
    }

    /// An alert that no key joins, by the ids of its incident and of itself.
    async fn without_key(&self, cx: &Context, incident: &str, alert: &str) -> Result<Alert> {
        let found: OneAlert = self.incidents.api.get(cx, ["incidents", incident, "alerts", alert], &[]).await?;
        let incident = self.incidents.find(cx, incident).await?;
        Ok(self.incidents.map.alert(found.alert, &incident))
    }

    async fn alerts_of(
        &self,
        cx: &Context,
        incident: &wire::Incident,
        parameters: Parameters,
    ) -> Result<(Vec<wire::Alert>, bool)> {
        self.incidents.api.list(&["incidents", &incident.id, "alerts"], parameters).all::<AlertList>(cx).await
    }

    /// The incidents whose alerts are looked at; whether there are more.
    async fn looked_at(&self, cx: &Context, query: &AlertQuery) -> Result<(Vec<wire::Incident>, bool)> {
        let Some(scope) = by_scope(&self.incidents.api, cx, &query.scope).await? else { return Ok(Default::default()) };
        if let Some(id) = incident_id(query)? {
            return match self.incidents.find(cx, id).await {
                Ok(incident) => Ok((vec![incident], false)),
                Err(error) if *error.kind() == ErrorKind::NotFound => Ok(Default::default()),
                Err(error) => Err(error),
            };
        }
        let mut parameters: Parameters = [("statuses[]", "triggered"), ("statuses[]", "acknowledged")]
            .map(|(name, value)| (name, value.to_owned()))
            .into();
        parameters.extend([("date_range", "all".to_owned()), ("sort_by", "created_at:desc".to_owned())]);
        parameters.extend(scope);
        let (incidents, rest) = self.incidents.api.list(&["incidents"], parameters).next::<IncidentList>(cx).await?;
        Ok((incidents, rest != Rest::Nothing))
    }
}

#[async_trait]
impl AlertReader for Alerts {
    async fn query(&self, cx: &Context, query: &AlertQuery) -> Result<Page<Alert>> {
        let size = page_size(query.page_size())?;
        check(query)?;
        let last = query.cursor.as_ref().map(parse).transpose()?;
        let (incidents, mut is_cut) = self.looked_at(cx, query).await?;
        let text = Text::new(&query.query);
        let mut found = Vec::new();
        for incident in incidents {
            // Incidents that people open have no alerts.
            if incident.alert_counts.is_some_and(|counts| counts.all == 0) {
                continue;
            }
            let (alerts, cut) = self.alerts_of(cx, &incident, Vec::new()).await?;
            is_cut |= cut;
            let alerts = alerts.into_iter().map(|alert| self.incidents.map.alert(alert, &incident));
            found.extend(alerts.filter(|alert| {
                among(&query.statuses, &alert.status)
                    && among(&query.severities, &alert.severity)
                    && is_within(alert.created_at, query.since, query.until)
                    && text.occurs_in([Some(alert.title.as_str()), alert.description.as_deref()])
            }));
        }
        found.retain(|alert| last.as_ref().is_none_or(|last| place(alert) > *last));
        found.sort_by_cached_key(place);
        let has_more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| has_more).map(cursor);
        let mut page = Page::new(found).next(next);
        if is_cut {
            page = page.truncated(format!(
                "the alerts of the {LARGEST_PAGE} newest open incidents were looked at, and there are more; narrow the scope"
            ));
        }
        if incident_id(query)?.is_none() && among(&query.statuses, &AlertStatus::from(AlertStatusLevel::Resolved)) {
            page = page.truncated(format!(
                "alerts of resolved incidents are not listed; name an incident as `metadata.{INCIDENT}`, or the statuses \
                 firing, acknowledged and suppressed"
            ));
        }
        Ok(page)
    }

    async fn get(&self, cx: &Context, id: &AlertId) -> Result<Alert> {
        self.find(cx, id.as_str()).await
    }
}

/// Refuses what is honoured nowhere, also what the schema gains later.
fn check(query: &AlertQuery) -> Result<()> {
    refuse_metadata_but(&[INCIDENT], &query.metadata)?;
    if incident_id(query)?.is_some() && !query.scope.is_empty() {
        return Err(Error::unsupported(format!("leave the scope out beside `metadata.{INCIDENT}`")));
    }
    let mut honoured = AlertQuery::new();
    honoured.query.clone_from(&query.query);
    honoured.statuses.clone_from(&query.statuses);
    honoured.severities.clone_from(&query.severities);
    honoured.scope.service.clone_from(&query.scope.service);
    honoured.scope.team.clone_from(&query.scope.team);
    (honoured.since, honoured.until) = (query.since, query.until);
    (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
    honoured.metadata.clone_from(&query.metadata);
    if *query == honoured { Ok(()) } else { Err(no_environments()) }
}

fn incident_id(query: &AlertQuery) -> Result<Option<&str>> {
    match query.metadata.get(INCIDENT) {
        None => Ok(None),
        Some(Value::String(id)) => Ok(Some(id)),
        Some(other) => {
            Err(Error::invalid(format!("metadata.{INCIDENT}"), format!("expected the id of an incident, got {other}")))
        }
    }
}

/// The place of an alert: newest first; then by PagerDuty's own id, since two services may have one key.
type Place = (Reverse<Option<Time>>, String);

fn place(alert: &Alert) -> Place {
    let id = alert.metadata.get("alert_id").and_then(Value::as_str).unwrap_or_else(|| alert.id.as_str());
    (Reverse(alert.created_at), id.to_owned())
}

/// `TIME,ID`.
fn cursor(alert: &Alert) -> Cursor {
    let (Reverse(at), id) = place(alert);
    let at = at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)).unwrap_or_default();
    Cursor::new(format!("{at},{id}"))
}

fn parse(cursor: &Cursor) -> Result<Place> {
    let foreign = || Error::invalid("cursor", "expected the `next` of a page of this provider, got something else");
    let (at, id) = cursor.as_str().split_once(',').ok_or_else(foreign)?;
    let at = match at {
        "" => None,
        at => Some(at.parse::<Time>().map_err(|_| foreign())?),
    };
    Ok((Reverse(at), id.to_owned()))
}
