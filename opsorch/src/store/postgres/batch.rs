//! The steps of the gate, each as `MemoryStore` has it: on what was read under the log's lock, for one write at the end.
//!
//! Nothing in here waits. Steps that share a transaction see each other's changes, and one that is refused changes nothing.

use std::collections::{BTreeMap, HashMap};

use opsorch_schema::{Entry, Event, GrantId, Time};

use super::recent::Recent;
use super::rows;
use crate::audit::{Frontier, LogWriter};
use crate::store::history::History;
use crate::store::{
    BeginChange, Begun, FinishChange, Finished, GrantRecord, KeyUse, Request, Requested, Transition, Transitioned,
};
use crate::{Error, Result};

/// Which rows steps must see.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Grants whose version they look at.
    pub(super) grants: Vec<String>,
    pub(super) keys: Vec<String>,
    /// Grants whose intent they look for.
    pub(super) intents: Vec<String>,
    /// Grants whose lease they look at.
    pub(super) leases: Vec<String>,
    /// The entry from which on they must know the log.
    pub(super) since: Option<u64>,
}

/// These rows.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) versions: HashMap<String, u64>,
    pub(super) keys: HashMap<String, KeyUse>,
    pub(super) leases: HashMap<String, Lease>,
}

/// That a process vouches for an open intent.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) sequence: u64,
    pub(super) instance: String,
    pub(super) until: Time,
}

/// Where the log ends.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) tree: Frontier,
    pub(super) head: Option<String>,
}

/// A step of the gate.
pub(super) trait Step: Send + 'static {
    /// What it answers.
    type Answer: Send + 'static;

    /// Says which rows it must see.
    fn needs(&self, needs: &mut Needs);

    /// Takes the step, or refuses it and changes nothing.
    fn take(&self, batch: &mut Batch<'_>) -> Result<Self::Answer>;
}

/// A step, with who signs its entry.
#[derive(Debug)]
pub(super) struct Logged<S> {
    pub(super) log: LogWriter,
    pub(super) step: S,
}

/// A lease that is extended.
#[derive(Debug)]
pub(super) struct Renewal {
    pub(super) grant: GrantId,
    pub(super) until: Time,
}

/// An entry that is to be appended, and what its change gave.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) entry: Entry,
    pub(super) result: Option<String>,
}

/// What steps have made of the rows so far.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) tail: Tail,
    recent: &'a Recent,
    found: Found,
    pub(super) changes: Changes,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Who signs the entries; `None` while there are none.
    pub(super) log: Option<LogWriter>,
    pub(super) entries: Vec<Append>,
    pub(super) grants: BTreeMap<String, GrantRecord>,
    pub(super) keys: BTreeMap<String, KeyUse>,
    /// By grant; `None` for one that ends.
    pub(super) leases: BTreeMap<String, Option<Lease>>,
    /// Keys that lapsed before this time make room.
    pub(super) now: Option<Time>,
}

/// An intent as a step finds it.
struct Intent {
    sequence: u64,
    /// Whether there is no outcome.
    is_open: bool,
    /// Until when somebody vouches for it.
    lease_until: Option<Time>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(tail: Tail, recent: &'a Recent, found: Found) -> Self {
        Self { tail, recent, found, changes: Changes::default() }
    }

    /// The use of this key, if it is live.
    fn seen(&self, key: Option<&KeyUse>, now: Time) -> Option<KeyUse> {
        let key = &key?.key;
        let seen = self.changes.keys.get(key).or_else(|| self.found.keys.get(key))?;
        (now < seen.expires_at).then(|| seen.clone())
    }

    fn version(&self, grant: &GrantId) -> Option<u64> {
        let changed = self.changes.grants.get(grant.as_str()).map(|grant| grant.version);
        changed.or_else(|| self.found.versions.get(grant.as_str()).copied())
    }

    fn lease(&self, grant: &GrantId) -> Option<&Lease> {
        match self.changes.leases.get(grant.as_str()) {
            Some(changed) => changed.as_ref(),
            None => self.found.leases.get(grant.as_str()),
        }
    }

    /// The intent of a grant, and what became of it. The log says so; rows do not.
    fn intent(&self, grant: &GrantId) -> Result<Option<Intent>> {
        let history = self.history(grant)?;
        let lease = |sequence| self.lease(grant).filter(|lease| lease.sequence == sequence);
        Ok(history.intent.map(|sequence| Intent {
            sequence,
            is_open: !history.has_outcome,
            lease_until: lease(sequence).map(|lease| lease.until),
        }))
    }

    /// What the log says of a grant, with the entries that are yet to be appended.
    fn history(&self, grant: &GrantId) -> Result<History> {
        let mut history = self.recent.history(grant)?;
        let appended = self.changes.entries.iter().map(|append| &append.entry);
        for entry in appended.filter(|entry| entry.grant.as_ref() == Some(grant)) {
            history.add(entry.sequence, entry.event);
        }
        Ok(history)
    }

    /// Adds an entry, which knows its sequence from here on.
    fn append(&mut self, log: &LogWriter, entry: &Entry, result: Option<String>) -> Result<Entry> {
        match &self.changes.log {
            Some(other) if !other.has_key_of(log) => {
                let message =
                    "somebody else signs the log of this store with another key; a store has one pair of keys";
                return Err(Error::unexpected(message));
            }
            _ => self.changes.log = Some(log.clone()),
        }
        let mut entry = entry.clone();
        entry.sequence = self.tail.tree.size() + self.changes.entries.len() as u64;
        self.changes.entries.push(Append { entry: entry.clone(), result });
        Ok(entry)
    }

