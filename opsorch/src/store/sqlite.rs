//! A store in one SQLite file.

mod failure;
mod file;
mod read;
mod readers;
mod rows;
mod steps;
mod tail;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::{Entry, GrantId, GrantState, Time};

use super::*;
use crate::Result;
use crate::audit::{Hash, LogWriter};
use file::File;
use readers::Readers;
use writer::Writer;

/// Keeps grants, keys and the log in one SQLite file, durably. Clones share it; several processes of one host may open the
/// same file.
///
/// * A step is on disk before it is answered (write-ahead log, `synchronous = FULL`). Steps that wait at the same time
///   share a commit, and its signed head.
/// * Readers do not wait for writers. While nothing can be written, because the disk is full, the file is read-only or
///   another process holds it, changes are refused with [`Unavailable`](crate::ErrorKind::Unavailable) and reads go on.
/// * The file holds no secrets, and belongs to its owner alone (mode 0600) where this creates it. The gate's keys are never
///   in it. Unless the embedder gives others, they are in a file beside it, with `.keys` after its name: keep that one
///   apart from backups of this one. With other keys than those that the log was begun with, every change is refused.
/// * Whoever can write to the file cannot redeem by it: an inserted or edited grant is not sealed, and one whose life has
///   ended in the log is not spent again, whatever its row says. Who puts an older copy of the *whole* file back takes
///   everything back, the log too; an anchor tells (see [`audit`](crate::audit)).
/// * A process that finds its file, the write-ahead log beside it (`-wal`) or its index (`-shm`) moved, replaced or deleted
///   while they are open refuses every change with `Unavailable`: another process would go on without what is in them.
/// * It must lie on a local disk: SQLite's write-ahead log needs shared memory and locks that work. Back it up with
///   SQLite's own means (`VACUUM INTO`, `.backup`), not by copying the file while it is in use.
///
/// Reading and writing need a tokio runtime. Dropping the last clone waits for steps that were accepted.
///
/// ```
/// use opsorch::OpsOrch;
/// use opsorch::store::SqliteStore;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("opsorch.db");
/// let ops = OpsOrch::builder().store(SqliteStore::open(path)?).build().await?;
/// assert_eq!(ops.audit().checkpoint().await?, None, "nothing has happened");
/// # Ok::<(), opsorch::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    // Dropped first: the last connection to be closed tidies up, and must be one that writes.
    readers: Readers,
    writer: Writer,
    key_file: PathBuf,
}

/// How a [`SqliteStore`] is opened.
///
/// ```
/// use std::time::Duration;
/// use opsorch::store::SqliteOptions;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("opsorch.db");
/// let store = SqliteOptions::new().max_bytes(10 << 30).busy_timeout(Duration::from_secs(1)).open(path)?;
/// # Ok::<(), opsorch::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How large the file may grow; as large as the disk allows by default.
    pub max_bytes: Option<u64>,
    /// How long a step waits while another process writes: 5 s.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { max_bytes: None, busy_timeout: Duration::from_secs(5) }
    }
}

impl SqliteOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the size of the file, so that a log that grows cannot fill a disk that others need. At the limit every
    /// change is refused as if the disk were full. The write-ahead log beside the file, some 16 MiB, comes on top.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Says how long a step waits while another process writes.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens a store with these options; see [`SqliteStore::open`].
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore> {
        let (file, connection) = File::open(path.as_ref(), self)?;
        let key_file = file.beside(".keys");
        let readers = Readers::open(file.clone())?;
        let writer = Writer::start(file, connection)?;
        Ok(SqliteStore(Arc::new(Connections { readers, writer, key_file })))
    }
}

impl SqliteStore {
    /// Opens the store in this file, and creates it if there is none. An older schema is migrated. It reads and writes the
    /// disk, so it blocks for a moment.
    ///
    /// # Errors
    /// * [`Invalid`](crate::ErrorKind::Invalid) if the file cannot be opened or created, is no SQLite database, or is another
    ///   application's; nothing is written to it then;
    /// * [`Unsupported`](crate::ErrorKind::Unsupported) if a newer version of this library has migrated it, or it does not lie
    ///   on a local disk;
    /// * [`Unavailable`](crate::ErrorKind::Unavailable) if another process holds it for too long, or the disk is full.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        SqliteOptions::new().open(path)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry> {
        let log = log.clone();
        self.0.writer.write(move |steps| steps.record(&log, &entry)).await
    }

    async fn request(&self, log: &LogWriter, step: Request) -> Result<Requested> {
        let log = log.clone();
        self.0.writer.write(move |steps| steps.request(&log, &step)).await
    }

    async fn transition(&self, log: &LogWriter, step: Transition) -> Result<Transitioned> {
        let log = log.clone();
        self.0.writer.write(move |steps| steps.transition(&log, &step)).await
    }

    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Result<Begun> {
        let log = log.clone();
        self.0.writer.write(move |steps| steps.begin_change(&log, &step)).await
    }

    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Result<Finished> {
        let log = log.clone();
        self.0.writer.write(move |steps| steps.finish_change(&log, &step)).await
    }

    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<bool> {
        let grant = grant.clone();
        self.0.writer.write(move |steps| steps.renew_lease(&grant, until)).await
    }

    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>> {
        self.0.readers.read(move |connection| read::lapsed(connection, now)).await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>> {
        let id = id.clone();
        self.0.readers.read(move |connection| read::grant(connection, &id)).await
    }

    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>> {
        let states = states.to_vec();
        self.0.readers.read(move |connection| read::grants(connection, states, limit)).await
    }

    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>> {
        let key = key.to_owned();
        self.0.readers.read(move |connection| read::key(connection, &key, now)).await
    }

    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>> {
        let grant = grant.clone();
        self.0.readers.read(move |connection| read::outcome(connection, &grant)).await
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>> {
        self.0.readers.read(move |connection| read::entries(connection, from, limit)).await
    }

    async fn checkpoint(&self) -> Result<Option<String>> {
        self.0.readers.read(read::checkpoint).await
    }

    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>> {
        self.0.readers.read(move |connection| read::checkpoints(connection, limit)).await
    }

    fn key_file(&self) -> Option<PathBuf> {
        Some(self.0.key_file.clone())
    }

    async fn nodes(&self, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>> {
        let wanted = wanted.to_vec();
        self.0.readers.read(move |connection| read::nodes(connection, &wanted)).await
    }
}
