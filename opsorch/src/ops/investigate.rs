//! Everything that is known about an incident, in one call.

mod desk;
mod metrics;
mod subject;

use std::collections::BTreeSet;
use std::time::Duration;

use opsorch_schema::{
    AlertQuery, DeploymentQuery, Evidence, Gap, Investigate, Investigation, InvestigationSection as Section, LogQuery,
    LogSeverityLevel, Operation, Page, Query, Scope, Service, ServiceQuery, Team, TeamMember, TeamQuery, TicketQuery,
    TimelineEntry,
};

use self::desk::{Desk, Found};
use super::OpsOrch;
use crate::{Context, Error, Result};

/// How many owning teams are looked up, and how many are asked who is on call.
const TEAMS: usize = 5;

impl OpsOrch {
    /// Gathers what all sources know about an incident: its timeline, alerts, error logs, key metrics, recent deployments,
    /// the service, the owning team and who is on call, open tickets. Each answer is [`Evidence`] that says whom it came
    /// from, what was asked, about which time, and when.
    ///
    /// * Everything is asked side by side, within one deadline: the earlier of the context's and of the
    ///   [timeout](Investigate::timeout). A source that does not answer in time is a [`Gap`]; what the others said is kept.
    /// * Every read passes [`query`](Self::query), so that access, layers and routes hold; what an actor may not read is a gap.
    /// * What is asked follows from the [scope](Investigation::scope): the service, team and environment that the incident
    ///   names, or the caller. A source that refuses the whole scope is asked for its narrowest part alone, and the page
    ///   has a warning of it.
    /// * The time is from an hour before the incident was opened until now, or an hour after it was resolved.
    /// * It changes nothing, and reads texts of vendors as data: none of them decides what is asked, but for the names of the
    ///   scope, of metrics and of teams.
    ///
    /// ```
    /// use opsorch::{Actor, Context, Incident, Investigate, ManualClock, OpsOrch};
    /// use opsorch_testkit::MemoryProvider;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let memory = MemoryProvider::new(ManualClock::default());
    /// memory.seed_incident(Incident::new("inc-7", "checkout fails", "open", "high").service("checkout"));
    /// let ops = OpsOrch::builder().provider(memory.provider("memory")).build().await?;
    ///
    /// let cx = Context::new(Actor::agent("triage"));
    /// let found = ops.investigate(&cx, Investigate::new("inc-7").timeout(5)).await?;
    /// assert_eq!(found.scope.service.as_deref(), Some("checkout"));
    /// for gap in &found.gaps {
    ///     println!("{}: {}", gap.section, gap.message);
    /// }
    /// # Ok::<(), opsorch::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of reading the incident, of which [`NotFound`](crate::ErrorKind::NotFound) is one;
    /// [`Invalid`](crate::ErrorKind::Invalid) for a limit or a timeout that is out of range, or a window that ends before it
    /// begins. Whatever else fails is a gap.
    pub async fn investigate(&self, cx: &Context, investigate: impl Into<Investigate>) -> Result<Investigation> {
        let wanted = investigate.into();
        check(&wanted)?;
        let timeout = wanted.timeout.unwrap_or(Investigate::DEFAULT_TIMEOUT);
        let cx = cx.clone().timeout(Duration::from_secs(timeout.into()));
        let incident = desk::incident(self, &cx, &wanted).await?;
        let scope = subject::scope(&incident.answer, &wanted.scope);
        let window = subject::window(&incident.answer, &wanted, self.core.gate.clock.now())?;
        let desk = Desk { ops: self, cx: &cx, wanted: &wanted, scope: &scope, window };
        let (timeline, alerts, logs, metrics, deployments, (services, teams, on_call), tickets) = tokio::join!(
            timeline(&desk, &incident.provider),
            alerts(&desk),
            logs(&desk),
            metrics::key_metrics(&desk),
            deployments(&desk),
            owners(&desk),
            tickets(&desk),
        );
        let mut gaps = subject::gaps(&incident.answer, &wanted, &scope);
        let mut found = Investigation::new(incident, scope.clone(), window);
        found.timeline = timeline.file(&mut gaps);
        found.alerts = alerts.file(&mut gaps);
        found.logs = logs.file(&mut gaps);
        found.metrics = metrics.file(&mut gaps);
        found.deployments = deployments.file(&mut gaps);
        found.services = services.file(&mut gaps);
        found.teams = teams.file(&mut gaps);
        found.on_call = on_call.file(&mut gaps);
        found.tickets = tickets.file(&mut gaps);
        found.gaps = gaps;
        Ok(found)
    }
}

/// Refuses what is out of range, before anybody is asked.
fn check(wanted: &Investigate) -> Result<()> {
    let in_range = |field: String, value: u32, max: u32| match value {
        value if (1..=max).contains(&value) => Ok(()),
        value => Err(Error::invalid(field, format!("expected 1 to {max}, got {value}"))),
    };
    let limit = wanted.limit.map(|limit| ("limit".to_owned(), limit));
    let limits = wanted.limits.iter().map(|(section, limit)| (format!("limits.{section}"), *limit));
    for (field, limit) in limit.into_iter().chain(limits) {
        in_range(field, limit, Investigate::MAX_LIMIT)?;
    }
    if wanted.metrics.len() > Investigate::MAX_METRICS {
        let message = format!("expected at most {}, got {}", Investigate::MAX_METRICS, wanted.metrics.len());
        return Err(Error::invalid("metrics", message));
    }
    match wanted.timeout {
        Some(seconds) => in_range("timeout".to_owned(), seconds, Investigate::MAX_TIMEOUT),
        None => Ok(()),
    }
}

