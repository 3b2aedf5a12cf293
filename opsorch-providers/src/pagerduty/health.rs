//! Whether the account answers, and what works with this token.

use async_trait::async_trait;
use opsorch::capability::{Health, HealthCheck, HealthProblem};
use opsorch::{Context, Error, ErrorKind, Operation, OperationSet, Result};
use serde::de::IgnoredAny;

use super::api::{Api, Parameters};
use super::wire::UserList;

/// Small reads, and what works if all of them do.
struct Probe {
    reads: &'static [Read],
    operations: &'static [Operation],
}

/// A small read, and the scope that an OAuth token needs for it.
struct Read {
    path: &'static str,
    scope: &'static str,
}

const PROBES: [Probe; 4] = [
    Probe {
        reads: &[Read { path: "incidents", scope: "incidents.read" }],
        operations: &[
            Operation::IncidentQuery,
            Operation::IncidentGet,
            Operation::IncidentTimelineGet,
            Operation::AlertQuery,
            Operation::AlertGet,
        ],
    },
    Probe {
        reads: &[Read { path: "services", scope: "services.read" }],
        operations: &[Operation::ServiceQuery, Operation::ServiceGet],
    },
    Probe {
        reads: &[Read { path: "teams", scope: "teams.read" }],
        operations: &[Operation::TeamQuery, Operation::TeamGet, Operation::TeamMembers],
    },
    Probe {
        reads: &[
            Read { path: "escalation_policies", scope: "escalation_policies.read" },
            Read { path: "oncalls", scope: "oncalls.read" },
        ],
        operations: &[Operation::TeamOncall],
    },
];

/// What is done in somebody's name.
const IN_A_NAME: [Operation; 3] =
    [Operation::IncidentCreate, Operation::IncidentUpdate, Operation::IncidentTimelineAppend];

/// What is done by events.
const BY_EVENTS: [Operation; 3] = [Operation::AlertRaise, Operation::AlertAcknowledge, Operation::AlertResolve];

/// Reads a little of everything, and looks up the user of `from_email`.
#[derive(Debug)]
pub(super) struct Checkup {
    api: Api,
    from_email: Option<String>,
    has_events: bool,
}

impl Checkup {
    pub(super) fn new(api: Api, from_email: Option<String>, has_events: bool) -> Self {
        Self { api, from_email, has_events }
    }

    /// The first of the reads that does not work, and why.
    async fn probe(&self, cx: &Context, probe: &Probe) -> Result<(), (&'static str, Error)> {
        let one: Parameters = vec![("limit", "1".to_owned())];
        for Read { path, scope } in probe.reads {
            let found = self.api.get::<IgnoredAny>(cx, *path, &one).await;
            found.map_err(|error| (*path, explained(error, scope)))?;
        }
        Ok(())
    }

    /// Why nothing can be done in somebody's name; `None` if something can.
    async fn sender_problem(&self, cx: &Context) -> Option<String> {
        let Some(address) = &self.from_email else {
            let problem = "no `from_email` is configured, so that changes are made only for persons who are known by their \
                           e-mail address";
            return Some(problem.to_owned());
        };
        let list = self.api.list(&["users"], vec![("query", address.clone())]);
        match list.all::<UserList>(cx).await {
            Ok((users, _)) => {
                let is_it = |email: &str| email.eq_ignore_ascii_case(address);
                let is_known = users.iter().any(|user| user.email.as_deref().is_some_and(is_it));
                (!is_known).then(|| format!("from_email: no user of the account has the address {address}"))
            }
            Err(error) => Some(format!("users: {}", explained(error, "users.read"))),
        }
    }
}

#[async_trait]
impl HealthCheck for Checkup {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let mut health = Health::new(OperationSet::new());
        let mut silent = Vec::new();
        for probe in &PROBES {
            match self.probe(cx, probe).await {
                Ok(()) => probe.operations.iter().for_each(|operation| health.operations.insert(*operation)),
                Err((path, error)) => {
                    let operations = probe.operations.iter().copied().collect();
                    health = health.problem(HealthProblem::new(operations, format!("{path}: {error}")));
                    silent.extend(Some(error).filter(is_silence));
                }
            }
        }
        if silent.len() == PROBES.len()
            && let Some(error) = silent.pop()
        {
            return Err(error);
        }
        if self.has_events && health.operations.contains(Operation::AlertGet) {
            BY_EVENTS.into_iter().for_each(|operation| health.operations.insert(operation));
        }
        match self.sender_problem(cx).await {
            Some(problem) => health = health.problem(HealthProblem::new(IN_A_NAME.into_iter().collect(), problem)),
            None => IN_A_NAME.into_iter().for_each(|operation| health.operations.insert(operation)),
        }
        Ok(health)
    }
}

/// An error with what to do about it.
fn explained(error: Error, scope: &str) -> Error {
    match error.kind() {
        ErrorKind::Forbidden => {
            error.with_context("hint", format!("the token may not read this; an OAuth token needs the scope `{scope}`"))
        }
        _ => error,
    }
}

/// Whether an error says nothing about the token.
fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited { .. })
}
