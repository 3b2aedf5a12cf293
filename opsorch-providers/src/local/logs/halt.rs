//! When a search ends although it is not finished.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How much of the time that the caller waits is kept to hand back what was found: a quarter, and this much at most.
const MOST_KEPT: Duration = Duration::from_secs(2);

/// Tells a search to end: because nobody waits for it any more, or its time is over.
#[derive(Debug, Default)]
pub(super) struct Halt {
    cancelled: AtomicBool,
    deadline: Option<Instant>,
}

impl Halt {
    /// For a caller who waits so long; `None` for one who waits for ever.
    pub(super) fn within(remaining: Option<Duration>) -> Self {
        let usable = remaining.map(|remaining| remaining - (remaining / 4).min(MOST_KEPT));
        let deadline = usable.and_then(|usable| Instant::now().checked_add(usable));
        Self { cancelled: AtomicBool::new(false), deadline }
    }

    /// Says that nobody waits any more.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether the time is over.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether the search is to end.
    pub(super) fn has_come(&self) -> bool {
        self.is_cancelled() || self.is_late()
    }

    /// # Errors
    /// `TimedOut` if the search is to end. (`Interrupted` would be tried again by those who read.)
    pub(super) fn check(&self) -> io::Result<()> {
        if self.has_come() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}
