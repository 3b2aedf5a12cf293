//! Plans, and runs of them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use opsorch::capability::{PlanReader, RunCanceller, RunReader, RunWriter};
use opsorch::gate::Approved;
use opsorch::{
    CancelRun, CompleteStep, Context, Error, Operation, Page, Plan, PlanId, PlanQuery, Result, Run, RunId, RunQuery,
    RunStatusLevel, Scope, StartRun, Step, StepId, StepKindLevel, StepState, StepStatusLevel, Time,
};

use super::MemoryProvider;
use super::matching::{among, any_of, has_tags, mentions};
use super::table::{newest, page_of, unknown, wanted};
use super::world::Place;

#[async_trait]
impl PlanReader for MemoryProvider {
    async fn query(&self, _: &Context, query: &PlanQuery) -> Result<Page<Plan>> {
        self.page(Operation::OrchestrationPlansQuery, |world| {
            let by_title = |plan: &Plan, index| (plan.title.clone(), index);
            page_of(world.plans.rows(), wanted!(query), by_title, |plan| {
                mentions(&query.query, [Some(&plan.title), plan.description.as_deref()])
                    && has_tags(&plan.tags, &query.tags)
                    && world.in_scope(&query.scope, Place::in_tags(&plan.tags))
            })
        })
        .await
    }

    async fn get(&self, _: &Context, id: &PlanId) -> Result<Plan> {
        self.read(Operation::OrchestrationPlansGet, |world| world.plans.get(id).cloned()).await
    }
}

#[async_trait]
impl RunReader for MemoryProvider {
    /// A text is searched for in the plan's title and description.
    async fn query(&self, _: &Context, query: &RunQuery) -> Result<Page<Run>> {
        self.page(Operation::OrchestrationRunsQuery, |world| {
            page_of(world.runs.rows(), wanted!(query), newest, |run| {
                let plan = run.plan.as_deref();
                let texts = [plan.map(|plan| plan.title.as_str()), plan.and_then(|plan| plan.description.as_deref())];
                mentions(&query.query, texts)
                    && among(&query.statuses, &run.status)
                    && any_of(&query.plan_ids, Some(&run.plan_id))
                    && world.in_scope(&query.scope, place(&run.scope))
            })
        })
        .await
    }

    async fn get(&self, _: &Context, id: &RunId) -> Result<Run> {
        self.read(Operation::OrchestrationRunsGet, |world| world.runs.get(id).cloned()).await
    }
}

fn place(scope: &Scope) -> Place<'_> {
    let Scope { service, team, environment, .. } = scope;
    Place { service: service.as_deref(), team: team.as_deref(), environment: environment.as_deref() }
}

#[async_trait]
impl RunWriter for MemoryProvider {
    /// The run keeps the plan as it is now. Steps without others before them are `ready`, the others `pending`. It is
    /// about what the tags of the plan say: `service`, `team`, `environment`.
    async fn start(&self, _: &Context, input: Approved<'_, StartRun>) -> Result<Run> {
        self.change(input, |world, input| {
            let plan = world.plans.get(&input.plan_id)?.clone();
            let now = world.now();
            Ok(world.runs.add(|id| {
                let mut run = Run::new(id, &plan.id, RunStatusLevel::Running).created_at(now);
                run.fields = input.fields.clone();
                run.metadata = input.metadata.clone();
                run.scope.service = plan.tags.get("service").cloned();
                run.scope.team = plan.tags.get("team").cloned();
                run.scope.environment = plan.tags.get("environment").cloned();
                run.steps = plan.steps.iter().map(|step| StepState::new(&step.id, StepStatusLevel::Pending)).collect();
                run.plan = Some(Box::new(plan));
                advance(&mut run, now);
                run
            }))
        })
        .await
    }

