//! What the log says of a grant, read from leaves that are known to be those that were signed.
//!
//! Whoever can write to the database can change its rows, its columns and its indexes, but not what the leaves hash to.

use std::borrow::Cow;

use opsorch_schema::Event;
use serde::Deserialize;

use super::rows::malformed;
use crate::audit::{Frontier, Hash};
use crate::{Error, Result};

/// What the log says of one grant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// The sequence of its intent.
    pub(super) intent: Option<u64>,
    /// Whether the intent has an outcome.
    pub(super) has_outcome: bool,
    /// Whether it was denied, taken back or lapsed.
    was_refused: bool,
}

impl History {
    /// Adds an entry of the grant.
    pub(super) fn add(&mut self, sequence: u64, event: Event) {
        match event {
            Event::Intent => self.intent = Some(sequence),
            Event::Outcome => self.has_outcome = true,
            Event::Denied | Event::Withdrawn | Event::Revoked | Event::Expired => self.was_refused = true,
            _ => {}
        }
    }

    /// Adds what another stretch of the log says.
    #[cfg(feature = "postgres")]
    pub(super) fn join(&mut self, other: Self) {
        self.intent = self.intent.or(other.intent);
        self.has_outcome |= other.has_outcome;
        self.was_refused |= other.was_refused;
    }

    /// Whether the grant's life has ended, whatever its record says by now: somebody may have put an older record back,
    /// which the gate did seal.
    pub(super) fn is_over(&self) -> bool {
        self.intent.is_some() || self.was_refused
    }
}

/// All that is read of a leaf.
#[derive(Deserialize)]
pub(super) struct Said<'a> {
    pub(super) event: Event,
    #[serde(borrow)]
    grant: Option<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    pub(super) fn read(leaf: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(leaf).map_err(|error| malformed("log entry", error))
    }

    /// The grant that it is about.
    pub(super) fn grant(&self) -> Option<&str> {
        self.grant.as_deref()
    }
}

/// The full nodes at the right edge of a tree of this size, by level and place, the largest first.
pub(super) fn edge(size: u64) -> impl Iterator<Item = (u32, u64)> {
    // Each is the subtree over the leaves that the higher bits of the size do not cover.
    (0..u64::BITS).rev().filter(move |level| size >> level & 1 == 1).map(move |level| (level, (size >> level) - 1))
}

/// The tree as it was when it had this size, from its full nodes.
pub(super) fn tree_of<E: From<Error>>(
    size: u64,
    mut node: impl FnMut(u32, u64) -> Result<Option<Hash>, E>,
) -> Result<Frontier, E> {
    let mut bytes = size.to_be_bytes().to_vec();
    for (level, place) in edge(size) {
        let missing = || malformed("tree", format!("a node of level {level} is missing"));
        bytes.extend(node(level, place)?.ok_or_else(missing)?.as_bytes());
    }
    Ok(Frontier::from_bytes(&bytes).map_err(|error| malformed("tree", error))?)
}

/// That the stored entries are not those that were signed.
pub(super) fn not_signed(since: u64) -> Error {
    let message = format!("the stored log is not what was signed: entries from {since} on were changed; verify it");
    Error::unexpected(message)
}
