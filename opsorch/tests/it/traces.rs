//! What is traced, for tests that look at it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::format::FmtSpan;

/// Everything that is traced on this thread at every level, spans with the fields they ended with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(Arc<Mutex<Vec<u8>>>);

/// Ends the collection when it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    _subscriber: tracing::subscriber::DefaultGuard,
    _second: tracing::Dispatch,
}

impl Traces {
    /// Begins to collect. With one subscriber alone, tracing decides about an event by the thread that meets it first,
    /// which may be another test's; with a second one it asks both.
    pub(crate) fn collect(&self) -> Guard {
        let this = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(move || this.clone())
            .finish();
        Guard {
            _subscriber: tracing::subscriber::set_default(subscriber),
            _second: tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish()),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
