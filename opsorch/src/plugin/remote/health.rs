//! `health`: what works with the credential of a plugin.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;

use super::super::wire::{HealthReport, known, milliseconds};
use super::Remote;
use crate::capability::{Health, HealthCheck, HealthProblem};
use crate::{Context, Result};

#[async_trait]
impl HealthCheck for Remote {
    async fn check(&self, cx: &Context) -> Result<Health> {
        let link = &self.link;
        let (deadline, left) = link.deadline(cx.remaining());
        let params = Bytes::from(json!({ "timeoutMs": milliseconds(left) }).to_string());
        let text = link.rpc("health", params, deadline).await;
        let text = text.map_err(|error| error.with_context("plugin", &link.name))?;
        let report: HealthReport = serde_json::from_slice(&text).map_err(|error| link.misshapen("health", &error))?;
        let mut health = Health::new(known(&report.operations));
        for problem in &report.problems {
            let message = link.redactor.line(&problem.message);
            health = health.problem(HealthProblem::new(known(&problem.operations), message));
        }
        Ok(match &report.version {
            Some(version) => health.version(link.redactor.line(version)),
            None => health,
        })
    }
}
