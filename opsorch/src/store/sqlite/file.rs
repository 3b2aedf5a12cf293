//! The file: creating it, telling whether it is ours, migrating it, connecting to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::SqliteOptions;
use super::failure::Failure;
use crate::{Error, ErrorKind, Result};

/// Tells our files from those of other applications: `OpsO`, in the header of the file.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"OpsO");

/// What makes each version of the schema from the one before; `user_version` in the file counts them.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// After how many pages in the write-ahead log they are taken into the file: 16 MiB. A page that was written again and again
/// by then is taken in once, so it pays to wait.
const CHECKPOINT_PAGES: u32 = 4096;

/// How long to wait between attempts where SQLite itself does not wait for a lock.
const PAUSE: Duration = Duration::from_millis(5);

/// How many prepared statements are kept: more than there are, so that none is parsed twice.
const STATEMENTS: usize = 64;

/// Where the store is, and how it is opened.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Absolute and without links, so that every connection opens the same file.
    path: PathBuf,
    options: SqliteOptions,
    /// What a connection has open: the file, the write-ahead log and its index, and which they are. SQLite deletes the
    /// latter two when the last connection is closed, and not before.
    open: Vec<(PathBuf, Option<Identity>)>,
}

/// What stays the same of a file when it is renamed.
type Identity = (u64, u64);

impl File {
    /// Creates the file if there is none, and checks that it is a store.
    pub(super) fn open(path: &Path, options: SqliteOptions) -> Result<(Self, Connection)> {
        let file = create(path).and_then(|()| {
            let path = fs::canonicalize(path)?;
            Ok(Self { open: vec![(path.clone(), identity(&path))], path, options })
        });
        let mut file = file.map_err(|error| {
            let message = format!("the store's file cannot be opened or created: {error}");
            Error::invalid("path", message).with_context("file", path.display()).with_source(error)
        })?;
        let writer = file.writer().map_err(|failure| file.explain(failure))?;
        for path in ["-wal", "-shm"].map(|suffix| file.beside(suffix)) {
            file.open.push((path.clone(), identity(&path)));
        }
        Ok((file, writer))
    }

    /// A connection that only reads.
    pub(super) fn reader(&self) -> Result<Connection, Failure> {
        self.expect_in_place()?;
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        expect_schema(&connection)?;
        Ok(connection)
    }

    /// The path of another file, named after this one as SQLite names its own.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// Refuses to write to files that nobody would find again: another process would go on without what is in them.
    pub(super) fn expect_in_place(&self) -> Result<()> {
        let Some((path, _)) = self.open.iter().find(|(path, was)| identity(path) != *was) else { return Ok(()) };
        let message = "a file of the store was moved, replaced or deleted while it was open; put it back, or end every \
            process that has it open, and start again";
        Err(Error::new(ErrorKind::Unavailable, message).with_context("file", path.display()))
    }

    /// Lets the connection that writes take the write-ahead log into the file and delete it when it is closed, if it is the
    /// last. Not while another process writes to another log of this name: that one would be deleted with what is in it.
    pub(super) fn let_tidy_up(&self, writer: &Connection) {
        let is_another = |(path, was): &(PathBuf, _)| identity(path).is_some_and(|found| Some(found) != *was);
        if !self.open.iter().any(is_another) {
            // If it fails, the log stays where it is, and is read when the file is opened again.
            _ = writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }

    /// The connection that writes. Nothing is written before the file is known to be a store, or empty.
    fn writer(&self) -> Result<Connection, Failure> {
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let version = schema_version(&connection)?;
        self.use_write_ahead_log(&connection)?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON;")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        if version < MIGRATIONS.len() {
            migrate(&mut connection)?;
        }
        if let Some(bytes) = self.options.max_bytes {
            let page: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0))?.into();
            let pages = (bytes / page).clamp(1, u32::MAX.into());
            connection.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
        }
        // Reading opens the write-ahead log and its index.
        expect_schema(&connection)?;
        Ok(connection)
    }

    fn connect(&self, access: OpenFlags) -> Result<Connection, Failure> {
        let connection = Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(self.options.busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // The store has no triggers, no views and no functions: whoever adds some to the file gains nothing.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        // The last connection to be closed deletes the write-ahead log of this name, so that is not done unawares.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.execute_batch("PRAGMA trusted_schema = OFF;")?;
        Ok(connection)
    }

    /// Readers and a writer do not wait for each other with a write-ahead log. The file remembers it.
    fn use_write_ahead_log(&self, connection: &Connection) -> Result<(), Failure> {
        let mode = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0)).map_err(Failure::from);
        if mode("PRAGMA journal_mode")? == "wal" {
            return Ok(());
        }
        let deadline = Instant::now() + self.options.busy_timeout;
        let found = loop {
            match mode("PRAGMA journal_mode = WAL") {
                // Another process opens the file for the first time as well.
                Err(failure) if failure.is_busy() && Instant::now() < deadline => std::thread::sleep(PAUSE),
                done => break done?,
            }
        };
        if found == "wal" {
            return Ok(());
        }
        let message = "the store needs a file system with shared memory, which this one lacks; use a local disk";
        Err(Error::unsupported(message).into())
    }

    fn explain(&self, failure: Failure) -> Error {
        let error = if failure.is_no_database() { not_a_store("no SQLite database") } else { Error::from(failure) };
        error.with_context("file", self.path.display())
    }
}

/// Refuses a file that another version of this library has migrated meanwhile.
pub(super) fn expect_schema(connection: &Connection) -> Result<(), Failure> {
    match schema_version(connection)? {
        version if version == MIGRATIONS.len() => Ok(()),
        _ => Err(not_a_store("one without its tables").into()),
    }
}

/// How many migrations the file has had: none if it is empty.
fn schema_version(connection: &Connection) -> Result<usize, Failure> {
    // In one statement, so that all of it is from before another process migrated the file, or from after.
    let sql = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
        FROM pragma_application_id, pragma_user_version";
    let mut statement = connection.prepare_cached(sql)?;
    let header = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (application, version, tables): (i32, i32, i64) = header;
    if application == APPLICATION_ID {
        return match usize::try_from(version) {
            Ok(version) if version <= MIGRATIONS.len() => Ok(version),
            _ => Err(newer(version).into()),
        };
    }
    if (application, version, tables) == (0, 0, 0) { Ok(0) } else { Err(not_a_store("another application's").into()) }
}

fn migrate(connection: &mut Connection) -> Result<(), Failure> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    // Once more, within the transaction: another process may have been faster.
    let version = schema_version(&transaction)?;
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", MIGRATIONS.len());
    transaction.execute_batch(&stamp)?;
    Ok(transaction.commit()?)
}

fn not_a_store(found: &str) -> Error {
    Error::invalid("path", format!("expected a store of opsorch, or no file; this file is {found}"))
}

fn newer(version: i32) -> Error {
    let known = MIGRATIONS.len();
    Error::unsupported(format!(
        "the store's file has schema {version}, and this version of opsorch knows {known}; use a newer version"
    ))
}

/// Creates the file for its owner alone; SQLite gives the files beside it the same mode. An existing file is not opened
/// here: closing it would drop the locks that SQLite holds on it in this process.
fn create(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// `None` where there is no file.
#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open cannot be moved.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<Identity> {
    None
}
