//! For how long a process vouches that a change of its own is being made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opsorch_schema::Time;

use crate::{Clock, Error, ErrorKind, Result};

/// The lease of one intent. When it has lapsed, another process may call the change unknown, so no attempt begins then.
#[derive(Debug)]
pub(crate) struct Lease {
    clock: Arc<dyn Clock>,
    length: Duration,
    until: Mutex<Time>,
    ended: AtomicBool,
}

impl Lease {
    /// A lease from now on.
    pub(super) fn new(clock: Arc<dyn Clock>, length: Duration) -> Self {
        let until = Mutex::new(clock.now() + length);
        Self { clock, length, until, ended: AtomicBool::new(false) }
    }

    /// Until when it holds.
    pub(super) fn until(&self) -> Time {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when it would hold if it were renewed now.
    pub(super) fn renewed(&self) -> Time {
        self.clock.now() + self.length
    }

    /// Notes that the store has renewed it.
    pub(super) fn extend(&self, until: Time) {
        let mut held = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (*held).max(until);
    }

    /// Notes that it holds no longer, whatever the clock says.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Refuses to begin anything once it has lapsed.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.ended.load(Ordering::Relaxed) && self.clock.now() < self.until() {
            return Ok(());
        }
        let message = "the lease of this change has lapsed, so another process may have ended it; nothing was sent";
        Err(Error::new(ErrorKind::Unavailable, message).not_applied())
    }
}
