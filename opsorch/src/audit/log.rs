//! The log over its store: writing with signatures, reading, proving, exporting.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use opsorch_schema::Entry;

use super::{
    Bundle, BundleEntry, Checkpoint, ConsistencyProof, Frontier, Hash, InclusionProof, Node, SigningKey, VerifierKey,
    consistency_nodes, consistency_proof, inclusion_nodes, inclusion_proof, leaf_hash,
};
use crate::store::{Store, StoredEntry};
use crate::{Error, Result};

/// How many checkpoints a bundle carries: enough to narrow an alteration down, few enough to be checked in passing.
const BUNDLE_CHECKPOINTS: u32 = 256;

/// How many entries are read from the store at a time.
const BLOCK: u32 = 1000;

/// Turns entries into leaves and signs the new head. A [`Store`] calls it within its transactions.
///
/// It signs only what continues a head that it signed before: a tree that somebody changed in the store does not get a
/// signature.
#[derive(Clone, Debug)]
pub struct LogWriter {
    key: Arc<SigningKey>,
    /// The head that this process signed last: size and root.
    last: Arc<Mutex<(u64, Hash)>>,
}

/// What a [`LogWriter`] made of some entries: what the store commits together with the rest of its step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// The entries with their sequences.
    pub entries: Vec<Entry>,
    /// Their leaves, in the same order.
    pub leaves: Vec<StoredEntry>,
    /// The nodes of the tree that became full.
    pub nodes: Vec<Node>,
    /// The signed head after them.
    pub checkpoint: String,
}

impl LogWriter {
    /// A writer that signs with this key. The log's origin is the name of the key.
    pub fn new(key: Arc<SigningKey>) -> Self {
        Self { key, last: Arc::new(Mutex::new((0, Hash::EMPTY_ROOT))) }
    }

    /// Appends entries to the tree that `head` is the newest signed head of; `None` if there is none yet. On an error the
    /// tree is as it was.
    ///
    /// # Errors
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if the tree does not continue a head that this key signed, or an entry
    /// cannot be written as JSON.
    pub fn append(&self, tree: &mut Frontier, head: Option<&str>, mut entries: Vec<Entry>) -> Result<Batch> {
        self.confirm(tree, head)?;
        let mut grown = tree.clone();
        let mut leaves = Vec::with_capacity(entries.len());
        let mut nodes = Vec::new();
        for entry in &mut entries {
            entry.sequence = grown.size();
            let leaf = serde_json::to_string(entry)
                .map_err(|error| Error::unexpected("an audit entry cannot be written as JSON").with_source(error))?;
            let hash = leaf_hash(leaf.as_bytes());
            nodes.extend(grown.push(hash));
            leaves.push(StoredEntry::new(entry.sequence, leaf, hash));
        }
        let signed = Checkpoint::new(self.key.name(), grown.size(), grown.root())?;
        *tree = grown;
        Ok(Batch { entries, leaves, nodes, checkpoint: self.key.sign(&signed) })
    }

    /// Notes that a batch was committed, so that the next one need not check a signature again.
    pub fn committed(&self, tree: &Frontier) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (tree.size(), tree.root());
    }

    /// Whether two writers sign with the same key, so that their entries may share a head.
    #[cfg(feature = "sqlite")]
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.key, &other.key) || self.key.verifier() == other.key.verifier()
    }

    /// Refuses a tree that is not what this log signed last.
    fn confirm(&self, tree: &Frontier, head: Option<&str>) -> Result<()> {
        let changed = |what: &str| {
            let message =
                format!("the stored log is not what was signed: {what}; verify it before anything is changed");
            Error::unexpected(message).not_applied()
        };
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if (tree.size(), tree.root()) == last {
            return Ok(());
        }
        if tree.size() < last.0 {
            return Err(changed("its end was cut"));
        }
        let head = head.ok_or_else(|| changed("there are entries, and no signed head"))?;
        let head = Checkpoint::open(head, &[self.key.verifier()])
            .map_err(|error| changed("the signature of its head is not ours").with_source(error))?;
        if head.origin() != self.key.name() {
            return Err(changed("its head is another log's"));
        }
        head.confirm(tree).map_err(|error| changed("its tree and its head differ").with_source(error))
    }
}

