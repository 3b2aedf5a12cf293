//! Metrics.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, MetricDescriptor, MetricQuery, MetricSeries, Page, Result, Scope};

/// Reads time series and says which there are.
#[async_trait]
pub trait MetricReader: Debug + Send + Sync + 'static {
    /// Reads series, points oldest first. A gap stays a gap.
    async fn query(&self, cx: &Context, query: &MetricQuery) -> Result<Page<MetricSeries>>;
    /// Lists the metrics there are, by name.
    async fn describe(&self, cx: &Context, scope: &Scope) -> Result<Page<MetricDescriptor>>;
}
