//! What the checks have in common: a store, a log, and steps to take.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opsorch::audit::{Bundle, BundleEntry, Checkpoint, Frontier, Hash, LogWriter, SigningKey, leaf_hash, verify};
use opsorch::store::{
    BeginChange, FinishChange, GrantRecord, KeyUse, OpenIntent, Request, Store, StoredEntry, Transition,
};
use opsorch::{
    Actor, Clock, Digest, Entry, Event, GrantId, GrantState, Identity, ManualClock, Operation, Outcome, OutcomeStatus,
    Result, Time,
};
use tokio::task::JoinSet;

use super::{Broken, Checked, ensure};

/// How many race: enough for several commits, whatever shares one.
pub(super) const RACERS: usize = 64;

/// The name of the log.
const ORIGIN: &str = "example.com/conformance";

/// A store and the log in it.
#[derive(Clone)]
pub(super) struct Lab {
    pub(super) store: Arc<dyn Store>,
    pub(super) log: LogWriter,
    key: Arc<SigningKey>,
}

/// Everything that a store shows of itself, to compare.
#[derive(PartialEq)]
pub(super) struct Seen {
    entries: Vec<StoredEntry>,
    checkpoints: Vec<String>,
    grants: Vec<GrantRecord>,
    keys: Vec<KeyUse>,
    intents: Vec<OpenIntent>,
}

