//! A process: a control plane that can die at any await.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opsorch::{OpsOrch, Time};
use tokio::time::Instant;

/// One life of a process. When it has died, nothing that it awaits ever comes, so that it does nothing any more; what the
/// vendors have begun goes on. Clones are the same process.
#[derive(Clone, Debug)]
pub(crate) struct Process(Arc<State>);

#[derive(Debug)]
struct State {
    name: String,
    is_dead: AtomicBool,
    /// Nothing fails while it starts, or once the history is over.
    is_calm: AtomicBool,
}

impl Process {
    pub(crate) fn new(name: String) -> Self {
        Self(Arc::new(State { name, is_dead: AtomicBool::new(false), is_calm: AtomicBool::new(true) }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn kill(&self) {
        self.0.is_dead.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.is_dead.load(Ordering::Relaxed)
    }

    pub(crate) fn be_calm(&self, calm: bool) {
        self.0.is_calm.store(calm, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.0.is_calm.load(Ordering::Relaxed)
    }

    /// Goes on if it lives.
    pub(crate) async fn live(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }
}

/// A process and its control plane.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub(crate) process: Process,
    pub(crate) ops: OpsOrch,
}

/// The clock of a history: it goes with the runtime's, and can jump forward, as it does for a process that stood still.
#[derive(Clone, Debug)]
pub(crate) struct HistoryClock(Arc<std::sync::Mutex<Now>>);

#[derive(Debug)]
struct Now {
    start: Instant,
    time: Time,
}

impl HistoryClock {
    pub(crate) fn new(time: Time) -> Self {
        Self(Arc::new(std::sync::Mutex::new(Now { start: Instant::now(), time })))
    }

    pub(crate) fn jump(&self, by: std::time::Duration) {
        self.0.lock().unwrap().time += by;
    }
}

impl opsorch::Clock for HistoryClock {
    fn now(&self) -> Time {
        let now = self.0.lock().unwrap();
        now.time + now.start.elapsed()
    }
}
