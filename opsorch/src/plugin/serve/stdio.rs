//! This process's standard input and output, taken away from everything else in it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use bytes::Bytes;
use tokio::net::unix::pipe::{Receiver, Sender};

use super::super::frames::Frames;
use crate::{Error, ErrorKind, Result};

/// The pipes to the host.
#[derive(Debug)]
pub(super) struct Stdio {
    input: Receiver,
    output: Sender,
    frames: Frames,
    out: Vec<u8>,
    ended: bool,
}

impl Stdio {
    /// Takes them: from now on standard input is empty, and what is printed to standard output goes to standard error.
    pub(super) fn take() -> Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned().map_err(broken)?;
        let output = io::stdout().as_fd().try_clone_to_owned().map_err(broken)?;
        let by_hand = |_| {
            let message = "this program is a plugin: a host starts it and speaks with it over pipes; standard input and \
                           output are none";
            Error::unsupported(message)
        };
        let input = Receiver::from_owned_fd(input).map_err(by_hand)?;
        let output = Sender::from_owned_fd(output).map_err(by_hand)?;
        let nothing = File::open("/dev/null").map_err(broken)?;
        rustix::stdio::dup2_stdin(nothing).map_err(|error| broken(error.into()))?;
        rustix::stdio::dup2_stdout(io::stderr()).map_err(|error| broken(error.into()))?;
        Ok(Self { input, output, frames: Frames::default(), out: Vec::new(), ended: false })
    }

    /// The next line; `None` at the end.
    pub(super) async fn line(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(line) = self.next_line()? {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            self.ended = !self.frames.read(&mut self.input).await.map_err(broken)?;
        }
    }

    /// A line that was read already.
    pub(super) fn next_line(&mut self) -> Result<Option<Bytes>> {
        self.frames.line().map_err(|_| Error::unexpected("the host sent a frame of more than 8 MiB"))
    }

    /// Whether the input ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Adds a line to what is to be written.
    pub(super) fn push(&mut self, line: &str) {
        self.push_bytes(line.as_bytes());
    }

    /// Adds a line to what is to be written.
    pub(super) fn push_bytes(&mut self, line: &[u8]) {
        self.out.extend_from_slice(line);
        self.out.push(b'\n');
    }

    /// How much is to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.out.len()
    }

    /// Writes what the pipe takes.
    pub(super) fn write(&mut self) -> Result<()> {
        let mut written = 0;
        while let Some(rest) = self.out.get(written..).filter(|rest| !rest.is_empty()) {
            match self.output.try_write(rest) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(error)),
            }
        }
        self.out.drain(..written);
        Ok(())
    }

    /// Waits until the pipe takes something.
    pub(super) async fn writable(&self) -> Result<()> {
        self.output.writable().await.map_err(broken)
    }

    /// Waits until something was read, where that is wanted, or can be written, where there is something to write.
    pub(super) async fn ready(&mut self, wants_input: bool) -> Result<()> {
        let has_output = !self.out.is_empty();
        let Self { input, output, frames, ended, .. } = self;
        tokio::select! {
            biased;
            read = frames.read(input), if wants_input && !*ended => {
                *ended = !read.map_err(broken)?;
                Ok(())
            }
            writable = output.writable(), if has_output => writable.map_err(broken),
            else => std::future::pending().await,
        }
    }

    /// Writes everything.
    pub(super) async fn flush(&mut self) -> Result<()> {
        loop {
            self.write()?;
            if self.out.is_empty() {
                return Ok(());
            }
            self.writable().await?;
        }
    }
}

fn broken(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the pipes to the host failed: {error}")).with_source(error)
}
