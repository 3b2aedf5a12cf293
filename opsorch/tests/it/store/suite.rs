//! The suite itself: it finds what is wrong with stores that have one flaw each.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use opsorch::audit::{Hash, LogWriter};
use opsorch::store::*;
use opsorch::{Entry, GrantId, GrantState, Result, Time};
use opsorch_testkit::store::conformance;

/// A store in memory with one flaw.
#[derive(Debug)]
struct Flawed {
    store: MemoryStore,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    RecordsTwice,
    ReturnsNoSequence,
    ForgetsKeys,
    KeepsKeysForEver,
    OverwritesGrants,
    IgnoresVersions,
    LogsWhatIsStale,
    WritesByHalves,
    BeginsFromAnyVersion,
    ForgetsInstances,
    ForgetsResults,
    FinishesEarly,
    FinishesTwice,
    RenewsNothing,
    ListsAllIntents,
    ListsNoIntents,
    RoundsTimes,
    ListsOldestFirst,
    PagesFromTheStart,
    ShowsAnOldHead,
    ShowsAllHeads,
    LosesNodes,
}

const FLAWS: [(Flaw, &str); 22] = [
    (Flaw::RecordsTwice, "ST-10"),
    (Flaw::ReturnsNoSequence, "ST-02"),
    (Flaw::ForgetsKeys, "ST-20"),
    (Flaw::KeepsKeysForEver, "ST-22"),
    (Flaw::OverwritesGrants, "ST-23"),
    (Flaw::IgnoresVersions, "ST-32"),
    (Flaw::LogsWhatIsStale, "ST-01"),
    (Flaw::WritesByHalves, "ST-04"),
    (Flaw::BeginsFromAnyVersion, "ST-42"),
    (Flaw::ForgetsInstances, "ST-40"),
    (Flaw::ForgetsResults, "ST-50"),
    (Flaw::FinishesEarly, "ST-53"),
    (Flaw::FinishesTwice, "ST-54"),
    (Flaw::RenewsNothing, "ST-60"),
    (Flaw::ListsAllIntents, "ST-61"),
    (Flaw::ListsNoIntents, "ST-41"),
    (Flaw::RoundsTimes, "ST-70"),
    (Flaw::ListsOldestFirst, "ST-71"),
    (Flaw::PagesFromTheStart, "ST-80"),
    (Flaw::ShowsAnOldHead, "ST-03"),
    (Flaw::ShowsAllHeads, "ST-82"),
    (Flaw::LosesNodes, "ST-83"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_names_the_rule_that_a_flawed_store_breaks() {
    for (flaw, rule) in FLAWS {
        let open = async || Arc::new(Flawed { store: MemoryStore::new(), flaw }) as Arc<dyn Store>;
        let panic = AssertUnwindSafe(conformance(open)).catch_unwind().await.expect_err("it has a flaw");
        let message = panic.downcast_ref::<String>().expect("the suite says what is broken");
        assert!(message.lines().any(|line| line.starts_with(rule)), "{flaw:?} should break {rule}: {message}");
    }
}

impl Flawed {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    async fn version(&self, id: &GrantId) -> Result<Option<u64>> {
        Ok(self.store.grant(id).await?.map(|grant| grant.version))
    }
}

#[async_trait]
impl Store for Flawed {
    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry> {
        if self.has(Flaw::RecordsTwice) {
            self.store.record(log, entry.clone()).await?;
        }
        let mut written = self.store.record(log, entry).await?;
        if self.has(Flaw::ReturnsNoSequence) {
            written.sequence = 0;
        }
        Ok(written)
    }

    async fn request(&self, log: &LogWriter, mut step: Request) -> Result<Requested> {
        if self.has(Flaw::ForgetsKeys) {
            step.key = None;
        }
        if self.has(Flaw::OverwritesGrants)
            && let Some(version) = self.version(&step.grant.id).await?
            && let Transitioned::Written(entry) =
                self.store.transition(log, Transition::new(step.grant.clone(), version, step.entry.clone())).await?
        {
            return Ok(Requested::Written(entry));
        }
        self.store.request(log, step).await
    }

    async fn transition(&self, log: &LogWriter, mut step: Transition) -> Result<Transitioned> {
        if self.has(Flaw::IgnoresVersions)
            && let Some(version) = self.version(&step.grant.id).await?
        {
            step.expected = version;
        }
        let entry = step.entry.clone();
        let done = self.store.transition(log, step).await?;
        if self.has(Flaw::LogsWhatIsStale) && matches!(done, Transitioned::Stale) {
            self.store.record(log, entry).await?;
        }
        Ok(done)
    }

    async fn begin_change(&self, log: &LogWriter, mut step: BeginChange) -> Result<Begun> {
        if self.has(Flaw::WritesByHalves) {
            self.store.record(log, step.entry.clone()).await?;
            tokio::task::yield_now().await;
        }
        if self.has(Flaw::BeginsFromAnyVersion) {
            step.expected = self.version(&step.grant.id).await?;
        }
        if self.has(Flaw::ForgetsInstances) {
            step.instance.clear();
        }
        self.store.begin_change(log, step).await
    }

    async fn finish_change(&self, log: &LogWriter, mut step: FinishChange) -> Result<Finished> {
        if self.has(Flaw::ForgetsResults) {
            step.result = None;
        }
        if self.has(Flaw::FinishesEarly) {
            step.if_lapsed = step.if_lapsed.map(|before| before + Duration::from_secs(1));
        }
        if self.has(Flaw::FinishesTwice) {
            step.if_lapsed = None;
        }
        self.store.finish_change(log, step).await
    }

    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<bool> {
        if self.has(Flaw::RenewsNothing) { Ok(true) } else { self.store.renew_lease(grant, until).await }
    }

    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>> {
        match self.flaw {
            Flaw::ListsAllIntents => self.store.lapsed(Time::MAX_UTC).await,
            Flaw::ListsNoIntents => Ok(Vec::new()),
            _ => self.store.lapsed(now).await,
        }
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>> {
        let mut grant = self.store.grant(id).await?;
        if self.has(Flaw::RoundsTimes)
            && let Some(grant) = &mut grant
        {
            grant.requested_at = Time::from_timestamp(grant.requested_at.timestamp(), 0).unwrap();
        }
        Ok(grant)
    }

    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>> {
        let mut grants = self.store.grants(states, limit).await?;
        if self.has(Flaw::ListsOldestFirst) {
            grants.reverse();
        }
        Ok(grants)
    }

    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>> {
        let now = if self.has(Flaw::KeepsKeysForEver) { Time::UNIX_EPOCH } else { now };
        self.store.key(key, now).await
    }

    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>> {
        self.store.outcome(grant).await
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>> {
        let from = if self.has(Flaw::PagesFromTheStart) { 0 } else { from };
        self.store.entries(from, limit).await
    }

    async fn checkpoint(&self) -> Result<Option<String>> {
        if self.has(Flaw::ShowsAnOldHead) {
            return Ok(self.store.checkpoints(u32::MAX).await?.into_iter().next());
        }
        self.store.checkpoint().await
    }

    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>> {
        let limit = if self.has(Flaw::ShowsAllHeads) { u32::MAX } else { limit };
        self.store.checkpoints(limit).await
    }

    fn key_file(&self) -> Option<PathBuf> {
        self.store.key_file()
    }

    async fn nodes(&self, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>> {
        let mut nodes = self.store.nodes(wanted).await?;
        nodes.retain(|(level, _), _| !self.has(Flaw::LosesNodes) || *level != 2);
        Ok(nodes)
    }
}
