//! Where each operation is: one table for the compatible routes, for `/v1`, and for what is written about them.

use opsorch_schema::{Capability, Operation};

use super::auth::Role;
use crate::transport::{Method, StatusCode};

/// A route: how it is called, and who may call it.
///
/// Those of [`Operation`]s are there twice: as OpsOrch has them, and below `/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; a segment such as `{id}` stands for any text.
    pub path: String,
    /// What it does, where that is an operation.
    pub operation: Option<Operation>,
    /// Who may call it.
    pub guard: Guard,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// Whoever may use the operation: [`Access`](crate::gate::Access) decides.
    Access,
    /// Everybody who was authenticated.
    Authenticated,
    /// Everybody with this role or a higher one.
    Role(Role),
    /// A vendor, whose signature the provider checks.
    Vendor,
}

/// A row of the table.
pub(super) struct Row {
    pub(super) operation: Operation,
    pub(super) method: Method,
    /// Below the root, without the first slash. A segment in braces is a field of the input.
    pub(super) path: &'static str,
    /// The status of success.
    pub(super) status: StatusCode,
    /// Where the rest of the input is.
    pub(super) input: Source,
    /// Whether OpsOrch has this route, and so its habits hold for it.
    pub(super) origin: Origin,
}

/// Where an input is, beside the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In the body.
    Body,
    /// In the body, if there is one.
    OptionalBody,
    /// In the query of the address.
    Address,
    /// Nowhere: the path says it all.
    Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    OpsOrch,
    New,
}

macro_rules! rows {
    ($($operation:ident $method:ident $path:literal $status:ident $input:ident $origin:ident;)+) => {
        /// Every operation, with the addresses it has. A pattern with fewer placeholders stands before one with more.
        pub(super) const ROWS: &[Row] = &[$(Row {
            operation: Operation::$operation,
            method: Method::$method,
            path: $path,
            status: StatusCode::$status,
            input: Source::$input,
            origin: Origin::$origin,
        }),+];
    };
}

rows! {
    IncidentQuery POST "incidents/query" OK Body OpsOrch;
    IncidentCreate POST "incidents" CREATED Body OpsOrch;
    IncidentGet GET "incidents/{id}" OK Path OpsOrch;
    IncidentUpdate PATCH "incidents/{id}" OK Body OpsOrch;
    IncidentTimelineGet GET "incidents/{id}/timeline" OK Path OpsOrch;
    IncidentTimelineAppend POST "incidents/{id}/timeline" CREATED Body OpsOrch;
    AlertQuery POST "alerts/query" OK Body OpsOrch;
    AlertRaise POST "alerts" CREATED Body New;
    AlertGet GET "alerts/{id}" OK Path OpsOrch;
    AlertAcknowledge POST "alerts/{id}/acknowledge" OK OptionalBody New;
    AlertResolve POST "alerts/{id}/resolve" OK OptionalBody New;
    AlertSilence POST "alerts/{id}/silence" OK Body New;
    LogQuery POST "logs/query" OK Body OpsOrch;
    MetricQuery POST "metrics/query" OK Body OpsOrch;
    MetricDescribe GET "metrics/describe" OK Address OpsOrch;
    MetricDescribe POST "metrics/describe" OK Body OpsOrch;
    TicketQuery POST "tickets/query" OK Body OpsOrch;
    TicketCreate POST "tickets" CREATED Body OpsOrch;
    TicketGet GET "tickets/{id}" OK Path OpsOrch;
    TicketUpdate PATCH "tickets/{id}" OK Body OpsOrch;
    TicketComment POST "tickets/{id}/comments" CREATED Body New;
    MessagingSend POST "messages/send" OK Body OpsOrch;
    MessagingUpdate PATCH "messages/{id}" OK Body New;
    ServiceQuery POST "services/query" OK Body OpsOrch;
    ServiceGet GET "services/{id}" OK Path New;
    DeploymentQuery POST "deployments/query" OK Body OpsOrch;
    DeploymentRecord POST "deployments" CREATED Body New;
    DeploymentGet GET "deployments/{id}" OK Path OpsOrch;
    TeamQuery POST "teams/query" OK Body OpsOrch;
    TeamGet GET "teams/{id}" OK Path OpsOrch;
    TeamMembers GET "teams/{id}/members" OK Path OpsOrch;
    TeamOncall GET "teams/{id}/oncall" OK Path New;
    OrchestrationPlansQuery POST "orchestration/plans/query" OK Body OpsOrch;
    OrchestrationPlansGet GET "orchestration/plans/{planId}" OK Path OpsOrch;
    OrchestrationRunsQuery POST "orchestration/runs/query" OK Body OpsOrch;
    OrchestrationRunsStart POST "orchestration/runs" CREATED Body OpsOrch;
    OrchestrationRunsGet GET "orchestration/runs/{runId}" OK Path OpsOrch;
    OrchestrationRunsStepsComplete POST "orchestration/runs/{runId}/steps/{stepId}/complete" OK Body OpsOrch;
    OrchestrationRunsCancel POST "orchestration/runs/{runId}/cancel" OK OptionalBody New;
}

