//! Whether the servers answer, and what works with this credential.

use async_trait::async_trait;
use opsorch::capability::{Health, HealthCheck, HealthProblem};
use opsorch::{Context, Error, ErrorKind, Operation, OperationSet, Result};

use super::api::prometheus::ask;
use super::api::{self, Server};
use super::wire::discovery::BuildInfo;
use super::wire::matrix::QueryResult;

const METRICS: [Operation; 2] = [Operation::MetricQuery, Operation::MetricDescribe];
const ALERTS: [Operation; 2] = [Operation::AlertQuery, Operation::AlertGet];
const ALERTS_AND_SILENCES: [Operation; 3] = [Operation::AlertQuery, Operation::AlertGet, Operation::AlertSilence];

/// Asks both servers for something small.
#[derive(Debug)]
pub(super) struct Checkup {
    prometheus: Option<Server>,
    alertmanager: Option<Server>,
}

impl Checkup {
    pub(super) fn new(prometheus: Option<Server>, alertmanager: Option<Server>) -> Self {
        Self { prometheus, alertmanager }
    }
}

#[async_trait]
impl HealthCheck for Checkup {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let mut found = Vec::new();
        if let Some(prometheus) = &self.prometheus {
            let alerts = self.alertmanager.is_none().then_some(ALERTS).into_iter().flatten();
            let operations: OperationSet = METRICS.into_iter().chain(alerts).collect();
            found.push(("prometheus", operations, check_prometheus(cx, prometheus).await));
        }
        if let Some(alertmanager) = &self.alertmanager {
            let operations = ALERTS_AND_SILENCES.into_iter().collect();
            found.push(("alertmanager", operations, check_alertmanager(cx, alertmanager).await));
        }
        summary(found)
    }
}

type Finding = (&'static str, OperationSet, Result<Option<String>>);

/// What was found, all servers together. It is an error only if no server said anything.
fn summary(found: Vec<Finding>) -> Result<Health> {
    let mut health = Health::new(OperationSet::new());
    let mut versions = Vec::new();
    let mut silent = Vec::new();
    let servers = found.len();
    for (server, operations, result) in found {
        match result {
            Ok(version) => {
                operations.iter().for_each(|operation| health.operations.insert(operation));
                versions.extend(version.map(|version| format!("{server} {version}")));
            }
            Err(error) => {
                health = health.problem(HealthProblem::new(operations, format!("{server}: {error}")));
                silent.extend(Some(error).filter(is_silence));
            }
        }
    }
    match silent.pop() {
        Some(error) if silent.len() + 1 == servers => Err(error),
        _ if versions.is_empty() => Ok(health),
        _ => Ok(health.version(versions.join(", "))),
    }
}

/// Whether an error says nothing about the credential or the address.
fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited { .. })
}

/// A query shows that queries work; the version is a courtesy that not every server has.
async fn check_prometheus(cx: &Context, prometheus: &Server) -> Result<Option<String>> {
    let client = &prometheus.client;
    ask::<QueryResult>(cx, client.post("api/v1/query").form(&[("query", "1")]), "url").await?;
    let info = ask::<BuildInfo>(cx, client.get("api/v1/status/buildinfo"), "url").await;
    Ok(info.ok().map(|answer| answer.data.version).filter(|version| !version.is_empty()))
}

async fn check_alertmanager(cx: &Context, alertmanager: &Server) -> Result<Option<String>> {
    let status = api::alertmanager::status(cx, alertmanager).await?;
    Ok(Some(status.version_info.version).filter(|version| !version.is_empty()))
}
