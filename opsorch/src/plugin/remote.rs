//! The provider whose operations another process answers: every trait, by way of one call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::call::{Body, Caller, Reply};
use super::line::{self, Answer};
use super::wire::{self, Approval, Asked, HealthReport, milliseconds};
use crate::capability::*;
use crate::gate::{Approved, Permit};
use crate::secret::Secret;
use crate::transport::Redactor;
use crate::{Clock, Context, Error, Provider, Result};

/// A plugin as its callers have it.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) name: String,
    pub(super) caller: Caller,
    pub(super) timeout: Duration,
    pub(super) redactor: Arc<Redactor>,
    pub(super) clock: Arc<dyn Clock>,
    /// The configuration that goes with every line; `None` in protocol 2.
    pub(super) line_config: Option<Secret>,
}

impl Remote {
    async fn read<I, O>(&self, cx: &Context, operation: Operation, input: &I) -> Result<O>
    where
        I: Serialize + Sync,
        O: DeserializeOwned,
    {
        self.call(cx, operation, input, None).await.map_err(|error| error.with_context("plugin", &self.name))
    }

    async fn change<I, O>(&self, cx: &Context, operation: Operation, input: &Approved<'_, I>) -> Result<O>
    where
        I: Serialize + Sync,
        O: DeserializeOwned,
    {
        let result = self.call(cx, operation, &**input, Some(input.permit())).await;
        result.map_err(|error| error.with_context("plugin", &self.name))
    }

    async fn call<I, O>(&self, cx: &Context, operation: Operation, input: &I, permit: Option<&Permit>) -> Result<O>
    where
        I: Serialize + Sync,
        O: DeserializeOwned,
    {
        let (deadline, left) = self.deadline(cx);
        match &self.line_config {
            None => {
                let params = params(cx, input, permit, left)?;
                let reply = self.caller.call(Body::Rpc { method: operation.name(), params }, deadline).await?;
                self.understand(operation, reply)
            }
            Some(config) => {
                let input = serde_json::to_value(input).map_err(unwritable)?;
                let ask = line::ask(operation, &input, self.clock.now())?;
                let reply = self.caller.call(Body::Line(line_of(&ask, config)?), deadline).await?;
                self.understand_line(operation, &input, reply)
            }
        }
    }

    /// When the call is given up, and how long that is from now.
    fn deadline(&self, cx: &Context) -> (Instant, Duration) {
        let left = cx.remaining().map_or(self.timeout, |left| left.min(self.timeout));
        (Instant::now() + left, left)
    }

    fn understand<O: DeserializeOwned>(&self, operation: Operation, reply: Reply) -> Result<O> {
        match reply {
            Reply::Rpc(text) => serde_json::from_slice(&text).map_err(|error| self.misshapen(operation, &error)),
            Reply::RpcError(failure) => {
                let shown = self.redactor.line(&failure.message);
                Err(failure.into_error(shown))
            }
            Reply::Line(_) => Err(Error::unexpected("a reply of another protocol")),
        }
    }

    fn understand_line<O: DeserializeOwned>(&self, operation: Operation, input: &Value, reply: Reply) -> Result<O> {
        let result = match reply {
            Reply::Line(Answer::Result(result)) => result,
            Reply::Line(Answer::Error(code, message)) => {
                let kind = line::kind(code.as_deref(), &message);
                return Err(Error::new(kind, self.redactor.line(&message)));
            }
            _ => return Err(Error::unexpected("a reply of another protocol")),
        };
        let output = line::output(operation, input, result)
            .map_err(|why| Error::unexpected(format!("the plugin's answer to {operation} makes no sense: {why}")))?;
        if operation == Operation::ServiceGet && output.is_null() {
            return Err(Error::not_found("the plugin knows no such service"));
        }
        serde_json::from_value(output).map_err(|error| self.misshapen(operation, &error))
    }

    fn misshapen(&self, operation: Operation, error: &serde_json::Error) -> Error {
        // The words of the error may repeat what the plugin wrote.
        let why = self.redactor.line(&error.to_string());
        Error::unexpected(format!("the plugin's answer to {operation} makes no sense: {why}"))
    }

    /// Offers every trait; which operations it has, the caller says.
    pub(super) fn offer(self: &Arc<Self>, provider: Provider) -> Provider {
        provider
            .with_incident_reader(self.clone())
            .with_incident_writer(self.clone())
            .with_timeline_reader(self.clone())
            .with_timeline_writer(self.clone())
            .with_alert_reader(self.clone())
            .with_alert_raiser(self.clone())
            .with_alert_responder(self.clone())
            .with_alert_silencer(self.clone())
            .with_log_reader(self.clone())
            .with_metric_reader(self.clone())
            .with_ticket_reader(self.clone())
            .with_ticket_writer(self.clone())
            .with_ticket_commenter(self.clone())
            .with_message_sender(self.clone())
            .with_message_editor(self.clone())
            .with_service_reader(self.clone())
            .with_deployment_reader(self.clone())
            .with_deployment_recorder(self.clone())
            .with_team_reader(self.clone())
            .with_on_call_reader(self.clone())
            .with_plan_reader(self.clone())
            .with_run_reader(self.clone())
            .with_run_writer(self.clone())
            .with_run_canceller(self.clone())
    }
}

fn params<I: Serialize>(cx: &Context, input: &I, permit: Option<&Permit>, left: Duration) -> Result<Vec<u8>> {
    let approval = permit.map(|permit| Approval {
        grant: permit.grant.clone(),
        digest: permit.digest.clone(),
        target: &permit.target,
        idempotency_key: permit.idempotency_key.as_str(),
        approved_by: Some(permit.approved_by.as_slice()).filter(|people| !people.is_empty()),
    });
    let context = wire::Caller { request_id: cx.id(), trace_id: cx.trace(), actor: cx.actor() };
    let asked = Asked { input, context, timeout_ms: milliseconds(left), approval };
    serde_json::to_vec(&asked).map_err(unwritable)
}

/// A line of the line protocol; the order of its members is OpsOrch's.
fn line_of(ask: &line::Ask, config: &Secret) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Line<'a> {
        method: &'a str,
        config: &'a RawValue,
        payload: &'a Value,
        params: &'a Value,
    }
    let config = serde_json::from_str(config.expose()).map_err(unwritable)?;
    let line = Line { method: ask.method, config, payload: &ask.payload, params: &ask.payload };
    serde_json::to_vec(&line).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::invalid("input", "it cannot be written as JSON").with_source(error).not_applied()
}

