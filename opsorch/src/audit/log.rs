//! The log over its store: writing with signatures, and reading.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opsorch_schema::Entry;

use super::{Checkpoint, Frontier, Hash, Node, SigningKey, VerifierKey, leaf_hash};
use crate::store::{Store, StoredEntry};
use crate::{Error, Result};

/// Turns entries into leaves and signs the new head. A [`Store`] calls it within its transactions.
///
/// It signs only what continues a head that it, or a former key of the same log, signed before: a tree that somebody
/// changed in the store does not get a signature.
#[derive(Clone, Debug)]
pub struct LogWriter {
    key: Arc<SigningKey>,
    /// Those that a stored head may be signed with: the present key, and the former.
    known: Vec<VerifierKey>,
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
        Self { known: vec![key.verifier()], key, last: Arc::new(Mutex::new((0, Hash::EMPTY_ROOT))) }
    }

    /// Goes on where these keys signed before, which have been rotated since.
    pub fn former_keys(mut self, keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        self.known.extend(keys);
        self
    }

    /// Appends entries to the tree that `head` is the newest signed head of; `None` if there is none yet. On an error the
    /// tree is as it was.
    ///
    /// # Errors
    /// [`Unexpected`](crate::ErrorKind::Unexpected) if the tree is not that of a head that this key or a former one signed,
    /// or an entry cannot be written as JSON.
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
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two calls that overlap the later may come first; going back would allow a cut in between.
        if tree.size() > last.0 {
            *last = (tree.size(), tree.root());
        }
    }

    /// Whether two writers sign with the same key, so that their entries may share a head.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
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
        if tree.size() <= last.0 {
            return Err(changed("its end was cut or rewritten"));
        }
        let head = head.ok_or_else(|| changed("there are entries, and no signed head"))?;
        let head = Checkpoint::open(head, &self.known)
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
    anchor_failures: Arc<AtomicU64>,
}

impl AuditLog {
    pub(crate) fn new(store: Arc<dyn Store>, origin: &str, keys: Vec<VerifierKey>) -> Self {
        Self { store, origin: origin.to_owned(), keys, anchor_failures: Arc::default() }
    }

    /// The public keys that check its signatures: the present one, then the former. Keep them, and checkpoints, where the
    /// log's writer has no access.
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

    /// How often an [`Anchor`](super::Anchor) failed to keep a checkpoint since this log was opened. Each is a warning in the
    /// trace as well.
    pub fn anchor_failures(&self) -> u64 {
        self.anchor_failures.load(Ordering::Relaxed)
    }

    /// Counts a checkpoint that was not kept.
    pub(super) fn anchor_failed(&self) {
        self.anchor_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Which log it is.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Where it is stored.
    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Opens a checkpoint of this log.
    pub(super) fn open(&self, signed: &str) -> Result<Checkpoint> {
        let checkpoint = Checkpoint::open(signed, &self.keys)?;
        if checkpoint.origin() == self.origin {
            return Ok(checkpoint);
        }
        let message = format!("it is of the log {:?}, expected {:?}", checkpoint.origin(), self.origin);
        Err(Error::invalid("checkpoint", message))
    }
}

/// Reads an entry from its stored bytes.
pub(super) fn read_entry(stored: &StoredEntry) -> Result<Entry> {
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
