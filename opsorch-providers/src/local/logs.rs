//! Log files: found by patterns, read backwards, merged by time.

use std::sync::Arc;

use async_trait::async_trait;
use opsorch::capability::LogReader;
use opsorch::{Clock, Context, Error, LogEntry, LogQuery, Page, ProviderName, Result};

use self::cursor::Positions;
use self::filter::Filter;
use self::halt::Halt;
use self::search::{Limits, Search};
use super::query::page_size;

mod backward;
mod cursor;
mod files;
mod filter;
mod gzip;
mod halt;
mod json;
mod line;
mod logfmt;
mod open;
mod records;
mod search;
mod severity;
mod source;
mod stream;
mod syslog;
mod time;
mod walk;

/// Reads log files.
#[derive(Clone, Debug)]
pub(super) struct LogFiles {
    provider: ProviderName,
    patterns: Arc<[String]>,
    clock: Arc<dyn Clock>,
}

impl LogFiles {
    pub(super) fn new(provider: ProviderName, patterns: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        Self { provider, patterns: patterns.into(), clock }
    }
}

#[async_trait]
impl LogReader for LogFiles {
    async fn query(&self, cx: &Context, query: &LogQuery) -> Result<Page<LogEntry>> {
        let cancel = CancelOnDrop(Arc::new(Halt::within(cx.remaining())));
        let search = Search {
            provider: self.provider.clone(),
            patterns: Arc::clone(&self.patterns),
            filter: Filter::new(query)?,
            limits: Limits::of(page_size(query.page_size())?),
            from: query.cursor.as_ref().map(Positions::parse).transpose()?,
            now: self.clock.now(),
            halt: Arc::clone(&cancel.0),
        };
        let task = tokio::task::spawn_blocking(move || search.run());
        task.await.map_err(|error| Error::unexpected("the search was interrupted").with_source(error))
    }
}

/// Tells the blocking thread to stop when the caller stops waiting.
#[derive(Debug)]
struct CancelOnDrop(Arc<Halt>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