/// What a path names: the row, and the texts that stand for its placeholders, still percent-encoded.
pub(super) struct Match<'p> {
    pub(super) row: &'static Row,
    pub(super) fields: Fields<'p>,
}

/// The placeholders of a path; no path has more than two.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'p>([Option<(&'static str, &'p str)>; 2]);

impl<'p> Fields<'p> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &'p str)> {
        self.0.iter().flatten().copied()
    }

    fn push(&mut self, name: &'static str, text: &'p str) {
        if let Some(free) = self.0.iter_mut().find(|place| place.is_none()) {
            *free = Some((name, text));
        }
    }
}

/// Finds the row of a path, which is given without its first slash. One slash at the end is tolerated where OpsOrch
/// tolerates it.
pub(super) fn find<'p>(method: &Method, path: &'p str) -> Option<Match<'p>> {
    let (path, slash) = match path.strip_suffix('/') {
        Some(path) => (path, true),
        None => (path, false),
    };
    let first = path.split('/').next().unwrap_or_default();
    let of_first = ROWS.iter().filter(|row| row.method == *method && row.path.split('/').next() == Some(first));
    of_first
        .filter(|row| !slash || tolerates_slash(row.operation))
        .find_map(|row| Some(Match { row, fields: fields(row.path, path)? }))
}

/// What stands for the placeholders of a pattern, if the path fits it.
fn fields<'p>(pattern: &'static str, path: &'p str) -> Option<Fields<'p>> {
    let mut fields = Fields::default();
    let mut parts = path.split('/');
    for expected in pattern.split('/') {
        let part = parts.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if part.is_empty() => return None,
            Some(name) => fields.push(name, part),
            None if part == expected => {}
            None => return None,
        }
    }
    parts.next().is_none().then_some(fields)
}

fn tolerates_slash(operation: Operation) -> bool {
    use Capability::{Log, Messaging, Metric, Service};
    !matches!(operation.capability(), Log | Metric | Messaging | Service)
}

/// The routes of all operations.
pub(super) fn operations() -> impl Iterator<Item = Route> {
    let route = |row: &Row, prefix: &str| Route {
        method: row.method.clone(),
        path: format!("{prefix}/{}", row.path),
        operation: Some(row.operation),
        guard: Guard::Access,
    };
    ROWS.iter().flat_map(move |row| [route(row, ""), route(row, "/v1")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_route_and_no_two_share_one() {
        for operation in Operation::ALL {
            assert!(ROWS.iter().any(|row| row.operation == *operation), "{operation} has no route");
        }
        for (index, row) in ROWS.iter().enumerate() {
            let twin = ROWS.iter().skip(index + 1).find(|other| other.method == row.method && other.path == row.path);
            assert!(twin.is_none(), "{} {}", row.method, row.path);
            let found = find(&row.method, row.path).expect("a pattern fits itself");
            assert_eq!(found.row.path, row.path, "an earlier row hides it");
        }
    }

    #[test]
    fn placeholders_are_fields_of_the_input_and_never_empty() {
        let found = find(&Method::POST, "orchestration/runs/r-1/steps/s-1/complete").expect("it is there");
        assert_eq!(found.fields.iter().collect::<Vec<_>>(), [("runId", "r-1"), ("stepId", "s-1")]);
        for wrong in ["incidents//timeline", "incidentsX", "incidents/a/b", "incidents/a//", "/incidents/a", ""] {
            assert!(find(&Method::GET, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn one_slash_at_the_end_is_tolerated_where_opsorch_does() {
        assert!(find(&Method::GET, "incidents/a/").is_some());
        assert!(find(&Method::POST, "tickets/").is_some());
        assert!(find(&Method::POST, "logs/query/").is_none());
        assert!(find(&Method::POST, "messages/send/").is_none());
    }
}
