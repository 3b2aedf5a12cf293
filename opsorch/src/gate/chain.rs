//! What is known of a change while it is attempted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use opsorch_schema::{OutcomeStatus, Response};

use crate::capability::Reconciler;
use crate::{Error, ErrorKind, Result};

/// All attempts of one change, and what is known of the effect so far. Nothing that was learned is ever forgotten, but for
/// a doubt that the vendor has cleared up.
#[derive(Debug, Default)]
pub(super) struct Chain(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What the attempt gave that took effect.
    applied: Option<Box<Response>>,
    /// Why an attempt may have taken effect.
    unknown: Option<Error>,
    /// An attempt was dropped on its way.
    given_up: bool,
    /// Attempts on their way.
    in_flight: u32,
    /// Why the last attempt that was refused was.
    refusal: Option<Error>,
}

/// Whether an attempt may follow one that may have taken effect.
pub(super) enum Repeats<'a> {
    /// The vendor honours the key: at any time.
    ByKey,
    /// When this vendor was asked, and all others have ended: of one that has not, nobody can be certain.
    WhenAsked(&'a dyn Reconciler),
    /// The vendor cannot tell two attempts apart.
    Never,
}

/// Whether an attempt begins.
#[allow(clippy::large_enum_variant)]
pub(super) enum Begun<'a> {
    /// It does.
    Attempt(Attempt<'a>),
    /// It does if the vendor is certain that the earlier ones took no effect; else the doubt is what is said of them.
    Asking { attempt: Attempt<'a>, vendor: &'a dyn Reconciler, doubt: Error },
    /// It does not, because this is known.
    Known(Result<Response>),
}

impl Chain {
    /// Takes the right to make an attempt. From here to its end nobody else knows what becomes of it.
    pub(super) fn begin<'a>(&'a self, repeats: Repeats<'a>) -> Begun<'a> {
        let mut state = self.state();
        if let Some(response) = &state.applied {
            return Begun::Known(Ok((**response).clone()));
        }
        let doubt = state.is_in_doubt().then(|| state.doubt());
        let begun = match (doubt, repeats) {
            (Some(doubt), Repeats::Never) => return Begun::Known(Err(doubt)),
            (Some(doubt), Repeats::WhenAsked(_)) if state.in_flight > 0 => return Begun::Known(Err(doubt)),
            (Some(doubt), Repeats::WhenAsked(vendor)) => Begun::Asking { attempt: Attempt::of(self), vendor, doubt },
            (None, _) | (Some(_), Repeats::ByKey) => Begun::Attempt(Attempt::of(self)),
        };
        state.in_flight += 1;
        begun
    }

    /// The vendor is certain that nothing that was sent so far took effect.
    pub(super) fn clear_doubt(&self) {
        let mut state = self.state();
        (state.unknown, state.given_up) = (None, false);
    }

    /// What became of the chain, whatever the layers said: the provider's word counts.
    pub(super) fn conclude(self, layers: Result<Response>) -> (OutcomeStatus, Result<Response>) {
        let state = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let is_in_doubt = state.is_in_doubt();
        if let Some(response) = state.applied {
            return (OutcomeStatus::Applied, Ok(*response));
        }
        let layers = layers.err();
        if is_in_doubt {
            let given_up = || Error::unexpected("a layer gave the change up while it was on its way");
            let error = state.unknown.or(layers).unwrap_or_else(given_up);
            return (OutcomeStatus::Unknown, Err(error.maybe_applied()));
        }
        let invented = || Error::unexpected("a layer answered for a change that was not made");
        let error = layers.or(state.refusal).unwrap_or_else(invented);
        (OutcomeStatus::NotApplied, Err(error.not_applied()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_in_doubt(&self) -> bool {
        self.unknown.is_some() || self.given_up || self.in_flight > 0
    }

    /// What whoever comes again is told.
    fn doubt(&self) -> Error {
        let unsaid = || match self.in_flight {
            0 => Error::new(ErrorKind::Timeout, "an attempt of this change was given up; it is not repeated"),
            _ => Error::conflict("an attempt of this change is on its way; it is not repeated"),
        };
        self.unknown.clone().unwrap_or_else(|| unsaid().maybe_applied())
    }
}

/// One attempt. Dropped before it ended, it leaves a doubt if anything was sent.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    chain: &'a Chain,
    is_sent: bool,
}

impl<'a> Attempt<'a> {
    fn of(chain: &'a Chain) -> Self {
        Self { chain, is_sent: false }
    }

    /// From here on the vendor may see it.
    pub(super) fn send(&mut self) {
        self.is_sent = true;
    }

    /// Notes what it gave.
    pub(super) fn end(mut self, result: &Result<Response>) {
        let mut state = self.chain.state();
        match result {
            Ok(response) => state.applied = Some(Box::new(response.clone())),
            Err(error) if error.may_have_applied() => state.unknown = Some(error.clone()),
            Err(error) => state.refusal = Some(error.clone()),
        }
        drop(state);
        self.is_sent = false;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut state = self.chain.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.given_up |= self.is_sent;
    }
}
