//! Runs of plans, whose steps are completed by hand.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::{RunCanceller, RunReader, RunWriter};
use opsorch::gate::Approved;
use opsorch::{
    CancelRun, CompleteStep, Context, Error, Fields, Operation, Page, Plan, Result, Run, RunId, RunQuery, StartRun,
    Time,
};
use serde_json::json;

use self::progress::Remark;
use super::database::{Attempt, Database, Edit, Part, Record};
use super::input::refuse_deep;
use super::plans::{Plans, scope_of};
use super::query::{Text, among, is_or_any, refuse_metadata};

mod progress;

// What the metadata of a run says beside what it was started with.
const STARTED_BY: &str = "startedBy";
const CANCELLED_BY: &str = "cancelledBy";
const REASON: &str = "reason";
const RESERVED: [&str; 3] = [STARTED_BY, CANCELLED_BY, REASON];

/// How large a run may be when it is started, in bytes of JSON: half of the largest record.
const LARGEST_START: usize = 512 << 10;

/// How large notes may make it: what is above is for going on without them, so that every run can come to an end.
const LARGEST_NOTED: usize = 768 << 10;

impl Record for Run {
    const KIND: &'static str = "run";
    const PREFIX: &'static str = "RUN";

    fn at(&self) -> Option<Time> {
        self.created_at
    }
}

/// Answers questions about runs, and changes them.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    database: Database,
    plans: Arc<Plans>,
}

impl Runs {
    pub(super) fn new(database: Database, plans: Arc<Plans>) -> Self {
        Self { database, plans }
    }
}

#[async_trait]
impl RunReader for Runs {
    /// A text is searched for in the plan's title and description. A scope is compared with what the plan is about.
    async fn query(&self, cx: &Context, query: &RunQuery) -> Result<Page<Run>> {
        refuse_metadata(&query.metadata)?;
        let part = Part::new(query.page_size(), query.cursor.as_ref())?;
        let (query, text) = (query.clone(), Text::new(&query.query));
        let matches = move |run: &Run| {
            let plan = run.plan.as_deref();
            text.occurs_in([plan.map(|plan| plan.title.as_str()), plan.and_then(|plan| plan.description.as_deref())])
                && among(&query.statuses, &run.status)
                && (query.plan_ids.is_empty() || query.plan_ids.contains(&run.plan_id))
                && is_or_any(&query.scope.service, &run.scope.service)
                && is_or_any(&query.scope.team, &run.scope.team)
                && is_or_any(&query.scope.environment, &run.scope.environment)
        };
        self.database.read(cx, move |view| view.page(part, |run| Some(run).filter(&matches))).await
    }

    async fn get(&self, cx: &Context, id: &RunId) -> Result<Run> {
        let id = id.to_string();
        self.database.read(cx, move |view| view.get(&id)).await
    }
}

#[async_trait]
impl RunWriter for Runs {
    /// The run keeps the plan as it is now; what is written into the file later changes other runs.
    async fn start(&self, cx: &Context, input: Approved<'_, StartRun>) -> Result<Run> {
        refuse_deep(&[("fields", &input.fields), ("metadata", &input.metadata)])?;
        if let Some(name) = RESERVED.into_iter().find(|name| input.metadata.contains_key(*name)) {
            return Err(Error::invalid("metadata", format!("`{name}` is written by the provider; leave it out")));
        }
        let attempt = Attempt::new(Operation::OrchestrationRunsStart, &input)?;
        // What is wrong with it does not matter where the run was started before.
        let plan = self.plans.find(&input.plan_id).await;
        let (input, actor) = (StartRun::clone(&input), cx.actor().to_string());
        let work = move |edit: &Edit<'_>| {
            let mut run = started(plan?, input, actor, edit.now());
            expect_room(&run, LARGEST_START, "a smaller plan or fewer fields")?;
            edit.add(|id| {
                run.id = id.into();
                run
            })
        };
        self.database.change(cx, attempt, work, |view, id| view.get(id)).await
    }

    /// A step of any kind is completed by whoever did it. One that is completed stays as it is; one whose turn has not
    /// come, and one of a run that has ended, is a `Conflict`; an unknown one is `NotFound`. When the last step is
    /// completed, the run is.
    async fn complete_step(&self, cx: &Context, input: Approved<'_, CompleteStep>) -> Result<()> {
        let attempt = Attempt::new(Operation::OrchestrationRunsStepsComplete, &input)?;
        let CompleteStep { run_id, step_id, actor: remark, note, .. } = CompleteStep::clone(&input);
        let remark = Remark { actor: cx.actor().to_string(), remark: said(remark), note: said(note) };
        let work = move |edit: &Edit<'_>| {
            let is_noted = remark.remark.is_some() || remark.note.is_some();
            let mut run: Run = edit.get(run_id.as_str())?;
            if progress::complete(&mut run, &step_id, remark, edit.now())? {
                if is_noted {
                    expect_room(&run, LARGEST_NOTED, "a shorter note")?;
                }
                edit.put(run_id.as_str(), &run)?;
            }
            Ok(run_id.to_string())
        };
        self.database.change(cx, attempt, work, |_, _| Ok(())).await
    }
}

#[async_trait]
impl RunCanceller for Runs {
    /// Steps that are not completed are cancelled with it. A run that is cancelled stays as it is; one that is
    /// completed is a `Conflict`.
    async fn cancel(&self, cx: &Context, input: Approved<'_, CancelRun>) -> Result<Run> {
        let attempt = Attempt::new(Operation::OrchestrationRunsCancel, &input)?;
        let CancelRun { run_id, reason, .. } = CancelRun::clone(&input);
        let mut why = Fields::from([(CANCELLED_BY.to_owned(), json!(cx.actor().to_string()))]);
        why.extend(said(reason).map(|reason| (REASON.to_owned(), json!(reason))));
        let work = move |edit: &Edit<'_>| {
            let mut run: Run = edit.get(run_id.as_str())?;
            if progress::cancel(&mut run, why, edit.now())? {
                edit.put(run_id.as_str(), &run)?;
            }
            Ok(run_id.to_string())
        };
        self.database.change(cx, attempt, work, |view, id| view.get(id)).await
    }
}

/// A run that has no id yet.
fn started(plan: Plan, input: StartRun, actor: String, now: Time) -> Run {
    let scope = scope_of(&plan);
    let mut run = progress::start(plan, now);
    run.scope = scope;
    (run.fields, run.metadata) = (input.fields, input.metadata);
    run.metadata.insert(STARTED_BY.into(), json!(actor));
    run
}

/// A text, unless it says nothing.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn expect_room(run: &Run, most: usize, wanted: &str) -> Result<()> {
    let size = serde_json::to_vec(run).map_or(usize::MAX, |json| json.len());
    match size > most {
        true => Err(Error::conflict(format!("the run would have {size} bytes; expected {wanted}, for at most {most}"))),
        false => Ok(()),
    }
}
