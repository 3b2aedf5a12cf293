use opsorch::capability::{PlanReader, RunReader};
use opsorch::{
    CancelRun, CompleteStep, ErrorKind, Plan, PlanQuery, Run, RunQuery, RunStatusLevel, StartRun, Step, StepKindLevel,
};

use crate::{Lab, assert_kind, done, made};

/// `a` before `b` and `c`, both before `d`.
fn diamond() -> Plan {
    let step = |id: &str| Step::new(id, id).kind(StepKindLevel::Manual);
    Plan::new("p", "fail over")
        .tag("service", "db")
        .step(step("a"))
        .step(step("b").depends_on("a"))
        .step(step("c").depends_on("a"))
        .step(step("d").depends_on("b").depends_on("c"))
}

async fn lab() -> Lab {
    let lab = Lab::new().await;
    lab.memory.seed_plan(diamond());
    lab
}

fn steps(run: &Run) -> String {
    run.steps.iter().map(|step| format!("{}={} ", step.step_id, step.status)).collect::<String>().trim_end().to_owned()
}

async fn run(lab: &Lab) -> Run {
    done(RunReader::get(&lab.memory, &lab.cx, &"run-1".into()).await)
}

#[tokio::test]
async fn a_run_goes_step_by_step_to_its_end() {
    let lab = lab().await;
    let runs = lab.ops.runs(&lab.cx);
    let started = made(runs.start(StartRun::new("p").field("why", "test")).await);
    assert_eq!(steps(&started), "a=ready b=pending c=pending d=pending");
    assert_eq!(started.scope.service.as_deref(), Some("db"));

    let complete = |step: &str| runs.complete_step(CompleteStep::new("run-1", step).actor("alice").note("ok"));
    made(complete("a").await);
    assert_eq!(steps(&run(&lab).await), "a=succeeded b=ready c=ready d=pending");
    made(complete("c").await);
    assert_eq!(steps(&run(&lab).await), "a=succeeded b=ready c=succeeded d=pending");
    made(complete("b").await);
    assert_eq!(run(&lab).await.status.level(), RunStatusLevel::Running);
    made(complete("d").await);

    let ended = run(&lab).await;
    assert_eq!(ended.status.level(), RunStatusLevel::Completed);
    assert_eq!((ended.steps[0].actor.as_deref(), ended.steps[0].note.as_deref()), (Some("alice"), Some("ok")));
    assert_kind(runs.cancel(CancelRun::new("run-1")).await, ErrorKind::Conflict);
}

#[tokio::test]
async fn only_a_manual_step_that_is_ready_can_be_completed() {
    let lab = lab().await;
    lab.memory.seed_plan(Plan::new("auto", "by itself").step(Step::new("x", "x").kind(StepKindLevel::Automated)));
    let runs = lab.ops.runs(&lab.cx);
    made(runs.start(StartRun::new("p")).await);
    made(runs.start(StartRun::new("auto")).await);
    let complete = |run: &str, step: &str| runs.complete_step(CompleteStep::new(run, step));
    made(complete("run-1", "a").await);
    let before = run(&lab).await;
    assert_kind(complete("run-1", "a").await, ErrorKind::Conflict);
    assert_kind(complete("run-1", "d").await, ErrorKind::Conflict);
    assert_kind(complete("run-2", "x").await, ErrorKind::Conflict);
    assert_kind(complete("run-1", "e").await, ErrorKind::NotFound);
    assert_kind(complete("run-9", "a").await, ErrorKind::NotFound);
    assert_kind(runs.start(StartRun::new("q")).await, ErrorKind::NotFound);
    assert_eq!(run(&lab).await, before);
}

#[tokio::test]
async fn a_cancelled_run_goes_no_further() {
    let lab = lab().await;
    let runs = lab.ops.runs(&lab.cx);
    made(runs.start(StartRun::new("p")).await);
    made(runs.complete_step(CompleteStep::new("run-1", "a")).await);
    let cancelled = made(runs.cancel(CancelRun::new("run-1").reason("false alarm")).await);
    assert_eq!(steps(&cancelled), "a=succeeded b=cancelled c=cancelled d=cancelled");
    assert_eq!(cancelled.metadata["reason"], "false alarm");
    assert_kind(runs.complete_step(CompleteStep::new("run-1", "b")).await, ErrorKind::Conflict);
    assert_kind(runs.cancel(CancelRun::new("run-1")).await, ErrorKind::Conflict);
    assert_kind(runs.cancel(CancelRun::new("run-9")).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_run_keeps_the_plan_it_started_with() {
    let lab = lab().await;
    made(lab.ops.runs(&lab.cx).start(StartRun::new("p")).await);
    lab.memory.seed_plan(Plan::new("p", "something else"));
    assert_eq!(run(&lab).await.plan.as_deref(), Some(&diamond()));
}

#[tokio::test]
async fn plans_and_runs_are_found_by_what_they_are() {
    let lab = lab().await;
    lab.memory.seed_plan(Plan::new("q", "drain").description("before an upgrade").tag("kind", "routine"));
    made(lab.ops.runs(&lab.cx).start(StartRun::new("p")).await);
    made(lab.ops.runs(&lab.cx).start(StartRun::new("q")).await);
    let plans = [
        (PlanQuery::new(), "qp"),
        (PlanQuery::new().query("UPGRADE"), "q"),
        (PlanQuery::new().tag("kind", "routine"), "q"),
        (PlanQuery::new().service("db"), "p"),
    ];
    for (query, expected) in plans {
        let page = done(PlanReader::query(&lab.memory, &lab.cx, &query).await);
        assert_eq!(page.items.iter().map(|plan| plan.id.as_str()).collect::<String>(), expected, "{query:?}");
    }
    let runs = [
        (RunQuery::new(), "qp"),
        (RunQuery::new().query("fail"), "p"),
        (RunQuery::new().plan_id("p").plan_id("x"), "p"),
        // A plan without steps is done as soon as it is started.
        (RunQuery::new().status(RunStatusLevel::Completed), "q"),
        (RunQuery::new().service("db"), "p"),
    ];
    for (query, expected) in runs {
        let page = done(RunReader::query(&lab.memory, &lab.cx, &query).await);
        assert_eq!(page.items.iter().map(|run| run.plan_id.as_str()).collect::<String>(), expected, "{query:?}");
    }
}
