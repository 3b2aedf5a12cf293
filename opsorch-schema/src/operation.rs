//! The table of operations: the one list from which everything else is made.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Hands the table to another macro. One row is one operation:
/// `Variant "name" Capability idempotent|once Input => ResponseVariant(Output), "what it does";`
macro_rules! with_operations {
    ($then:ident) => {
        $then! {
            read {
                IncidentQuery "incident.query" Incident idempotent IncidentQuery => Incidents(Page<Incident>), "finds incidents";
                IncidentGet "incident.get" Incident idempotent IncidentId => Incident(Incident), "reads one incident";
                IncidentTimelineGet "incident.timeline.get" Incident idempotent IncidentId => Timeline(Page<TimelineEntry>), "reads the timeline of an incident";
                AlertQuery "alert.query" Alert idempotent AlertQuery => Alerts(Page<Alert>), "finds alerts";
                AlertGet "alert.get" Alert idempotent AlertId => Alert(Alert), "reads one alert";
                LogQuery "log.query" Log idempotent LogQuery => Logs(Page<LogEntry>), "finds log entries";
                MetricQuery "metric.query" Metric idempotent MetricQuery => Metrics(Page<MetricSeries>), "reads time series of a metric";
                MetricDescribe "metric.describe" Metric idempotent Scope => MetricDescriptors(Page<MetricDescriptor>), "lists the metrics there are";
                TicketQuery "ticket.query" Ticket idempotent TicketQuery => Tickets(Page<Ticket>), "finds tickets";
                TicketGet "ticket.get" Ticket idempotent TicketId => Ticket(Ticket), "reads one ticket";
                ServiceQuery "service.query" Service idempotent ServiceQuery => Services(Page<Service>), "finds services";
                ServiceGet "service.get" Service idempotent ServiceId => Service(Service), "reads one service";
                DeploymentQuery "deployment.query" Deployment idempotent DeploymentQuery => Deployments(Page<Deployment>), "finds deployments";
                DeploymentGet "deployment.get" Deployment idempotent DeploymentId => Deployment(Deployment), "reads one deployment";
                TeamQuery "team.query" Team idempotent TeamQuery => Teams(Page<Team>), "finds teams";
                TeamGet "team.get" Team idempotent TeamId => Team(Team), "reads one team";
                TeamMembers "team.members" Team idempotent TeamId => Members(Page<TeamMember>), "lists the members of a team";
                TeamOncall "team.oncall" Team idempotent TeamId => Members(Page<TeamMember>), "lists who of a team is on call now";
                OrchestrationPlansQuery "orchestration.plans.query" Orchestration idempotent PlanQuery => Plans(Page<Plan>), "finds orchestration plans";
                OrchestrationPlansGet "orchestration.plans.get" Orchestration idempotent PlanId => Plan(Plan), "reads one plan";
                OrchestrationRunsQuery "orchestration.runs.query" Orchestration idempotent RunQuery => Runs(Page<Run>), "finds runs of plans";
                OrchestrationRunsGet "orchestration.runs.get" Orchestration idempotent RunId => Run(Run), "reads one run";
            }
            write {
                IncidentCreate "incident.create" Incident once CreateIncident => Incident(Incident), "opens an incident";
                IncidentUpdate "incident.update" Incident idempotent UpdateIncident => Incident(Incident), "changes fields of an incident";
                IncidentTimelineAppend "incident.timeline.append" Incident once TimelineAppend => Done(()), "adds an entry to an incident's timeline";
                AlertRaise "alert.raise" Alert idempotent RaiseAlert => Alert(Alert), "raises an alert under a deduplication key";
                AlertAcknowledge "alert.acknowledge" Alert idempotent AcknowledgeAlert => Alert(Alert), "acknowledges an alert";
                AlertResolve "alert.resolve" Alert idempotent ResolveAlert => Alert(Alert), "resolves an alert";
                AlertSilence "alert.silence" Alert once SilenceAlert => Alert(Alert), "silences an alert until a time";
                TicketCreate "ticket.create" Ticket once CreateTicket => Ticket(Ticket), "opens a ticket";
                TicketUpdate "ticket.update" Ticket idempotent UpdateTicket => Ticket(Ticket), "changes fields of a ticket";
                TicketComment "ticket.comment" Ticket once CommentTicket => Comment(Comment), "adds a comment to a ticket";
                MessagingSend "messaging.send" Messaging once Message => Message(MessageResult), "sends a message";
                MessagingUpdate "messaging.update" Messaging idempotent UpdateMessage => Message(MessageResult), "replaces a message that was sent";
                DeploymentRecord "deployment.record" Deployment once RecordDeployment => Deployment(Deployment), "records a deployment that something else makes";
                OrchestrationRunsStart "orchestration.runs.start" Orchestration once StartRun => Run(Run), "starts a run of a plan";
                OrchestrationRunsStepsComplete "orchestration.runs.steps.complete" Orchestration idempotent CompleteStep => Done(()), "completes a manual step of a run";
                OrchestrationRunsCancel "orchestration.runs.cancel" Orchestration idempotent CancelRun => Run(Run), "cancels a run";
            }
        }
    };
}
pub(crate) use with_operations;

