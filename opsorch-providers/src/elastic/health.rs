//! Whether the cluster answers, and what works with this credential.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{Health, HealthCheck, HealthProblem};
use opsorch::{Context, Error, ErrorKind, Operation, OperationSet, Result};

use super::api::{Cluster, Distribution};
use super::read::{Pit, mapping};
use super::wire::Info;

/// Asks for the fields of the indices, and opens and closes a point in time: all that a query needs, but for the search.
#[derive(Debug)]
pub(super) struct Checkup {
    cluster: Arc<Cluster>,
    index: String,
    timestamp: String,
}

impl Checkup {
    pub(super) fn new(cluster: Arc<Cluster>, index: String, timestamp: String) -> Self {
        Self { cluster, index, timestamp }
    }

    /// What is in the way of queries, if anything is.
    async fn problem(&self, cx: &Context) -> Result<Option<String>> {
        let mapping = mapping(cx, &self.cluster, &self.index, &self.timestamp).await?;
        if mapping.is_of_nothing() {
            return Ok(Some(format!("no index or data stream is called `{}`, so that nothing is found", self.index)));
        }
        if let Err(error) = mapping.clock(&self.timestamp) {
            return Ok(Some(error.to_string()));
        }
        let (pit, _) = Pit::open(cx, &self.cluster, &self.index).await?;
        pit.close(cx).await;
        Ok(None)
    }

    /// The version, where the credential may ask for it.
    async fn version(&self, cx: &Context, distribution: Distribution) -> Option<String> {
        let info: Info = self.cluster.info(cx).await.ok()?.error_for_status().ok()?.json().ok()?;
        let name = match distribution {
            Distribution::Elasticsearch => "elasticsearch",
            Distribution::OpenSearch => "opensearch",
        };
        Some(format!("{name} {}", info.version()))
    }
}

#[async_trait]
impl HealthCheck for Checkup {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let all = OperationSet::from_iter([Operation::LogQuery]);
        let found = match self.cluster.distribution(cx).await {
            Ok(distribution) => self.problem(cx).await.map(|problem| (problem, distribution)),
            Err(error) => Err(error),
        };
        let unhealthy = |message: String| Health::new(OperationSet::new()).problem(HealthProblem::new(all, message));
        let (problem, distribution) = match found {
            Err(error) if is_silence(&error) => return Err(error),
            Err(error) => return Ok(unhealthy(explained(error).to_string())),
            Ok(found) => found,
        };
        let health = match problem {
            Some(problem) => unhealthy(problem),
            None => Health::new(all),
        };
        Ok(match self.version(cx, distribution).await {
            Some(version) => health.version(version),
            None => health,
        })
    }
}

/// An error with what to do about it.
fn explained(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Forbidden => {
            let hint = "the credential needs the index privileges `read` and `view_index_metadata` of Elasticsearch, or the \
                        action groups `read` and `indices_monitor` of OpenSearch, for the configured indices";
            error.with_context("hint", hint)
        }
        _ => error,
    }
}

/// Whether an error says nothing about the credential or the address.
fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited { .. })
}