macro_rules! readers {
    ($($trait:ident { $($method:ident($input:ty) -> $output:ty = $operation:ident;)+ })+) => {$(
        #[async_trait]
        impl $trait for Remote {
            $(async fn $method(&self, cx: &Context, input: &$input) -> Result<$output> {
                self.read(cx, Operation::$operation, input).await
            })+
        }
    )+};
}

macro_rules! writers {
    ($($trait:ident { $($method:ident($input:ty) -> $output:ty = $operation:ident;)+ })+) => {$(
        #[async_trait]
        impl $trait for Remote {
            $(async fn $method(&self, cx: &Context, input: Approved<'_, $input>) -> Result<$output> {
                self.change(cx, Operation::$operation, &input).await
            })+
        }
    )+};
}

readers! {
    IncidentReader {
        query(IncidentQuery) -> Page<Incident> = IncidentQuery;
        get(IncidentId) -> Incident = IncidentGet;
    }
    TimelineReader { timeline(IncidentId) -> Page<TimelineEntry> = IncidentTimelineGet; }
    AlertReader {
        query(AlertQuery) -> Page<Alert> = AlertQuery;
        get(AlertId) -> Alert = AlertGet;
    }
    LogReader { query(LogQuery) -> Page<LogEntry> = LogQuery; }
    MetricReader {
        query(MetricQuery) -> Page<MetricSeries> = MetricQuery;
        describe(Scope) -> Page<MetricDescriptor> = MetricDescribe;
    }
    TicketReader {
        query(TicketQuery) -> Page<Ticket> = TicketQuery;
        get(TicketId) -> Ticket = TicketGet;
    }
    ServiceReader {
        query(ServiceQuery) -> Page<Service> = ServiceQuery;
        get(ServiceId) -> Service = ServiceGet;
    }
    DeploymentReader {
        query(DeploymentQuery) -> Page<Deployment> = DeploymentQuery;
        get(DeploymentId) -> Deployment = DeploymentGet;
    }
    TeamReader {
        query(TeamQuery) -> Page<Team> = TeamQuery;
        get(TeamId) -> Team = TeamGet;
        members(TeamId) -> Page<TeamMember> = TeamMembers;
    }
    OnCallReader { oncall(TeamId) -> Page<TeamMember> = TeamOncall; }
    PlanReader {
        query(PlanQuery) -> Page<Plan> = OrchestrationPlansQuery;
        get(PlanId) -> Plan = OrchestrationPlansGet;
    }
    RunReader {
        query(RunQuery) -> Page<Run> = OrchestrationRunsQuery;
        get(RunId) -> Run = OrchestrationRunsGet;
    }
}

