//! Runs of plans, whose steps are completed by hand.
// A model that looks beyond its steps has failed.
#![allow(clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::time::Duration;

use opsorch::{
    Action, CancelRun, CompleteStep, ErrorKind, Fields, Response, Result, Run, RunQuery, RunStatusLevel, StartRun,
    StepStatusLevel, Submission,
};
use proptest::prelude::*;
use serde_json::json;

use super::plans::Office;
use super::{assert_invalid, assert_unsupported, done, time};

const WHO: &str = "agent triage@local for user alice@local";

/// `a` before `b` and `c`, both before `d`; every kind of step is completed by hand.
const DIAMOND: &str = "
title: Fail over
description: When the primary is gone.
service: db
team: storage
steps:
  - { id: d, title: Write it down, type: record, depends_on: [b, c] }
  - { id: a, title: Look, type: observe }
  - { id: b, title: Promote, type: automated, depends_on: [a] }
  - { id: c, title: Tell, depends_on: [a] }
";

async fn office() -> Office {
    let office = Office::open().await;
    office.put("diamond.yaml", DIAMOND);
    office
}

async fn start(office: &Office, plan: &str) -> Run {
    done(office.desk.ops.runs(&office.desk.cx).start(StartRun::new(plan)).await.unwrap())
}

async fn get(office: &Office, id: &str) -> Run {
    office.desk.ops.runs(&office.desk.cx).get(id).await.unwrap()
}

async fn complete(office: &Office, run: &str, step: &str) -> Result<()> {
    office.desk.ops.runs(&office.desk.cx).complete_step(CompleteStep::new(run, step)).await.map(done)
}

fn steps(run: &Run) -> String {
    let steps: Vec<_> = run.steps.iter().map(|step| format!("{}={}", step.step_id, step.status)).collect();
    steps.join(" ")
}

#[track_caller]
fn assert_refused<T>(result: Result<T>, kind: ErrorKind, said: &str) {
    let error = result.err().unwrap_or_else(|| panic!("expected `{said}`"));
    assert_eq!(*error.kind(), kind, "{error}");
    assert!(error.to_string().contains(said), "{error}");
    assert!(!error.may_have_applied());
}

#[tokio::test]
async fn a_run_goes_step_by_step_to_its_end() {
    let office = office().await;
    let input = StartRun::new("diamond").field("why", "test").metadata("ticket", "TCK-1");
    let run = done(office.desk.ops.runs(&office.desk.cx).start(input).await.unwrap());
    assert_eq!(
        (run.id.as_str(), run.plan_id.as_str(), run.status.level()),
        ("RUN-1", "diamond", RunStatusLevel::Running)
    );
    assert_eq!(steps(&run), "d=pending a=ready b=pending c=pending", "in the order of the plan");
    assert_eq!((run.scope.service.as_deref(), run.scope.team.as_deref()), (Some("db"), Some("storage")));
    assert_eq!(run.fields, Fields::from([("why".into(), json!("test"))]));
    assert_eq!(run.metadata, Fields::from([("ticket".into(), json!("TCK-1")), ("startedBy".into(), json!(WHO))]));
    assert_eq!(
        (run.created_at, run.updated_at),
        (Some(time("2026-01-01T00:00:00Z")), Some(time("2026-01-01T00:00:00Z")))
    );

    office.desk.clock.advance(Duration::from_secs(60));
    complete(&office, "RUN-1", "a").await.unwrap();
    let run = get(&office, "RUN-1").await;
    assert_eq!(steps(&run), "d=pending a=succeeded b=ready c=ready");
    assert_eq!((run.updated_at, run.steps[1].finished_at), (Some(time("2026-01-01T00:01:00Z")), run.updated_at));
    complete(&office, "RUN-1", "c").await.unwrap();
    complete(&office, "RUN-1", "b").await.unwrap();
    let run = get(&office, "RUN-1").await;
    assert_eq!(
        (steps(&run).as_str(), run.status.level()),
        ("d=ready a=succeeded b=succeeded c=succeeded", RunStatusLevel::Running)
    );
    complete(&office, "RUN-1", "d").await.unwrap();
    assert_eq!(get(&office, "RUN-1").await.status.level(), RunStatusLevel::Completed);
}

