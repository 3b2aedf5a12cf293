//! Whether Jira answers, and what this credential may do in the project.

use std::collections::BTreeMap;

use async_trait::async_trait;
use opsorch::capability::{Health, HealthCheck, HealthProblem};
use opsorch::{Context, Error, ErrorKind, Operation, OperationSet, Result};
use serde::Deserialize;

use super::api::{Server, read};

/// The operations, each with the permissions that it needs, by Jira's keys and as its pages name them.
const NEEDED: [(Operation, &[(&str, &str)]); 5] = [
    (Operation::TicketQuery, &[BROWSE]),
    (Operation::TicketGet, &[BROWSE]),
    (Operation::TicketCreate, &[BROWSE, ("CREATE_ISSUES", "Create Issues")]),
    (
        Operation::TicketUpdate,
        &[
            BROWSE,
            ("EDIT_ISSUES", "Edit Issues"),
            ("TRANSITION_ISSUES", "Transition Issues"),
            ("ASSIGN_ISSUES", "Assign Issues"),
        ],
    ),
    (Operation::TicketComment, &[BROWSE, ("ADD_COMMENTS", "Add Comments")]),
];

const BROWSE: (&str, &str) = ("BROWSE_PROJECTS", "Browse Projects");

/// Asks who it is taken for, and what that one may do.
#[derive(Debug)]
pub(super) struct Checkup {
    server: Server,
    project: String,
}

/// `/mypermissions`.
#[derive(Deserialize)]
struct Permissions {
    permissions: BTreeMap<String, Permission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    have_permission: bool,
}

/// `/serverInfo`.
#[derive(Deserialize)]
struct ServerInfo {
    version: String,
}

#[async_trait]
impl HealthCheck for Checkup {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let nothing = OperationSet::new();
        let all: OperationSet = NEEDED.iter().map(|(operation, _)| *operation).collect();
        // A login that Jira does not believe may pass for nobody's, who may see a public project.
        if let Err(error) = self.server.ask(cx, self.server.get(&["myself"])).await {
            return problem(error, Health::new(nothing), all);
        }
        let permissions = match self.permissions(cx).await {
            Ok(permissions) => permissions,
            Err(error) => return problem(error, Health::new(nothing), all),
        };
        let mut health = Health::new(nothing);
        let mut lacking = BTreeMap::<&str, OperationSet>::new();
        for (operation, needed) in NEEDED {
            let lacks = needed.iter().filter(|(key, _)| !permissions.get(*key).is_some_and(|it| it.have_permission));
            let lacks: Vec<_> = lacks.map(|(_, name)| *name).collect();
            if lacks.is_empty() {
                health.operations.insert(operation);
            }
            lacks.into_iter().for_each(|name| lacking.entry(name).or_default().insert(operation));
        }
        for (name, operations) in lacking {
            let message = format!("the credential lacks the permission `{name}` in the project `{}`", self.project);
            health = health.problem(HealthProblem::new(operations, message));
        }
        Ok(match self.version(cx).await {
            Ok(version) => health.version(version),
            // It is a courtesy.
            Err(_) => health,
        })
    }
}

impl Checkup {
    pub(super) fn new(server: Server, project: String) -> Self {
        Self { server, project }
    }

    async fn permissions(&self, cx: &Context) -> Result<BTreeMap<String, Permission>> {
        let mut keys: Vec<&str> = NEEDED.iter().flat_map(|(_, needed)| needed.iter().map(|(key, _)| *key)).collect();
        keys.sort_unstable();
        keys.dedup();
        let (keys, project) = (keys.join(","), self.project.as_str());
        let request = self.server.get(&["mypermissions"]).query(&[("projectKey", project), ("permissions", &keys)]);
        let reply = self.server.ask(cx, request).await?;
        Ok(read::<Permissions>(&reply)?.permissions)
    }

    async fn version(&self, cx: &Context) -> Result<String> {
        let reply = self.server.ask(cx, self.server.get(&["serverInfo"])).await?;
        Ok(read::<ServerInfo>(&reply)?.version)
    }
}

/// What an error says about the credential or the address; that Jira does not answer says nothing.
fn problem(error: Error, health: Health, operations: OperationSet) -> Result<Health> {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited { .. } => Err(error),
        _ => Ok(health.problem(HealthProblem::new(operations, error.to_string()))),
    }
}
