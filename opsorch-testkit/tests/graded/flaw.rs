//! The broken providers, as data: a sound one, and what is wrong with it.

mod alerts;
mod config;
mod deadlines;
mod filters;
mod idempotency;
mod injection;
mod logs;
mod messages;
mod metrics;
mod network;
mod order;
mod paging;
mod reads;
mod runs;
mod secrets;
mod statuses;
mod times;
mod words;
mod writes;

use opsorch::{Action, Query, Response, Result};
use opsorch_testkit::{Conformance, MemoryProvider};

use crate::desk::{self, DeskFlaw};
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
    /// In a provider of another make, which comes with its suite.
    Suite(fn() -> Conformance),
    /// In an adapter over HTTP.
    Desk(DeskFlaw),
}

/// Makes a change as the sound provider does.
pub type Properly<'a> = Box<dyn FnOnce() -> Result<Response> + Send + 'a>;

impl Flaw {
    /// Whether it is one of the adapter over HTTP.
    pub fn is_of_desk(&self) -> bool {
        matches!(self.fault, Fault::Desk(_))
    }

    /// The suite over a provider with this fault.
    pub fn conformance(&self) -> Conformance {
        let fault = self.fault;
        match fault {
            Fault::Suite(suite) => return suite(),
            Fault::Desk(flaw) => return desk::broken(self.name, flaw),
            Fault::Read(_) | Fault::Write(_) => {}
        }
        Conformance::provider("broken", move |place| Ok(tampered(MemoryProvider::seeded(7, place.clock()), fault)))
            .channel("#ops")
    }
}

/// All broken providers.
pub fn flaws() -> impl Iterator<Item = &'static Flaw> {
    let all = [
        alerts::FLAWS,
        config::FLAWS,
        deadlines::FLAWS,
        filters::FLAWS,
        idempotency::FLAWS,
        injection::FLAWS,
        logs::FLAWS,
        messages::FLAWS,
        metrics::FLAWS,
        network::FLAWS,
        order::FLAWS,
        paging::FLAWS,
        reads::FLAWS,
        runs::FLAWS,
        secrets::FLAWS,
        statuses::FLAWS,
        times::FLAWS,
        words::FLAWS,
        writes::FLAWS,
    ];
    all.into_iter().flatten()
}

/// The fault of the desk's adapter with this name.
pub fn desk_flaw(name: &str) -> Option<DeskFlaw> {
    flaws().find(|flaw| flaw.name == name).and_then(|flaw| match flaw.fault {
        Fault::Desk(flaw) => Some(flaw),
        _ => None,
    })
}
