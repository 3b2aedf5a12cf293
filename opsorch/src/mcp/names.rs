//! What the tools are called: one table beside that of the operations.

use opsorch_schema::{Effect, Operation};
use rmcp::model::ToolAnnotations;

/// A row of the table: the tool of an operation.
pub(super) struct Row {
    pub(super) operation: Operation,
    /// OpsOrch's name where it has such a tool.
    pub(super) name: &'static str,
    kind: Kind,
}

/// What an operation does to what is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It looks at it.
    Reads,
    /// It adds to it.
    Adds,
    /// It may replace, end or set in motion something.
    Alters,
}

/// What the arguments of a tool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The fields of the input.
    Fields,
    /// The input is one text, which the argument `id` holds.
    Id,
    /// The input is the argument `scope`, as in OpsOrch.
    Scope,
}

macro_rules! rows {
    ($($operation:ident $name:literal $kind:ident;)+) => {
        /// Every operation with its tool.
        pub(super) const ROWS: &[Row] =
            &[$(Row { operation: Operation::$operation, name: $name, kind: Kind::$kind }),+];
    };
}

rows! {
    IncidentQuery "query-incidents" Reads;
    IncidentGet "get-incident" Reads;
    IncidentTimelineGet "get-incident-timeline" Reads;
    IncidentCreate "create-incident" Adds;
    IncidentUpdate "update-incident" Alters;
    IncidentTimelineAppend "append-incident-timeline" Adds;
    AlertQuery "query-alerts" Reads;
    AlertGet "get-alert" Reads;
    AlertRaise "raise-alert" Alters;
    AlertAcknowledge "acknowledge-alert" Alters;
    AlertResolve "resolve-alert" Alters;
    AlertSilence "silence-alert" Alters;
    LogQuery "query-logs" Reads;
    MetricQuery "query-metrics" Reads;
    MetricDescribe "describe-metrics" Reads;
    TicketQuery "query-tickets" Reads;
    TicketGet "get-ticket" Reads;
    TicketCreate "create-ticket" Adds;
    TicketUpdate "update-ticket" Alters;
    TicketComment "comment-on-ticket" Adds;
    MessagingSend "send-message" Adds;
    MessagingUpdate "update-message" Alters;
    ServiceQuery "query-services" Reads;
    ServiceGet "get-service" Reads;
    DeploymentQuery "query-deployments" Reads;
    DeploymentGet "get-deployment" Reads;
    DeploymentRecord "record-deployment" Adds;
    TeamQuery "query-teams" Reads;
    TeamGet "get-team" Reads;
    TeamMembers "get-team-members" Reads;
    TeamOncall "get-team-on-call" Reads;
    OrchestrationPlansQuery "query-orchestration-plans" Reads;
    OrchestrationPlansGet "get-orchestration-plan" Reads;
    OrchestrationRunsQuery "query-orchestration-runs" Reads;
    OrchestrationRunsGet "get-orchestration-run" Reads;
    OrchestrationRunsStart "start-orchestration-run" Alters;
    OrchestrationRunsStepsComplete "complete-orchestration-step" Alters;
    OrchestrationRunsCancel "cancel-orchestration-run" Alters;
}

impl Row {
    /// What clients may tell their users of it. Whether it reads, and whether a repeat is harmless, the table of operations
    /// says.
    pub(super) fn annotations(&self) -> ToolAnnotations {
        let reads = self.operation.effect() == Effect::Read;
        ToolAnnotations::new()
            .read_only(reads)
            .destructive(self.kind == Kind::Alters)
            .idempotent(self.operation.is_idempotent())
            .open_world(true)
    }
}

/// The name of the tool of an operation.
pub(super) fn of(operation: Operation) -> Option<&'static str> {
    ROWS.iter().find(|row| row.operation == operation).map(|row| row.name)
}

impl Input {
    /// What the arguments of the tool of an operation are.
    pub(super) fn of(operation: Operation) -> Self {
        match operation.input_type() {
            name if name == "Scope" => Self::Scope,
            name if name.ends_with("Id") => Self::Id,
            _ => Self::Fields,
        }
    }
}

/// Whether an operation answers a list.
pub(super) fn is_list(operation: Operation) -> bool {
    operation.output_type().starts_with("Page<")
}

/// Whether the input of an operation has a limit and a cursor.
pub(super) fn is_paged(operation: Operation) -> bool {
    is_list(operation) && operation.input_type().ends_with("Query")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_one_tool_with_a_name_of_its_own() {
        for operation in Operation::ALL {
            assert_eq!(ROWS.iter().filter(|row| row.operation == *operation).count(), 1, "{operation}");
        }
        for row in ROWS {
            assert_eq!(ROWS.iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
        }
    }

    #[test]
    fn a_row_reads_exactly_where_its_operation_does() {
        for row in ROWS {
            assert_eq!(row.kind == Kind::Reads, row.operation.effect() == Effect::Read, "{}", row.name);
        }
    }

    #[test]
    fn inputs_are_recognized_by_their_types() {
        assert_eq!(Input::of(Operation::MetricDescribe), Input::Scope);
        assert_eq!(Input::of(Operation::OrchestrationPlansGet), Input::Id);
        assert_eq!(Input::of(Operation::TicketCreate), Input::Fields);
        assert!(is_paged(Operation::LogQuery) && !is_paged(Operation::TeamMembers) && is_list(Operation::TeamMembers));
    }
}
