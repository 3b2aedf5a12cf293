//! Reads that were answered, and reads on their way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Key;
use super::kept::{Answer, Asked, Kept};
use crate::layer::Call;
use crate::{Error, ErrorKind, Result};

/// How long one waits for another's call at most. A caller may hold a call without going on with it, and nobody waits for that
/// for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is kept and what is on its way, under one lock, so that nobody falls between the two.
#[derive(Debug, Default)]
pub(super) struct Reads(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: Kept,
    on_their_way: HashMap<Key, Flight>,
    flights: u64,
}

/// A call on its way.
#[derive(Debug)]
struct Flight {
    number: u64,
    asked: Asked,
    landing: watch::Receiver<Option<Landed>>,
}

/// How a call ended, for everybody who waits for it.
#[derive(Clone, Debug)]
pub(super) enum Landed {
    Answer(Arc<Answer>),
    Failed(Failure),
}

/// How long a caller may be about to wait before another try, where an error does not say it: as long as
/// [`RetryLayer`](crate::layer::RetryLayer) waits at most among its first five attempts, and some.
const HASTE: Duration = Duration::from_secs(2);

/// An error, and for whom it is one.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// It may be one only because the caller had not more time than this.
    haste: Option<Duration>,
}

impl Failure {
    pub(super) fn new(call: &Call<'_>, error: Error) -> Self {
        let wait = match error.kind() {
            ErrorKind::RateLimited { retry_after: Some(wait) } => *wait,
            _ => HASTE,
        };
        let is_hasty = error.is_retryable() && call.context().remaining().is_some_and(|left| left <= wait);
        Self { error, haste: is_hasty.then_some(wait) }
    }

    /// Whether it is one for this caller too. One who makes the call anew has more time than was too little, so that all others
    /// share what comes of that: they do not fail one after the other.
    pub(super) fn holds_for(&self, call: &Call<'_>) -> bool {
        let has_more = |haste| call.context().remaining().is_none_or(|left| left > haste);
        !self.haste.is_some_and(has_more)
    }
}

/// What a read finds.
pub(super) enum Found<'a> {
    Kept(Arc<Answer>),
    /// Another call is on its way.
    Wait(Wait),
    /// It is the first, and makes the call.
    Lead(Lead<'a>),
}

impl Reads {
    pub(super) fn new(kept: Kept) -> Self {
        Self(Mutex::new(State { kept, ..State::default() }))
    }

    /// An answer that is young enough, or a call on its way that is, or the right to make one.
    pub(super) fn find(&self, key: &[u8], ttl: Duration, now: Asked) -> Found<'_> {
        let mut state = self.lock();
        if let Some(answer) = state.kept.find(key, ttl, now) {
            return Found::Kept(answer);
        }
        if let Some(flight) = state.on_their_way.get(key)
            && flight.asked.is_within(PATIENCE.min(ttl), now)
        {
            return Found::Wait(Wait { landing: flight.landing.clone(), until: flight.asked.on + PATIENCE });
        }
        let (landing, receiver) = watch::channel(None);
        state.flights += 1;
        let flight = Flight { number: state.flights, asked: now, landing: receiver };
        let lead = Lead { reads: self, key: key.into(), number: state.flights, asked: now, landing };
        state.on_their_way.insert(Key::clone(&lead.key), flight);
        Found::Lead(lead)
    }

    /// How many answers are kept.
    pub(super) fn kept(&self) -> usize {
        self.lock().kept.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to make a call, and the duty to tell those who wait how it ended: if it is dropped, one of them makes it.
pub(super) struct Lead<'a> {
    reads: &'a Reads,
    key: Key,
    number: u64,
    pub(super) asked: Asked,
    landing: watch::Sender<Option<Landed>>,
}

impl Lead<'_> {
    /// Tells everybody, and keeps the answer if that is wanted and no younger call has taken its place.
    pub(super) fn land(self, landed: Landed, keeps: bool) {
        let mut state = self.reads.lock();
        if self.is_newest(&state) {
            match &landed {
                Landed::Answer(answer) if keeps => state.kept.keep(Key::clone(&self.key), Arc::clone(answer)),
                Landed::Answer(_) => {}
                // It has ended for everybody: who makes the call anew is not to find this one.
                Landed::Failed(_) => drop(state.on_their_way.remove(&self.key)),
            }
        }
        drop(state);
        self.landing.send_replace(Some(landed));
    }

    fn is_newest(&self, state: &State) -> bool {
        state.on_their_way.get(&self.key).is_some_and(|flight| flight.number == self.number)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = self.reads.lock();
        if self.is_newest(&state) {
            state.on_their_way.remove(&self.key);
        }
    }
}

/// A call to wait for.
pub(super) struct Wait {
    landing: watch::Receiver<Option<Landed>>,
    until: Instant,
}

impl Wait {
    /// How it ended; `None` if it was given up or takes too long.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) at the deadline of the one who waits.
    pub(super) async fn landed(mut self, call: &Call<'_>) -> Result<Option<Landed>> {
        let deadline = call.context().deadline();
        let until = deadline.map_or(self.until, |deadline| deadline.min(self.until));
        match tokio::time::timeout_at(until, self.landing.wait_for(Option::is_some)).await {
            Ok(Ok(landed)) => Ok(landed.clone()),
            Ok(Err(_)) => Ok(None),
            Err(_) if deadline.is_some_and(|deadline| deadline <= self.until) => Err(too_late(call)),
            Err(_) => Ok(None),
        }
    }
}

fn too_late(call: &Call<'_>) -> Error {
    Error::new(ErrorKind::Timeout, "no answer before the deadline; the same was asked already, and that was waited for")
        .with_context("operation", call.operation())
        .with_context("provider", call.provider())
        .not_applied()
}
