//! When a file has to be read again.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// A file that changed less long ago may change once more without another time: the times of filesystems are coarse,
/// some by two seconds.
const SETTLES: Duration = Duration::from_secs(3);

/// What changes when a file is written or another one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    /// Device, inode and the time at which the inode changed, where there are inodes.
    inode: [i128; 4],
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), size: metadata.len(), inode: inode(metadata) }
    }

    /// How large the file was, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the file cannot change from now on without another stamp. The time is that of the system, which files
    /// have theirs from.
    pub(super) fn is_settled(&self) -> bool {
        let age = self.modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
        age.is_some_and(|age| age > SETTLES)
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> [i128; 4] {
    use std::os::unix::fs::MetadataExt;
    [metadata.dev().into(), metadata.ino().into(), metadata.ctime().into(), metadata.ctime_nsec().into()]
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> [i128; 4] {
    [0; 4]
}
