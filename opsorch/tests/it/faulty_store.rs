//! A store that fails and lies when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use opsorch::audit::{Hash, LogWriter};
use opsorch::store::*;
use opsorch::{Entry, Error, ErrorKind, GrantId, GrantState, Result, Time, async_trait};

/// Makes another record of what is stored for a grant.
type Alter = Box<dyn Fn(&GrantId, Option<GrantRecord>) -> Option<GrantRecord> + Send>;

/// Delegates to a [`MemoryStore`], but fails the calls it is told to, and shows grants as it is told to. Clones share
/// everything.
#[derive(Clone, Default)]
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Default)]
struct Faults {
    /// How often each call still fails, by its name.
    failing: BTreeMap<&'static str, u32>,
    everything_fails: bool,
    hanging: Option<&'static str>,
    alter: Option<Alter>,
}

impl FaultyStore {
    /// Fails the next so many calls of this name.
    pub(crate) fn fail(&self, call: &'static str, times: u32) {
        self.faults.lock().unwrap().failing.insert(call, times);
    }

    /// Fails every call, or none any more.
    pub(crate) fn fail_everything(&self, fail: bool) {
        self.faults.lock().unwrap().everything_fails = fail;
    }

    /// Never answers a call of this name.
    pub(crate) fn hang(&self, call: &'static str) {
        self.faults.lock().unwrap().hanging = Some(call);
    }

    /// Shows grants as `alter` makes them.
    pub(crate) fn alter(&self, alter: impl Fn(&GrantId, Option<GrantRecord>) -> Option<GrantRecord> + Send + 'static) {
        self.faults.lock().unwrap().alter = Some(Box::new(alter));
    }

    /// Shows grants as they are.
    pub(crate) fn be_honest(&self) {
        self.faults.lock().unwrap().alter = None;
    }

    /// What is stored in truth.
    pub(crate) async fn stored(&self, id: &GrantId) -> GrantRecord {
        self.inner.grant(id).await.unwrap().expect("the grant is stored")
    }

    async fn attempt(&self, call: &'static str) -> Result<&MemoryStore> {
        if self.faults.lock().unwrap().hanging == Some(call) {
            std::future::pending::<()>().await;
        }
        let mut faults = self.faults.lock().unwrap();
        let counted = faults.failing.get_mut(call).filter(|times| **times > 0).map(|times| *times -= 1).is_some();
        if counted || faults.everything_fails {
            return Err(Error::new(ErrorKind::Unavailable, "the disk is gone").with_context("call", call));
        }
        Ok(&self.inner)
    }

    fn shown(&self, id: &GrantId, stored: Option<GrantRecord>) -> Option<GrantRecord> {
        match &self.faults.lock().unwrap().alter {
            Some(alter) => alter(id, stored),
            None => stored,
        }
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry> {
        self.attempt("record").await?.record(log, entry).await
    }

    async fn request(&self, log: &LogWriter, step: Request) -> Result<Requested> {
        self.attempt("request").await?.request(log, step).await
    }

    async fn transition(&self, log: &LogWriter, step: Transition) -> Result<Transitioned> {
        self.attempt("transition").await?.transition(log, step).await
    }

    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Result<Begun> {
        self.attempt("begin_change").await?.begin_change(log, step).await
    }

    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Result<Finished> {
        self.attempt("finish_change").await?.finish_change(log, step).await
    }

    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<bool> {
        self.attempt("renew_lease").await?.renew_lease(grant, until).await
    }

    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>> {
        self.attempt("lapsed").await?.lapsed(now).await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>> {
        let stored = self.attempt("grant").await?.grant(id).await?;
        Ok(self.shown(id, stored))
    }

    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>> {
        let stored = self.attempt("grants").await?.grants(states, limit).await?;
        Ok(stored.into_iter().filter_map(|record| self.shown(&record.id.clone(), Some(record))).collect())
    }

    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>> {
        self.attempt("key").await?.key(key, now).await
    }

    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>> {
        self.attempt("outcome").await?.outcome(grant).await
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>> {
        self.attempt("entries").await?.entries(from, limit).await
    }

    async fn checkpoint(&self) -> Result<Option<String>> {
        self.attempt("checkpoint").await?.checkpoint().await
    }

    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>> {
        self.attempt("checkpoints").await?.checkpoints(limit).await
    }

    async fn nodes(&self, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>> {
        self.attempt("nodes").await?.nodes(wanted).await
    }

    fn key_file(&self) -> Option<PathBuf> {
        self.inner.key_file()
    }
}