#[tokio::test]
async fn who_did_a_step_is_known_from_the_gate_and_what_the_input_says_is_a_remark() {
    let office = office().await;
    start(&office, "diamond").await;
    let input = CompleteStep::new("RUN-1", "a").actor("root").note("the primary is gone");
    done(office.desk.ops.runs(&office.desk.cx).complete_step(input).await.unwrap());
    let step = get(&office, "RUN-1").await.steps.remove(1);
    assert_eq!((step.actor.as_deref(), step.note.as_deref()), (Some(WHO), Some("the primary is gone")));
    assert_eq!(step.metadata, Fields::from([("remark".into(), json!("root"))]));
}

#[tokio::test]
async fn a_step_is_completed_in_its_turn_and_once() {
    let office = office().await;
    start(&office, "diamond").await;
    let (id, conflict) = ("RUN-1", ErrorKind::Conflict);
    assert_refused(complete(&office, id, "d").await, conflict.clone(), "complete first: `b`, `c`");
    assert_refused(complete(&office, id, "b").await, conflict.clone(), "complete first: `a`");
    assert_refused(
        complete(&office, id, "e").await,
        ErrorKind::NotFound,
        "there is no step `e` in run `RUN-1`; there are: d, a, b, c",
    );
    assert_refused(complete(&office, "RUN-2", "a").await, ErrorKind::NotFound, "`RUN-2`");
    complete(&office, id, "a").await.unwrap();
    let before = get(&office, id).await;
    office.desk.clock.advance(Duration::from_secs(60));
    let again = CompleteStep::new(id, "a").actor("mallory").note("no, I did");
    done(office.desk.ops.runs(&office.desk.cx).complete_step(again).await.unwrap());
    assert_eq!(get(&office, id).await, before, "it stays with who did it first");
}

#[tokio::test]
async fn a_cancelled_run_stays_as_it_is() {
    let office = office().await;
    let runs = office.desk.ops.runs(&office.desk.cx);
    start(&office, "diamond").await;
    complete(&office, "RUN-1", "a").await.unwrap();
    let cancelled = done(runs.cancel(CancelRun::new("RUN-1").reason("it came back")).await.unwrap());
    assert_eq!(steps(&cancelled), "d=cancelled a=succeeded b=cancelled c=cancelled");
    assert_eq!(cancelled.status.level(), RunStatusLevel::Cancelled);
    assert_eq!(
        (&cancelled.metadata["cancelledBy"], &cancelled.metadata["reason"]),
        (&json!(WHO), &json!("it came back"))
    );
    office.desk.clock.advance(Duration::from_secs(60));
    assert_eq!(done(runs.cancel(CancelRun::new("RUN-1").reason("again")).await.unwrap()), cancelled);
    assert_refused(complete(&office, "RUN-1", "b").await, ErrorKind::Conflict, "run `RUN-1` is cancelled");
    complete(&office, "RUN-1", "a").await.unwrap();
    assert_eq!(get(&office, "RUN-1").await, cancelled);
    assert_refused(runs.cancel(CancelRun::new("RUN-7")).await, ErrorKind::NotFound, "`RUN-7`");
}

#[tokio::test]
async fn a_completed_run_cannot_be_cancelled() {
    let office = office().await;
    start(&office, "diamond").await;
    for step in ["a", "b", "c", "d"] {
        complete(&office, "RUN-1", step).await.unwrap();
    }
    let cancel = office.desk.ops.runs(&office.desk.cx).cancel(CancelRun::new("RUN-1")).await;
    assert_refused(cancel, ErrorKind::Conflict, "run `RUN-1` is completed");
    complete(&office, "RUN-1", "d").await.unwrap();
}

#[tokio::test]
async fn a_run_keeps_the_plan_with_which_it_was_started() {
    let office = office().await;
    let started = start(&office, "diamond").await;
    office.put("diamond.yaml", "title: Another\nsteps: [{ id: z, title: t }]");
    complete(&office, "RUN-1", "a").await.unwrap();
    let run = get(&office, "RUN-1").await;
    assert_eq!((run.plan, run.steps.len()), (started.plan.clone(), 4));
    let next = start(&office, "diamond").await;
    assert_eq!((next.id.as_str(), next.plan.unwrap().title.as_str(), next.steps.len()), ("RUN-2", "Another", 1));
    office.take_away("diamond.yaml");
    complete(&office, "RUN-1", "b").await.unwrap();
    assert!(started.plan.unwrap().version.unwrap().starts_with("sha256:"));
}

