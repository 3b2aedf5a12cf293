//! Log entries.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, LogEntry, LogQuery, Page, Result};

/// Finds log entries.
#[async_trait]
pub trait LogReader: Debug + Send + Sync + 'static {
    /// Finds entries in `[start, end)`, newest first: at most [`LogQuery::page_size`]; the cursor resumes without gap or repeat.
    async fn query(&self, cx: &Context, query: &LogQuery) -> Result<Page<LogEntry>>;
}