/// A kind of thing one can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Capability {
    /// Incidents and their timelines.
    Incident,
    /// Alerts.
    Alert,
    /// Log entries.
    Log,
    /// Metrics.
    Metric,
    /// Tickets and their comments.
    Ticket,
    /// Messages to people and channels.
    Messaging,
    /// The catalogue of services.
    Service,
    /// Deployments.
    Deployment,
    /// Teams, their members and who is on call.
    Team,
    /// Plans and runs of them.
    Orchestration,
}

impl Capability {
    /// All capabilities, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Incident,
        Self::Alert,
        Self::Log,
        Self::Metric,
        Self::Ticket,
        Self::Messaging,
        Self::Service,
        Self::Deployment,
        Self::Team,
        Self::Orchestration,
    ];

    /// The name in configurations, policies and addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Alert => "alert",
            Self::Log => "log",
            Self::Metric => "metric",
            Self::Ticket => "ticket",
            Self::Messaging => "messaging",
            Self::Service => "service",
            Self::Deployment => "deployment",
            Self::Team => "team",
            Self::Orchestration => "orchestration",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Capability {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.iter().map(|capability| capability.name());
        find(Self::ALL, |capability| capability.name() == name)
            .ok_or_else(|| UnknownName::new("capability", name, known))
    }
}

/// What an operation does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Effect {
    /// It only looks: a [`Query`](crate::Query).
    Read,
    /// It changes something: an [`Action`](crate::Action), which passes the gate.
    Write,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

