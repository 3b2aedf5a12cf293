//! Files that hold secrets: private, locked while they are changed, and old or new but never half written.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as Io, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Result};

/// How long one who wants to write waits for another.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often it looks whether the other is done.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Runs what reads or writes files where it holds up nobody. It goes on to its end although the caller may not wait for it.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::unexpected("the work on a file of secrets did not end").with_source(error))?
}

/// Reads a file of at most so many bytes; `None` where there is none. `check` sees what was opened before it is read, so that
/// nobody can put another file in its place between the two.
pub(super) fn read(
    path: &Path,
    limit: usize,
    check: impl FnOnce(&Metadata) -> Result<()>,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let unreadable = |error| unavailable(path, "the file of secrets cannot be read", error);
    let open = |metadata: Metadata| if metadata.is_file() { File::open(path).map(Some) } else { Ok(None) };
    let file = match fs::metadata(path).and_then(open) {
        Ok(Some(file)) => file,
        // A pipe, say: nobody waits for its other end.
        Ok(None) => return Err(invalid(path, "expected a file")),
        Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(invalid(path, "expected a file"));
    }
    check(&metadata)?;
    // The buffer never grows, because growing would leave copies behind.
    let room = usize::try_from(metadata.len()).unwrap_or(limit).min(limit) + 2;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(room as u64 - 1).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() {
        length if length > limit => {
            Err(invalid(path, format!("the file is larger than {limit} bytes; is it the right one?")))
        }
        length if length == room - 1 => {
            Err(unavailable(path, "the file of secrets grew while it was read", Io::Interrupted.into()))
        }
        _ => Ok(Some(bytes)),
    }
}

/// Refuses a file that anybody but its owner can read or write.
pub(super) fn private(path: &Path) -> impl FnOnce(&Metadata) -> Result<()> + '_ {
    move |metadata| match mode_of_others(metadata) {
        None => Ok(()),
        Some(mode) => {
            let message = format!(
                "expected a file that its owner alone can read and write (mode 0600), got mode {mode:04o}; if nobody else \
                 has read it, `chmod 600` it, else change the secrets"
            );
            Err(invalid(path, message))
        }
    }
}

/// The mode of a file that others than its owner can read or write.
#[cfg(unix)]
pub(super) fn mode_of_others(metadata: &Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Such a mode is known on unix only.
#[cfg(not(unix))]
pub(super) fn mode_of_others(_: &Metadata) -> Option<u32> {
    None
}

/// The right to change a file, among all processes that ask for it in this way. It ends when this is dropped, and when the
/// process dies.
pub(super) struct Locked {
    /// The file itself, where the path is a link to it.
    path: PathBuf,
    _lock: File,
}

impl Locked {
    /// Waits for the lock, which is on a file of its own beside the path: the file itself is replaced by every change.
    pub(super) fn wait(path: &Path) -> Result<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = beside(&path, "lock")?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        only_for_the_owner(&mut options);
        let failed = |error| unavailable(&lock, "the lock of a file of secrets cannot be taken", error);
        let file = options.open(&lock).map_err(failed)?;
        let until = Instant::now() + LONGEST_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { path, _lock: file }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(LOOK_AGAIN),
                Err(TryLockError::WouldBlock) => {
                    let message = format!("another process has held it for {} s", LONGEST_WAIT.as_secs());
                    return Err(failed(io::Error::new(Io::WouldBlock, message)));
                }
            }
        }
    }

    /// Puts another content in place of what is there. Whoever reads, and whatever dies, there is the old or the new one.
    pub(super) fn replace(&self, bytes: &[u8]) -> Result<()> {
        let draft = Draft(beside(&self.path, "tmp")?);
        let failed = |error| unavailable(&self.path, "the file of secrets cannot be written", error);
        // What a process that died left there; nobody else writes it now.
        let _ = fs::remove_file(&draft.0);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        only_for_the_owner(&mut options);
        let mut file = options.open(&draft.0).map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        drop(file);
        fs::rename(&draft.0, &self.path).and_then(|()| sync_directory(&self.path)).map_err(failed)
    }

    /// Removes the file; false where there is none.
    pub(super) fn remove(&self) -> Result<bool> {
        match fs::remove_file(&self.path).and_then(|()| sync_directory(&self.path)) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => Ok(false),
            Err(error) => Err(unavailable(&self.path, "the file of a secret cannot be removed", error)),
        }
    }
}

/// A file on its way to its place, which is removed when this is dropped. After a rename it is not there any more.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The hidden file `.NAME.WHAT` in the folder of a file.
fn beside(path: &Path, what: &str) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| invalid(path, "expected the path of a file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{what}"));
    Ok(path.with_file_name(hidden))
}

#[cfg(unix)]
fn only_for_the_owner(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn only_for_the_owner(_: &mut OpenOptions) {}

/// Makes the name of a file durable, where directories can be synced.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// An error about what a file of secrets is or holds.
pub(super) fn invalid(path: &Path, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::invalid("secrets", message).with_context("path", path.display())
}

pub(super) fn unavailable(path: &Path, message: &'static str, error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{message}: {error}"))
        .with_context("path", path.display())
        .with_source(error)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_writes_to_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        for path in [path.as_path(), folder.path()] {
            let error = read(path, 1024, private(path)).unwrap_err().to_string();
            assert!(error.contains("expected a file"), "{error}");
        }
    }
}