    /// Writes a grant, and the key under which it was submitted.
    fn put(&mut self, grant: &GrantRecord, key: Option<&KeyUse>, now: Time) {
        self.changes.grants.insert(grant.id.as_str().to_owned(), grant.clone());
        if let Some(key) = key {
            self.changes.keys.insert(key.key.clone(), key.clone());
            self.changes.now = Some(now);
        }
    }
}

/// Refuses what a column cannot hold, before anything is changed.
fn check(grant: &GrantRecord, key: Option<&KeyUse>, now: Time) -> Result<()> {
    rows::signed(grant.version)?;
    let times = [grant.requested_at, now].into_iter().chain(key.map(|key| key.expires_at));
    times.map(rows::time_text).try_for_each(|text| text.map(drop))
}

impl Step for Logged<Entry> {
    type Answer = Entry;

    fn needs(&self, _: &mut Needs) {}

    fn take(&self, batch: &mut Batch<'_>) -> Result<Entry> {
        batch.append(&self.log, &self.step, None)
    }
}

impl Step for Logged<Request> {
    type Answer = Requested;

    fn needs(&self, needs: &mut Needs) {
        needs.grants.push(self.step.grant.id.to_string());
        needs.keys.extend(self.step.key.as_ref().map(|key| key.key.clone()));
    }

    fn take(&self, batch: &mut Batch<'_>) -> Result<Requested> {
        let Request { grant, key, entry } = &self.step;
        if let Some(seen) = batch.seen(key.as_ref(), entry.time) {
            return Ok(Requested::KeySeen(seen));
        }
        if batch.version(&grant.id).is_some() {
            return Err(Error::conflict("a grant with this id exists already"));
        }
        check(grant, key.as_ref(), entry.time)?;
        let written = batch.append(&self.log, entry, None)?;
        batch.put(grant, key.as_ref(), entry.time);
        Ok(Requested::Written(written))
    }
}

impl Step for Logged<Transition> {
    type Answer = Transitioned;

    fn needs(&self, needs: &mut Needs) {
        needs.grants.push(self.step.grant.id.to_string());
    }

    fn take(&self, batch: &mut Batch<'_>) -> Result<Transitioned> {
        let Transition { grant, expected, entry } = &self.step;
        if batch.version(&grant.id) != Some(*expected) {
            return Ok(Transitioned::Stale);
        }
        check(grant, None, entry.time)?;
        let written = batch.append(&self.log, entry, None)?;
        batch.put(grant, None, entry.time);
        Ok(Transitioned::Written(written))
    }
}

impl Step for Logged<BeginChange> {
    type Answer = Begun;

    fn needs(&self, needs: &mut Needs) {
        needs.grants.push(self.step.grant.id.to_string());
        needs.keys.extend(self.step.key.as_ref().map(|key| key.key.clone()));
        // The log says nothing of a new grant, whose id is random.
        if self.step.expected.is_some() {
            let since = self.step.since.unwrap_or(0);
            needs.since = Some(needs.since.map_or(since, |other| other.min(since)));
        }
    }

    fn take(&self, batch: &mut Batch<'_>) -> Result<Begun> {
        let BeginChange { grant, expected, key, instance, lease_until, entry, .. } = &self.step;
        if let Some(seen) = batch.seen(key.as_ref(), entry.time) {
            return Ok(Begun::KeySeen(seen));
        }
        if batch.version(&grant.id) != *expected {
            return Ok(Begun::Stale);
        }
        if expected.is_some() && batch.history(&grant.id)?.is_over() {
            return Ok(Begun::Stale);
        }
        check(grant, key.as_ref(), entry.time)?;
        rows::time_text(*lease_until)?;
        let written = batch.append(&self.log, entry, None)?;
        batch.put(grant, key.as_ref(), entry.time);
        let lease = Lease { sequence: written.sequence, instance: instance.clone(), until: *lease_until };
        batch.changes.leases.insert(grant.id.to_string(), Some(lease));
        Ok(Begun::Intent(written))
    }
}

impl Step for Logged<FinishChange> {
    type Answer = Finished;

    fn needs(&self, needs: &mut Needs) {
        needs.intents.push(self.step.grant.to_string());
    }

    fn take(&self, batch: &mut Batch<'_>) -> Result<Finished> {
        let FinishChange { grant, result, if_lapsed, entry } = &self.step;
        let intent = batch.intent(grant)?;
        let lapsed = |intent: &Intent, before| intent.is_open && intent.lease_until.is_some_and(|until| until < before);
        if if_lapsed.is_some_and(|before| !intent.as_ref().is_some_and(|intent| lapsed(intent, before))) {
            return Ok(Finished::NotLapsed);
        }
        let intent = intent.ok_or_else(|| Error::not_found("there is no intent of this grant"))?;
        let mut entry = entry.clone();
        entry.event = if intent.is_open { Event::Outcome } else { Event::Addendum };
        entry.intent = Some(intent.sequence);
        let written = batch.append(&self.log, &entry, result.clone())?;
        batch.changes.leases.insert(grant.to_string(), None);
        Ok(Finished::Written(written))
    }
}

impl Step for Renewal {
    type Answer = bool;

    fn needs(&self, needs: &mut Needs) {
        needs.leases.push(self.grant.to_string());
    }

    fn take(&self, batch: &mut Batch<'_>) -> Result<bool> {
        rows::time_text(self.until)?;
        let Some(mut lease) = batch.lease(&self.grant).cloned() else { return Ok(false) };
        if lease.until < self.until {
            lease.until = self.until;
            batch.changes.leases.insert(self.grant.to_string(), Some(lease));
        }
        Ok(true)
    }
}
