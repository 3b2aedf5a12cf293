//! The file, and when it has to be read again.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::{Error, ErrorKind, Result};

use super::contents::Contents;
use crate::local::stamp::Stamp;

/// The largest file, in bytes.
const LARGEST: u64 = 1 << 20;

/// The file of a catalog.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    read: Mutex<Option<Reading>>,
}

/// What was read, and of which file.
#[derive(Debug)]
struct Reading {
    stamp: Stamp,
    /// Whether the file was settled when it was read.
    settled: bool,
    contents: Arc<Contents>,
}

impl Source {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::new(None) }
    }

    /// What the file says now. It blocks: it looks at the file, and reads it where it may have changed.
    pub(super) fn contents(&self) -> Result<Arc<Contents>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata = fs::metadata(&self.path).map_err(|error| self.unreadable(error))?;
        let known = read.as_ref().filter(|read| read.settled && read.stamp == Stamp::of(&metadata));
        if let Some(known) = known {
            return Ok(Arc::clone(&known.contents));
        }
        // Opening something else, such as a pipe, may wait for ever.
        if !metadata.is_file() {
            return Err(self.wrong("expected a file with the catalog, got something else"));
        }
        let (stamp, settled, text) = self.text()?;
        let contents = Arc::new(Contents::parse(&text).map_err(|problem| self.wrong(problem))?);
        *read = Some(Reading { stamp, settled, contents: Arc::clone(&contents) });
        Ok(contents)
    }

    fn text(&self) -> Result<(Stamp, bool, String)> {
        let file = File::open(&self.path).map_err(|error| self.unreadable(error))?;
        let stamp = Stamp::of(&file.metadata().map_err(|error| self.unreadable(error))?);
        let settled = stamp.is_settled();
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| self.unreadable(error))?;
        if bytes.len() as u64 > LARGEST {
            return Err(self.wrong("expected a catalog of at most 1 MiB, got a larger file"));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.wrong("expected a catalog in UTF-8"))?;
        Ok((stamp, settled, text))
    }

    fn unreadable(&self, error: io::Error) -> Error {
        let message = format!("could not read the catalog: {}", error.kind());
        Error::new(ErrorKind::Unavailable, message).with_context("file", self.path.display()).with_source(error)
    }

    fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::unexpected(problem.into()).with_context("file", self.path.display())
    }
}
