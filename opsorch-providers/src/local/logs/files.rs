//! Finds the log files, and knows each of them however they are rotated.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use opsorch::Time;

use super::halt::Halt;
use super::walk::walk;
use crate::local::open::open_file;

/// The files that are read at most.
pub(super) const MOST_FILES: usize = 1000;

/// Extensions of compressed files that cannot be read, which are left out.
const UNREADABLE: [&str; 4] = ["bz2", "xz", "zst", "zip"];

/// What tells a file from others, also after it was renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity(pub(super) u64, pub(super) u64);

/// A log file as it was found.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    /// How many bytes it has, as they are on the disk.
    pub(super) length: u64,
    pub(super) modified: Time,
    /// Whether what it has is compressed by gzip.
    pub(super) compressed: bool,
    pub(super) halt: Arc<Halt>,
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

/// Finds the files of all patterns: regular ones that can be read, each once.
pub(super) fn find(patterns: &[String], halt: &Arc<Halt>) -> Found {
    let mut found = Found::default();
    let mut files = BTreeMap::new();
    for pattern in patterns {
        let covered = walk(pattern, halt);
        found.failures.extend(covered.failures);
        for path in covered.paths {
            if extension(&path).is_some_and(|extension| UNREADABLE.contains(&extension)) {
                continue;
            }
            match LogFile::look(path.clone(), halt) {
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

impl Found {
    /// Whether the same files have the same names, and none was emptied or filled: none was rotated between the two.
    pub(super) fn has_the_files_of(&self, other: &Self) -> bool {
        self.files.len() == other.files.len()
            && self.files.iter().zip(&other.files).all(|(one, other)| {
                (one.identity, &one.path, one.length == 0) == (other.identity, &other.path, other.length == 0)
            })
    }

    /// Whether these files have the same lengths, too: none is being copied.
    pub(super) fn has_the_lengths_of(&self, other: &Self) -> bool {
        self.has_the_files_of(other)
            && self.files.iter().zip(&other.files).all(|(one, other)| one.length == other.length)
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}

impl LogFile {
    fn look(path: PathBuf, halt: &Arc<Halt>) -> io::Result<Option<Self>> {
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        Ok(Some(Self {
            identity: Identity::new(&path, &metadata),
            length: metadata.len(),
            modified: metadata.modified()?.into(),
            compressed: extension(&path) == Some("gz"),
            halt: Arc::clone(halt),
            path,
        }))
    }

    /// Opens it for one reading: a thousand open files would be more than a process may have.
    ///
    /// # Errors
    /// Beside those of the disk: `NotFound` if the path is now that of another file, and `TimedOut` if nobody waits for
    /// it any more.
    pub(super) fn open(&self) -> io::Result<File> {
        if self.halt.is_cancelled() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let file = open_file(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => io::ErrorKind::NotFound.into(),
            _ if !self.is_there() => io::ErrorKind::NotFound.into(),
            _ => error,
        })?;
        if Identity::new(&self.path, &file.metadata()?) != self.identity {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(file)
    }

    /// Whether its path is still its own.
    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|metadata| Identity::new(&self.path, &metadata) == self.identity)
    }

    /// What all files have in common to which one is rotated, as a hash: the folder, and the name without what
    /// rotation puts behind it, such as `.1`, `-20260101` or `.2.gz`.
    pub(super) fn family(&self) -> u64 {
        let path = self.path.as_os_str().as_encoded_bytes();
        let mut path = path.strip_suffix(b".gz").unwrap_or(path);
        while let [name @ .., b'0'..=b'9' | b'.' | b'-'] = path {
            path = name;
        }
        hash(path)
    }
}

impl Identity {
    #[cfg(unix)]
    fn new(_path: &Path, metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(metadata.dev(), metadata.ino())
    }

    /// Without numbers of the file system, a file is its path.
    #[cfg(not(unix))]
    fn new(path: &Path, _metadata: &Metadata) -> Self {
        Self(0, hash(path.as_os_str().as_encoded_bytes()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.0, self.1)
    }
}

/// FNV-1a: enough to see that bytes are others than before.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(path: &str) -> u64 {
        let halt = Arc::default();
        let modified = Time::UNIX_EPOCH;
        let path = path.into();
        LogFile { path, identity: Identity(1, 1), length: 0, modified, compressed: false, halt }.family()
    }

    #[test]
    fn files_that_one_is_rotated_to_have_one_family() {
        for rotated in
            ["app.log.1", "app.log.12", "app.log.2.gz", "app.log-20260101", "app.log-20260101.gz", "app.log.gz"]
        {
            assert_eq!(family(&format!("/logs/{rotated}")), family("/logs/app.log"), "{rotated}");
        }
        for other in ["/logs/app.err", "/logs/app2.log", "/other/app.log"] {
            assert_ne!(family(other), family("/logs/app.log"), "{other}");
        }
    }
}
