//! Opens and changes incidents, and looks up what became of one that was to be opened.

use async_trait::async_trait;
use opsorch::capability::{IncidentWriter, Reconciled, Reconciler};
use opsorch::gate::Approved;
use opsorch::transport::Reply;
use opsorch::{
    Action, Context, CreateIncident, Error, ErrorKind, Incident, IncidentStatus, IncidentStatusLevel, Response, Result,
    Severity, SeverityLevel, UpdateIncident,
};
use serde_json::json;

use super::fields;
use super::sender::Sender;
use crate::pagerduty::api::{answered, known_id};
use crate::pagerduty::map::incident::vendor_status;
use crate::pagerduty::map::severity::Standing;
use crate::pagerduty::names;
use crate::pagerduty::read::incident::Incidents;
use crate::pagerduty::wire::{self, Failure, IncidentBody, IncidentChange, Link, OneIncident};

/// What PagerDuty says of an open incident with the same key.
const DUPLICATE: &str = "matching dedup key";

/// Opens and changes the incidents of an account.
///
/// An incident is opened with the idempotency key of the change as its `incident_key`. PagerDuty refuses a second one
/// while the first is open; once it is resolved the key is free again, so that it is looked for before anything is sent.
#[derive(Debug)]
pub(in crate::pagerduty) struct IncidentDesk {
    incidents: Incidents,
    sender: Sender,
    service_id: Option<String>,
    severity: Option<Severity>,
}

impl IncidentDesk {
    pub(in crate::pagerduty) fn new(
        incidents: Incidents,
        sender: Sender,
        service_id: Option<String>,
        severity: Option<Severity>,
    ) -> Self {
        Self { incidents, sender, service_id, severity }
    }

    /// The service that an incident is opened on.
    async fn service(&self, cx: &Context, named: Option<&str>) -> Result<Link> {
        let id = match (named, &self.service_id) {
            (Some(name), _) => self.service_named(cx, name).await?,
            (None, Some(id)) => id.clone(),
            (None, None) => {
                let message = "PagerDuty opens an incident on a service; name one, or configure `service_id`";
                return Err(Error::invalid("service", message));
            }
        };
        Ok(Link::new("service_reference", id))
    }

    async fn service_named(&self, cx: &Context, name: &str) -> Result<String> {
        let id = names::service_id(&self.incidents.api, cx, "service", name).await?;
        id.ok_or_else(|| {
            Error::invalid("service", format!("PagerDuty has no service called `{}`", opsorch::visible(name)))
        })
    }

    async fn standing(&self, cx: &Context, severity: &Severity) -> Result<Standing> {
        // What an urgency stands for needs no priority, but a priority comes first where the account has it.
        let priorities = names::priorities(&self.incidents.api, cx).await?;
        self.incidents.map.severities.standing_for(severity, &priorities)
    }

    /// Writes a severity into a change. Where an urgency stands for it, the priority of the incident must not.
    async fn set_severity(
        &self,
        cx: &Context,
        severity: &Severity,
        change: &mut IncidentChange,
        id: Option<&str>,
    ) -> Result<()> {
        let Standing { priority, urgency } = self.standing(cx, severity).await?;
        if let (None, Some(id)) = (&priority, id)
            && let Some(has) = self.incidents.find(cx, id).await?.priority.as_ref().and_then(|priority| priority.name())
        {
            return Err(Error::unsupported(format!(
                "no priority stands for the severity `{severity}`, and the incident would keep its priority `{has}`"
            )));
        }
        change.priority = priority.map(|id| Link::new("priority_reference", id));
        change.urgency = urgency.map(str::to_owned);
        Ok(())
    }

