//! A world in memory with one fault.

use std::sync::Arc;

use futures_util::FutureExt;
use opsorch::capability::*;
use opsorch::gate::Approved;
use opsorch::*;
use opsorch_testkit::MemoryProvider;

use crate::flaw::{Fault, Properly};

/// The world as a provider with a fault. It declares that it honours idempotency keys, as the sound one does.
pub fn tampered(memory: MemoryProvider, fault: Fault) -> Provider {
    let this = Arc::new(Tampered { memory, fault });
    Provider::new("broken")
        .idempotent_by_key(Operation::ALL.iter().copied().filter(|operation| operation.effect() == Effect::Write))
        .with_incident_reader(this.clone())
        .with_incident_writer(this.clone())
        .with_timeline_reader(this.clone())
        .with_timeline_writer(this.clone())
        .with_alert_reader(this.clone())
        .with_alert_raiser(this.clone())
        .with_alert_responder(this.clone())
        .with_alert_silencer(this.clone())
        .with_log_reader(this.clone())
        .with_metric_reader(this.clone())
        .with_ticket_reader(this.clone())
        .with_ticket_writer(this.clone())
        .with_ticket_commenter(this.clone())
        .with_message_sender(this.clone())
        .with_message_editor(this.clone())
        .with_service_reader(this.clone())
        .with_deployment_reader(this.clone())
        .with_deployment_recorder(this.clone())
        .with_team_reader(this.clone())
        .with_on_call_reader(this.clone())
        .with_plan_reader(this.clone())
        .with_run_reader(this.clone())
        .with_run_writer(this.clone())
        .with_run_canceller(this)
}

#[derive(Clone)]
struct Tampered {
    memory: MemoryProvider,
    fault: Fault,
}

impl std::fmt::Debug for Tampered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tampered")
    }
}

/// What the sound provider answers. Nothing in memory waits.
pub fn ask(memory: &MemoryProvider, query: impl Into<Query>) -> Result<Response> {
    let cx = Context::new(Actor::service("tampering"));
    answer(memory, &cx, &query.into()).now_or_never().expect("memory does not wait")
}

/// The tickets that the sound provider finds.
pub fn tickets_of(memory: &MemoryProvider, query: TicketQuery) -> Result<Page<Ticket>> {
    Ok(ask(memory, query)?.try_into()?)
}

/// Answers a query for tickets in another way, and every other query as it should be.
pub fn tickets(
    memory: &MemoryProvider,
    query: Query,
    other: impl FnOnce(TicketQuery) -> Result<Page<Ticket>>,
) -> Result<Response> {
    match query {
        Query::TicketQuery(query) => other(query).map(Response::from),
        query => ask(memory, query),
    }
}

impl Tampered {
    fn read<T: TryFrom<Response, Error = WrongResponse>>(&self, query: impl Into<Query>) -> Result<T> {
        let response = match self.fault {
            Fault::Read(fault) => fault(&self.memory, query.into())?,
            _ => ask(&self.memory, query)?,
        };
        Ok(response.try_into()?)
    }

    fn write<A, T>(&self, input: &A, properly: impl Future<Output = Result<T>> + Send) -> Result<T>
    where
        A: Clone + Into<Action>,
        T: Into<Response> + TryFrom<Response, Error = WrongResponse>,
    {
        let properly = || properly.now_or_never().expect("memory does not wait").map(Into::into);
        let response = match self.fault {
            Fault::Write(fault) => fault(&self.memory, &input.clone().into(), Box::new(properly) as Properly<'_>)?,
            _ => properly()?,
        };
        Ok(response.try_into()?)
    }
}

/// Implements traits of readers. A row is `Trait { method(Input) -> Output: QueryVariant; }`.
macro_rules! readers {
    ($($Trait:ident { $($method:ident($input:ty) -> $output:ty : $variant:ident;)+ })+) => {
        $(#[async_trait]
        impl $Trait for Tampered {
            $(async fn $method(&self, _: &Context, input: &$input) -> Result<$output> {
                self.read(Query::$variant(input.clone()))
            })+
        })+

        async fn answer(memory: &MemoryProvider, cx: &Context, query: &Query) -> Result<Response> {
            Ok(match query {
                $($(Query::$variant(input) => $Trait::$method(memory, cx, input).await?.into(),)+)+
            })
        }
    };
}

readers! {
    IncidentReader { query(IncidentQuery) -> Page<Incident>: IncidentQuery; get(IncidentId) -> Incident: IncidentGet; }
    TimelineReader { timeline(IncidentId) -> Page<TimelineEntry>: IncidentTimelineGet; }
    AlertReader { query(AlertQuery) -> Page<Alert>: AlertQuery; get(AlertId) -> Alert: AlertGet; }
    LogReader { query(LogQuery) -> Page<LogEntry>: LogQuery; }
    MetricReader {
        query(MetricQuery) -> Page<MetricSeries>: MetricQuery;
        describe(Scope) -> Page<MetricDescriptor>: MetricDescribe;
    }
    TicketReader { query(TicketQuery) -> Page<Ticket>: TicketQuery; get(TicketId) -> Ticket: TicketGet; }
    ServiceReader { query(ServiceQuery) -> Page<Service>: ServiceQuery; get(ServiceId) -> Service: ServiceGet; }
    DeploymentReader {
        query(DeploymentQuery) -> Page<Deployment>: DeploymentQuery;
        get(DeploymentId) -> Deployment: DeploymentGet;
    }
    TeamReader {
        query(TeamQuery) -> Page<Team>: TeamQuery;
        get(TeamId) -> Team: TeamGet;
        members(TeamId) -> Page<TeamMember>: TeamMembers;
    }
    OnCallReader { oncall(TeamId) -> Page<TeamMember>: TeamOncall; }
    PlanReader { query(PlanQuery) -> Page<Plan>: OrchestrationPlansQuery; get(PlanId) -> Plan: OrchestrationPlansGet; }
    RunReader { query(RunQuery) -> Page<Run>: OrchestrationRunsQuery; get(RunId) -> Run: OrchestrationRunsGet; }
}

/// Implements traits of writers. A row is `Trait { method(Input) -> Output; }`.
macro_rules! writers {
    ($($Trait:ident { $($method:ident($input:ty) -> $output:ty;)+ })+) => {
        $(#[async_trait]
        impl $Trait for Tampered {
            $(async fn $method(&self, cx: &Context, input: Approved<'_, $input>) -> Result<$output> {
                let copy = <$input>::clone(&input);
                self.write(&copy, $Trait::$method(&self.memory, cx, input))
            })+
        })+
    };
}

writers! {
    IncidentWriter { create(CreateIncident) -> Incident; update(UpdateIncident) -> Incident; }
    TimelineWriter { append(TimelineAppend) -> (); }
    AlertRaiser { raise(RaiseAlert) -> Alert; }
    AlertResponder { acknowledge(AcknowledgeAlert) -> Alert; resolve(ResolveAlert) -> Alert; }
    AlertSilencer { silence(SilenceAlert) -> Alert; }
    TicketWriter { create(CreateTicket) -> Ticket; update(UpdateTicket) -> Ticket; }
    TicketCommenter { comment(CommentTicket) -> Comment; }
    MessageSender { send(Message) -> MessageResult; }
    MessageEditor { update(UpdateMessage) -> MessageResult; }
    DeploymentRecorder { record(RecordDeployment) -> Deployment; }
    RunWriter { start(StartRun) -> Run; complete_step(CompleteStep) -> (); }
    RunCanceller { cancel(CancelRun) -> Run; }
}