impl Lab {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        #[allow(clippy::expect_used)]
        let key = Arc::new(SigningKey::from_seed(ORIGIN, &[7; 32]).expect("the name is valid"));
        Self { store, log: LogWriter::new(Arc::clone(&key)), key }
    }

    pub(super) fn grant(&self, id: &str, version: u64, state: GrantState) -> GrantRecord {
        let body = format!("body of {id}, version {version}");
        GrantRecord::new(id.into(), version, state, at(0), body, vec![0, 255, 7])
    }

    pub(super) fn entry(&self, event: Event, grant: &str) -> Entry {
        let mut entry = Entry::new(
            at(0),
            event,
            Actor::agent("conformance"),
            Operation::TicketCreate,
            format!("request of {grant}"),
        );
        entry.grant = Some(grant.into());
        entry
    }

    /// A key that is live for an hour.
    pub(super) fn key(&self, key: &str, grant: &str) -> KeyUse {
        let owner = Identity::new("https://id.example.com", "alice");
        KeyUse::new(key, owner, Digest::from_sha256([1; 32]), grant.into(), at(3600))
    }

    pub(super) fn request(&self, id: &str) -> Request {
        Request::new(self.grant(id, 0, GrantState::Requested), self.entry(Event::Requested, id))
    }

    pub(super) fn transition(&self, id: &str, from: u64, state: GrantState) -> Transition {
        Transition::new(self.grant(id, from + 1, state), from, self.entry(Event::Approved, id))
    }

    /// A change that policy alone allows, with a lease of a minute.
    pub(super) fn begin(&self, id: &str) -> BeginChange {
        BeginChange::new(self.grant(id, 0, GrantState::Spent), "instance-1", at(60), self.entry(Event::Intent, id))
    }

    /// The change of a grant that is stored in a version.
    pub(super) fn redeem(&self, id: &str, version: u64) -> BeginChange {
        let spent = self.grant(id, version + 1, GrantState::Spent);
        BeginChange::new(spent, "instance-1", at(60), self.entry(Event::Intent, id)).expected(version)
    }

    pub(super) fn finish(&self, id: &str) -> FinishChange {
        let mut entry = self.entry(Event::Outcome, id);
        entry.outcome = Some(Outcome::new(OutcomeStatus::Applied, 12));
        FinishChange::new(id.into(), entry)
    }

    /// Stores a grant that people have agreed to, in version 1.
    pub(super) async fn activate(&self, id: &str) -> Checked {
        self.store.request(&self.log, self.request(id)).await?;
        self.store.transition(&self.log, self.transition(id, 0, GrantState::Active)).await?;
        Ok(())
    }

    /// Runs many calls at once.
    pub(super) async fn race<T, F>(&self, call: impl Fn(Self, usize) -> F) -> Checked<Vec<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for number in 0..RACERS {
            tasks.spawn(call(self.clone(), number));
        }
        let mut answers = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            answers.push(ended.map_err(|error| Broken(format!("a call panicked: {error}")))??);
        }
        Ok(answers)
    }

    /// All entries, as they are stored.
    pub(super) async fn entries(&self) -> Result<Vec<StoredEntry>> {
        self.store.entries(0, u32::MAX).await
    }

    /// All there is to see, where the keys in use are among these.
    pub(super) async fn seen(&self, keys: &[&str]) -> Result<Seen> {
        let mut live = Vec::new();
        for key in keys {
            live.extend(self.store.key(key, at(0)).await?);
        }
        Ok(Seen {
            entries: self.entries().await?,
            checkpoints: self.store.checkpoints(u32::MAX).await?,
            grants: self.store.grants(GrantState::ALL, u32::MAX).await?,
            keys: live,
            intents: self.store.lapsed(at(1_000_000)).await?,
        })
    }

    /// The newest head, whose signature must be valid.
    pub(super) async fn head(&self) -> Checked<Checkpoint> {
        let signed = self.store.checkpoint().await?.ok_or_else(|| Broken("there is no signed head".into()))?;
        Ok(self.open(&signed)?)
    }

    pub(super) fn open(&self, signed: &str) -> Result<Checkpoint> {
        Checkpoint::open(signed, &[self.key.verifier()])
    }

    /// Checks all of the log: the order, the hashes and the heads.
    pub(super) async fn ensure_sound(&self, size: usize) -> Checked {
        let entries = self.entries().await?;
        ensure!(entries.len() == size, "expected {size} entries, got {}", entries.len());
        for (place, stored) in entries.iter().enumerate() {
            ensure!(stored.sequence == place as u64, "entry {} stands at place {place}", stored.sequence);
            let entry = parse(stored)?;
            ensure!(entry.sequence == stored.sequence, "the leaf of entry {place} says {}", entry.sequence);
        }
        let root = root(&entries);
        let head = self.head().await?;
        ensure!(
            (head.size(), head.root()) == (size as u64, root),
            "the newest head is not that of the entries: {head}"
        );
        let heads = self.store.checkpoints(u32::MAX).await?;
        let leaves = entries.into_iter().map(|stored| BundleEntry::new(stored.sequence, stored.leaf, stored.hash));
        let report = verify(&Bundle::new(ORIGIN).checkpoints(heads).entries(leaves), &[self.key.verifier()], &[]);
        ensure!(report.is_intact(), "the log does not verify: {report}");
        Ok(())
    }
}

/// So many seconds after the beginning, and some nanoseconds, which a store keeps too.
pub(super) fn at(seconds: u64) -> Time {
    ManualClock::default().now() + Duration::new(seconds, 123_456_789)
}

/// The entry that a leaf is the JSON of.
pub(super) fn parse(stored: &StoredEntry) -> Checked<Entry> {
    serde_json::from_str(&stored.leaf).map_err(|error| Broken(format!("a leaf is not the JSON of an entry: {error}")))
}

/// The root over entries, from their bytes alone.
pub(super) fn root(entries: &[StoredEntry]) -> Hash {
    let mut tree = Frontier::default();
    for stored in entries {
        tree.push(leaf_hash(stored.leaf.as_bytes()));
    }
    tree.root()
}

pub(super) fn id(grant: &str) -> GrantId {
    grant.into()
}

/// Short, because a log is long.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, heads) = (self.entries.len(), self.checkpoints.len());
        write!(f, "{entries} entries, {heads} heads, ")?;
        write!(f, "grants {:?}, keys {:?}, intents {:?}", self.grants, self.keys, self.intents)
    }
}