    async fn new_incident(&self, cx: &Context, input: &Approved<'_, CreateIncident>) -> Result<IncidentChange> {
        check_new(input)?;
        let mut change = IncidentChange { kind: "incident", ..IncidentChange::default() };
        change.title = Some(input.title.clone());
        change.incident_key = Some(input.idempotency_key().to_owned());
        let body = input.description.clone().filter(|description| !description.is_empty());
        change.body = body.map(|details| IncidentBody { kind: "incident_body", details });
        change.service = Some(self.service(cx, input.service.as_deref()).await?);
        if let Some(severity) = input.severity.as_ref().or(self.severity.as_ref()) {
            self.set_severity(cx, severity, &mut change, None).await?;
        }
        fields::write(&input.fields, &mut change, true)?;
        same_severity(&input.fields, input.severity.as_ref(), &change)?;
        Ok(change)
    }

    async fn changed(&self, cx: &Context, input: &UpdateIncident) -> Result<IncidentChange> {
        check_change(input)?;
        let mut change = IncidentChange { kind: "incident_reference", ..IncidentChange::default() };
        change.title.clone_from(&input.title);
        change.status = input.status.as_ref().map(settable).transpose()?;
        if let Some(name) = &input.service {
            change.service = Some(Link::new("service_reference", self.service_named(cx, name).await?));
        }
        if let Some(severity) = &input.severity {
            self.set_severity(cx, severity, &mut change, Some(input.id.as_str())).await?;
        }
        fields::write(&input.fields, &mut change, false)?;
        same_severity(&input.fields, input.severity.as_ref(), &change)?;
        Ok(change)
    }

    /// The incident that a key was given to; what it is now, also if that is resolved.
    async fn opened_with(&self, cx: &Context, key: &str) -> Result<Option<Incident>> {
        // A key that alerts joined their incident by is not ours.
        let is_it = |incident: &wire::Incident| incident.incident_key.as_deref().is_none_or(|found| found == key);
        let found = self.incidents.of_key(cx, key).await?.into_iter().find(is_it);
        Ok(found.map(|incident| self.incidents.map.incident(incident)))
    }

    /// A change was refused because of the status that the incident has. Where it is the one that was asked for, and nothing
    /// else was, all is as it should be.
    async fn refused_transition(&self, cx: &Context, input: &UpdateIncident, refusal: Error) -> Result<Incident> {
        let mut plain = UpdateIncident::new(&input.id);
        plain.status.clone_from(&input.status);
        let Ok(now) = self.incidents.find(cx, input.id.as_str()).await else { return Err(refusal) };
        let now = self.incidents.map.incident(now);
        match &input.status {
            Some(wanted) if *input == plain && wanted.level() == now.status.level() => Ok(now),
            _ => Err(refusal.with_context("status of the incident", now.status.as_str())),
        }
    }
}

#[async_trait]
impl IncidentWriter for IncidentDesk {
    async fn create(&self, cx: &Context, input: Approved<'_, CreateIncident>) -> Result<Incident> {
        let from = self.sender.from(cx)?;
        let change = self.new_incident(cx, &input).await.map_err(Error::not_applied)?;
        let key = input.idempotency_key();
        // Whether an earlier attempt opened it is not known here, only that this one has not.
        if let Some(opened) = self.opened_with(cx, key).await.map_err(Error::not_applied)? {
            return Ok(opened);
        }
        let request = self.incidents.api.client.post("incidents").header("From", from);
        let reply = request.json(&json!({ "incident": change })).send_any(cx).await?;
        if is_duplicate(&reply) {
            let opened = self.opened_with(cx, key).await.map_err(Error::maybe_applied)?;
            return opened
                .ok_or_else(|| reply.error(ErrorKind::Conflict).maybe_applied().with_context("incident_key", key));
        }
        let made: OneIncident = answered(reply)?.json()?;
        let mut made = self.incidents.map.incident(made.incident);
        // PagerDuty answers without the body that it keeps.
        if made.description.is_none() {
            made.description = input.description.clone().filter(|description| !description.is_empty());
        }
        Ok(made)
    }

