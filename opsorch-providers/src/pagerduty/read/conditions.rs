//! What a query of incidents asks for: what PagerDuty looks for, and what is looked at here.

use opsorch::{Context, Error, Fields, Incident, IncidentQuery, Result, Scope};
use serde_json::Value;

use crate::pagerduty::api::{Api, Parameters};
use crate::pagerduty::map::incident::vendor_status;
use crate::pagerduty::names;
use crate::query::{Text, among, is_within, refuse_metadata_but};

/// The members of `metadata` that are understood, and the parameters that they are.
const FILTERS: [(&str, &str); 5] = [
    ("service_id", "service_ids[]"),
    ("team_id", "team_ids[]"),
    ("user_id", "user_ids[]"),
    ("urgency", "urgencies[]"),
    ("incident_key", "incident_key"),
];

/// The conditions of a query.
#[derive(Debug)]
pub(super) struct Conditions<'a> {
    query: &'a IncidentQuery,
    text: Text,
    /// What PagerDuty is asked for, but for the span of time.
    pub(super) parameters: Parameters,
}

impl<'a> Conditions<'a> {
    /// The conditions of a query; `None` where nothing can meet them.
    ///
    /// # Errors
    /// `Unsupported` for what would be ignored, `Invalid` for what cannot be meant, and those of looking up names.
    pub(super) async fn of(api: &Api, cx: &Context, query: &'a IncidentQuery) -> Result<Option<Self>> {
        check(query)?;
        let mut parameters = Parameters::new();
        if !query.statuses.is_empty() {
            let statuses: Result<Vec<_>> = query.statuses.iter().map(vendor_status).collect();
            let mut statuses: Vec<_> = statuses?.into_iter().flatten().collect();
            statuses.sort_unstable();
            statuses.dedup();
            if statuses.is_empty() {
                return Ok(None);
            }
            parameters.extend(statuses.into_iter().map(|status| ("statuses[]", status.to_owned())));
        }
        parameters.extend(by_metadata(&query.metadata)?);
        let Some(scope) = by_scope(api, cx, &query.scope).await? else { return Ok(None) };
        for (name, id) in scope {
            match parameters.iter().find(|(known, _)| *known == name) {
                Some((_, other)) if *other != id => return Ok(None),
                Some(_) => {}
                None => parameters.push((name, id)),
            }
        }
        Ok(Some(Self { query, text: Text::new(&query.query), parameters }))
    }

    /// Whether some are looked at here alone, so that a part of what PagerDuty gives may not meet them.
    pub(super) fn narrow_here(&self) -> bool {
        self.query.query.is_some() || !self.query.severities.is_empty()
    }

    /// Whether an incident meets all of them.
    pub(super) fn hold_for(&self, incident: &Incident) -> bool {
        among(&self.query.statuses, &incident.status)
            && among(&self.query.severities, &incident.severity)
            && is_within(incident.created_at, self.query.since, self.query.until)
            && self.text.occurs_in([Some(incident.title.as_str()), incident.description.as_deref()])
    }
}

/// Refuses what is honoured nowhere, also what the schema gains later.
fn check(query: &IncidentQuery) -> Result<()> {
    let mut honoured = IncidentQuery::new();
    honoured.query.clone_from(&query.query);
    honoured.statuses.clone_from(&query.statuses);
    honoured.severities.clone_from(&query.severities);
    honoured.scope.service.clone_from(&query.scope.service);
    honoured.scope.team.clone_from(&query.scope.team);
    (honoured.since, honoured.until) = (query.since, query.until);
    (honoured.limit, honoured.cursor) = (query.limit, query.cursor.clone());
    honoured.metadata.clone_from(&query.metadata);
    match *query == honoured {
        true => Ok(()),
        false => Err(no_environments()),
    }
}

pub(super) fn no_environments() -> Error {
    Error::unsupported("PagerDuty knows no environments; leave `scope.environment` out")
}

/// What a scope asks for; `None` where a name is nobody's.
pub(super) async fn by_scope(api: &Api, cx: &Context, scope: &Scope) -> Result<Option<Parameters>> {
    let mut parameters = Parameters::new();
    if let Some(name) = &scope.service {
        let Some(id) = names::service_id(api, cx, "scope.service", name).await? else { return Ok(None) };
        parameters.push(("service_ids[]", id));
    }
    if let Some(name) = &scope.team {
        let Some(id) = names::team_id(api, cx, "scope.team", name).await? else { return Ok(None) };
        parameters.push(("team_ids[]", id));
    }
    Ok(Some(parameters))
}

fn by_metadata(metadata: &Fields) -> Result<Parameters> {
    refuse_metadata_but(&FILTERS.map(|(name, _)| name), metadata)?;
    let mut parameters = Parameters::new();
    for (name, parameter) in FILTERS {
        match metadata.get(name) {
            None => {}
            // An empty one would be no condition to PagerDuty.
            Some(Value::String(value)) if !value.is_empty() => parameters.push((parameter, value.clone())),
            Some(other) => {
                return Err(Error::invalid(format!("metadata.{name}"), format!("expected a text, got {other}")));
            }
        }
    }
    Ok(parameters)
}
