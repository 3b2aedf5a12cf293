//! What was written a moment ago, which Jira Cloud's search may not know yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opsorch::{Clock, Time};

/// How long a search is told of what was written.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// The most ids that `reconcileIssues` takes.
const MOST: usize = 50;

/// The ids of the issues that this provider wrote lately.
#[derive(Debug)]
pub(super) struct Recent {
    clock: Arc<dyn Clock>,
    written: Mutex<VecDeque<(Time, u64)>>,
}

impl Recent {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, written: Mutex::default() }
    }

    /// Notes that an issue was written. What is no number is no id that a search takes.
    pub(super) fn note(&self, id: &str) {
        let Ok(id) = id.parse() else { return };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|(_, known)| *known != id);
        written.push_back((self.clock.now(), id));
        if written.len() > MOST {
            written.pop_front();
        }
    }

    /// The ids that a search is to look at afresh.
    pub(super) fn ids(&self) -> Vec<u64> {
        let now = self.clock.now();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|(at, _)| *at + REMEMBERED > now);
        written.iter().map(|(_, id)| *id).collect()
    }
}
