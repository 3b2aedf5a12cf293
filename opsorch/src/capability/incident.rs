//! Incidents and their timelines.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::gate::Approved;
use crate::{
    Context, CreateIncident, Incident, IncidentId, IncidentQuery, Page, Result, TimelineAppend, TimelineEntry,
    UpdateIncident,
};

/// Finds and reads incidents.
#[async_trait]
pub trait IncidentReader: Debug + Send + Sync + 'static {
    /// Finds incidents, newest first: at most [`IncidentQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &IncidentQuery) -> Result<Page<Incident>>;
    /// Reads one incident; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &IncidentId) -> Result<Incident>;
}

/// Opens and changes incidents.
#[async_trait]
pub trait IncidentWriter: Debug + Send + Sync + 'static {
    /// Opens an incident and returns it as the vendor now has it.
    async fn create(&self, cx: &Context, input: Approved<'_, CreateIncident>) -> Result<Incident>;
    /// Changes the fields that are given and no others; an unknown id is `NotFound`.
    async fn update(&self, cx: &Context, input: Approved<'_, UpdateIncident>) -> Result<Incident>;
}

/// Reads the timelines of incidents.
#[async_trait]
pub trait TimelineReader: Debug + Send + Sync + 'static {
    /// The whole timeline, oldest first; an unknown id is `NotFound`.
    async fn timeline(&self, cx: &Context, id: &IncidentId) -> Result<Page<TimelineEntry>>;
}

/// Adds to the timelines of incidents.
#[async_trait]
pub trait TimelineWriter: Debug + Send + Sync + 'static {
    /// Adds an entry; an unknown id is `NotFound`.
    async fn append(&self, cx: &Context, input: Approved<'_, TimelineAppend>) -> Result<()>;
}
