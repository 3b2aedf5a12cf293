//! Plans, and runs of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::page::item;
use crate::setters::setters;
use crate::wire::{lenient_scope, null_as_default, optional_time, optional_url};
use crate::{Cursor, Fields, PlanId, ProviderName, RunId, RunStatus, Scope, StepId, StepKind, StepStatus, Time};

/// Steps to take, and which of them come before which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// What it is for, in a line.
    pub title: String,
    /// What it is for, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its steps.
    #[serde(default, deserialize_with = "null_as_default")]
    pub steps: Vec<Step>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// Which version of the plan this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is tagged with.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What the provider says about the item itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl Plan {
    /// A plan without steps.
    pub fn new(id: impl Into<PlanId>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            description: None,
            steps: Vec::new(),
            url: None,
            version: None,
            tags: BTreeMap::new(),
            fields: Fields::new(),
            metadata: Fields::new(),
            provider: None,
        }
    }

    setters! {
        some description: String;
        each steps as step: Step;
        some url: Url;
        some version: String;
        entry tags as tag: String;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

item!(Plan { key: id, url: url });

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Step {
    /// Its id, unique within the plan.
    pub id: StepId,
    /// What to do, in a line.
    pub title: String,
    /// How it is done.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<StepKind>,
    /// What to do, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The steps that come before it.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<StepId>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What the provider says about the step itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl Step {
    /// A step with a title.
    pub fn new(id: impl Into<StepId>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            kind: None,
            description: None,
            depends_on: Vec::new(),
            fields: Fields::new(),
            metadata: Fields::new(),
        }
    }

    setters! {
        some kind: StepKind;
        some description: String;
        each depends_on as depends_on: StepId;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

/// Which plans to find. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct PlanQuery {
    /// Text to search for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// The tags it must have.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl PlanQuery {
    /// All plans.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        some query: String;
        scope;
        entry tags as tag: String;
        page;
        entry metadata as metadata: Value;
    }
}

/// A plan on its way from its first step to its last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The plan it follows.
    pub plan_id: PlanId,
    /// That plan as it was when the run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Box<Plan>>,
    /// How far it is.
    pub status: RunStatus,
    /// The part of the world it is about.
    #[serde(default, deserialize_with = "lenient_scope")]
    pub scope: Scope,
    /// How far each step is.
    #[serde(default, deserialize_with = "null_as_default")]
    pub steps: Vec<StepState>,
    /// When it was started.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When it last changed.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// The page a person would open.
    #[serde(default, deserialize_with = "optional_url", skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What the provider says about the item itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
    /// The vendor's own word for the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_raw: Option<String>,
    /// The provider it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
}

impl Run {
    /// A run of a plan, without steps.
    pub fn new(id: impl Into<RunId>, plan_id: impl Into<PlanId>, status: impl Into<RunStatus>) -> Self {
        Self {
            id: id.into(),
            plan_id: plan_id.into(),
            plan: None,
            status: status.into(),
            scope: Scope::new(),
            steps: Vec::new(),
            created_at: None,
            updated_at: None,
            url: None,
            fields: Fields::new(),
            metadata: Fields::new(),
            status_raw: None,
            provider: None,
        }
    }

    setters! {
        some plan: Box<Plan>;
        scope;
        each steps as step: StepState;
        some created_at: Time;
        some updated_at: Time;
        some url: Url;
        entry fields as field: Value;
        entry metadata as metadata: Value;
        some status_raw: String;
    }
}

item!(Run { key: id, time: created_at, url: url });

/// How far one step of a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StepState {
    /// The step of the plan.
    pub step_id: StepId,
    /// How far it is.
    pub status: StepStatus,
    /// Who did it, in the provider's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What whoever did it wrote about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it started.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// When it last changed.
    #[serde(default, deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What the provider says about the step itself.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl StepState {
    /// The status of a step.
    pub fn new(step_id: impl Into<StepId>, status: impl Into<StepStatus>) -> Self {
        Self {
            step_id: step_id.into(),
            status: status.into(),
            actor: None,
            note: None,
            started_at: None,
            finished_at: None,
            updated_at: None,
            fields: Fields::new(),
            metadata: Fields::new(),
        }
    }

    setters! {
        some actor: String;
        some note: String;
        some started_at: Time;
        some finished_at: Time;
        some updated_at: Time;
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

/// Which runs to find. Conditions of different kinds must all hold; within a list one is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RunQuery {
    /// Text to search for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Any of these statuses; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<RunStatus>,
    /// Runs of any of these plans; empty for all.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub plan_ids: Vec<PlanId>,
    /// The part of the world to look at.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: Scope,
    /// How many at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl RunQuery {
    /// All runs.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        some query: String;
        each statuses as status: RunStatus;
        each plan_ids as plan_id: PlanId;
        scope;
        page;
        entry metadata as metadata: Value;
    }
}

/// A run to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct StartRun {
    /// The plan to follow.
    pub plan_id: PlanId,
    /// The vendor's fields that have no place above.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What only one kind of provider understands.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Fields::is_empty")]
    pub metadata: Fields,
}

impl StartRun {
    /// A run of this plan.
    pub fn new(plan_id: impl Into<PlanId>) -> Self {
        Self { plan_id: plan_id.into(), fields: Fields::new(), metadata: Fields::new() }
    }

    setters! {
        entry fields as field: Value;
        entry metadata as metadata: Value;
    }
}

/// Says that a manual step of a run is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CompleteStep {
    /// The run.
    pub run_id: RunId,
    /// The step.
    pub step_id: StepId,
    /// Who did it, in the words of the caller: a remark, not an identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What to write about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl CompleteStep {
    /// Completes this step of this run.
    pub fn new(run_id: impl Into<RunId>, step_id: impl Into<StepId>) -> Self {
        Self { run_id: run_id.into(), step_id: step_id.into(), actor: None, note: None }
    }

    setters! {
        some actor: String;
        some note: String;
    }
}

/// Says that a run is to stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CancelRun {
    /// The run.
    pub run_id: RunId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl CancelRun {
    /// Cancels this run.
    pub fn new(run_id: impl Into<RunId>) -> Self {
        Self { run_id: run_id.into(), reason: None }
    }

    setters! { some reason: String; }
}
