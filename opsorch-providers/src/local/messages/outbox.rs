//! The outbox: a file to which every message is appended as a line of JSON, to be followed by people and programs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind as IoErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use opsorch::{Block, Error, ErrorKind, Result, Time};
use serde::Serialize;

/// Where messages are appended. Only the writer of the database appends, so that lines do not mix.
#[derive(Clone, Debug)]
pub(super) struct Outbox(PathBuf);

/// What a line says. The names are those that log files are read by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    pub(super) time: Time,
    pub(super) message: &'a str,
    pub(super) channel: &'a str,
    pub(super) sender: &'a str,
    pub(super) id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_ref: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) edited: bool,
    #[serde(skip_serializing_if = "<[Block]>::is_empty")]
    pub(super) blocks: &'a [Block],
}

impl Outbox {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Appends a line; it is on the disk then. Of a line that cannot be written nothing stays.
    pub(super) fn append(&self, line: &Line<'_>) -> Result<()> {
        let mut text = serde_json::to_vec(line)
            .map_err(|error| Error::unexpected("the message cannot be written as JSON").with_source(error))?;
        text.push(b'\n');
        append(&self.0, &text).map_err(|error| {
            let message = format!("the message cannot be written to the outbox: {error}");
            Error::new(ErrorKind::Unavailable, message).with_context("file", self.0.display()).with_source(error)
        })
    }
}

/// Opens the file anew, so that it may be rotated.
fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    // Whoever opens a pipe waits for its reader; that must not hold up every other change.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::new(IoErrorKind::InvalidInput, "expected a regular file"));
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let length = file.metadata()?.len();
    let written = end_line(&mut file, length).and_then(|()| file.write_all(line)).and_then(|()| file.sync_data());
    if written.is_err() {
        // If this fails too, the next line begins on a line of its own all the same.
        let _ = file.set_len(length);
    }
    written
}

/// Ends a line that a crash has cut.
fn end_line(file: &mut File, length: u64) -> io::Result<()> {
    let Some(last) = length.checked_sub(1) else { return Ok(()) };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut byte)?;
    if byte == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}