/// The audit log of a gate, to read, prove and export. It cannot be written from here.
///
/// ```
/// use opsorch::audit::verify;
/// use opsorch::{Actor, Context, CreateTicket, OpsOrch};
/// use opsorch_testkit::MemoryProvider;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let tracker = MemoryProvider::new(opsorch::SystemClock).provider("tracker");
/// let ops = OpsOrch::builder().provider(tracker).build().await?;
/// let cx = Context::new(Actor::agent("triage"));
/// assert!(ops.tickets(&cx).create(CreateTicket::new("disk full")).await.is_err(), "there is no policy");
///
/// let bundle = ops.audit().bundle().await?;
/// assert_eq!(bundle.entries.len(), 1, "the refusal");
/// assert!(verify(&bundle, ops.audit().verifier_keys(), &[]).is_intact());
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct AuditLog {
    store: Arc<dyn Store>,
    origin: String,
    keys: Vec<VerifierKey>,
}

impl AuditLog {
    pub(crate) fn new(store: Arc<dyn Store>, key: &SigningKey) -> Self {
        Self { store, origin: key.name().to_owned(), keys: vec![key.verifier()] }
    }

    /// The public keys that check its signatures. Keep them, and checkpoints, where the log's writer has no access.
    pub fn verifier_keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Entries from a sequence on, at most `limit`.
    ///
    /// # Errors
    /// Those of the store, and [`Unexpected`](crate::ErrorKind::Unexpected) for bytes that are no entry.
    pub async fn entries(&self, from: u64, limit: u32) -> Result<Vec<Entry>> {
        let stored = self.store.entries(from, limit).await?;
        stored.iter().map(read_entry).collect()
    }

    /// The newest signed head; `None` while the log is empty. Kept elsewhere, it anchors the log: everything before it can
    /// no longer be changed, and nothing be cut, without being noticed.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn checkpoint(&self) -> Result<Option<String>> {
        self.store.checkpoint().await
    }

    /// All of the log, with what [`verify`](super::verify()) needs.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn bundle(&self) -> Result<Bundle> {
        // The checkpoints first: entries that are committed meanwhile are then at most uncovered, never missing.
        let checkpoints = self.store.checkpoints(BUNDLE_CHECKPOINTS).await?;
        let size = match checkpoints.last() {
            Some(newest) => Checkpoint::open(newest, &self.keys)?.size(),
            None => 0,
        };
        let mut entries: Vec<BundleEntry> = Vec::new();
        while (entries.len() as u64) < size {
            let from = entries.len() as u64;
            let limit = u32::try_from(size - from).unwrap_or(BLOCK).min(BLOCK);
            let block = self.store.entries(from, limit).await?;
            if block.is_empty() {
                break; // Entries are missing from the store; the verification of the bundle says so.
            }
            entries.extend(block.into_iter().map(|stored| BundleEntry::new(stored.sequence, stored.leaf, stored.hash)));
        }
        Ok(Bundle::new(&self.origin).checkpoints(checkpoints).entries(entries))
    }

    /// The proof that an entry is in the log of `size` entries.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such entry, and those of the store.
    pub async fn inclusion_proof(&self, sequence: u64, size: u64) -> Result<InclusionProof> {
        let nodes = self.store.nodes(&inclusion_nodes(sequence, size)?).await?;
        Ok(InclusionProof::new(size, inclusion_proof(sequence, size, &nodes)?))
    }

    /// The proof that the log of `old` entries is the beginning of the log of `new` entries.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if `old` is larger than `new`, and those of the store.
    pub async fn consistency_proof(&self, old: u64, new: u64) -> Result<ConsistencyProof> {
        let nodes = self.store.nodes(&consistency_nodes(old, new)?).await?;
        Ok(ConsistencyProof::new(old, new, consistency_proof(old, new, &nodes)?))
    }
}

fn read_entry(stored: &StoredEntry) -> Result<Entry> {
    serde_json::from_str(&stored.leaf).map_err(|error| {
        Error::unexpected("an audit entry cannot be read; verify the log")
            .with_context("sequence", stored.sequence)
            .with_source(error)
    })
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("origin", &self.origin).field("store", &self.store).finish_non_exhaustive()
    }
}
