//! Plans, and runs of them.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::gate::Approved;
use crate::{CancelRun, CompleteStep, Context, Page, Plan, PlanId, PlanQuery, Result, Run, RunId, RunQuery, StartRun};

/// Finds and reads plans.
#[async_trait]
pub trait PlanReader: Debug + Send + Sync + 'static {
    /// Finds plans by title: at most [`PlanQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &PlanQuery) -> Result<Page<Plan>>;
    /// Reads one plan with its steps; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &PlanId) -> Result<Plan>;
}

/// Finds and reads runs of plans.
#[async_trait]
pub trait RunReader: Debug + Send + Sync + 'static {
    /// Finds runs, newest first: at most [`RunQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &RunQuery) -> Result<Page<Run>>;
    /// Reads one run with the states of its steps; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &RunId) -> Result<Run>;
}

/// Starts runs and completes their manual steps.
#[async_trait]
pub trait RunWriter: Debug + Send + Sync + 'static {
    /// Starts a run of a plan; an unknown plan is `NotFound`.
    async fn start(&self, cx: &Context, input: Approved<'_, StartRun>) -> Result<Run>;
    /// Completes a step that is ready; any other state is `Conflict`, but one that is completed already stays so.
    async fn complete_step(&self, cx: &Context, input: Approved<'_, CompleteStep>) -> Result<()>;
}

/// Cancels runs.
#[async_trait]
pub trait RunCanceller: Debug + Send + Sync + 'static {
    /// Cancels a run that has not ended; one that has is `Conflict`, but one that is cancelled already stays so.
    async fn cancel(&self, cx: &Context, input: Approved<'_, CancelRun>) -> Result<Run>;
}