    async fn update(&self, cx: &Context, input: Approved<'_, UpdateIncident>) -> Result<Incident> {
        let from = self.sender.from(cx)?;
        let id = known_id("incident", input.id.as_str())?;
        if *input == UpdateIncident::new(&input.id) {
            return Ok(self.incidents.map.incident(self.incidents.find(cx, id).await?));
        }
        let change = self.changed(cx, &input).await.map_err(Error::not_applied)?;
        let request = self.incidents.api.client.put(["incidents", id]).header("From", from);
        let reply = request.json(&json!({ "incident": change })).send_any(cx).await?;
        let is_transition = reply.status.as_u16() == 400 && matches!(Failure::of(&reply.body).code, Some(1001 | 1002));
        let made: OneIncident = match answered(reply) {
            Err(refusal) if is_transition => return self.refused_transition(cx, &input, refusal).await,
            reply => reply?.json()?,
        };
        // It is changed; the answer lacks the body, which is read with the rest. What cannot be read again is shown as it was
        // answered.
        match self.incidents.find(cx, id).await {
            Ok(now) => Ok(self.incidents.map.incident(now)),
            Err(error) => {
                tracing::debug!(code = error.kind().code(), "a changed incident could not be read again");
                Ok(self.incidents.map.incident(made.incident))
            }
        }
    }
}

#[async_trait]
impl Reconciler for IncidentDesk {
    /// An incident that has the key was opened. One that is not found may still be on its way.
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let Action::IncidentCreate(_) = action else { return Ok(Reconciled::Unknown) };
        let opened = self.opened_with(cx, idempotency_key).await?;
        Ok(opened.map_or(Reconciled::Unknown, |incident| Reconciled::Applied(Response::from(incident))))
    }
}

fn is_duplicate(reply: &Reply) -> bool {
    reply.status.as_u16() == 400 && Failure::of(&reply.body).says(DUPLICATE)
}

fn check_new(input: &CreateIncident) -> Result<()> {
    check_title(&input.title)?;
    match &input.status {
        Some(status) if status.level() != IncidentStatusLevel::Open => {
            let message = format!("PagerDuty opens an incident as `open`, not as `{status}`; update it afterwards");
            Err(Error::unsupported(message))
        }
        _ => no_metadata(&input.metadata),
    }
}

fn check_change(input: &UpdateIncident) -> Result<()> {
    if let Some(title) = &input.title {
        check_title(title)?;
    }
    if input.description.is_some() {
        return Err(Error::unsupported(
            "PagerDuty does not change the description of an incident; append a note instead",
        ));
    }
    no_metadata(&input.metadata)
}

fn check_title(title: &str) -> Result<()> {
    match title.trim().is_empty() {
        true => Err(Error::invalid("title", "expected a title, got a blank one")),
        false => Ok(()),
    }
}

fn no_metadata(metadata: &opsorch::Fields) -> Result<()> {
    match metadata.keys().next() {
        Some(name) => Err(Error::unsupported(format!("PagerDuty takes no `metadata.{name}`; leave it out"))),
        None => Ok(()),
    }
}

/// PagerDuty's word for a status that an incident can be given.
fn settable(status: &IncidentStatus) -> Result<&'static str> {
    vendor_status(status)?.ok_or_else(|| {
        Error::unsupported(format!("PagerDuty has no status `{status}`; it has: open, acknowledged, resolved"))
    })
}

/// Where an urgency stands for the severity, another one in the fields would change it.
fn same_severity(fields: &opsorch::Fields, severity: Option<&Severity>, change: &IncidentChange) -> Result<()> {
    let by_urgency = change.priority.is_none() && severity.is_some_and(|it| it.level() != SeverityLevel::Unknown);
    match by_urgency && fields.contains_key("urgency") {
        true => Err(Error::invalid("fields.urgency", "an urgency stands for the severity here; give one of the two")),
        false => Ok(()),
    }
}
