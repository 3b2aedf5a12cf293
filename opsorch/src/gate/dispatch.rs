//! Takes an approved action apart and calls the writer of its operation.

use opsorch_schema::{Action, Response};

use super::approved::Approved;
#[cfg(feature = "plugin")]
use super::approved::Permit;
use crate::{Context, Provider, Result};

/// Makes a change that the gate of another process approved: reached from `plugin::serve` alone.
#[cfg(feature = "plugin")]
pub(crate) async fn apply_for_host(
    provider: &Provider,
    cx: &Context,
    action: &Action,
    permit: &Permit,
) -> Result<Response> {
    dispatch(provider, cx, Approved::new(action, permit)).await
}

/// Calls the provider. One arm for each change of the table; the compiler asks for a forgotten one.
pub(super) async fn dispatch(provider: &Provider, cx: &Context, approved: Approved<'_, Action>) -> Result<Response> {
    macro_rules! call {
        ($slot:ident.$method:ident($input:expr)) => {
            provider.$slot()?.$method(cx, approved.narrow($input)).await?.into()
        };
    }
    Ok(match approved.action() {
        Action::IncidentCreate(input) => call!(incident_writer.create(input)),
        Action::IncidentUpdate(input) => call!(incident_writer.update(input)),
        Action::IncidentTimelineAppend(input) => call!(timeline_writer.append(input)),
        Action::AlertRaise(input) => call!(alert_raiser.raise(input)),
        Action::AlertAcknowledge(input) => call!(alert_responder.acknowledge(input)),
        Action::AlertResolve(input) => call!(alert_responder.resolve(input)),
        Action::AlertSilence(input) => call!(alert_silencer.silence(input)),
        Action::TicketCreate(input) => call!(ticket_writer.create(input)),
        Action::TicketUpdate(input) => call!(ticket_writer.update(input)),
        Action::TicketComment(input) => call!(ticket_commenter.comment(input)),
        Action::MessagingSend(input) => call!(message_sender.send(input)),
        Action::MessagingUpdate(input) => call!(message_editor.update(input)),
        Action::DeploymentRecord(input) => call!(deployment_recorder.record(input)),
        Action::OrchestrationRunsStart(input) => call!(run_writer.start(input)),
        Action::OrchestrationRunsStepsComplete(input) => call!(run_writer.complete_step(input)),
        Action::OrchestrationRunsCancel(input) => call!(run_canceller.cancel(input)),
    })
}
