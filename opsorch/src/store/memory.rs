//! A store in memory, for tests and for trying things out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use opsorch_schema::{Entry, Event, GrantId, GrantState, Time};

use super::*;
use crate::audit::{Frontier, Hash, LogWriter};
use crate::{Error, Result};

/// Keeps everything in memory: it is gone with the process. Clones share it.
///
/// It keeps every rule of a durable store but durability, and it never forgets, so it grows with every change.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    grants: BTreeMap<GrantId, GrantRecord>,
    keys: HashMap<String, KeyUse>,
    intents: BTreeMap<GrantId, OpenIntent>,
    /// The sequence of each intent, open or not.
    intent_sequences: HashMap<GrantId, u64>,
    outcomes: HashMap<GrantId, String>,
    tree: Frontier,
    leaves: Vec<StoredEntry>,
    nodes: HashMap<(u32, u64), Hash>,
    checkpoints: Vec<String>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Appends one entry. It is the last thing of a step that can fail, and changes nothing if it does.
    fn append(&mut self, log: &LogWriter, entry: Entry) -> Result<Entry> {
        let batch = log.append(&mut self.tree, self.checkpoints.last().map(String::as_str), vec![entry])?;
        log.committed(&self.tree);
        self.leaves.extend(batch.leaves);
        self.nodes.extend(batch.nodes.into_iter().map(|node| ((node.level, node.index), node.hash)));
        self.checkpoints.push(batch.checkpoint);
        batch.entries.into_iter().next().ok_or_else(|| Error::unexpected("the log wrote no entry"))
    }

    /// The use of a key, unless it lapsed before `now`.
    fn live_key(&self, key: &str, now: Time) -> Option<&KeyUse> {
        self.keys.get(key).filter(|seen| now < seen.expires_at)
    }

    /// Whether the grant is stored in this version; `None` asks that it is not stored at all.
    fn has_version(&self, id: &GrantId, version: Option<u64>) -> bool {
        self.grants.get(id).map(|grant| grant.version) == version
    }

    fn put(&mut self, grant: GrantRecord, key: Option<KeyUse>) {
        self.grants.insert(grant.id.clone(), grant);
        self.keys.extend(key.map(|seen| (seen.key.clone(), seen)));
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry> {
        self.state().append(log, entry)
    }

    async fn request(&self, log: &LogWriter, step: Request) -> Result<Requested> {
        let mut state = self.state();
        if let Some(seen) = step.key.as_ref().and_then(|key| state.live_key(&key.key, step.entry.time)) {
            return Ok(Requested::KeySeen(seen.clone()));
        }
        if !state.has_version(&step.grant.id, None) {
            return Err(Error::conflict("a grant with this id exists already"));
        }
        let entry = state.append(log, step.entry)?;
        state.put(step.grant, step.key);
        Ok(Requested::Written(entry))
    }

    async fn transition(&self, log: &LogWriter, step: Transition) -> Result<Transitioned> {
        let mut state = self.state();
        if !state.has_version(&step.grant.id, Some(step.expected)) {
            return Ok(Transitioned::Stale);
        }
        let entry = state.append(log, step.entry)?;
        state.put(step.grant, None);
        Ok(Transitioned::Written(entry))
    }

    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Result<Begun> {
        let mut state = self.state();
        if let Some(seen) = step.key.as_ref().and_then(|key| state.live_key(&key.key, step.entry.time)) {
            return Ok(Begun::KeySeen(seen.clone()));
        }
        let id = step.grant.id.clone();
        // An intent is written once for each grant, whatever the grant's record says.
        if !state.has_version(&id, step.expected) || state.intent_sequences.contains_key(&id) {
            return Ok(Begun::Stale);
        }
        let entry = state.append(log, step.entry)?;
        state.put(step.grant, step.key);
        state.intent_sequences.insert(id.clone(), entry.sequence);
        state.intents.insert(id.clone(), OpenIntent::new(id, entry.clone(), step.instance, step.lease_until));
        Ok(Begun::Intent(entry))
    }

    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Result<Finished> {
        let mut state = self.state();
        let open = state.intents.get(&step.grant);
        let lapsed = |open: &OpenIntent, before: Time| open.lease_until < before;
        if step.if_lapsed.is_some_and(|before| !open.is_some_and(|open| lapsed(open, before))) {
            return Ok(Finished::NotLapsed);
        }
        let intent = state.intent_sequences.get(&step.grant).copied();
        let mut entry = step.entry;
        entry.event = if open.is_some() { Event::Outcome } else { Event::Addendum };
        entry.intent = Some(intent.ok_or_else(|| Error::not_found("there is no intent of this grant"))?);
        let entry = state.append(log, entry)?;
        state.intents.remove(&step.grant);
        state.outcomes.extend(step.result.map(|result| (step.grant, result)));
        Ok(Finished::Written(entry))
    }

    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<bool> {
        let mut state = self.state();
        let open = state.intents.get_mut(grant);
        Ok(open.map(|open| open.lease_until = open.lease_until.max(until)).is_some())
    }

    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>> {
        Ok(self.state().intents.values().filter(|open| open.lease_until < now).cloned().collect())
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>> {
        Ok(self.state().grants.get(id).cloned())
    }

    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>> {
        let state = self.state();
        let mut grants: Vec<_> = state.grants.values().filter(|grant| states.contains(&grant.state)).cloned().collect();
        grants.sort_by(|one, other| (other.requested_at, &other.id).cmp(&(one.requested_at, &one.id)));
        grants.truncate(limit as usize);
        Ok(grants)
    }

    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>> {
        Ok(self.state().live_key(key, now).cloned())
    }

    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>> {
        Ok(self.state().outcomes.get(grant).cloned())
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.state().leaves.iter().skip(from).take(limit as usize).cloned().collect())
    }

    async fn checkpoint(&self) -> Result<Option<String>> {
        Ok(self.state().checkpoints.last().cloned())
    }

    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>> {
        let state = self.state();
        let all = &state.checkpoints;
        let step = all.len().div_ceil((limit as usize).max(1)).max(1);
        // Counted from the end, so that the newest is among them.
        let mut spread: Vec<_> = all.iter().rev().step_by(step).cloned().collect();
        spread.reverse();
        Ok(spread)
    }

    fn key_file(&self) -> Option<PathBuf> {
        None
    }

    async fn nodes(&self, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>> {
        let state = self.state();
        Ok(wanted.iter().filter_map(|place| Some((*place, *state.nodes.get(place)?))).collect())
    }
}
