//! How a run goes from its first step to its last: pure functions of the run and what happens to it.

use std::collections::BTreeSet;

use opsorch::{Error, Fields, Plan, Result, Run, RunStatusLevel, Step, StepId, StepState, StepStatusLevel, Time};
use serde_json::json;

/// How many names an error lists.
const LISTED: usize = 10;

/// Who does something, and what they say about it.
#[derive(Debug)]
pub(super) struct Remark {
    /// As the gate knows them.
    pub(super) actor: String,
    /// Who did it, in the words of the caller.
    pub(super) remark: Option<String>,
    pub(super) note: Option<String>,
}

/// A run of a plan, without an id. Steps without others before them are ready, the others pending.
pub(super) fn start(plan: Plan, now: Time) -> Run {
    let mut run = Run::new("", &plan.id, RunStatusLevel::Running).created_at(now);
    run.steps = plan.steps.iter().map(|step| StepState::new(&step.id, StepStatusLevel::Pending)).collect();
    run.plan = Some(Box::new(plan));
    advance(&mut run, now);
    run
}

/// Completes a step that is ready. Says whether that changed anything: a step that is completed stays as it is.
///
/// # Errors
/// `NotFound` for an unknown step, which lists the known ones; `Conflict` if steps before it are not completed, which
/// names them, or if the run has ended.
pub(super) fn complete(run: &mut Run, step: &StepId, remark: Remark, now: Time) -> Result<bool> {
    if status(run, step)? == StepStatusLevel::Succeeded {
        return Ok(false);
    }
    if run.status.level() != RunStatusLevel::Running {
        let message = format!("run `{}` is {}; expected a running one to complete step `{step}`", run.id, run.status);
        return Err(Error::conflict(message));
    }
    let open = open_before(run, step);
    if !open.is_empty() {
        let open: Vec<_> = open.into_iter().take(LISTED).map(|step| format!("`{step}`")).collect();
        let message = format!("step `{step}` of run `{}` is not ready; complete first: {}", run.id, open.join(", "));
        return Err(Error::conflict(message));
    }
    if let Some(state) = run.steps.iter_mut().find(|state| state.step_id == *step) {
        state.status = StepStatusLevel::Succeeded.into();
        (state.actor, state.note) = (Some(remark.actor), remark.note);
        state.metadata.extend(remark.remark.map(|remark| ("remark".to_owned(), json!(remark))));
        (state.finished_at, state.updated_at) = (Some(now), Some(now));
    }
    advance(run, now);
    Ok(true)
}

/// Cancels the run and all steps that are not completed. Says whether that changed anything: a run that is cancelled
/// stays as it is.
///
/// # Errors
/// `Conflict` if it is completed.
pub(super) fn cancel(run: &mut Run, why: Fields, now: Time) -> Result<bool> {
    match run.status.level() {
        RunStatusLevel::Running => {}
        RunStatusLevel::Cancelled => return Ok(false),
        _ => {
            let message = format!("run `{}` is {}; expected a running one to cancel", run.id, run.status);
            return Err(Error::conflict(message));
        }
    }
    run.status = RunStatusLevel::Cancelled.into();
    run.updated_at = Some(now);
    run.metadata.extend(why);
    for state in run.steps.iter_mut().filter(|state| !is_completed(state)) {
        state.status = StepStatusLevel::Cancelled.into();
        state.updated_at = Some(now);
    }
    Ok(true)
}

/// Makes the steps ready whose turn it is, and completes the run when all are.
fn advance(run: &mut Run, now: Time) {
    let completed: BTreeSet<&StepId> = run.steps.iter().filter(|it| is_completed(it)).map(|it| &it.step_id).collect();
    let turn = steps(run).iter().filter(|step| step.depends_on.iter().all(|before| completed.contains(before)));
    let turn: BTreeSet<StepId> = turn.map(|step| step.id.clone()).collect();
    for state in &mut run.steps {
        if state.status.level() == StepStatusLevel::Pending && turn.contains(&state.step_id) {
            state.status = StepStatusLevel::Ready.into();
            state.updated_at = Some(now);
        }
    }
    if run.steps.iter().all(is_completed) {
        run.status = RunStatusLevel::Completed.into();
    }
    run.updated_at = Some(now);
}

fn status(run: &Run, step: &StepId) -> Result<StepStatusLevel> {
    run.steps.iter().find(|state| state.step_id == *step).map(|state| state.status.level()).ok_or_else(|| {
        let known: Vec<_> = run.steps.iter().take(LISTED).map(|state| state.step_id.as_str()).collect();
        let more = if run.steps.len() > LISTED { ", …" } else { "" };
        let known = known.join(", ");
        Error::not_found(format!("there is no step `{step}` in run `{}`; there are: {known}{more}", run.id))
    })
}

/// The steps before one that are not completed.
fn open_before<'a>(run: &'a Run, step: &StepId) -> Vec<&'a StepId> {
    let before = steps(run).iter().find(|it| it.id == *step).map_or(&[][..], |step| &step.depends_on);
    let is_open = |step: &&StepId| !run.steps.iter().any(|state| state.step_id == **step && is_completed(state));
    before.iter().filter(is_open).collect()
}

fn steps(run: &Run) -> &[Step] {
    run.plan.as_ref().map_or(&[], |plan| &plan.steps)
}

fn is_completed(state: &StepState) -> bool {
    state.status.level() == StepStatusLevel::Succeeded
}
