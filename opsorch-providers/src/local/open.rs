//! Opens files that others may exchange for something else.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a regular file to read it. Follows no link that was put there after it was looked for, and does not wait for
/// whoever writes to a pipe.
///
/// # Errors
/// Beside those of the disk: `InvalidInput` for what is no regular file.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a file, got something else"));
    }
    Ok(file)
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}
