//! When what is answered was observed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opsorch_schema::Time;
use serde::Serialize;

/// How fresh an answer is.
///
/// [`OpsOrch::observe`](crate::OpsOrch::observe) gives it beside the answer. Of a page that several providers answered it is the
/// worst: the earliest time, and `cached` if that holds for any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Observed {
    /// When the source was asked, by the clock of the control plane: whatever it knew then is in the answer.
    pub at: Time,
    /// Whether it was asked for another call than this one.
    pub cached: bool,
}

impl Observed {
    /// An answer that was fetched for this call, from a source that was asked then.
    pub fn new(at: Time) -> Self {
        Self { at, cached: false }
    }

    /// Says whether the source was asked for another call.
    pub fn cached(mut self, cached: bool) -> Self {
        self.cached = cached;
        self
    }

    /// Both together.
    fn and(self, other: Self) -> Self {
        Self { at: self.at.min(other.at), cached: self.cached || other.cached }
    }
}

/// What the calls of a context have seen; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Option<Observed>>>);

impl Seen {
    pub(crate) fn add(&self, observed: Observed) {
        let mut seen = self.lock();
        *seen = Some(seen.map_or(observed, |before| before.and(observed)));
    }

    /// All of it together; `None` where nothing was seen.
    pub(crate) fn together(&self) -> Option<Observed> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Observed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
