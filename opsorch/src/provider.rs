//! A provider: the traits that one configured instance of a vendor offers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opsorch_schema::{Action, Capability, Effect, Operation, OperationSet, ProviderName, Query, Response, Scope};

use crate::capability::*;
use crate::{Context, Error, Result};

macro_rules! slots {
    ($($effect:ident $with:ident $slot:ident: $trait:ident [$($operation:ident),+];)+) => {
        #[derive(Clone, Debug, Default)]
        struct Slots {
            $($slot: Option<Arc<dyn $trait>>,)+
        }

        impl Slots {
            fn operations(&self) -> OperationSet {
                let mut set = OperationSet::new();
                $(if self.$slot.is_some() {
                    $(set.insert(Operation::$operation);)+
                })+
                set
            }

            /// Keeps the traits some of whose operations pass.
            #[cfg(feature = "plugin")]
            fn retain_any(&mut self, keep: impl Fn(Operation) -> bool) {
                $(if ![$(Operation::$operation),+].into_iter().any(&keep) {
                    self.$slot = None;
                })+
            }

            /// Keeps the traits all of whose operations pass.
            fn retain(&mut self, keep: impl Fn(Operation) -> bool) {
                $(if ![$(Operation::$operation),+].into_iter().all(&keep) {
                    self.$slot = None;
                })+
            }
        }

        /// What it offers: a method for each trait of [`capability`](crate::capability).
        impl Provider {
            $(
                #[doc = concat!("Offers a [`", stringify!($trait), "`](crate::capability::", stringify!($trait), ").")]
                pub fn $with(mut self, implementation: Arc<dyn $trait>) -> Self {
                    self.slots.$slot = Some(implementation);
                    self
                }

                slots!(@$effect $slot $trait [$($operation),+]);
            )+
        }
    };
    (@read $slot:ident $trait:ident [$operation:ident $(, $rest:ident)*]) => {
        fn $slot(&self) -> Result<&dyn $trait> {
            self.slots.$slot.as_deref().ok_or_else(|| self.lacks(Operation::$operation))
        }
    };
    (@write $slot:ident $trait:ident [$operation:ident $(, $rest:ident)*]) => {
        pub(crate) fn $slot(&self) -> Result<&dyn $trait> {
            self.slots.$slot.as_deref().ok_or_else(|| self.lacks(Operation::$operation))
        }
    };
}

slots! {
    read with_incident_reader incident_reader: IncidentReader [IncidentQuery, IncidentGet];
    write with_incident_writer incident_writer: IncidentWriter [IncidentCreate, IncidentUpdate];
    read with_timeline_reader timeline_reader: TimelineReader [IncidentTimelineGet];
    write with_timeline_writer timeline_writer: TimelineWriter [IncidentTimelineAppend];
    read with_alert_reader alert_reader: AlertReader [AlertQuery, AlertGet];
    write with_alert_raiser alert_raiser: AlertRaiser [AlertRaise];
    write with_alert_responder alert_responder: AlertResponder [AlertAcknowledge, AlertResolve];
    write with_alert_silencer alert_silencer: AlertSilencer [AlertSilence];
    read with_log_reader log_reader: LogReader [LogQuery];
    read with_metric_reader metric_reader: MetricReader [MetricQuery, MetricDescribe];
    read with_ticket_reader ticket_reader: TicketReader [TicketQuery, TicketGet];
    write with_ticket_writer ticket_writer: TicketWriter [TicketCreate, TicketUpdate];
    write with_ticket_commenter ticket_commenter: TicketCommenter [TicketComment];
    write with_message_sender message_sender: MessageSender [MessagingSend];
    write with_message_editor message_editor: MessageEditor [MessagingUpdate];
    read with_service_reader service_reader: ServiceReader [ServiceQuery, ServiceGet];
    read with_deployment_reader deployment_reader: DeploymentReader [DeploymentQuery, DeploymentGet];
    write with_deployment_recorder deployment_recorder: DeploymentRecorder [DeploymentRecord];
    read with_team_reader team_reader: TeamReader [TeamQuery, TeamGet, TeamMembers];
    read with_on_call_reader on_call_reader: OnCallReader [TeamOncall];
    read with_plan_reader plan_reader: PlanReader [OrchestrationPlansQuery, OrchestrationPlansGet];
    read with_run_reader run_reader: RunReader [OrchestrationRunsQuery, OrchestrationRunsGet];
    write with_run_writer run_writer: RunWriter [OrchestrationRunsStart, OrchestrationRunsStepsComplete];
    write with_run_canceller run_canceller: RunCanceller [OrchestrationRunsCancel];
}

