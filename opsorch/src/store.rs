//! Where grants, answers, idempotency keys and the audit log are kept.
//!
//! A store has one transactional call for each step of the gate, so that atomicity is its duty and not the gate's
//! hope: either everything of a step is committed, durably, together with its entry in the log and a signed head of
//! the log, or nothing is. If it cannot, it says so, and the change is refused.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod history;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use opsorch_schema::{Digest, Entry, GrantId, GrantState, Identity, Time};

pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{Commits, PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};

use crate::Result;
use crate::audit::{Hash, LogWriter};

/// A durable, transactional place for grants and the log. Adapter authors do not need it; authors of stores do.
///
/// Every writing method takes the [`LogWriter`] that turns entries into leaves and signs the new head. The store
/// calls it within its transaction, and may commit several steps together under one head.
///
/// The rules have names. `opsorch_testkit::store::conformance` checks them, and says which one a store breaks:
///
/// * **ST-01** An `Err` means that nothing of the step was committed. `Stale`, `KeySeen` and `NotLapsed` mean the same. A store
///   that lost its database while it committed, and cannot find out, says so: the step is whole then, or it is not there.
/// * **ST-02** Entries are numbered from 0 without gaps. The entry that is returned is the one that is stored.
/// * **ST-03** Every entry is covered by a signed head before the step returns, and the head is that of the entries.
/// * **ST-04** A step whose future is dropped is committed whole or not at all.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Writes entries that change nothing else, such as a refusal.
    ///
    /// * **ST-10** One entry is appended, with its leaf, hash and head.
    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry>;

    /// Writes a new grant that waits for people, with its idempotency key and entry.
    ///
    /// * **ST-20** Grant, key and entry are written.
    /// * **ST-21** A key that is live at the time of the entry is [`Requested::KeySeen`], with its use.
    /// * **ST-22** A key is live until it expires, not at that moment. A lapsed one can be used anew.
    /// * **ST-23** A grant that exists is a [`Conflict`](crate::ErrorKind::Conflict).
    /// * **ST-24** Of any number of requests with one key at once, one is written; the others see its use.
    async fn request(&self, log: &LogWriter, step: Request) -> Result<Requested>;

    /// Replaces a grant, if it still has the version that the caller saw, and writes the entry.
    ///
    /// * **ST-30** With the expected version, grant and entry are written.
    /// * **ST-31** With another version, or for a grant that does not exist, it is [`Transitioned::Stale`].
    /// * **ST-32** Of any number of steps from one version at once, one is written.
    async fn transition(&self, log: &LogWriter, step: Transition) -> Result<Transitioned>;

    /// Spends a grant and writes the intent.
    ///
    /// * **ST-40** Grant, key, intent and entry are written.
    /// * **ST-41** Of any number of callers, in any number of processes, one gets [`Begun::Intent`].
    /// * **ST-42** With another version it is [`Begun::Stale`], and so is a new grant that exists.
    /// * **ST-43** A grant has one intent for ever, whatever its record says afterwards: a second one is [`Begun::Stale`].
    /// * **ST-44** A live key is [`Begun::KeySeen`], with its use, whether a request or a change used it; of any number of
    ///   new grants with one key at once, one begins.
    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Result<Begun>;

    /// Writes what became of an intent: the outcome if it is still open, else an addendum.
    ///
    /// * **ST-50** The entry becomes an outcome and names its intent; the result is kept, the intent is closed.
    /// * **ST-51** Of a closed intent the entry becomes an addendum; a result replaces the one before, none leaves it.
    /// * **ST-52** Without an intent it is [`NotFound`](crate::ErrorKind::NotFound).
    /// * **ST-53** With `if_lapsed`, it is [`Finished::NotLapsed`] unless the intent is open and its lease ended before
    ///   that time, not at it.
    /// * **ST-54** Of any number of callers with `if_lapsed` at once, one writes.
    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Result<Finished>;

    /// Extends the lease of an open intent.
    ///
    /// * **ST-60** A lease is never shortened. It says whether the intent is open; where none is, nothing happens.
    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<bool>;

    /// The open intents whose lease lapsed before `now`.
    ///
    /// * **ST-61** They come with their entries; closed intents, and leases that end at `now` or later, do not.
    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>>;

    /// A grant by its id.
    ///
    /// * **ST-70** It is what was written last, to the letter; `None` if there is none.
    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>>;

    /// The grants in any of these states, newest first, at most `limit`.
    ///
    /// * **ST-71** Those requested at the same time are ordered by id, the greatest first.
    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>>;

    /// What an idempotency key was used for, if it is live at `now`.
    ///
    /// * **ST-72** As ST-22 says.
    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>>;

    /// What a spent grant's change gave.
    ///
    /// * **ST-73** `None` for an unknown grant, and until an outcome with a result was written.
    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>>;

    /// The entries from this sequence on, at most `limit`, as they are stored.
    ///
    /// * **ST-80** In order, without gaps; none from beyond the end.
    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>>;

    /// The newest signed head of the log; `None` while it is empty.
    ///
    /// * **ST-81** It is the last of those that [`checkpoints`](Self::checkpoints) returns.
    async fn checkpoint(&self) -> Result<Option<String>>;

    /// Signed heads of the log, oldest first, spread evenly over its life if there are more than `limit`; the newest is
    /// always among them.
    ///
    /// * **ST-82** All of them if there are at most `limit`; else at most `limit`, no two neighbours much further apart
    ///   than others.
    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>>;

    /// Where the keys of the gate are made on first use if the embedder gives none: beside the store, never in it. `None`
    /// for a store that is gone with the process.
    fn key_file(&self) -> Option<PathBuf>;

    /// Full nodes of the log's tree, by level and index, for proofs.
    ///
    /// * **ST-83** Every full node is there, and no other: proofs of inclusion and of consistency verify.
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
    pub fn new(id: GrantId, version: u64, state: GrantState, requested_at: Time, body: String, seal: Vec<u8>) -> Self {
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

impl Request {
    /// A new grant and its entry.
    pub fn new(grant: GrantRecord, entry: Entry) -> Self {
        Self { grant, key: None, entry }
    }

    /// Adds the key under which it was submitted.
    pub fn key(mut self, key: KeyUse) -> Self {
        self.key = Some(key);
        self
    }
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

impl Transition {
    /// A grant as it is to be, from the version it must still have.
    pub fn new(grant: GrantRecord, expected: u64, entry: Entry) -> Self {
        Self { grant, expected, entry }
    }
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
    /// How long the log was when a stored grant was requested. A store whose rows others could change makes sure that what
    /// the log says from there on is what was signed, before it believes that the grant is unspent.
    pub since: Option<u64>,
    /// The key under which a new grant was submitted.
    pub key: Option<KeyUse>,
    /// Which process makes the change.
    pub instance: String,
    /// Until when that process vouches that it is at work.
    pub lease_until: Time,
    /// The intent.
    pub entry: Entry,
}

impl BeginChange {
    /// A new grant, spent, and its intent.
    pub fn new(grant: GrantRecord, instance: impl Into<String>, lease_until: Time, entry: Entry) -> Self {
        Self { grant, expected: None, since: None, key: None, instance: instance.into(), lease_until, entry }
    }

    /// The grant is stored already, and must still have this version.
    pub fn expected(mut self, version: u64) -> Self {
        self.expected = Some(version);
        self
    }

    /// The grant is stored already, and was requested when the log had this size.
    pub fn since(mut self, log_size: u64) -> Self {
        self.since = Some(log_size);
        self
    }

    /// Adds the key under which the new grant was submitted.
    pub fn key(mut self, key: KeyUse) -> Self {
        self.key = Some(key);
        self
    }
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

impl FinishChange {
    /// What became of the intent of this grant.
    pub fn new(grant: GrantId, entry: Entry) -> Self {
        Self { grant, result: None, if_lapsed: None, entry }
    }

    /// Adds what the provider gave.
    pub fn result(mut self, result: impl Into<String>) -> Self {
        self.result = Some(result.into());
        self
    }

    /// Writes it only if the intent is open and its lease lapsed before this time.
    pub fn if_lapsed(mut self, before: Time) -> Self {
        self.if_lapsed = Some(before);
        self
    }
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