async fn timeline(desk: &Desk<'_>, provider: &opsorch_schema::ProviderName) -> Found<TimelineEntry> {
    let query = Query::IncidentTimelineGet(desk.wanted.incident.clone());
    desk.ask_one(Section::Timeline, provider, query, None).await
}

async fn alerts(desk: &Desk<'_>) -> Found<opsorch_schema::Alert> {
    let asked = |scope: &Scope| {
        let mut query = AlertQuery::new().since(desk.window.start).until(desk.window.end);
        (query.scope, query.limit) = (scope.clone(), Some(desk.wanted.limit_for(Section::Alerts)));
        query.into()
    };
    desk.ask_all(Section::Alerts, Operation::AlertQuery, Some(desk.window), asked).await
}

async fn logs(desk: &Desk<'_>) -> Found<opsorch_schema::LogEntry> {
    let asked = |scope: &Scope| {
        let query = LogQuery::new(desk.window.start, desk.window.end);
        let mut query = query.severity(LogSeverityLevel::Critical).severity(LogSeverityLevel::Error);
        (query.scope, query.limit) = (scope.clone(), Some(desk.wanted.limit_for(Section::Logs)));
        query.into()
    };
    desk.ask_all(Section::Logs, Operation::LogQuery, Some(desk.window), asked).await
}

async fn deployments(desk: &Desk<'_>) -> Found<opsorch_schema::Deployment> {
    let asked = |scope: &Scope| {
        let mut query = DeploymentQuery::new().since(desk.window.start).until(desk.window.end);
        (query.scope, query.limit) = (scope.clone(), Some(desk.wanted.limit_for(Section::Deployments)));
        query.into()
    };
    desk.ask_all(Section::Deployments, Operation::DeploymentQuery, Some(desk.window), asked).await
}

async fn tickets(desk: &Desk<'_>) -> Found<opsorch_schema::Ticket> {
    let asked = |scope: &Scope| {
        let mut query = TicketQuery::open();
        (query.scope, query.limit) = (scope.clone(), Some(desk.wanted.limit_for(Section::Tickets)));
        query.into()
    };
    desk.ask_all(Section::Tickets, Operation::TicketQuery, None, asked).await
}

/// The service leads to the team, and the team to who is on call.
async fn owners(desk: &Desk<'_>) -> (Found<Service>, Found<Team>, Found<TeamMember>) {
    let services = match &desk.scope.service {
        Some(service) => {
            let query = ServiceQuery::new().service(service).limit(desk.wanted.limit_for(Section::Services));
            desk.ask_all(Section::Services, Operation::ServiceQuery, None, |_| query.clone().into()).await
        }
        None => Found::not_asked(Section::Services, "no service is known; set `scope.service`"),
    };
    let teams = teams(desk, &services).await;
    let on_call = on_call(desk, &teams).await;
    (services, teams, on_call)
}

/// The team of the scope, else those that the catalogues name as owners, else what the team tools know of the service.
async fn teams(desk: &Desk<'_>, services: &Found<Service>) -> Found<Team> {
    let items = services.evidence.iter().flat_map(|evidence| &evidence.answer.items);
    let owners: BTreeSet<&String> = items.filter_map(|service| service.tags.get("team")).collect();
    let scopes: Vec<Scope> = match (&desk.scope.team, &desk.scope.service) {
        (Some(team), _) => vec![Scope::new().team(team)],
        (None, _) if !owners.is_empty() => owners.into_iter().take(TEAMS).map(|team| Scope::new().team(team)).collect(),
        (None, Some(service)) => vec![Scope::new().service(service)],
        (None, None) => {
            return Found::not_asked(
                Section::Teams,
                "no team and no service is known; set `scope.team` or `scope.service`",
            );
        }
    };
    let mut found = Found::default();
    for scope in scopes {
        let mut query = TeamQuery::new().limit(desk.wanted.limit_for(Section::Teams));
        query.scope = scope;
        found.extend(desk.ask_all(Section::Teams, Operation::TeamQuery, None, |_| query.clone().into()).await);
    }
    found
}

/// Asks for each team that was found, the source that knows it.
async fn on_call(desk: &Desk<'_>, teams: &Found<Team>) -> Found<TeamMember> {
    let routed = desk.ops.routed(Operation::TeamOncall);
    if routed.is_empty() {
        return Found::from(desk.nobody(Section::OnCall, Operation::TeamOncall));
    }
    let knows = |evidence: &&Evidence<Page<Team>>| routed.iter().any(|provider| *provider.name() == evidence.provider);
    let known = teams.evidence.iter().filter(knows);
    let known: Vec<_> = known.flat_map(|one| one.answer.items.iter().map(|team| (&one.provider, &team.id))).collect();
    if known.is_empty() {
        return Found::not_asked(Section::OnCall, "no team was found by a source that knows who is on call");
    }
    let asks = known
        .iter()
        .take(TEAMS)
        .map(|(provider, team)| desk.ask_one(Section::OnCall, provider, Query::TeamOncall((*team).clone()), None));
    let mut found: Found<TeamMember> = futures_util::future::join_all(asks).await.into_iter().collect();
    if known.len() > TEAMS {
        let message = format!("{} teams were found and the first {TEAMS} asked; set `scope.team`", known.len());
        found.gaps.push(Gap::new(Section::OnCall, Gap::INCOMPLETE, message));
    }
    found
}
