//! Runs of plans: all steps, in their order, to an end.

use std::collections::BTreeSet;

use opsorch::{
    CancelRun, CompleteStep, ErrorKind, Operation, Plan, PlanQuery, Query, Response, Result, Run, RunId,
    RunStatusLevel, StartRun, Step, StepId, StepKindLevel, StepStatusLevel,
};

use crate::conformance::lab::Lab;
use crate::conformance::rule::{Broken, Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// How many plans are looked at for one whose steps follow each other.
const PLANS: u32 = 20;

pub(in crate::conformance) async fn a_run_has_every_step(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let Some((plan, run)) = started(&lab, |_| true).await? else { return Ok(no_plan()) };
    let has: BTreeSet<_> = run.steps.iter().map(|step| &step.step_id).collect();
    let planned: BTreeSet<_> = plan.steps.iter().map(|step| &step.id).collect();
    ensure!(
        has == planned,
        "orchestration.runs.start of {}: the run has the steps {has:?}, the plan {planned:?}",
        plan.id
    );
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn steps_are_completed_in_order(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let Some((plan, run)) = started(&lab, is_by_hand_and_in_order).await? else { return Ok(no_plan()) };
    let early = plan.steps.iter().find(|step| !step.depends_on.is_empty());
    let Some(early) = early else { return Ok(no_plan()) };
    let answer = complete(&lab, &run, &early.id).await;
    let is_conflict = answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::Conflict);
    ensure!(
        is_conflict,
        "completing step {} before those that it depends on: expected `conflict`, got {answer:?}",
        early.id
    );
    for step in in_order(&plan) {
        let answer = complete(&lab, &run, &step.id).await;
        ensure!(answer.is_ok(), "completing step {}, whose turn it is: {answer:?}", step.id);
        ensure_level(&lab, &run, &step.id, StepStatusLevel::Succeeded).await?;
    }
    let after = read(&lab, &run.id).await?;
    let is_completed = after.status.level() == RunStatusLevel::Completed;
    ensure!(is_completed, "all steps of run {} are completed, and its status is `{}`", run.id, after.status);
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn completing_again_changes_nothing(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let Some((plan, run)) = started(&lab, is_by_hand_and_in_order).await? else { return Ok(no_plan()) };
    let Some(step) = in_order(&plan).first().map(|step| step.id.clone()) else { return Ok(no_plan()) };
    complete(&lab, &run, &step).await?;
    let answer = complete(&lab, &run, &step).await;
    let is_harmless =
        answer.as_ref().is_ok() || answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::Conflict);
    ensure!(is_harmless, "completing step {step} again: expected nothing to happen, or `conflict`, got {answer:?}");
    ensure_level(&lab, &run, &step, StepStatusLevel::Succeeded).await?;
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_cancelled_run_has_ended(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    if !lab.offers(Operation::OrchestrationRunsCancel) {
        nothing!("the provider cancels no runs");
    }
    let Some((plan, run)) = started(&lab, |_| true).await? else { return Ok(no_plan()) };
    lab.change(CancelRun::new(&run.id).reason("not needed any more")).await?;
    let after = read(&lab, &run.id).await?;
    let is_cancelled = after.status.level() == RunStatusLevel::Cancelled;
    ensure!(is_cancelled, "orchestration.runs.cancel of {} succeeds, and its status is `{}`", run.id, after.status);
    let Some(step) = in_order(&plan).first().map(|step| step.id.clone()) else { return Ok(Verdict::Kept) };
    let answer = complete(&lab, &run, &step).await;
    let is_conflict = answer.as_ref().is_err_and(|error| error.kind() == &ErrorKind::Conflict);
    ensure!(is_conflict, "completing step {step} of a run that was cancelled: expected `conflict`, got {answer:?}");
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn a_run_keeps_its_plan(bench: &Bench<'_>) -> Checked<Verdict> {
    let lab = bench.open().await?;
    let Some((mut plan, run)) = started(&lab, is_by_hand_and_in_order).await? else { return Ok(no_plan()) };
    let first = in_order(&plan).first().map(|step| step.id.clone());
    if let Some(step) = first {
        complete(&lab, &run, &step).await?;
    }
    for (when, run) in [("started", &run), ("going on", &read(&lab, &run.id).await?)] {
        let Some(kept) = &run.plan else { nothing!("runs do not say what their plan was") };
        // Which provider it came from is said of what is read by itself.
        plan.provider.clone_from(&kept.provider);
        ensure!(
            **kept == plan,
            "run {} when it is {when}: its plan is {kept:?}, and was {plan:?} when it started",
            run.id
        );
    }
    Ok(Verdict::Kept)
}

/// A new run of the first plan that will do.
async fn started(lab: &Lab, will_do: fn(&Plan) -> bool) -> Checked<Option<(Plan, Run)>> {
    use Operation as O;
    let needed =
        [O::OrchestrationPlansQuery, O::OrchestrationPlansGet, O::OrchestrationRunsStart, O::OrchestrationRunsGet];
    if !needed.into_iter().all(|operation| lab.offers(operation)) {
        return Ok(None);
    }
    let Response::Plans(found) = lab.ask(PlanQuery::new().limit(PLANS).into()).await? else { return Ok(None) };
    for listed in found.items {
        // A list need not hold the steps.
        let Response::Plan(plan) = lab.ask(Query::OrchestrationPlansGet(listed.id)).await? else { continue };
        if will_do(&plan) {
            let Response::Run(run) = lab.change(StartRun::new(&plan.id)).await? else { return Ok(None) };
            return Ok(Some((plan, read(lab, &run.id).await?)));
        }
    }
    Ok(None)
}

/// Whether people complete all steps, and some of them follow on others.
fn is_by_hand_and_in_order(plan: &Plan) -> bool {
    let is_manual = |step: &Step| step.kind.as_ref().is_none_or(|kind| kind.level() == StepKindLevel::Manual);
    plan.steps.iter().all(is_manual)
        && plan.steps.iter().any(|step| !step.depends_on.is_empty())
        && in_order(plan).len() == plan.steps.len()
}

/// The steps, each behind those that it depends on.
fn in_order(plan: &Plan) -> Vec<&Step> {
    let mut ordered: Vec<&Step> = Vec::new();
    for _ in &plan.steps {
        let is_done = |id: &StepId| ordered.iter().any(|step| step.id == *id);
        let next = plan.steps.iter().find(|step| !is_done(&step.id) && step.depends_on.iter().all(is_done));
        ordered.extend(next);
    }
    ordered
}

async fn complete(lab: &Lab, run: &Run, step: &StepId) -> Result<Response> {
    lab.change(CompleteStep::new(&run.id, step)).await
}

async fn read(lab: &Lab, id: &RunId) -> Checked<Run> {
    let response = lab.ask(Query::OrchestrationRunsGet(id.clone())).await?;
    Run::try_from(response).map_err(|error| Broken(format!("orchestration.runs.get of {id}: {error}")))
}

async fn ensure_level(lab: &Lab, run: &Run, step: &StepId, level: StepStatusLevel) -> Checked {
    let run = read(lab, &run.id).await?;
    let state = run.steps.iter().find(|state| state.step_id == *step);
    let has = state.is_some_and(|state| state.status.level() == level);
    ensure!(has, "step {step} of run {}: expected `{level}` after it was completed, got {state:?}", run.id);
    Ok(())
}

fn no_plan() -> Verdict {
    Verdict::Nothing(
        "there is no plan that can be read and run, whose steps people complete one after the other".to_owned(),
    )
}
