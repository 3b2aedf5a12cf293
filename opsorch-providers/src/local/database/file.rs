//! The file on the disk: creating it, telling whether it is ours, connecting to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use opsorch::{Error, ErrorKind, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::failure::explain;

/// The name of the file in its folder.
const NAME: &str = "local.db";

/// Tells our files from those of other applications: `OpsL`, in the header of the file.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"OpsL");

/// What makes each version of the schema from the one before; `user_version` in the file counts them.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// How long to wait while another process writes. Less than the 30 s that a call has, so that it hears why.
const BUSY: Duration = Duration::from_secs(10);

/// How long to wait between attempts where SQLite itself does not wait for a lock.
const PAUSE: Duration = Duration::from_millis(5);

/// Where the file is.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Absolute and without links, so that every connection opens the same file.
    path: PathBuf,
    /// What a connection has open: the file, the write-ahead log and its index, and which they are. SQLite deletes the
    /// latter two when the last connection is closed, and not before.
    open: Vec<(PathBuf, Option<Identity>)>,
}

/// What stays the same of a file when it is renamed.
type Identity = (u64, u64);

impl File {
    /// Creates the file in a folder if there is none, and checks that it is ours.
    pub(super) fn open(folder: &Path) -> Result<(Self, Connection)> {
        let path = folder.join(NAME);
        let file = create_folder(folder).and_then(|()| create(&path)).and_then(|()| {
            let path = fs::canonicalize(&path)?;
            Ok(Self { open: vec![(path.clone(), identity(&path))], path })
        });
        let mut file = file.map_err(|error| {
            let message = format!("the file cannot be opened or created: {}", error.kind());
            Error::new(ErrorKind::Unavailable, message).with_context("file", path.display()).with_source(error)
        })?;
        let writer = file.writer().map_err(|error| error.with_context("file", file.path.display()))?;
        for suffix in ["-wal", "-shm"] {
            let path = file.path.with_file_name(format!("{NAME}{suffix}"));
            file.open.push((path.clone(), identity(&path)));
        }
        Ok((file, writer))
    }

    /// A connection that only reads.
    pub(super) fn reader(&self) -> Result<Connection> {
        self.expect_in_place()?;
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(explain)?;
        expect_schema(&connection)?;
        Ok(connection)
    }

    /// Refuses to write to files that nobody would find again: another process would go on without what is in them.
    pub(super) fn expect_in_place(&self) -> Result<()> {
        let Some((path, _)) = self.open.iter().find(|(path, was)| identity(path) != *was) else { return Ok(()) };
        let message = "the file, or one beside it, was moved, replaced or deleted while it was open; put it back, or end \
            every process that has it open, and start again";
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

    /// The connection that writes. Nothing is written before the file is known to be ours, or empty.
    fn writer(&self) -> Result<Connection> {
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(explain)?;
        let version = schema_version(&connection)?;
        use_write_ahead_log(&connection)?;
        let settings = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;";
        connection.execute_batch(settings).map_err(explain)?;
        if version < MIGRATIONS.len() {
            migrate(&mut connection)?;
        }
        // Reading opens the write-ahead log and its index.
        expect_schema(&connection)?;
        Ok(connection)
    }

    fn connect(&self, access: OpenFlags) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        // There are no triggers, no views and no functions: whoever adds some to the file gains nothing.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        // The last connection to be closed deletes the write-ahead log of this name, so that is not done unawares.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.execute_batch("PRAGMA trusted_schema = OFF;")?;
        Ok(connection)
    }
}

/// Refuses a file that a later release has changed meanwhile.
pub(super) fn expect_schema(connection: &Connection) -> Result<()> {
    match schema_version(connection)? {
        version if version == MIGRATIONS.len() => Ok(()),
        _ => Err(not_ours("one without its tables")),
    }
}