#[tokio::test]
async fn only_what_is_a_plan_can_be_started() {
    let office = office().await;
    office.put("broken.yaml", "title: x\nsteps: []");
    let runs = office.desk.ops.runs(&office.desk.cx);
    let said = "line 2, column 8: expected 1 to 500 steps, got 0";
    assert_refused(runs.start(StartRun::new("broken")).await, ErrorKind::Unexpected, said);
    assert_refused(runs.start(StartRun::new("ghost")).await, ErrorKind::NotFound, "there are: diamond");
    for name in ["startedBy", "cancelledBy", "reason"] {
        assert_invalid(runs.start(StartRun::new("diamond").metadata(name, "root")).await, "metadata");
    }
    let deep = (0..100).fold(json!(1), |value, _| json!([value]));
    assert_invalid(runs.start(StartRun::new("diamond").field("deep", deep)).await, "fields");
    assert!(runs.query(RunQuery::new()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn every_run_has_room_to_come_to_its_end() {
    let office = office().await;
    let runs = office.desk.ops.runs(&office.desk.cx);
    let large = StartRun::new("diamond").field("large", "x".repeat(512 << 10));
    assert_refused(runs.start(large).await, ErrorKind::Conflict, "expected a smaller plan or fewer fields");
    start(&office, "diamond").await;
    let noted = |step: &str, size| CompleteStep::new("RUN-1", step).note("x".repeat(size));
    assert_refused(runs.complete_step(noted("a", 768 << 10)).await, ErrorKind::Conflict, "expected a shorter note");
    done(runs.complete_step(noted("a", 767 << 10)).await.unwrap());
    assert_refused(runs.complete_step(noted("b", 1 << 10)).await, ErrorKind::Conflict, "expected a shorter note");
    done(runs.complete_step(CompleteStep::new("RUN-1", "b")).await.unwrap());
    done(runs.cancel(CancelRun::new("RUN-1").reason("enough")).await.unwrap());
}

#[tokio::test]
async fn every_filter_is_honoured_or_refused() {
    let office = office().await;
    office.put("restart.yaml", "title: Restart\nservice: api\nenvironment: test\nsteps: [{ id: a, title: t }]");
    let runs = office.desk.ops.runs(&office.desk.cx);
    for plan in ["diamond", "restart", "diamond"] {
        start(&office, plan).await;
    }
    complete(&office, "RUN-2", "a").await.unwrap();
    done(runs.cancel(CancelRun::new("RUN-1")).await.unwrap());
    let find = async |query: RunQuery| {
        let page = office.desk.ops.runs(&office.desk.cx).query(query).await.unwrap();
        page.items.into_iter().map(|run| run.id.to_string()).collect::<Vec<_>>()
    };
    let all = RunQuery::new;
    assert_eq!(find(all()).await, ["RUN-3", "RUN-2", "RUN-1"], "the newest first");
    assert_eq!(find(all().query("PRIMARY")).await, ["RUN-3", "RUN-1"]);
    assert_eq!(find(all().status("done").status("aborted")).await, ["RUN-2", "RUN-1"]);
    assert_eq!(find(all().status("in progress")).await, ["RUN-3"]);
    assert_eq!(find(all().plan_id("restart").plan_id("x")).await, ["RUN-2"]);
    assert_eq!(find(all().service("db").team("storage")).await, ["RUN-3", "RUN-1"]);
    assert_eq!(find(all().environment("test")).await, ["RUN-2"]);
    assert_unsupported(runs.query(all().metadata("x", 1)).await, "metadata");

    let first = runs.query(all().limit(2)).await.unwrap();
    start(&office, "restart").await;
    let second = runs.query(all().limit(2).after(first.next.unwrap())).await.unwrap();
    assert_eq!(second.items.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["RUN-1"]);
}

/// Submits with a key to a control plane that knows nothing of earlier ones: only the file remembers.
async fn submit(office: &Office, key: &str, action: impl Into<Action>) -> Result<Response> {
    let mut submission = Submission::from(action.into());
    submission.idempotency_key = Some(key.to_owned());
    office.desk.beside().await.submit(&office.desk.cx, submission).await.map(done)
}

#[tokio::test]
async fn the_same_key_takes_effect_once_also_when_the_plan_is_gone() {
    let office = office().await;
    let first = submit(&office, "a", StartRun::new("diamond")).await.unwrap();
    office.take_away("diamond.yaml");
    assert_eq!(submit(&office, "a", StartRun::new("diamond")).await.unwrap(), first);
    submit(&office, "b", CompleteStep::new("RUN-1", "a")).await.unwrap();
    submit(&office, "c", CancelRun::new("RUN-1")).await.unwrap();
    let before = get(&office, "RUN-1").await;
    office.desk.clock.advance(Duration::from_secs(60));
    submit(&office, "b", CompleteStep::new("RUN-1", "a")).await.unwrap();
    submit(&office, "c", CancelRun::new("RUN-1")).await.unwrap();
    assert_eq!(get(&office, "RUN-1").await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_complete_one_step_complete_it_once() {
    let office = office().await;
    start(&office, "diamond").await;
    let tasks: Vec<_> = (0..16)
        .map(|index| {
            let (ops, cx) = (office.desk.ops.clone(), office.desk.cx.clone());
            let input = CompleteStep::new("RUN-1", "a").note(format!("{index}"));
            tokio::spawn(async move { ops.runs(&cx).complete_step(input).await.map(done) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(steps(&get(&office, "RUN-1").await), "d=pending a=succeeded b=ready c=ready");
}

/// Ids that mean something elsewhere.
const IDS: [&str; 8] = [
    "a",
    "'; DROP TABLE records; --",
    "../../etc/passwd",
    "*a",
    "\"",
    "{{x}}",
    "null",
    "`rm -rf /` \\u0000 ü\u{1f525}",
];

/// What a run is in a few lines: the steps before each, those completed, and whether it was cancelled.
#[derive(Debug)]
struct Model {
    before: Vec<BTreeSet<usize>>,
    completed: BTreeSet<usize>,
    cancelled: bool,
}

impl Model {
    fn is_completed(&self) -> bool {
        self.completed.len() == self.before.len()
    }

    fn complete(&mut self, step: usize) -> bool {
        let is_its_turn = !self.cancelled && self.before[step].is_subset(&self.completed);
        self.completed.contains(&step) || (is_its_turn && self.completed.insert(step))
    }

    fn cancel(&mut self) -> bool {
        self.cancelled |= !self.is_completed();
        self.cancelled
    }

    fn step(&self, step: usize) -> StepStatusLevel {
        match self.before[step].is_subset(&self.completed) {
            _ if self.completed.contains(&step) => StepStatusLevel::Succeeded,
            _ if self.cancelled => StepStatusLevel::Cancelled,
            true => StepStatusLevel::Ready,
            false => StepStatusLevel::Pending,
        }
    }

    fn status(&self) -> RunStatusLevel {
        match self.cancelled {
            true => RunStatusLevel::Cancelled,
            false if self.is_completed() => RunStatusLevel::Completed,
            false => RunStatusLevel::Running,
        }
    }

    /// As YAML; a step depends only on steps that come later in the file.
    fn plan(&self) -> String {
        let steps = self.before.iter().enumerate().map(|(step, before)| {
            let before: Vec<_> = before.iter().map(|step| IDS[*step]).collect();
            json!({ "id": IDS[step], "title": "t", "depends_on": before })
        });
        json!({ "title": "p", "steps": steps.collect::<Vec<_>>() }).to_string()
    }
}

fn model() -> impl Strategy<Value = Model> {
    let edges = prop::collection::vec(any::<[bool; IDS.len()]>(), 1..=IDS.len());
    edges.prop_map(|edges| {
        let count = edges.len();
        let before = |(step, edges): (usize, &[bool; IDS.len()])| (step + 1..count).filter(|it| edges[*it]).collect();
        Model { before: edges.iter().enumerate().map(before).collect(), completed: BTreeSet::new(), cancelled: false }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_run_does_what_its_model_does(mut model in model(), does in prop::collection::vec(0..40_usize, 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let office = Office::open().await;
            office.put("p.yaml", model.plan());
            let mut before = start(&office, "p").await;
            for what in does {
                office.desk.clock.advance(Duration::from_secs(1));
                let known = (model.completed.clone(), model.cancelled);
                let (allowed, result) = if what == 0 {
                    let cancelled = office.desk.ops.runs(&office.desk.cx).cancel(CancelRun::new("RUN-1")).await;
                    (model.cancel(), cancelled.map(|_| ()))
                } else {
                    let step = what % model.before.len();
                    (model.complete(step), complete(&office, "RUN-1", IDS[step]).await)
                };
                let kind = result.err().map(|error| error.kind().clone());
                assert_eq!(kind, (!allowed).then_some(ErrorKind::Conflict));
                let run = get(&office, "RUN-1").await;
                for (step, state) in run.steps.iter().enumerate() {
                    assert_eq!((state.step_id.as_str(), state.status.level()), (IDS[step], model.step(step)));
                }
                assert_eq!(run.status.level(), model.status());
                assert_eq!(run == before, known == (model.completed.clone(), model.cancelled), "only a change changes it");
                assert_eq!(run.updated_at == before.updated_at, run == before);
                before = run;
            }
        });
    }
}
