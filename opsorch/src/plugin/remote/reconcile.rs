//! `reconcile`: what became of a change whose outcome is unknown.

use async_trait::async_trait;
use bytes::Bytes;
use opsorch_schema::*;
use serde_json::Value;

use super::super::link::unwritable;
use super::super::wire::{Caller, Reconcile, ReconcileReport, milliseconds};
use super::Remote;
use crate::capability::{Reconciled, Reconciler};
use crate::{Context, Error, Result};

#[async_trait]
impl Reconciler for Remote {
    async fn reconcile(&self, cx: &Context, action: &Action, idempotency_key: &str) -> Result<Reconciled> {
        let link = &self.link;
        let looked = async {
            let (deadline, left) = link.deadline(cx.remaining());
            let (request_id, trace_id) = (cx.id().to_owned(), cx.trace().map(str::to_owned));
            let context = Caller { request_id, trace_id, actor: cx.actor().clone() };
            let params = Reconcile {
                operation: action.operation(),
                input: input(action)?,
                idempotency_key: idempotency_key.to_owned(),
                context,
                timeout_ms: Some(milliseconds(left)),
            };
            let params = serde_json::to_vec(&params).map(Bytes::from).map_err(unwritable)?;
            let (text, got_the_change) = link.reconcile(idempotency_key, params, deadline).await?;
            let read = |text: &[u8]| {
                let ReconcileReport { outcome, output } = serde_json::from_slice(text)?;
                Ok(match outcome {
                    OutcomeStatus::Applied => Reconciled::Applied(response(action, output.unwrap_or_default())?),
                    // What another process still works on, or left behind with the vendor, this one does not know.
                    OutcomeStatus::NotApplied if got_the_change => Reconciled::NotApplied,
                    _ => Reconciled::Unknown,
                })
            };
            read(&text).map_err(|error: serde_json::Error| link.misshapen("reconcile", &error))
        };
        looked.await.map_err(|error: Error| error.with_context("plugin", &link.name))
    }
}

fn input(action: &Action) -> Result<Value> {
    let mut parts = serde_json::to_value(action).map_err(unwritable)?;
    Ok(parts.get_mut("input").map(Value::take).unwrap_or_default())
}

/// The output of a change as a response. One arm for each output of the table; the compiler asks for a forgotten one.
fn response(action: &Action, output: Value) -> serde_json::Result<Response> {
    use serde_json::from_value as read;
    Ok(match action {
        Action::IncidentCreate(_) | Action::IncidentUpdate(_) => read::<Incident>(output)?.into(),
        Action::AlertRaise(_) | Action::AlertAcknowledge(_) | Action::AlertResolve(_) | Action::AlertSilence(_) => {
            read::<Alert>(output)?.into()
        }
        Action::TicketCreate(_) | Action::TicketUpdate(_) => read::<Ticket>(output)?.into(),
        Action::TicketComment(_) => read::<Comment>(output)?.into(),
        Action::MessagingSend(_) | Action::MessagingUpdate(_) => read::<MessageResult>(output)?.into(),
        Action::DeploymentRecord(_) => read::<Deployment>(output)?.into(),
        Action::OrchestrationRunsStart(_) | Action::OrchestrationRunsCancel(_) => read::<Run>(output)?.into(),
        Action::IncidentTimelineAppend(_) | Action::OrchestrationRunsStepsComplete(_) => Response::Done(()),
    })
}
