//! Deployments.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::gate::Approved;
use crate::{Context, Deployment, DeploymentId, DeploymentQuery, Page, RecordDeployment, Result};

/// Finds and reads deployments.
#[async_trait]
pub trait DeploymentReader: Debug + Send + Sync + 'static {
    /// Finds deployments, newest first: at most [`DeploymentQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &DeploymentQuery) -> Result<Page<Deployment>>;
    /// Reads one deployment; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &DeploymentId) -> Result<Deployment>;
}

/// Writes down deployments that something else makes, such as a pipeline.
#[async_trait]
pub trait DeploymentRecorder: Debug + Send + Sync + 'static {
    /// Writes down a deployment, and answers it with its id.
    async fn record(&self, cx: &Context, input: Approved<'_, RecordDeployment>) -> Result<Deployment>;
}