writers! {
    IncidentWriter {
        create(CreateIncident) -> Incident = IncidentCreate;
        update(UpdateIncident) -> Incident = IncidentUpdate;
    }
    TimelineWriter { append(TimelineAppend) -> () = IncidentTimelineAppend; }
    AlertRaiser { raise(RaiseAlert) -> Alert = AlertRaise; }
    AlertResponder {
        acknowledge(AcknowledgeAlert) -> Alert = AlertAcknowledge;
        resolve(ResolveAlert) -> Alert = AlertResolve;
    }
    AlertSilencer { silence(SilenceAlert) -> Alert = AlertSilence; }
    TicketWriter {
        create(CreateTicket) -> Ticket = TicketCreate;
        update(UpdateTicket) -> Ticket = TicketUpdate;
    }
    TicketCommenter { comment(CommentTicket) -> Comment = TicketComment; }
    MessageSender { send(Message) -> MessageResult = MessagingSend; }
    MessageEditor { update(UpdateMessage) -> MessageResult = MessagingUpdate; }
    DeploymentRecorder { record(RecordDeployment) -> Deployment = DeploymentRecord; }
    RunWriter {
        start(StartRun) -> Run = OrchestrationRunsStart;
        complete_step(CompleteStep) -> () = OrchestrationRunsStepsComplete;
    }
    RunCanceller { cancel(CancelRun) -> Run = OrchestrationRunsCancel; }
}

#[async_trait]
impl HealthCheck for Remote {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let (deadline, left) = self.deadline(cx);
        let params = serde_json::to_vec(&json!({ "timeoutMs": milliseconds(left) })).map_err(unwritable)?;
        let reply = self.caller.call(Body::Rpc { method: "health", params }, deadline).await;
        let text = match reply.map_err(|error| error.with_context("plugin", &self.name))? {
            Reply::Rpc(text) => text,
            Reply::RpcError(failure) => {
                let shown = self.redactor.line(&failure.message);
                return Err(failure.into_error(shown).with_context("plugin", &self.name));
            }
            Reply::Line(_) => return Err(Error::unexpected("a reply of another protocol")),
        };
        let report: HealthReport = serde_json::from_slice(&text).map_err(|error| {
            let why = self.redactor.line(&error.to_string());
            Error::unexpected(format!("the plugin's answer to health makes no sense: {why}"))
        })?;
        let known = |names: &[String]| names.iter().filter_map(|name| name.parse::<Operation>().ok()).collect();
        let mut health = Health::new(known(&report.operations));
        for problem in &report.problems {
            let message = self.redactor.line(&problem.message);
            health = health.problem(HealthProblem::new(known(&problem.operations), message));
        }
        Ok(match &report.version {
            Some(version) => health.version(self.redactor.line(version)),
            None => health,
        })
    }
}
