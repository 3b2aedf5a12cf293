//! A store that fails, dawdles, loses its answers, and takes its process with it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsorch::audit::{Hash, LogWriter};
use opsorch::store::*;
use opsorch::{Entry, Error, ErrorKind, GrantId, GrantState, Result, Time, async_trait};

use super::process::Process;
use super::rng::Rng;

/// The store of one process; all processes share what is in it.
#[derive(Clone, Debug)]
pub(crate) struct ProcessStore {
    pub(crate) shared: Shared,
    pub(crate) process: Process,
}

/// What all processes share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) inner: MemoryStore,
    rng: Arc<Mutex<Rng>>,
    /// How many calls in a hundred go wrong.
    trouble: usize,
    book: Arc<Mutex<Book>>,
}

/// What is known of the store from outside of it.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Entries of which a process was told that they are committed.
    pub(crate) acknowledged: Vec<Entry>,
    /// The grants and digests of the intents that are committed.
    pub(crate) begun: BTreeSet<String>,
    pub(crate) crashes: usize,
    pub(crate) failures: usize,
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Refuses,
    Dawdles(Duration),
    /// Everything is done, and nobody is told.
    LosesItsAnswer,
    DiesBefore,
    DiesAfter,
}

impl Shared {
    pub(crate) fn new(rng: Rng, trouble: usize) -> Self {
        Self { inner: MemoryStore::new(), rng: Arc::new(Mutex::new(rng)), trouble, book: Arc::default() }
    }

    pub(crate) fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn trouble(&self) -> Option<Trouble> {
        let mut rng = self.rng.lock().unwrap();
        if !rng.chance(self.trouble) {
            return None;
        }
        let dawdles = Trouble::Dawdles(rng.millis(15_000));
        let lost = Trouble::LosesItsAnswer;
        Some(rng.weighted(&[
            (5, Trouble::Refuses),
            (5, dawdles),
            (2, lost),
            (1, Trouble::DiesBefore),
            (1, Trouble::DiesAfter),
        ]))
    }
}

impl ProcessStore {
    async fn call<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.process.live().await;
        let trouble = if self.process.is_calm() { None } else { self.shared.trouble() };
        let lost = || Error::new(ErrorKind::Unavailable, "the store is gone");
        match trouble {
            Some(Trouble::Refuses) => {
                self.shared.book().failures += 1;
                return Err(lost());
            }
            Some(Trouble::Dawdles(time)) => tokio::time::sleep(time).await,
            Some(Trouble::DiesBefore) => self.die().await,
            _ => {}
        }
        self.process.live().await;
        let done = work.await;
        match trouble {
            Some(Trouble::DiesAfter) => self.die().await,
            Some(Trouble::LosesItsAnswer) if done.is_ok() => {
                self.shared.book().failures += 1;
                return Err(lost());
            }
            _ => {}
        }
        done
    }

    async fn die(&self) {
        self.shared.book().crashes += 1;
        self.process.kill();
        self.process.live().await;
    }

    /// Notes an entry of which the process is told.
    fn told(&self, entry: &Entry) {
        self.shared.book().acknowledged.push(entry.clone());
    }
}

#[async_trait]
impl Store for ProcessStore {
    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry> {
        let entry = self.call(self.shared.inner.record(log, entry)).await?;
        self.told(&entry);
        Ok(entry)
    }

    async fn request(&self, log: &LogWriter, step: Request) -> Result<Requested> {
        let done = self.call(self.shared.inner.request(log, step)).await?;
        if let Requested::Written(entry) = &done {
            self.told(entry);
        }
        Ok(done)
    }

    async fn transition(&self, log: &LogWriter, step: Transition) -> Result<Transitioned> {
        let done = self.call(self.shared.inner.transition(log, step)).await?;
        if let Transitioned::Written(entry) = &done {
            self.told(entry);
        }
        Ok(done)
    }

    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Result<Begun> {
        let names = [step.grant.id.to_string(), step.entry.digest.as_ref().unwrap().to_string()];
        let work = async {
            let done = self.shared.inner.begin_change(log, step).await?;
            if let Begun::Intent(_) = &done {
                self.shared.book().begun.extend(names);
            }
            Ok(done)
        };
        let done = self.call(work).await?;
        if let Begun::Intent(entry) = &done {
            self.told(entry);
        }
        Ok(done)
    }

    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Result<Finished> {
        let done = self.call(self.shared.inner.finish_change(log, step)).await?;
        if let Finished::Written(entry) = &done {
            self.told(entry);
        }
        Ok(done)
    }

    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<bool> {
        self.call(self.shared.inner.renew_lease(grant, until)).await
    }

    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>> {
        self.call(self.shared.inner.lapsed(now)).await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>> {
        self.call(self.shared.inner.grant(id)).await
    }

    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>> {
        self.call(self.shared.inner.grants(states, limit)).await
    }

    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>> {
        self.call(self.shared.inner.key(key, now)).await
    }

    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>> {
        self.call(self.shared.inner.outcome(grant)).await
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>> {
        self.call(self.shared.inner.entries(from, limit)).await
    }

    async fn checkpoint(&self) -> Result<Option<String>> {
        self.call(self.shared.inner.checkpoint()).await
    }

    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>> {
        self.call(self.shared.inner.checkpoints(limit)).await
    }

    async fn nodes(&self, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>> {
        self.call(self.shared.inner.nodes(wanted)).await
    }

    fn key_file(&self) -> Option<PathBuf> {
        self.shared.inner.key_file()
    }
}
