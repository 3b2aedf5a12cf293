//! Alerts.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::gate::Approved;
use crate::{
    AcknowledgeAlert, Alert, AlertId, AlertQuery, Context, Page, RaiseAlert, ResolveAlert, Result, SilenceAlert,
};

/// Finds and reads alerts.
#[async_trait]
pub trait AlertReader: Debug + Send + Sync + 'static {
    /// Finds alerts, newest first: at most [`AlertQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &AlertQuery) -> Result<Page<Alert>>;
    /// Reads one alert; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &AlertId) -> Result<Alert>;
}

/// Raises alerts.
#[async_trait]
pub trait AlertRaiser: Debug + Send + Sync + 'static {
    /// Raises an alert; the same deduplication key again is the same alert, not another one.
    async fn raise(&self, cx: &Context, input: Approved<'_, RaiseAlert>) -> Result<Alert>;
}

/// Acknowledges and resolves alerts.
#[async_trait]
pub trait AlertResponder: Debug + Send + Sync + 'static {
    /// Acknowledges an alert; an unknown id is `NotFound`.
    async fn acknowledge(&self, cx: &Context, input: Approved<'_, AcknowledgeAlert>) -> Result<Alert>;
    /// Resolves an alert; an unknown id is `NotFound`.
    async fn resolve(&self, cx: &Context, input: Approved<'_, ResolveAlert>) -> Result<Alert>;
}

/// Silences alerts.
#[async_trait]
pub trait AlertSilencer: Debug + Send + Sync + 'static {
    /// Silences an alert until a time; an unknown id is `NotFound`.
    async fn silence(&self, cx: &Context, input: Approved<'_, SilenceAlert>) -> Result<Alert>;
}
