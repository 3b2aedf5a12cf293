//! The provider whose operations another process answers: every trait, by way of one call.

mod health;
mod reconcile;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opsorch_schema::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::line;
use super::link::{Link, unwritable};
use super::wire::{self, Approval, Asked, milliseconds};
use crate::capability::*;
use crate::gate::{Approved, Permit};
use crate::{Clock, Context, Error, Provider, Result};

/// A plugin as a provider.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) link: Link,
    pub(super) clock: Arc<dyn Clock>,
}

impl Remote {
    async fn read<I, O>(&self, cx: &Context, operation: Operation, input: &I) -> Result<O>
    where
        I: Serialize + Sync,
        O: DeserializeOwned,
    {
        self.call(cx, operation, input, None).await.map_err(|error| error.with_context("plugin", &self.link.name))
    }

    async fn change<I, O>(&self, cx: &Context, operation: Operation, input: &Approved<'_, I>) -> Result<O>
    where
        I: Serialize + Sync,
        O: DeserializeOwned,
    {
        let result = self.call(cx, operation, &**input, Some(input.permit())).await;
        result.map_err(|error| error.with_context("plugin", &self.link.name))
    }

    async fn call<I, O>(&self, cx: &Context, operation: Operation, input: &I, permit: Option<&Permit>) -> Result<O>
    where
        I: Serialize + Sync,
        O: DeserializeOwned,
    {
        let (deadline, left) = self.link.deadline(cx.remaining());
        let Some(config) = &self.link.line_config else {
            let params = params(cx, input, permit, left)?;
            let text = match permit {
                Some(permit) => {
                    self.link.change(operation.name(), permit.idempotency_key.as_str(), params, deadline).await?
                }
                None => self.link.rpc(operation.name(), params, deadline).await?,
            };
            return serde_json::from_slice(&text).map_err(|error| self.link.misshapen(operation.name(), &error));
        };
        let input = serde_json::to_value(input).map_err(unwritable)?;
        let ask = line::ask(operation, &input, self.clock.now())?;
        let result = self.link.line(&ask, config, deadline).await?;
        let output = line::output(operation, &input, result)
            .map_err(|why| Error::unexpected(format!("the plugin's answer to {operation} makes no sense: {why}")))?;
        if operation == Operation::ServiceGet && output.is_null() {
            return Err(Error::not_found("the plugin knows no such service"));
        }
        serde_json::from_value(output).map_err(|error| self.link.misshapen(operation.name(), &error))
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

fn params<I: Serialize>(cx: &Context, input: &I, permit: Option<&Permit>, left: Duration) -> Result<Bytes> {
    let approval = permit.map(|permit| Approval {
        grant: permit.grant.clone(),
        digest: permit.digest.clone(),
        target: &permit.target,
        idempotency_key: permit.idempotency_key.as_str(),
        approved_by: Some(permit.approved_by.as_slice()).filter(|people| !people.is_empty()),
    });
    let asked = Asked { input, context: caller(cx), timeout_ms: milliseconds(left), approval };
    serde_json::to_vec(&asked).map(Bytes::from).map_err(unwritable)
}

fn caller(cx: &Context) -> wire::Caller<&Actor, &str> {
    wire::Caller { request_id: cx.id(), trace_id: cx.trace(), actor: cx.actor() }
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
