//! Keys on disk: a text that is private, and that is whole or not there.

use std::borrow::Cow;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind as Io, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{GateKeys, SealKey};
use crate::audit::{SigningKey, VerifierKey};
use crate::secret::Secret;
use crate::{Error, ErrorKind, Result};

const HEADER: &str = "opsorch gate keys 1";
const WARNING: &str = "# Whoever reads this file can forge approvals and rewrite the audit log.";

/// The largest key file: room for some 400 rotations.
const MAX_BYTES: usize = 64 * 1024;

/// Reads the keys of a file; `None` if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<GateKeys>> {
    let unreadable = |error| unavailable(path, "the key file cannot be read", error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == Io::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    // Of the file that is open, so that nobody can put another in its place between the check and the reading.
    check_private(path, &file.metadata().map_err(unreadable)?)?;
    // The buffer never grows, because growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 2));
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        return Err(invalid(path, "the key file is larger than 64 KiB; is it the right one?"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid(path, "the key file is not UTF-8"))?;
    parse(text).map(Some).map_err(|error| error.with_context("path", path.display()))
}

/// Makes the file, unless somebody else was faster; returns the keys that are in it then.
pub(super) fn create(path: &Path, keys: &GateKeys) -> Result<GateKeys> {
    let failed = |error| unavailable(path, "the key file cannot be made", error);
    let draft = Draft::write(path, keys)?;
    // A link, unlike a rename, never replaces what is there.
    match fs::hard_link(&draft.0, path) {
        Ok(()) => {}
        Err(error) if error.kind() == Io::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    sync_directory(path).map_err(failed)?;
    read(path)?.ok_or_else(|| failed(io::Error::new(Io::NotFound, "it was removed at once, or is a link to nothing")))
}

/// Writes the file in place of what is there.
pub(super) fn replace(path: &Path, keys: &GateKeys) -> Result<()> {
    let draft = Draft::write(path, keys)?;
    fs::rename(&draft.0, path)
        .and_then(|()| sync_directory(path))
        .map_err(|error| unavailable(path, "the key file cannot be replaced", error))
}

/// An error about what a key file holds.
pub(super) fn invalid(path: &Path, message: impl Into<Cow<'static, str>>) -> Error {
    Error::invalid("keys", message).with_context("path", path.display())
}

fn unavailable(path: &Path, message: &'static str, error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{message}: {error}"))
        .with_context("path", path.display())
        .with_source(error)
}

/// A complete key file beside its place, which is removed when this is dropped.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path, keys: &GateKeys) -> Result<Self> {
        let text = write(path, keys)?;
        let name = path.file_name().ok_or_else(|| invalid(path, "expected the path of a key file"))?;
        let draft = format!(".{}.{}.tmp", name.to_string_lossy(), uuid::Uuid::now_v7().simple());
        let draft = Self(path.with_file_name(draft));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        only_for_the_owner(&mut options);
        let written = options.open(&draft.0).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| unavailable(path, "the key file cannot be written", error))?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename it is not there; and there is nobody to tell of a failure that harms nothing.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
fn only_for_the_owner(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn only_for_the_owner(_: &mut OpenOptions) {}

#[cfg(unix)]
fn check_private(path: &Path, metadata: &Metadata) -> Result<()> {
    let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = format!(
        "expected a key file that its owner alone can read and write (mode 0600), got mode {mode:04o}; \
         if nobody else has read it, `chmod 600` it, else make new keys"
    );
    Err(invalid(path, message))
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &Metadata) -> Result<()> {
    Ok(())
}

/// Makes the name of a file durable, where directories can be synced.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn write(path: &Path, keys: &GateKeys) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES));
    let mut line = |parts: &[&str]| {
        // The text never grows beyond its capacity, because growing would leave copies behind.
        let fits = text.len() + parts.iter().map(|part| part.len()).sum::<usize>() < MAX_BYTES;
        if fits {
            text.extend(parts.iter().copied().chain(["\n"]));
            return Ok(());
        }
        Err(invalid(path, "the key file would be larger than 64 KiB; leave out the oldest of the former keys"))
    };
    line(&[HEADER])?;
    line(&[WARNING])?;
    line(&["log ", keys.log.to_secret().expose()])?;
    line(&["seal ", &keys.seal.to_base64()])?;
    for key in &keys.former_logs {
        line(&["former-log ", &key.to_string()])?;
    }
    for key in &keys.former_seals {
        line(&["former-seal ", &key.to_base64()])?;
    }
    Ok(text)
}

/// What was read so far.
#[derive(Default)]
struct Lines {
    log: Option<SigningKey>,
    seal: Option<SealKey>,
    former_logs: Vec<VerifierKey>,
    former_seals: Vec<SealKey>,
}

/// Reads a key file. An error names the line and does not show it.
fn parse(text: &str) -> Result<GateKeys> {
    let mut numbered = text.lines().map(str::trim_end).zip(1..);
    if numbered.next().is_none_or(|(header, _)| header != HEADER) {
        return Err(Error::invalid("keys", format!("expected `{HEADER}` in the first line of a key file")));
    }
    let mut lines = Lines::default();
    for (line, number) in numbered.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        lines
            .read(line)
            .map_err(|error| Error::invalid("keys", format!("line {number} of the key file: {}", error.message())))?;
    }
    let missing = |word| move || Error::invalid("keys", format!("the key file has no line `{word}`"));
    let log = lines.log.ok_or_else(missing("log"))?;
    let mut keys = GateKeys::with(log, lines.seal.ok_or_else(missing("seal"))?);
    for key in lines.former_logs {
        keys = keys.former_log(key)?;
    }
    keys.former_seals = lines.former_seals;
    Ok(keys)
}

impl Lines {
    fn read(&mut self, line: &str) -> Result<()> {
        let twice = |word| Error::invalid("keys", format!("expected `{word}` once"));
        match line.split_once(' ') {
            Some(("log", _)) if self.log.is_some() => return Err(twice("log")),
            Some(("seal", _)) if self.seal.is_some() => return Err(twice("seal")),
            Some(("log", key)) => self.log = Some(SigningKey::from_secret(&Secret::new(key))?),
            Some(("seal", key)) => self.seal = Some(SealKey::from_base64(key)?),
            Some(("former-log", key)) => self.former_logs.push(key.parse()?),
            Some(("former-seal", key)) => self.former_seals.push(SealKey::from_base64(key)?),
            _ => {
                let message = "expected `log`, `seal`, `former-log` or `former-seal`, a space and a key";
                return Err(Error::invalid("keys", message));
            }
        }
        Ok(())
    }
}