/// How many migrations the file has had: none if it is empty.
fn schema_version(connection: &Connection) -> Result<usize> {
    // In one statement, so that all of it is from before another process migrated the file, or from after.
    let sql = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
        FROM pragma_application_id, pragma_user_version";
    let header = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))));
    let (application, version, tables): (i32, i32, i64) = header.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_ours("no SQLite database"),
        _ => explain(error),
    })?;
    match (application, usize::try_from(version)) {
        (APPLICATION_ID, Ok(version)) if version <= MIGRATIONS.len() => Ok(version),
        (APPLICATION_ID, _) => Err(newer(version)),
        (0, Ok(0)) if tables == 0 => Ok(0),
        _ => Err(not_ours("another application's")),
    }
}

/// Readers and a writer do not wait for each other with a write-ahead log. The file remembers it.
fn use_write_ahead_log(connection: &Connection) -> Result<()> {
    let mode = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    if mode("PRAGMA journal_mode").map_err(explain)? == "wal" {
        return Ok(());
    }
    let deadline = Instant::now() + BUSY;
    let found = loop {
        match mode("PRAGMA journal_mode = WAL") {
            // Another process opens the file for the first time as well.
            Err(error) if is_busy(&error) && Instant::now() < deadline => std::thread::sleep(PAUSE),
            done => break done.map_err(explain)?,
        }
    };
    match found.as_str() {
        "wal" => Ok(()),
        _ => Err(Error::unsupported("the file needs a file system with shared memory; use a local disk")),
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate).map_err(explain)?;
    // Once more, within the transaction: another process may have been faster.
    let version = schema_version(&transaction)?;
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration).map_err(explain)?;
    }
    let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", MIGRATIONS.len());
    transaction.execute_batch(&stamp).map_err(explain)?;
    transaction.commit().map_err(explain)
}

fn not_ours(found: &str) -> Error {
    let message = format!("expected a file of a local provider, or none; this one is {found}, and was left as it is");
    Error::invalid("path", message)
}

fn newer(version: i32) -> Error {
    let known = MIGRATIONS.len();
    Error::unsupported(format!(
        "the file has version {version}, and this release knows {known}; it was left as it is, use a newer release"
    ))
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
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

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;

    use opsorch::{ManualClock, Ticket};

    use super::super::{Database, Edit};
    use super::*;

    #[tokio::test]
    async fn a_file_that_was_taken_away_is_not_written_to() {
        for name in [NAME, "local.db-wal", "local.db-shm"] {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::open(folder.path().to_owned(), Arc::new(ManualClock::default())).await.unwrap();
            let add = |edit: &Edit<'_>| edit.add(|id| Ticket::new(id, "disk full", "todo"));
            database.write(add).await.unwrap();
            let (path, away) = (folder.path().join(name), folder.path().join("away"));
            fs::rename(&path, &away).unwrap();
            for replace in [false, true] {
                if replace {
                    fs::write(&path, b"").unwrap();
                }
                let error = database.write(add).await.unwrap_err();
                assert_eq!(*error.kind(), ErrorKind::Unavailable, "{name}: {error}");
                assert!(!error.may_have_applied() && error.message().contains("moved"), "{name}: {error}");
            }
            fs::rename(&away, &path).unwrap();
            assert_eq!(database.write(add).await.unwrap(), "TCK-2", "{name}");
        }
    }

    #[tokio::test]
    async fn closing_tidies_up_and_deletes_nothing_of_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Database::open(folder.path().to_owned(), Arc::new(ManualClock::default()));
        let add = |edit: &Edit<'_>| edit.add(|id| Ticket::new(id, "disk full", "todo"));
        let log = folder.path().join("local.db-wal");
        let database = open().await.unwrap();
        database.write(add).await.unwrap();
        fs::remove_file(&log).unwrap();
        drop(database);
        let database = open().await.unwrap();
        assert_eq!(database.write(add).await.unwrap(), "TCK-2", "what was written before was saved");
        fs::remove_file(&log).unwrap();
        fs::write(&log, b"what another process wrote").unwrap();
        drop(database);
        assert_eq!(fs::read(&log).unwrap(), b"what another process wrote");
    }
}
