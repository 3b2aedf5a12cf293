//! The file on the disk: read once, replaced as a whole with every change.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::gate::{Approved, canonical_json};
use opsorch::{Clock, Error, ErrorKind, Operation, Result, Time};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::document::{Change, Document};

/// The largest file that is read or written.
const LARGEST_FILE: u64 = 64 << 20;

/// The document in memory and on the disk.
///
/// A change works on a copy, which replaces the file and then the document in memory: a reader never waits for
/// the disk, and a change that fails leaves nothing behind.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// Held for a moment, to take or replace the document.
    document: Mutex<Arc<Document>>,
    /// Held, on a blocking thread, for as long as a change takes.
    writing: Mutex<Writing>,
    /// Keeps other processes out; released when the file is closed.
    _lock: File,
}

#[derive(Debug)]
struct Writing {
    /// Whether the last replacement of the file is certain to outlast a loss of power.
    folder_synced: bool,
}

/// One attempt at a change, which the store recognises when it is made again.
#[derive(Debug)]
pub(super) struct Attempt {
    key: String,
    operation: Operation,
    input: String,
}

impl Attempt {
    pub(super) fn new<A: Serialize>(operation: Operation, approved: &Approved<'_, A>) -> Result<Self> {
        let input = Sha256::digest(canonical_json(&**approved)?);
        let input = input.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { key: approved.idempotency_key().to_owned(), operation, input })
    }

    /// The id of what the change made when it was made before.
    fn made_before(&self, document: &Document) -> Result<Option<String>> {
        match document.change(&self.key) {
            None => Ok(None),
            Some(change) if change.operation == self.operation && change.input == self.input => {
                Ok(Some(change.id.clone()))
            }
            Some(change) => {
                let message = format!("the idempotency key was used for another {} before", change.operation);
                Err(Error::conflict(message).with_context("key", &self.key))
            }
        }
    }
}

impl Store {
    /// Opens the file in a folder; both are made where they are missing. Blocks.
    ///
    /// # Errors
    /// `Conflict` if another process, or another provider of this one, has it open; `Unexpected` if the file cannot
    /// be understood, in which case it is left as it is; `Unavailable` if the disk refuses.
    pub(super) fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        create_folder(folder).map_err(|error| failed("create", folder, error))?;
        let lock = lock(&folder.join("local.lock"))?;
        let document = load(&folder.join("local.json"))?;
        Ok(Self {
            folder: folder.to_owned(),
            clock,
            document: Mutex::new(Arc::new(document)),
            writing: Mutex::new(Writing { folder_synced: true }),
            _lock: lock,
        })
    }

    /// The document as it is now.
    pub(super) fn document(&self) -> Arc<Document> {
        Arc::clone(&self.document.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a change unless it was made before, and returns the document with the id of what was made or changed.
    /// It is on the disk then. Once begun, it is finished even if the caller stops waiting.
    ///
    /// # Errors
    /// Those of `work`; `Conflict` if the file would be too large; `Unavailable` if the disk refuses.
    pub(super) async fn change(
        self: &Arc<Self>,
        attempt: Attempt,
        work: impl FnOnce(&mut Document, Time) -> Result<String> + Send + 'static,
    ) -> Result<(Arc<Document>, String)> {
        let store = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || store.change_now(attempt, work));
        task.await.map_err(|error| Error::unexpected("the change was interrupted").with_source(error))?
    }

    fn change_now(
        &self,
        attempt: Attempt,
        work: impl FnOnce(&mut Document, Time) -> Result<String>,
    ) -> Result<(Arc<Document>, String)> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.document();
        if let Some(id) = attempt.made_before(&before)? {
            self.sync_folder(&mut writing)?;
            return Ok((before, id));
        }
        let mut document = Document::clone(&before);
        let id = work(&mut document, self.clock.now())?;
        let Attempt { key, operation, input } = attempt;
        document.remember(Change { key, operation, input, id: id.clone() });
        self.replace_file(&document)?;
        // The file is the new one from here on, so the memory must be too, whatever happens next.
        let document = Arc::new(document);
        *self.document.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&document);
        writing.folder_synced = false;
        self.sync_folder(&mut writing)?;
        Ok((document, id))
    }

    /// Writes the document beside the file and puts it in its place. If this fails, the file is as it was.
    fn replace_file(&self, document: &Document) -> Result<()> {
        let text = serde_json::to_vec(document).map_err(|error| {
            Error::unexpected("the change cannot be written as JSON").with_source(error).not_applied()
        })?;
        if u64::try_from(text.len()).is_ok_and(|length| length > LARGEST_FILE) {
            let message = format!("the change would make the file larger than {LARGEST_FILE} bytes");
            return Err(Error::conflict(message).with_context("file", self.folder.join("local.json").display()));
        }
        let (temporary, file) = (self.folder.join("local.json.tmp"), self.folder.join("local.json"));
        write_durably(&temporary, &text).and_then(|()| fs::rename(&temporary, &file)).map_err(|error| {
            // The next change removes what is left, if it cannot be removed now.
            let _ = fs::remove_file(&temporary);
            failed("write", &file, error).not_applied()
        })
    }

    /// Makes sure that the file's new name outlasts a loss of power.
    fn sync_folder(&self, writing: &mut Writing) -> Result<()> {
        if !writing.folder_synced && cfg!(unix) {
            let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
            synced.map_err(|error| failed("sync", &self.folder, error))?;
        }
        writing.folder_synced = true;
        Ok(())
    }
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn lock(path: &Path) -> Result<File> {
    let file = private(OpenOptions::new().write(true).create(true)).open(path);
    let file = file.map_err(|error| failed("open", path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = "another process, or another provider of this one, has this folder open; give each its own";
            Err(Error::conflict(message).with_context("file", path.display()))
        }
        Err(TryLockError::Error(error)) => Err(failed("lock", path, error)),
    }
}

fn load(path: &Path) -> Result<Document> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Document::new()),
        Err(error) => return Err(failed("open", path, error)),
    };
    let mut text = Vec::new();
    let length = file.take(LARGEST_FILE + 1).read_to_end(&mut text).map_err(|error| failed("read", path, error))?;
    let document = match u64::try_from(length) {
        Ok(length) if length <= LARGEST_FILE => Document::parse(&text),
        _ => Err(format!("it is larger than {LARGEST_FILE} bytes")),
    };
    document.map_err(|reason| {
        let message = format!("the file cannot be used and was left as it is: {reason}");
        Error::unexpected(message).with_context("file", path.display())
    })
}

fn write_durably(path: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Lets nobody but the owner read a file that is created.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("could not {what} it: {}", error.kind());
    Error::new(ErrorKind::Unavailable, message).with_context("file", path.display()).with_source(error)
}
