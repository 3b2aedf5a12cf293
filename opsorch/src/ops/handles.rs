//! Typed handles: a capability each, with a method for each of its operations.

use opsorch_schema::*;

use super::{Ask, OpsOrch, Submission};
use crate::gate::Submitted;
use crate::{Context, Error, Result};

/// Defines a handle. A row is `read|write method(Input) -> Output: QueryVariant?, "what it does";`
macro_rules! handles {
    ($($name:literal $method:ident $Handle:ident { $($effect:ident $call:ident($input:ty) -> $output:ty $(: $variant:ident)?, $doc:literal;)+ })+) => {
        impl OpsOrch {
            $(
                #[doc = concat!("Typed access to ", $name, ".")]
                pub fn $method<'a>(&'a self, cx: &'a Context) -> $Handle<'a> {
                    $Handle { call: Handle::new(self, cx) }
                }
            )+
        }

        $(
            #[doc = concat!("Typed access to ", $name, ", by [`OpsOrch::", stringify!($method), "`].")]
            #[derive(Clone, Debug)]
            #[must_use = "a handle does nothing by itself"]
            pub struct $Handle<'a> {
                call: Handle<'a>,
            }

            impl $Handle<'_> {
                /// Goes to one provider, by its name.
                pub fn on(mut self, provider: impl Into<ProviderName>) -> Self {
                    self.call.on = Some(provider.into());
                    self
                }

                /// Makes the repetition of a change harmless; see [`Submission::idempotency_key`].
                pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
                    self.call.idempotency_key = Some(key.into());
                    self
                }

                /// Says why, for those who are asked about a change.
                pub fn reason(mut self, reason: impl Into<String>) -> Self {
                    self.call.reason = Some(reason.into());
                    self
                }

                $(handles!(@$effect $call($input) -> $output $(: $variant)?, $doc);)+
            }
        )+
    };
    (@read $call:ident($input:ty) -> $output:ty : $variant:ident, $doc:literal) => {
        #[doc = $doc]
        ///
        /// # Errors
        /// Those of [`OpsOrch::query`].
        pub async fn $call(&self, input: impl Into<$input>) -> Result<$output> {
            self.call.read(Query::$variant(input.into())).await
        }
    };
    (@write $call:ident($input:ty) -> $output:ty, $doc:literal) => {
        #[doc = $doc]
        ///
        /// # Errors
        /// Those of [`OpsOrch::submit`].
        pub async fn $call(&self, input: impl Into<$input>) -> Result<Submitted<$output>> {
            self.call.change(Action::from(input.into())).await
        }
    };
}

handles! {
    "incidents and their timelines" incidents Incidents {
        read query(IncidentQuery) -> Page<Incident>: IncidentQuery, "Finds incidents.";
        read get(IncidentId) -> Incident: IncidentGet, "Reads one incident.";
        read timeline(IncidentId) -> Page<TimelineEntry>: IncidentTimelineGet, "Reads the timeline of an incident.";
        write create(CreateIncident) -> Incident, "Opens an incident.";
        write update(UpdateIncident) -> Incident, "Changes fields of an incident.";
        write append(TimelineAppend) -> (), "Adds an entry to an incident's timeline.";
    }
    "alerts" alerts Alerts {
        read query(AlertQuery) -> Page<Alert>: AlertQuery, "Finds alerts.";
        read get(AlertId) -> Alert: AlertGet, "Reads one alert.";
        write raise(RaiseAlert) -> Alert, "Raises an alert under a deduplication key.";
        write acknowledge(AcknowledgeAlert) -> Alert, "Acknowledges an alert.";
        write resolve(ResolveAlert) -> Alert, "Resolves an alert.";
        write silence(SilenceAlert) -> Alert, "Silences an alert until a time.";
    }
    "logs" logs Logs {
        read query(LogQuery) -> Page<LogEntry>: LogQuery, "Finds log entries.";
    }
    "metrics" metrics Metrics {
        read query(MetricQuery) -> Page<MetricSeries>: MetricQuery, "Reads time series of a metric.";
        read describe(Scope) -> Page<MetricDescriptor>: MetricDescribe, "Lists the metrics there are.";
    }
    "tickets" tickets Tickets {
        read query(TicketQuery) -> Page<Ticket>: TicketQuery, "Finds tickets.";
        read get(TicketId) -> Ticket: TicketGet, "Reads one ticket.";
        write create(CreateTicket) -> Ticket, "Opens a ticket.";
        write update(UpdateTicket) -> Ticket, "Changes fields of a ticket.";
        write comment(CommentTicket) -> Comment, "Adds a comment to a ticket.";
    }
    "messages" messages Messages {
        write send(Message) -> MessageResult, "Sends a message.";
        write update(UpdateMessage) -> MessageResult, "Replaces a message that was sent.";
    }
    "the catalogue of services" services Services {
        read query(ServiceQuery) -> Page<Service>: ServiceQuery, "Finds services.";
        read get(ServiceId) -> Service: ServiceGet, "Reads one service.";
    }
    "deployments" deployments Deployments {
        read query(DeploymentQuery) -> Page<Deployment>: DeploymentQuery, "Finds deployments.";
        read get(DeploymentId) -> Deployment: DeploymentGet, "Reads one deployment.";
        write record(RecordDeployment) -> Deployment, "Records a deployment that something else makes.";
    }
    "teams and who is on call" teams Teams {
        read query(TeamQuery) -> Page<Team>: TeamQuery, "Finds teams.";
        read get(TeamId) -> Team: TeamGet, "Reads one team.";
        read members(TeamId) -> Page<TeamMember>: TeamMembers, "Lists the members of a team.";
        read oncall(TeamId) -> Page<TeamMember>: TeamOncall, "Lists who of a team is on call now.";
    }
    "orchestration plans" plans Plans {
        read query(PlanQuery) -> Page<Plan>: OrchestrationPlansQuery, "Finds plans.";
        read get(PlanId) -> Plan: OrchestrationPlansGet, "Reads one plan.";
    }
    "runs of plans" runs Runs {
        read query(RunQuery) -> Page<Run>: OrchestrationRunsQuery, "Finds runs.";
        read get(RunId) -> Run: OrchestrationRunsGet, "Reads one run.";
        write start(StartRun) -> Run, "Starts a run of a plan.";
        write complete_step(CompleteStep) -> (), "Completes a manual step of a run.";
        write cancel(CancelRun) -> Run, "Cancels a run.";
    }
}

/// What all handles share.
#[derive(Clone, Debug)]
struct Handle<'a> {
    ops: &'a OpsOrch,
    cx: &'a Context,
    on: Option<ProviderName>,
    idempotency_key: Option<String>,
    reason: Option<String>,
}

impl<'a> Handle<'a> {
    fn new(ops: &'a OpsOrch, cx: &'a Context) -> Self {
        Self { ops, cx, on: None, idempotency_key: None, reason: None }
    }

    async fn read<T: TryFrom<Response, Error = WrongResponse>>(&self, query: Query) -> Result<T> {
        let ask = Ask { query, on: self.on.clone() };
        Ok(self.ops.query(self.cx, ask).await?.try_into()?)
    }

    async fn change<T: TryFrom<Response, Error = WrongResponse>>(&self, action: Action) -> Result<Submitted<T>> {
        let submission = Submission {
            action,
            on: self.on.clone(),
            idempotency_key: self.idempotency_key.clone(),
            reason: self.reason.clone(),
        };
        self.ops.submit(self.cx, submission).await?.try_map(|response| T::try_from(response).map_err(Error::from))
    }
}