macro_rules! define_operation {
    (
        read { $($read:ident $read_name:literal $read_capability:ident $read_repeat:ident $read_input:ty => $read_variant:ident($read_output:ty), $read_doc:literal;)+ }
        write { $($write:ident $write_name:literal $write_capability:ident $write_repeat:ident $write_input:ty => $write_variant:ident($write_output:ty), $write_doc:literal;)+ }
    ) => {
        /// One row of the table. Its name is the same in Rust, HTTP, MCP, plugin lines, policies and the audit log.
        ///
        /// ```
        /// use opsorch_schema::{Capability, Effect, Operation};
        ///
        /// let operation: Operation = "ticket.create".parse()?;
        /// assert_eq!(operation.capability(), Capability::Ticket);
        /// assert_eq!(operation.effect(), Effect::Write);
        /// assert!(!operation.is_idempotent());
        /// # Ok::<(), opsorch_schema::UnknownName>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $(#[doc = concat!("`", $read_name, "`: ", $read_doc, ".")] $read,)+
            $(#[doc = concat!("`", $write_name, "`: ", $write_doc, ".")] $write,)+
        }

        impl Operation {
            /// All operations: the reads, then the writes, each in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$read,)+ $(Self::$write,)+];

            /// The name, such as `ticket.create`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$read => $read_name,)+
                    $(Self::$write => $write_name,)+
                }
            }

            /// The capability it belongs to.
            pub fn capability(self) -> Capability {
                match self {
                    $(Self::$read => Capability::$read_capability,)+
                    $(Self::$write => Capability::$write_capability,)+
                }
            }

            /// Whether it reads or changes something.
            pub fn effect(self) -> Effect {
                match self {
                    $(Self::$read => Effect::Read,)+
                    $(Self::$write => Effect::Write,)+
                }
            }

            /// Whether doing it twice leaves the world as doing it once. A hint for people and agents: the gate
            /// does not repeat a change because of it.
            pub fn is_idempotent(self) -> bool {
                match self {
                    $(Self::$read => define_operation!(@$read_repeat),)+
                    $(Self::$write => define_operation!(@$write_repeat),)+
                }
            }

            /// What it does, in a few words that follow "it".
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$read => $read_doc,)+
                    $(Self::$write => $write_doc,)+
                }
            }

            /// The type of its input, as it is written in Rust.
            pub fn input_type(self) -> String {
                let type_name = match self {
                    $(Self::$read => stringify!($read_input),)+
                    $(Self::$write => stringify!($write_input),)+
                };
                // The compiler puts spaces between tokens.
                type_name.replace(' ', "")
            }

            /// The type of its output, as it is written in Rust.
            pub fn output_type(self) -> String {
                let type_name = match self {
                    $(Self::$read => stringify!($read_output),)+
                    $(Self::$write => stringify!($write_output),)+
                };
                type_name.replace(' ', "")
            }

            /// The JSON Schema of its input; shared types go to the generator's definitions.
            pub fn input_schema(self, generator: &mut SchemaGenerator) -> Schema {
                use crate::*;
                match self {
                    $(Self::$read => generator.subschema_for::<$read_input>(),)+
                    $(Self::$write => generator.subschema_for::<$write_input>(),)+
                }
            }

            /// The JSON Schema of its output; shared types go to the generator's definitions.
            pub fn output_schema(self, generator: &mut SchemaGenerator) -> Schema {
                use crate::*;
                match self {
                    $(Self::$read => generator.subschema_for::<$read_output>(),)+
                    $(Self::$write => generator.subschema_for::<$write_output>(),)+
                }
            }
        }
    };
    (@idempotent) => { true };
    (@once) => { false };
}
with_operations!(define_operation);

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.iter().map(|operation| operation.name());
        find(Self::ALL, |operation| operation.name() == name).ok_or_else(|| UnknownName::new("operation", name, known))
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Operation {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Operation".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Self::ALL.iter().map(|operation| operation.name()).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

/// A set of operations, such as those a provider offers.
///
/// ```
/// use opsorch_schema::{Operation, OperationSet};
///
/// let set: OperationSet = [Operation::TicketGet, Operation::TicketQuery].into_iter().collect();
/// assert!(set.contains(Operation::TicketGet));
/// assert_eq!(set.to_string(), "ticket.query, ticket.get");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationSet(u64);

const _: () = assert!(Operation::ALL.len() <= u64::BITS as usize, "OperationSet needs a bit for each operation");

impl OperationSet {
    /// The set of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation.
    pub fn insert(&mut self, operation: Operation) {
        self.0 |= Self::bit(operation);
    }

    /// Whether the operation is in the set.
    pub fn contains(self, operation: Operation) -> bool {
        self.0 & Self::bit(operation) != 0
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The operations, in the order of [`Operation::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL.iter().copied().filter(move |operation| self.contains(*operation))
    }

    fn bit(operation: Operation) -> u64 {
        1 << (operation as u32)
    }
}

impl FromIterator<Operation> for OperationSet {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        let mut set = Self::new();
        operations.into_iter().for_each(|operation| set.insert(operation));
        set
    }
}

impl fmt::Display for OperationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Operation::name).collect();
        f.write_str(&names.join(", "))
    }
}

/// A name that is not in a closed list; the message lists the names that are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}`, expected one of: {known}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
    known: String,
}

impl UnknownName {
    /// Says which list `name` was looked for in, and what that list holds.
    pub fn new<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let name = name.chars().take(100).collect();
        Self { what, name, known: known.collect::<Vec<_>>().join(", ") }
    }
}

fn find<T: Copy>(all: &[T], is_it: impl Fn(&T) -> bool) -> Option<T> {
    all.iter().copied().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_begins_with_its_capability_and_parses_back() {
        for operation in Operation::ALL {
            assert!(operation.name().starts_with(operation.capability().name()), "{operation}");
            assert_eq!(operation.name().parse(), Ok(*operation));
        }
    }

    #[test]
    fn types_are_written_as_in_rust() {
        assert_eq!(Operation::TicketQuery.output_type(), "Page<Ticket>");
        assert_eq!(Operation::TicketCreate.input_type(), "CreateTicket");
    }

    #[test]
    fn reads_are_idempotent() {
        assert!(
            Operation::ALL.iter().all(|operation| operation.effect() == Effect::Write || operation.is_idempotent())
        );
    }

    #[test]
    fn an_unknown_operation_lists_the_known_ones() {
        let error = "ticket.delete".parse::<Operation>().unwrap_err().to_string();
        assert!(error.starts_with("unknown operation `ticket.delete`, expected one of: incident.query, "), "{error}");
        assert!(error.ends_with("orchestration.runs.cancel"), "{error}");
    }
}
