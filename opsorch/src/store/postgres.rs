//! A store in PostgreSQL.

mod batch;
mod failure;
mod listen;
mod read;
mod readers;
mod recent;
mod rows;
mod schema;
mod sealed;
mod server;
mod session;
mod tls;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opsorch_schema::{Entry, GrantId, GrantState, Time};

use super::*;
use crate::Result;
use crate::audit::{Hash, LogWriter};
use crate::secret::Secret;
use batch::{Logged, Renewal};
use readers::Readers;
use server::Server;
use writer::Writer;

pub use listen::Commits;

/// Keeps grants, keys and the log in PostgreSQL (13 or newer; tested with 15), for any number of processes, on any number of
/// hosts, that share one gate. Clones share its connections.
///
/// * A step is on the server's disk before it is answered. Steps of one process that wait at the same time share a
///   transaction and its signed head; those of several processes take turns, one transaction each, at the lock of one row.
/// * If the connection is lost while a transaction commits, another one looks up whether it did. Only where that is
///   impossible as well is the step [`Unavailable`](crate::ErrorKind::Unavailable) with
///   [`may_have_applied`](crate::Error::may_have_applied): then it is written whole or not at all, and the log tells.
/// * While the database cannot be reached, changes are refused with `Unavailable`; so are reads of the store. A process that
///   stands still within a transaction loses it, so that the others go on.
/// * The database holds no keys of the gate. All processes of a store are given the same ones with
///   [`Builder::keys`](crate::Builder::keys); with others than those that the log was begun with, every change is refused.
/// * Whoever can write to the database cannot redeem by it: an inserted or edited grant is not sealed, and one whose life has
///   ended in the log is not spent again, whatever its row says. Who puts an older copy of the *whole* schema back takes
///   everything back, the log too; an anchor tells (see [`audit`](crate::audit)).
/// * The tables are in a schema of their own, which this creates and migrates, and which belongs to its role. It needs
///   connections that are sessions: a pooler such as PgBouncer must not pool by transaction.
///
/// # The connection
///
/// The URL is that of libpq (`postgres://user:password@host:5432/database?sslmode=require`), or its form of keywords
/// (`host=/run/postgresql user=opsorch dbname=opsorch`); it is a [`Secret`], and neither an error nor `Debug` shows a password.
/// Through TCP a connection is encrypted if the server can (`sslmode=prefer`, the default) or not made at all
/// (`sslmode=require`); either way the server's certificate must be good for its host, by an authority that the system
/// or [`PostgresOptions::authorities()`] trusts. `sslmode=disable` does without.
///
/// Reading needs a tokio runtime with I/O and time. Dropping the last clone waits for steps that were accepted.
///
/// ```no_run
/// use opsorch::OpsOrch;
/// use opsorch::gate::GateKeys;
/// use opsorch::secret::Secret;
/// use opsorch::store::PostgresStore;
///
/// # async fn run() -> opsorch::Result<()> {
/// let url = Secret::new("postgres://opsorch@db.example.com/opsorch?sslmode=require");
/// let ops = OpsOrch::builder()
///     .store(PostgresStore::open(&url).await?)
///     .keys(GateKeys::open("/etc/opsorch/gate.keys", "example.com/ops")?)
///     .build()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresStore(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    server: Server,
    readers: Readers,
    writer: Writer,
}

/// How a [`PostgresStore`] is opened.
///
/// ```no_run
/// use std::time::Duration;
/// use opsorch::secret::Secret;
/// use opsorch::store::PostgresOptions;
///
/// # async fn run() -> opsorch::Result<()> {
/// let url = Secret::new("host=/run/postgresql user=opsorch dbname=opsorch");
/// let store = PostgresOptions::new().schema("team_a").timeout(Duration::from_secs(2)).open(&url).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// The schema of the store's tables: `opsorch`. Each store has one of its own.
    pub schema: String,
    /// How long a step or a read waits for a connection, or while another process writes: 5 s. A statement may take twice as
    /// long, and an answer over the network three times.
    pub timeout: Duration,
    /// Authorities that are trusted beside those of the system: certificates in PEM.
    pub authorities: Vec<u8>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { schema: "opsorch".into(), timeout: Duration::from_secs(5), authorities: Vec::new() }
    }
}

