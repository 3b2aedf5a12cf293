//! A store whose entries somebody edits on their way out.

use std::collections::HashMap;
use std::path::PathBuf;

use opsorch::audit::{Hash, LogWriter};
use opsorch::store::{
    BeginChange, Begun, FinishChange, Finished, GrantRecord, KeyUse, MemoryStore, OpenIntent, Request, Requested,
    Store, StoredEntry, Transition, Transitioned,
};
use opsorch::{Entry, GrantId, GrantState, Result, Time, async_trait};

/// What somebody makes of a store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    Lose(u64),
    /// Replaces the first text in every entry by the second, and computes the leaf hash anew.
    Rewrite(&'static str, &'static str),
}

#[derive(Debug)]
pub(super) struct Tampered(pub(super) MemoryStore, pub(super) Edit);

impl Edit {
    fn of(self, stored: StoredEntry) -> Option<StoredEntry> {
        match self {
            Self::Lose(sequence) if stored.sequence == sequence => None,
            Self::Lose(_) => Some(stored),
            Self::Rewrite(from, to) => {
                let leaf = stored.leaf.replace(from, to);
                let hash = opsorch::audit::leaf_hash(leaf.as_bytes());
                Some(StoredEntry::new(stored.sequence, leaf, hash))
            }
        }
    }
}

#[async_trait]
impl Store for Tampered {
    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>> {
        let edited = self.0.entries(from, u32::MAX).await?.into_iter().filter_map(|stored| self.1.of(stored));
        Ok(edited.take(limit as usize).collect())
    }

    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry> {
        self.0.record(log, entry).await
    }

    async fn request(&self, log: &LogWriter, step: Request) -> Result<Requested> {
        self.0.request(log, step).await
    }

    async fn transition(&self, log: &LogWriter, step: Transition) -> Result<Transitioned> {
        self.0.transition(log, step).await
    }

    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Result<Begun> {
        self.0.begin_change(log, step).await
    }

    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Result<Finished> {
        self.0.finish_change(log, step).await
    }

    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<bool> {
        self.0.renew_lease(grant, until).await
    }

    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>> {
        self.0.lapsed(now).await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>> {
        self.0.grant(id).await
    }

    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>> {
        self.0.grants(states, limit).await
    }

    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>> {
        self.0.key(key, now).await
    }

    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>> {
        self.0.outcome(grant).await
    }

    async fn checkpoint(&self) -> Result<Option<String>> {
        self.0.checkpoint().await
    }

    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>> {
        self.0.checkpoints(limit).await
    }

    fn key_file(&self) -> Option<PathBuf> {
        self.0.key_file()
    }

    async fn nodes(&self, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>> {
        self.0.nodes(wanted).await
    }
}
