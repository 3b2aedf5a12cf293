//! The changes that were made, as far as they part what was read before from what is read after.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a vendor may take to get to a change whose outcome nobody knows.
const UNSETTLED: Duration = Duration::from_secs(60);

/// What was changed, by the kind of the provider: one account of a vendor often stands behind several names.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<BTreeMap<String, Kind>>);

#[derive(Debug, Default)]
struct Kind {
    /// Counts the beginnings and the ends of changes. It is part of every key, so that what was read before one of them is
    /// not found after it.
    generation: u64,
    unsettled_until: Option<Instant>,
}

impl Changes {
    /// The generation of a kind, and whether it is known how all changes of it ended.
    pub(super) fn of(&self, kind: &str) -> (u64, bool) {
        match self.lock().get(kind) {
            Some(kind) => (kind.generation, kind.unsettled_until.is_none_or(|until| until <= Instant::now())),
            None => (0, true),
        }
    }

    /// Notes that a change begins; it ends when what is returned is dropped.
    pub(super) fn begin<'a>(&'a self, kind: &'a str) -> Change<'a> {
        self.lock().entry(kind.to_owned()).or_default().generation += 1;
        Change { changes: self, kind, is_settled: false }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kind>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change on its way.
pub(super) struct Change<'a> {
    changes: &'a Changes,
    kind: &'a str,
    is_settled: bool,
}

impl Change<'_> {
    /// It has ended, and it is known how.
    pub(super) fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        let mut kinds = self.changes.lock();
        let kind = kinds.entry(self.kind.to_owned()).or_default();
        kind.generation += 1;
        if !self.is_settled {
            kind.unsettled_until = Some(Instant::now() + UNSETTLED);
        }
    }
}
