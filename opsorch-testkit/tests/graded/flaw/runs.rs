//! Faults of runs.

use opsorch::{Action, CompleteStep, Query, Response, Result, Run, RunStatusLevel, StepStatusLevel};
use opsorch_testkit::MemoryProvider;

use super::Fault::Write;
use super::{Flaw, Properly};
use crate::tampered::ask;

pub const FLAWS: &[Flaw] = &[
    Flaw { name: "adds a step", caught_by: &["TK-070"], fault: Write(adds_a_step) },
    Flaw { name: "completes steps before their turn", caught_by: &["TK-071"], fault: Write(completes_before_the_turn) },
    Flaw { name: "opens a step that is completed again", caught_by: &["TK-072"], fault: Write(opens_a_step_again) },
    Flaw { name: "cancels nothing", caught_by: &["TK-073"], fault: Write(cancels_nothing) },
    Flaw { name: "changes the plan on the way", caught_by: &["TK-074"], fault: Write(changes_the_plan_on_the_way) },
];

/// Makes every change properly, and then alters the run in which a step was completed, or was not.
fn after_a_step(
    memory: &MemoryProvider,
    action: &Action,
    properly: Properly<'_>,
    alter: impl FnOnce(&mut Run, &CompleteStep, Result<Response>) -> Result<Response>,
) -> Result<Response> {
    let Action::OrchestrationRunsStepsComplete(input) = action else { return properly() };
    let answer = properly();
    match ask(memory, Query::OrchestrationRunsGet(input.run_id.clone())) {
        Ok(Response::Run(mut run)) => {
            let answer = alter(&mut run, input, answer);
            memory.seed_run(run);
            answer
        }
        _ => answer,
    }
}

/// Begins with a step that the plan does not have.
fn adds_a_step(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    let mut response = properly()?;
    if let (Action::OrchestrationRunsStart(_), Response::Run(run)) = (action, &mut response) {
        run.steps.insert(0, opsorch::StepState::new("set-up", StepStatusLevel::Succeeded));
        memory.seed_run(run.clone());
    }
    Ok(response)
}

fn completes_before_the_turn(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    after_a_step(memory, action, properly, |run, input, answer| {
        let is_running = run.status.level() == RunStatusLevel::Running;
        let step = run.steps.iter_mut().find(|step| step.step_id == input.step_id);
        match step.filter(|step| is_running && step.status.level() == StepStatusLevel::Pending) {
            Some(step) => {
                step.status = StepStatusLevel::Succeeded.into();
                Ok(().into())
            }
            None => answer,
        }
    })
}

fn opens_a_step_again(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    after_a_step(memory, action, properly, |run, input, answer| {
        let step = run.steps.iter_mut().find(|step| step.step_id == input.step_id);
        match step.filter(|step| answer.is_err() && step.status.level() == StepStatusLevel::Succeeded) {
            Some(step) => {
                step.status = StepStatusLevel::Ready.into();
                Ok(().into())
            }
            None => answer,
        }
    })
}

fn cancels_nothing(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    match action {
        Action::OrchestrationRunsCancel(input) => ask(memory, Query::OrchestrationRunsGet(input.run_id.clone())),
        _ => properly(),
    }
}

fn changes_the_plan_on_the_way(memory: &MemoryProvider, action: &Action, properly: Properly<'_>) -> Result<Response> {
    after_a_step(memory, action, properly, |run, _, answer| {
        if let Some(plan) = &mut run.plan {
            plan.title.push_str(", version 2");
        }
        answer
    })
}
