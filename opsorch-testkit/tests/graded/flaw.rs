//! The broken providers, as data: a sound one, and what is wrong with it.

mod paging;

use opsorch::{Action, Query, Response, Result};
use opsorch_testkit::{Conformance, MemoryProvider};

use crate::tampered::tampered;

/// A fault in a provider that is otherwise sound.
pub struct Flaw {
    /// What is wrong with it.
    pub name: &'static str,
    /// The rules that catch it, in the order of their ids: the one that names it.
    pub caught_by: &'static [&'static str],
    /// The fault.
    pub fault: Fault,
}

/// Where a fault sits.
#[derive(Clone, Copy)]
pub enum Fault {
    /// In its reads.
    Read(fn(&MemoryProvider, Query) -> Result<Response>),
    /// In its changes; the last argument makes the change properly.
    Write(fn(&MemoryProvider, &Action, Properly<'_>) -> Result<Response>),
}

/// Makes a change as the sound provider does.
pub type Properly<'a> = Box<dyn FnOnce() -> Result<Response> + Send + 'a>;

impl Flaw {
    /// The suite over a provider with this fault.
    pub fn conformance(&self) -> Conformance {
        let fault = self.fault;
        Conformance::provider("broken", move |place| Ok(tampered(MemoryProvider::seeded(7, place.clock()), fault)))
    }
}

/// All broken providers.
pub fn flaws() -> impl Iterator<Item = &'static Flaw> {
    [paging::FLAWS].into_iter().flatten()
}