/// One configured instance of a kind, with a name. A value: cheap to clone, nothing global.
///
/// ```
/// use opsorch::{Provider, Scope};
///
/// let provider = Provider::new("tickets-eu").kind("jira").scope(Scope::new().environment("production"));
/// assert!(provider.operations().is_empty(), "it offers what it is given, and nothing else");
/// ```
#[derive(Clone, Debug)]
pub struct Provider {
    name: ProviderName,
    kind: String,
    fingerprint: String,
    scope: Scope,
    read_only: bool,
    acts_on_service: bool,
    idempotent_by_key: OperationSet,
    found_by_marker: OperationSet,
    reconciler: Option<Arc<dyn Reconciler>>,
    health_check: Option<Arc<dyn HealthCheck>>,
    webhook_receiver: Option<Arc<dyn WebhookReceiver>>,
    restarts: Option<Arc<AtomicU64>>,
    slots: Slots,
    /// What it lacks although a trait would have it.
    lacking: OperationSet,
}

impl Provider {
    /// A provider that offers nothing yet. Its kind is its name until it is set.
    pub fn new(name: impl Into<ProviderName>) -> Self {
        let name = name.into();
        Self {
            kind: name.as_str().to_owned(),
            name,
            fingerprint: String::new(),
            scope: Scope::new(),
            read_only: false,
            acts_on_service: false,
            idempotent_by_key: OperationSet::new(),
            found_by_marker: OperationSet::new(),
            reconciler: None,
            health_check: None,
            webhook_receiver: None,
            restarts: None,
            slots: Slots::default(),
            lacking: OperationSet::new(),
        }
    }

