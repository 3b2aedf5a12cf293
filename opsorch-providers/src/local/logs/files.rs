//! Finds the log files, and reads them however they are rotated meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opsorch::Time;

use super::backward::ReadAt;
use super::walk::walk;

/// The files that are read at most.
pub(super) const MOST_FILES: usize = 1000;

/// Extensions of compressed files, which are left out.
const COMPRESSED: [&str; 5] = ["gz", "bz2", "xz", "zst", "zip"];

/// What tells a file from others, also after it was renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity(pub(super) u64, pub(super) u64);

/// A log file as it was found.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) length: u64,
    pub(super) modified: Time,
    pub(super) cancelled: Arc<AtomicBool>,
}

/// The log files that were found, by path.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<LogFile>,
    /// Whether there are more than are read.
    pub(super) more: bool,
    /// What could not be looked at, and why.
    pub(super) failures: Vec<(PathBuf, io::Error)>,
}

/// Finds the files of all patterns: regular ones that are not compressed, each once.
pub(super) fn find(patterns: &[String], cancelled: &Arc<AtomicBool>) -> Found {
    let mut found = Found::default();
    let mut files = BTreeMap::new();
    for pattern in patterns {
        let covered = walk(pattern, cancelled);
        found.failures.extend(covered.failures);
        for path in covered.paths {
            if path.extension().and_then(|it| it.to_str()).is_some_and(|extension| COMPRESSED.contains(&extension)) {
                continue;
            }
            match LogFile::look(path.clone(), cancelled) {
                Ok(Some(file)) => drop(files.entry(file.identity).or_insert(file)),
                // It is no file any more, or it went away since it was listed.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => found.failures.push((path, error)),
            }
        }
    }
    found.files = files.into_values().collect();
    found.more = found.files.len() > MOST_FILES;
    found.files.sort_by_key(|file| std::cmp::Reverse(file.modified));
    found.files.truncate(MOST_FILES);
    found.files.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

impl LogFile {
    fn look(path: PathBuf, cancelled: &Arc<AtomicBool>) -> io::Result<Option<Self>> {
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        Ok(Some(Self {
            identity: Identity::new(&path, &metadata),
            length: metadata.len(),
            modified: metadata.modified()?.into(),
            cancelled: Arc::clone(cancelled),
            path,
        }))
    }
}

impl Identity {
    #[cfg(unix)]
    fn new(_path: &std::path::Path, metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    /// Without numbers of the file system, a file is its path.
    #[cfg(not(unix))]
    fn new(path: &std::path::Path, _metadata: &Metadata) -> Self {
        Self(0, hash(path.as_os_str().as_encoded_bytes()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.0, self.1)
    }
}

/// Reading opens the file each time: a thousand open files would be more than a process may have.
impl ReadAt for LogFile {
    /// # Errors
    /// Beside those of the disk: `NotFound` or `UnexpectedEof` if the file is no longer what was found, and
    /// `Interrupted` if nobody waits for it any more.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut file = File::open(&self.path)?;
        if Identity::new(&self.path, &file.metadata()?) != self.identity {
            return Err(io::ErrorKind::NotFound.into());
        }
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }
}

/// FNV-1a: enough to see that bytes are others than before.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