    /// A run that has ended, and a step that is not manual, are a `Conflict` too; an unknown run or step is `NotFound`.
    /// A step without a kind is manual. When the last step is done, the run is `completed`.
    async fn complete_step(&self, _: &Context, input: Approved<'_, CompleteStep>) -> Result<()> {
        self.change(input, |world, input| {
            let now = world.now();
            let run = world.runs.get_mut(&input.run_id)?;
            check_running(run)?;
            check_manual(run, input)?;
            let step = ready_step(run, input)?;
            step.status = StepStatusLevel::Succeeded.into();
            step.actor = input.actor.clone();
            step.note = input.note.clone();
            (step.finished_at, step.updated_at) = (Some(now), Some(now));
            advance(run, now);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl RunCanceller for MemoryProvider {
    /// Steps that are not done are `cancelled` with it.
    async fn cancel(&self, _: &Context, input: Approved<'_, CancelRun>) -> Result<Run> {
        self.change(input, |world, input| {
            let now = world.now();
            let run = world.runs.get_mut(&input.run_id)?;
            check_running(run)?;
            run.status = RunStatusLevel::Cancelled.into();
            run.updated_at = Some(now);
            if let Some(reason) = &input.reason {
                run.metadata.insert("reason".into(), reason.clone().into());
            }
            for step in run.steps.iter_mut().filter(|step| !has_ended(step)) {
                step.status = StepStatusLevel::Cancelled.into();
                step.updated_at = Some(now);
            }
            Ok(run.clone())
        })
        .await
    }
}

fn check_running(run: &Run) -> Result<()> {
    use RunStatusLevel::{Cancelled, Completed, Failed};
    match run.status.level() {
        Completed | Failed | Cancelled => Err(Error::conflict(format!("run `{}` is {}", run.id, run.status))),
        _ => Ok(()),
    }
}

fn check_manual(run: &Run, input: &CompleteStep) -> Result<()> {
    match plan_steps(run).iter().find(|step| step.id == input.step_id).and_then(|step| step.kind.as_ref()) {
        Some(kind) if kind.level() != StepKindLevel::Manual => {
            Err(Error::conflict(format!("step `{}` is {kind}, not manual; nobody can complete it", input.step_id)))
        }
        _ => Ok(()),
    }
}

fn ready_step<'a>(run: &'a mut Run, input: &CompleteStep) -> Result<&'a mut StepState> {
    let CompleteStep { run_id, step_id, .. } = input;
    let Some(index) = run.steps.iter().position(|step| step.step_id == *step_id) else {
        let known = run.steps.iter().map(|step| step.step_id.as_str());
        return Err(unknown(&format!("step of run `{run_id}`"), step_id.as_str(), known));
    };
    match run.steps.get_mut(index) {
        Some(step) if step.status.level() == StepStatusLevel::Ready => Ok(step),
        step => {
            let status = step.map(|step| step.status.to_string()).unwrap_or_default();
            Err(Error::conflict(format!("expected step `{step_id}` of run `{run_id}` to be ready, it is {status}")))
        }
    }
}

/// Makes the steps ready whose turn it is, and completes the run when all are done.
fn advance(run: &mut Run, now: Time) {
    let done: BTreeSet<StepId> =
        run.steps.iter().filter(|step| is_done(step)).map(|step| step.step_id.clone()).collect();
    let turn = plan_steps(run).iter().filter(|step| step.depends_on.iter().all(|before| done.contains(before)));
    let turn: BTreeSet<StepId> = turn.map(|step| step.id.clone()).collect();
    for step in &mut run.steps {
        if step.status.level() == StepStatusLevel::Pending && turn.contains(&step.step_id) {
            step.status = StepStatusLevel::Ready.into();
            step.updated_at = Some(now);
        }
    }
    if run.steps.iter().all(is_done) {
        run.status = RunStatusLevel::Completed.into();
    }
    run.updated_at = Some(now);
}

fn plan_steps(run: &Run) -> &[Step] {
    run.plan.as_ref().map_or(&[], |plan| &plan.steps)
}

fn is_done(step: &StepState) -> bool {
    matches!(step.status.level(), StepStatusLevel::Succeeded | StepStatusLevel::Skipped)
}

fn has_ended(step: &StepState) -> bool {
    is_done(step) || matches!(step.status.level(), StepStatusLevel::Cancelled | StepStatusLevel::Failed)
}
