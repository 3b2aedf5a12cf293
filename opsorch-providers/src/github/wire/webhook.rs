//! What GitHub sends by itself.

use serde::Deserialize;

use super::{Comment, Deployment, DeploymentStatus, Issue, WorkflowRun};

/// The parts of events that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::github) struct Event {
    pub(in crate::github) action: Option<String>,
    pub(in crate::github) repository: Option<Named>,
    pub(in crate::github) issue: Option<Issue>,
    pub(in crate::github) comment: Option<Comment>,
    pub(in crate::github) deployment: Option<Deployment>,
    pub(in crate::github) deployment_status: Option<DeploymentStatus>,
    pub(in crate::github) workflow_run: Option<WorkflowRun>,
}

/// The repository that an event is of.
#[derive(Debug, Deserialize)]
pub(in crate::github) struct Named {
    pub(in crate::github) full_name: String,
}