impl PostgresOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says in which schema the tables are: 1 to 63 lower-case letters, digits and `_`.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Says how long a step waits.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Trusts these authorities too: certificates in PEM.
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = pem.into();
        self
    }

    /// Opens a store with these options; see [`PostgresStore::open`].
    ///
    /// # Errors
    /// Those of [`PostgresStore::open`].
    pub async fn open(self, url: &Secret) -> Result<PostgresStore> {
        let server = Server::new(url, self)?;
        schema::migrate(&server).await?;
        let readers = Readers::new(&server)?;
        let writer = Writer::start(server.clone())?;
        Ok(PostgresStore(Arc::new(Connections { server, readers, writer })))
    }
}

impl PostgresStore {
    /// Opens the store in this database, and makes its schema and tables if there are none. An older schema is migrated, in one
    /// transaction.
    ///
    /// # Errors
    /// * [`Invalid`](crate::ErrorKind::Invalid) for a URL that cannot be understood, a database that does not exist, or a schema
    ///   that holds other tables; nothing is written to it then;
    /// * [`Unsupported`](crate::ErrorKind::Unsupported) if a newer version of this library has migrated it;
    /// * [`Unauthenticated`](crate::ErrorKind::Unauthenticated) and [`Forbidden`](crate::ErrorKind::Forbidden) as the database
    ///   says;
    /// * [`Unavailable`](crate::ErrorKind::Unavailable) if it cannot be reached, its certificate is not good included.
    pub async fn open(url: &Secret) -> Result<Self> {
        PostgresOptions::new().open(url).await
    }

    /// Listens for commits of any process, this one included, over a connection of its own: for whoever waits for an answer
    /// to a request, or follows the log. A commit before this returns may not be told, so look at the log after it.
    ///
    /// # Errors
    /// Those of [`PostgresStore::open`] about the connection.
    pub async fn listen(&self) -> Result<Commits> {
        Commits::listen(&self.0.server).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn record(&self, log: &LogWriter, entry: Entry) -> Result<Entry> {
        self.0.writer.write(Logged { log: log.clone(), step: entry }).await
    }

    async fn request(&self, log: &LogWriter, step: Request) -> Result<Requested> {
        self.0.writer.write(Logged { log: log.clone(), step }).await
    }

    async fn transition(&self, log: &LogWriter, step: Transition) -> Result<Transitioned> {
        self.0.writer.write(Logged { log: log.clone(), step }).await
    }

    async fn begin_change(&self, log: &LogWriter, step: BeginChange) -> Result<Begun> {
        self.0.writer.write(Logged { log: log.clone(), step }).await
    }

    async fn finish_change(&self, log: &LogWriter, step: FinishChange) -> Result<Finished> {
        self.0.writer.write(Logged { log: log.clone(), step }).await
    }

    async fn renew_lease(&self, grant: &GrantId, until: Time) -> Result<bool> {
        self.0.writer.write(Renewal { grant: grant.clone(), until }).await
    }

    async fn lapsed(&self, now: Time) -> Result<Vec<OpenIntent>> {
        self.0.readers.read(async |client| read::lapsed(client, now).await).await
    }

    async fn grant(&self, id: &GrantId) -> Result<Option<GrantRecord>> {
        self.0.readers.read(async |client| read::grant(client, id).await).await
    }

    async fn grants(&self, states: &[GrantState], limit: u32) -> Result<Vec<GrantRecord>> {
        self.0.readers.read(async |client| read::grants(client, states, limit).await).await
    }

    async fn key(&self, key: &str, now: Time) -> Result<Option<KeyUse>> {
        self.0.readers.read(async |client| read::key(client, key, now).await).await
    }

    async fn outcome(&self, grant: &GrantId) -> Result<Option<String>> {
        self.0.readers.read(async |client| read::outcome(client, grant).await).await
    }

    async fn entries(&self, from: u64, limit: u32) -> Result<Vec<StoredEntry>> {
        self.0.readers.read(async |client| read::entries(client, from, limit).await).await
    }

    async fn checkpoint(&self) -> Result<Option<String>> {
        self.0.readers.read(async |client| read::checkpoint(client).await).await
    }

    async fn checkpoints(&self, limit: u32) -> Result<Vec<String>> {
        self.0.readers.read(async |client| read::checkpoints(client, limit).await).await
    }

    fn key_file(&self) -> Option<PathBuf> {
        None
    }

    async fn nodes(&self, wanted: &[(u32, u64)]) -> Result<HashMap<(u32, u64), Hash>> {
        self.0.readers.read(async |client| read::nodes(client, wanted).await).await
    }
}
