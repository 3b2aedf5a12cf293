//! Where grants, answers, idempotency keys and the audit log are kept.
//!
//! A store has one transactional call for each step of the gate, so that atomicity is its duty and not the gate's
//! hope: either everything of a step is committed, durably, together with its entry in the log and a signed head of
//! the log, or nothing is. If it cannot, it says so, and the change is refused.

mod memory;

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use opsorch_schema::{Digest, Entry, GrantId, GrantState, Identity, Time};

pub use memory::MemoryStore;

use crate::Result;
use crate::audit::{Hash, LogWriter};

/// A durable, transactional place for grants and the log. Adapter authors do not need it; authors of stores do.
///
/// Every writing method takes the [`LogWriter`] that turns entries into leaves and signs the new head. The store
/// calls it within its transaction. An `Err` means that nothing of the step was committed.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Writes entries that change nothing else, such as a refusal.
    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry>;

    /// Writes a new grant that waits for people, with its idempotency key and entry.
    async fn request(&self, log: &LogWriter, step: Request) -> Result<Requested>;

    /// Replaces a grant, if it still has the version that the caller saw, and writes the entry.
    async fn transition(&self, log: &LogWriter, step: Transition) -> Result<Transitioned>;

    /// Spends a grant and writes the intent: of any number of callers, in any number of processes, one gets
    /// [`Begun::Intent`].
    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Result<Begun>;

    /// Writes what became of an intent: the outcome if it is still open, else an addendum.
    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Result<Finished>;

    /// Extends the lease of an open intent.
    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<()>;

    /// The open intents whose lease lapsed before `now`.
    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>>;

    /// A grant by its id.
    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>>;

    /// The grants in any of these states, newest first, at most `limit`.
    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>>;

    /// What an idempotency key was used for.
    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>>;

    /// What a spent grant's change gave.
    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>>;

    /// The entries from this sequence on, at most `limit`, as they are stored.
    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>>;

    /// The newest signed head of the log; `None` while it is empty.
    async fn checkpoint(&self) -> Result<Option<String>>;

    /// Signed heads of the log, oldest first, spread evenly over its life if there are more than `limit`; the newest is
    /// always among them.
    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>>;

    /// Full nodes of the log's tree, by level and index, for proofs.
    async fn nodes(&self, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>>;
}

/// A grant as it is stored: opaque text, sealed by the gate, with what a store needs to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantRecord {
    /// Its id.
    pub id: GrantId,
    /// Counts its changes, from 0.
    pub version: u64,
    /// Where it is.
    pub state: GrantState,
    /// When it was requested.
    pub requested_at: Time,
    /// All of it.
    pub body: String,
    /// The gate's MAC over the body.
    pub seal: Vec<u8>,
}

impl GrantRecord {
    /// A record of a grant.
    pub fn new(
        id: GrantId,
        version: u64,
        state: GrantState,
        requested_at: Time,
        body: String,
        seal: Vec<u8>,
    ) -> Self {
        Self { id, version, state, requested_at, body, seal }
    }
}

/// What an idempotency key was used for, and until when it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUse {
    /// The key.
    pub key: String,
    /// Who used it.
    pub owner: Identity,
    /// The exact action.
    pub digest: Digest,
    /// The grant.
    pub grant: GrantId,
    /// When it is forgotten.
    pub expires_at: Time,
}

impl KeyUse {
    /// The use of a key.
    pub fn new(key: impl Into<String>, owner: Identity, digest: Digest, grant: GrantId, expires_at: Time) -> Self {
        Self { key: key.into(), owner, digest, grant, expires_at }
    }
}

/// A new grant that waits for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The grant.
    pub grant: GrantRecord,
    /// The key under which it was submitted.
    pub key: Option<KeyUse>,
    /// What the log says of it.
    pub entry: Entry,
}

/// What became of a [`Request`].
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)]
pub enum Requested {
    /// It was written.
    Written(Entry),
    /// The idempotency key was used before; nothing was written.
    KeySeen(KeyUse),
}

/// A grant that moves on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Transition {
    /// The grant as it is to be.
    pub grant: GrantRecord,
    /// The version it must still have.
    pub expected: u64,
    /// What the log says of it.
    pub entry: Entry,
}

/// What became of a [`Transition`].
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)]
pub enum Transitioned {
    /// It was written.
    Written(Entry),
    /// Somebody was faster; nothing was written. The caller looks again.
    Stale,
}

/// A grant that is spent, and the intent that it is spent on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BeginChange {
    /// The grant, spent.
    pub grant: GrantRecord,
    /// The version it must still have; `None` for a grant that policy alone allows, which is new.
    pub expected: Option<u64>,
    /// The key under which a new grant was submitted.
    pub key: Option<KeyUse>,
    /// Which process makes the change.
    pub instance: String,
    /// Until when that process vouches that it is at work.
    pub lease_until: Time,
    /// The intent.
    pub entry: Entry,
}

/// What became of a [`BeginChange`].
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)]
pub enum Begun {
    /// The intent is durable; the provider may be called.
    Intent(Entry),
    /// Somebody was faster; nothing was written. The caller looks again.
    Stale,
    /// The idempotency key was used before; nothing was written.
    KeySeen(KeyUse),
}

/// What became of an intent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishChange {
    /// The grant that was spent on it.
    pub grant: GrantId,
    /// What the provider gave, for whoever asks again.
    pub result: Option<String>,
    /// Write it only if the intent is open and its lease lapsed before this time: the call of whoever finds an
    /// orphan, as opposed to the one who made the change.
    pub if_lapsed: Option<Time>,
    /// What the log says of it: an outcome. The store makes it an addendum where an outcome was written before.
    pub entry: Entry,
}

/// What became of a [`FinishChange`].
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)]
pub enum Finished {
    /// It was written.
    Written(Entry),
    /// The intent is not open, or its lease has not lapsed; nothing was written.
    NotLapsed,
}

/// An intent without an outcome.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OpenIntent {
    /// The grant that was spent on it.
    pub grant: GrantId,
    /// The intent's entry.
    pub entry: Entry,
    /// Which process was to make the change.
    pub instance: String,
    /// Until when that process vouched for it.
    pub lease_until: Time,
}

impl OpenIntent {
    /// An intent without an outcome.
    pub fn new(grant: GrantId, entry: Entry, instance: impl Into<String>, lease_until: Time) -> Self {
        Self { grant, entry, instance: instance.into(), lease_until }
    }
}

/// An entry as it is stored: its bytes are the leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredEntry {
    /// Its place in the log.
    pub sequence: u64,
    /// The exact bytes, which are JSON of an [`Entry`].
    pub leaf: String,
    /// The leaf hash that was computed when it was committed.
    pub hash: Hash,
}

impl StoredEntry {
    /// A leaf with its place and hash.
    pub fn new(sequence: u64, leaf: String, hash: Hash) -> Self {
        Self { sequence, leaf, hash }
    }
}
