//! Heads of the log in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::Anchor;
use crate::audit::{Checkpoint, note};
use crate::{Error, ErrorKind, Result};

/// The largest file that is read back whole: more than a million heads.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// How much of the end is read to find the newest head: room for two of the largest size.
const TAIL_BYTES: u64 = 2 * note::MAX_NOTE_BYTES as u64 + 16;

/// What ends a head: empty lines, which a head does not have two of.
const END: &str = "\n\n";

/// What goes before a head if a crash cut off what was written last, so that the two are not read as one.
const CUT_SHORT: &str = "\n(cut short)\n\n\n";

/// Keeps heads of the log in a file, which belongs on another machine or medium than the store.
///
/// The file is only ever appended to, so it may be one that allows nothing else (`chattr +a`). It is text: the heads as
/// signed notes, with empty lines between them, about 200 bytes each. Several processes can share it.
///
/// ```
/// use opsorch::audit::{FileAnchor, verify};
/// use opsorch::{Actor, Context, CreateTicket, OpsOrch};
/// use opsorch_testkit::MemoryProvider;
///
/// # let directory = tempfile::tempdir()?;
/// # let elsewhere = directory.path().join("anchors");
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let ops = OpsOrch::builder()
///     .provider(MemoryProvider::new(opsorch::SystemClock).provider("tracker"))
///     .anchor(FileAnchor::open(&elsewhere)?.every(10)) // at least every tenth entry
///     .build()
///     .await?;
/// for _ in 0..15 {
///     let cx = Context::new(Actor::agent("triage"));
///     assert!(ops.tickets(&cx).create(CreateTicket::new("disk full")).await.is_err(), "there is no policy");
/// }
/// ops.idle().await;
///
/// let anchors = FileAnchor::read(&elsewhere)?;
/// assert!(verify(&ops.audit().bundle().await?, ops.audit().verifier_keys(), &anchors).is_intact());
/// # assert!(!anchors.is_empty());
/// # Ok::<(), opsorch::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileAnchor {
    path: PathBuf,
    every: u64,
    newest: Arc<Mutex<Newest>>,
}

/// What was kept last.
#[derive(Debug, Default)]
struct Newest {
    size: u64,
    signed: Option<String>,
}

impl FileAnchor {
    /// An anchor in this file, which is made if it is not there, and went on from if it is. It reads the file's end without
    /// yielding.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the file can be neither read nor made.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let signed = newest_in(&path).map_err(|error| unavailable(&path, error))?;
        // Its signature is checked at the start of the control plane, which has the keys.
        let size = signed.as_deref().and_then(size_of).unwrap_or_default();
        Ok(Self { path, every: 1, newest: Arc::new(Mutex::new(Newest { size, signed })) })
    }

    /// Keeps a head only if it has so many entries more than the one that was kept last. The last entries before a pause are
    /// then not anchored until there are more; 1, the default, leaves none out.
    pub fn every(mut self, entries: u64) -> Self {
        self.every = entries.max(1);
        self
    }

    /// The heads of a file, to [`verify`](crate::audit::verify()) a bundle with. What a crash cut short is left out.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if it cannot be read, [`Invalid`](crate::ErrorKind::Invalid) if it is
    /// larger than 256 MiB.
    pub fn read(path: impl AsRef<Path>) -> Result<Vec<String>> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        let file = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        file.map_err(|error| unavailable(path, error))?;
        if bytes.len() as u64 > MAX_BYTES {
            let message = "expected at most 256 MiB of heads; split the file at empty lines";
            return Err(Error::invalid("anchors", message).with_context("path", path.display()));
        }
        // Bytes that are no UTF-8 were damaged; the verification says so.
        Ok(heads(&String::from_utf8_lossy(&bytes)))
    }

    /// Appends a head, unless one that is near enough was kept.
    fn append(&self, size: u64, signed: &str) -> io::Result<()> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_due(size, newest.size) {
            return Ok(());
        }
        // Opened anew, and not made anew: a file that was moved away is a failure, not an anchor that begins again.
        let mut file = OpenOptions::new().read(true).append(true).open(&self.path)?;
        // Else what another process is about to finish would look cut short.
        file.lock()?;
        let begin = if ends_whole(&mut file)? { "" } else { CUT_SHORT };
        file.write_all(format!("{begin}{signed}{END}").as_bytes())?;
        file.sync_data()?;
        *newest = Newest { size, signed: Some(signed.to_owned()) };
        Ok(())
    }

    fn is_due(&self, size: u64, kept: u64) -> bool {
        size.checked_sub(kept).is_some_and(|more| more >= self.every)
    }
}

#[async_trait]
impl Anchor for FileAnchor {
    async fn keep(&self, head: &Checkpoint, signed: &str) -> Result<()> {
        let (this, size, signed) = (self.clone(), head.size(), signed.to_owned());
        let appended = tokio::task::spawn_blocking(move || this.append(size, &signed)).await;
        appended
            .map_err(|error| Error::unexpected("writing to the anchor failed").with_source(error))?
            .map_err(|error| unavailable(&self.path, error))
    }

    async fn newest(&self) -> Result<Option<String>> {
        Ok(self.newest.lock().unwrap_or_else(PoisonError::into_inner).signed.clone())
    }
}

/// The newest head in a file, which is made if it is not there.
fn newest_in(path: &Path) -> io::Result<Option<String>> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    file.sync_all()?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(heads(&String::from_utf8_lossy(&bytes)).pop())
}

/// Whether a file is empty or ends with a whole head.
fn ends_whole(file: &mut File) -> io::Result<bool> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = [0; 3];
    file.seek(SeekFrom::Start(length.saturating_sub(end.len() as u64)))?;
    Ok(length == 0 || (file.read_exact(&mut end).is_ok() && end == *b"\n\n\n"))
}

/// The whole heads of a text. An empty line after its signatures ends one; where two come together before that, what is
/// before them was cut short.
fn heads(text: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut head = String::new();
    for line in text.split_inclusive('\n') {
        match line {
            "\n" if is_signed(&head) => heads.push(std::mem::take(&mut head)),
            "\n" if head.is_empty() || head.ends_with("\n\n") => head.clear(),
            _ => head.push_str(line),
        }
    }
    heads.extend(Some(head).filter(|head| is_signed(head)));
    heads
}

/// Whether a text ends with a signature line.
fn is_signed(text: &str) -> bool {
    let last = text.strip_suffix('\n').and_then(|text| text.rsplit('\n').next());
    last.is_some_and(|line| line.starts_with("— "))
}

/// How many entries a head covers, by its own word.
fn size_of(signed: &str) -> Option<u64> {
    signed.lines().nth(1)?.parse().ok()
}

fn unavailable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the anchor file cannot be used: {error}"))
        .with_context("path", path.display())
        .with_source(error)
}
