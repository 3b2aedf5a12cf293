//! Deployments.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, Deployment, DeploymentId, DeploymentQuery, Page, Result};

/// Finds and reads deployments.
#[async_trait]
pub trait DeploymentReader: Debug + Send + Sync + 'static {
    /// Finds deployments, newest first: at most [`DeploymentQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &DeploymentQuery) -> Result<Page<Deployment>>;
    /// Reads one deployment; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &DeploymentId) -> Result<Deployment>;
}
