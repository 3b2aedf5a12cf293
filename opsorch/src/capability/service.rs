//! The catalogue of services.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, Page, Result, Service, ServiceId, ServiceQuery};

/// Finds and reads services.
#[async_trait]
pub trait ServiceReader: Debug + Send + Sync + 'static {
    /// Finds services by name: at most [`ServiceQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &ServiceQuery) -> Result<Page<Service>>;
    /// Reads one service; an unknown id is `NotFound`.
    async fn get(&self, cx: &Context, id: &ServiceId) -> Result<Service>;
}