    /// Sets the kind, such as `jira`.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Sets what identifies its configuration without secrets; the [`Registry`](crate::Registry) does it. It is
    /// part of every digest, so that an approval does not outlive a change of configuration.
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = fingerprint.into();
        self
    }

    /// Says which environment, service and team it acts on, for policies to match. The operator's word, from the
    /// configuration.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Declares that the `service` of an input decides where the change is made, so that policies may match it
    /// where the configuration names no service. A provider that only notes the service must not declare it.
    pub fn acts_on_service(mut self) -> Self {
        self.acts_on_service = true;
        self
    }

    /// Declares that the vendor honours the idempotency key for these operations: the same key twice takes effect
    /// once. The gate then lets a layer repeat an attempt whose outcome is unknown.
    pub fn idempotent_by_key(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.idempotent_by_key = operations.into_iter().collect();
        self
    }

    /// Declares that what these operations make carries the idempotency key as a marker, and that the
    /// [`Reconciler`] finds it by that marker and by nothing else. Where the outcome of an attempt is unknown, the gate
    /// then asks before anything is sent again: what is found is the answer, and only a certain
    /// [`NotApplied`](Reconciled::NotApplied) lets the change be sent again. Without a reconciler it means nothing, and an
    /// operation that is [idempotent by key](Self::idempotent_by_key) is sent again without asking.
    pub fn found_by_marker(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.found_by_marker = operations.into_iter().collect();
        self
    }

    /// Offers to look up what became of a change whose outcome is unknown.
    pub fn with_reconciler(mut self, reconciler: Arc<dyn Reconciler>) -> Self {
        self.reconciler = Some(reconciler);
        self
    }

    /// Offers to say which operations work with its credential.
    pub fn with_health_check(mut self, health_check: Arc<dyn HealthCheck>) -> Self {
        self.health_check = Some(health_check);
        self
    }

    /// Offers to read what the vendor sends by itself.
    pub fn with_webhook_receiver(mut self, receiver: Arc<dyn WebhookReceiver>) -> Self {
        self.webhook_receiver = Some(receiver);
        self
    }

    /// Drops everything that changes something.
    pub fn read_only(mut self) -> Self {
        self.slots.retain(|operation| operation.effect() == Effect::Read);
        self.read_only = true;
        self
    }

    /// Holds it to what the operator said of another one: the attributes, and that it changes nothing.
    pub(crate) fn held_to(mut self, former: &Self) -> Self {
        if !former.scope.is_empty() {
            self.scope = former.scope.clone();
        }
        if former.read_only { self.read_only() } else { self }
    }

    /// Drops everything that does not belong to these capabilities.
    pub fn only(mut self, capabilities: &[Capability]) -> Self {
        self.slots.retain(|operation| capabilities.contains(&operation.capability()));
        self
    }

    /// Narrows it to these operations, within a trait too: another process may answer some of a trait's operations only. A
    /// lacking one is never asked for by the doors.
    #[cfg(feature = "plugin")]
    pub(crate) fn offering(mut self, operations: OperationSet) -> Self {
        self.slots.retain_any(|operation| operations.contains(operation));
        self.lacking = self.slots.operations().iter().filter(|operation| !operations.contains(*operation)).collect();
        self
    }

    /// Says where it is counted how often its process was started anew.
    #[cfg(feature = "plugin")]
    pub(crate) fn counting_restarts(mut self, restarts: Arc<AtomicU64>) -> Self {
        self.restarts = Some(restarts);
        self
    }

    /// How often its process was started anew; `None` for a provider without a process of its own.
    pub fn restarts(&self) -> Option<u64> {
        self.restarts.as_ref().map(|restarts| restarts.load(Ordering::Relaxed))
    }

    /// Its name.
    pub fn name(&self) -> &ProviderName {
        &self.name
    }

    /// The operations it offers: those of the traits it was given, but for what a process behind it lacks.
    pub fn operations(&self) -> OperationSet {
        let offered = self.slots.operations();
        if self.lacking.is_empty() {
            return offered;
        }
        offered.iter().filter(|operation| !self.lacking.contains(*operation)).collect()
    }

    /// What a call would act on.
    pub fn target(&self, action: Option<&Action>) -> opsorch_schema::Target {
        let mut scope = self.scope.clone();
        if scope.service.is_none() && self.acts_on_service {
            scope.service = match action {
                Some(Action::IncidentCreate(input)) => input.service.clone(),
                Some(Action::AlertRaise(input)) => input.service.clone(),
                Some(Action::DeploymentRecord(input)) => Some(input.service.clone()),
                _ => None,
            };
        }
        opsorch_schema::Target::new(self.name.clone(), self.kind.clone(), self.fingerprint.clone(), scope)
    }

    /// Whether it declares that its vendor [honours the idempotency key](Self::idempotent_by_key) of this operation.
    pub fn is_idempotent_by_key(&self, operation: Operation) -> bool {
        self.idempotent_by_key.contains(operation)
    }

    /// Whether it declares that what this operation makes is [found by its marker](Self::found_by_marker), and can look.
    pub fn is_found_by_marker(&self, operation: Operation) -> bool {
        self.finder(operation).is_some()
    }

    /// Who finds what this operation made by its marker.
    pub(crate) fn finder(&self, operation: Operation) -> Option<&dyn Reconciler> {
        self.reconciler().filter(|_| self.found_by_marker.contains(operation))
    }

    /// Its kind, and what identifies its configuration.
    #[cfg(feature = "cache")]
    pub(crate) fn origin(&self) -> (&str, &str) {
        (&self.kind, &self.fingerprint)
    }

    pub(crate) fn reconciler(&self) -> Option<&dyn Reconciler> {
        self.reconciler.as_deref()
    }

    pub(crate) fn health_check(&self) -> Option<&dyn HealthCheck> {
        self.health_check.as_deref()
    }

    pub(crate) fn webhook_receiver(&self) -> Option<&dyn WebhookReceiver> {
        self.webhook_receiver.as_deref()
    }

    /// Calls the reader of a query. One arm for each read of the table; the compiler asks for a forgotten one.
    pub(crate) async fn answer(&self, cx: &Context, query: &Query) -> Result<Response> {
        Ok(match query {
            Query::IncidentQuery(query) => self.incident_reader()?.query(cx, query).await?.into(),
            Query::IncidentGet(id) => self.incident_reader()?.get(cx, id).await?.into(),
            Query::IncidentTimelineGet(id) => self.timeline_reader()?.timeline(cx, id).await?.into(),
            Query::AlertQuery(query) => self.alert_reader()?.query(cx, query).await?.into(),
            Query::AlertGet(id) => self.alert_reader()?.get(cx, id).await?.into(),
            Query::LogQuery(query) => self.log_reader()?.query(cx, query).await?.into(),
            Query::MetricQuery(query) => self.metric_reader()?.query(cx, query).await?.into(),
            Query::MetricDescribe(scope) => self.metric_reader()?.describe(cx, scope).await?.into(),
            Query::TicketQuery(query) => self.ticket_reader()?.query(cx, query).await?.into(),
            Query::TicketGet(id) => self.ticket_reader()?.get(cx, id).await?.into(),
            Query::ServiceQuery(query) => self.service_reader()?.query(cx, query).await?.into(),
            Query::ServiceGet(id) => self.service_reader()?.get(cx, id).await?.into(),
            Query::DeploymentQuery(query) => self.deployment_reader()?.query(cx, query).await?.into(),
            Query::DeploymentGet(id) => self.deployment_reader()?.get(cx, id).await?.into(),
            Query::TeamQuery(query) => self.team_reader()?.query(cx, query).await?.into(),
            Query::TeamGet(id) => self.team_reader()?.get(cx, id).await?.into(),
            Query::TeamMembers(id) => self.team_reader()?.members(cx, id).await?.into(),
            Query::TeamOncall(id) => self.on_call_reader()?.oncall(cx, id).await?.into(),
            Query::OrchestrationPlansQuery(query) => self.plan_reader()?.query(cx, query).await?.into(),
            Query::OrchestrationPlansGet(id) => self.plan_reader()?.get(cx, id).await?.into(),
            Query::OrchestrationRunsQuery(query) => self.run_reader()?.query(cx, query).await?.into(),
            Query::OrchestrationRunsGet(id) => self.run_reader()?.get(cx, id).await?.into(),
        })
    }

    /// The error for an operation that it does not offer.
    pub(crate) fn lacks(&self, operation: Operation) -> Error {
        let message = format!("provider `{}` does not offer {operation}; it offers: {}", self.name, self.operations());
        Error::unsupported(message)
    }
}
