//! What there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use opsorch::{
    Action, Alert, AlertId, AlertStatus, Clock, Comment, Deployment, Error, Fields, Incident, LogEntry, Message,
    MessageResult, MetricDescriptor, MetricSeries, Plan, Response, Result, Run, Scope, Service, Team, TeamId,
    TeamMember, Ticket, Time, TimelineEntry, WrongResponse,
};

use super::table::Table;

/// Everything there is, behind one lock.
#[derive(Debug)]
pub(super) struct World {
    clock: Arc<dyn Clock>,
    /// What was answered to each idempotency key, and to what.
    replies: BTreeMap<String, (Action, Response)>,
    /// How many requests with a key take their time.
    pub(super) under_way: BTreeMap<String, usize>,
    pub(super) incidents: Table<Incident>,
    pub(super) timeline: Table<TimelineEntry>,
    pub(super) alerts: Table<Alert>,
    /// Until when an alert is silenced, and what it was before.
    pub(super) silences: BTreeMap<AlertId, (Time, AlertStatus)>,
    pub(super) logs: Vec<LogEntry>,
    pub(super) metrics: Table<MetricDescriptor>,
    pub(super) series: Vec<MetricSeries>,
    pub(super) tickets: Table<Ticket>,
    pub(super) comments: Table<Comment>,
    pub(super) channels: BTreeSet<String>,
    pub(super) messages: Table<MessageResult>,
    /// What each message says, in the order of `messages`.
    pub(super) sent: Vec<Message>,
    pub(super) services: Table<Service>,
    pub(super) deployments: Table<Deployment>,
    pub(super) teams: Table<Team>,
    pub(super) members: BTreeMap<TeamId, Vec<TeamMember>>,
    pub(super) on_call: BTreeMap<TeamId, Vec<TeamMember>>,
    pub(super) plans: Table<Plan>,
    pub(super) runs: Table<Run>,
}

impl World {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            replies: BTreeMap::new(),
            under_way: BTreeMap::new(),
            incidents: Table::new("incident", "inc"),
            timeline: Table::new("timeline entry", "entry"),
            alerts: Table::new("alert", "alert"),
            silences: BTreeMap::new(),
            logs: Vec::new(),
            metrics: Table::new("metric", "metric"),
            series: Vec::new(),
            tickets: Table::new("ticket", "tkt"),
            comments: Table::new("comment", "comment"),
            channels: BTreeSet::new(),
            messages: Table::new("message", "msg"),
            sent: Vec::new(),
            services: Table::new("service", "svc"),
            deployments: Table::new("deployment", "dep"),
            teams: Table::new("team", "team"),
            members: BTreeMap::new(),
            on_call: BTreeMap::new(),
            plans: Table::new("plan", "plan"),
            runs: Table::new("run", "run"),
        }
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Does the work, or answers again what it answered the first time.
    pub(super) fn once<T>(&mut self, key: &str, action: Action, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T>
    where
        T: Clone + Into<Response> + TryFrom<Response, Error = WrongResponse>,
    {
        match self.replies.get(key) {
            Some((first, reply)) if *first == action => return Ok(reply.clone().try_into()?),
            Some(_) => return Err(Error::conflict("the idempotency key was used with another input; use a new one")),
            None => {}
        }
        let answer = work(self)?;
        self.replies.insert(key.to_owned(), (action, answer.clone().into()));
        Ok(answer)
    }

    /// Does the work, as often as it is asked for, and leaves the key as a mark of the first.
    pub(super) fn marked<T>(
        &mut self,
        key: &str,
        action: Action,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T>
    where
        T: Clone + Into<Response>,
    {
        let answer = work(self)?;
        self.replies.entry(key.to_owned()).or_insert_with(|| (action, answer.clone().into()));
        Ok(answer)
    }

    /// What was made under a key, where it was this.
    pub(super) fn made(&self, key: &str, action: &Action) -> Option<Response> {
        self.replies.get(key).filter(|(made, _)| made == action).map(|(_, reply)| reply.clone())
    }

    /// Whether a place is in a scope.
    pub(super) fn in_scope(&self, scope: &Scope, place: Place<'_>) -> bool {
        let service = place.service.and_then(|name| self.service(name));
        let tag = |name| service.and_then(|service| service.tags.get(name)).map(String::as_str);
        let is = |wanted: &Option<String>, has: Option<&str>| wanted.is_none() || wanted.as_deref() == has;
        (is(&scope.service, place.service) || scope.service.as_ref().is_some_and(|wanted| is_called(service, wanted)))
            && is(&scope.team, place.team.or_else(|| tag("team")))
            && is(&scope.environment, place.environment.or_else(|| tag("environment")))
    }

    /// The service of the catalogue with this id or name.
    pub(super) fn service(&self, name: &str) -> Option<&Service> {
        self.services.rows().iter().find(|service| is_called(Some(service), name))
    }
}

fn is_called(service: Option<&Service>, name: &str) -> bool {
    service.is_some_and(|service| service.id.as_str() == name || service.name == name)
}

/// Where an item belongs, as far as it says so itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'a> {
    pub(super) service: Option<&'a str>,
    pub(super) team: Option<&'a str>,
    pub(super) environment: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub(super) fn in_fields(fields: &'a Fields) -> Self {
        Self::by(|name| fields.get(name).and_then(serde_json::Value::as_str))
    }

    pub(super) fn in_tags(tags: &'a BTreeMap<String, String>) -> Self {
        Self::by(|name| tags.get(name).map(String::as_str))
    }

    fn by(value: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self { service: value("service"), team: value("team"), environment: value("environment") }
    }

    /// Here, but at the service that is named, if one is.
    pub(super) fn at(self, service: &'a Option<String>) -> Self {
        Self { service: service.as_deref().or(self.service), ..self }
    }
}
