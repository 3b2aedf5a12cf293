//! One process of a plugin: reading, writing, and its end.

use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::time::timeout;
use zeroize::Zeroize as _;

use super::child::Child;
use super::frames::Frames;
use super::stderr::Logging;
use crate::{Error, ErrorKind, Result};

/// How long a plugin has to end by itself, and then once more after it was asked to.
const STOP: Duration = Duration::from_secs(1);

/// How long is waited for what an ended process left in its pipes, if something else holds them open.
const REST: Duration = Duration::from_millis(100);

/// A process, and what was read of it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) frames: Frames,
    pub(super) speaks: Speaks,
    /// What is written holds secrets: no copy of it stays here.
    pub(super) wipes: bool,
    pub(super) logging: Option<Logging>,
}

/// How to talk to a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Speaks {
    /// Protocol 2, with so many calls at once.
    Rpc(usize),
    Line,
}

/// What a process did.
#[derive(Debug)]
pub(super) enum Event {
    /// It wrote something, which was read; or it closed its standard output.
    Read(Result<()>),
    /// It takes something.
    Writable,
    /// How it ended.
    Ended(String),
}

impl Running {
    /// Waits until the process wrote something, reads something, where that is asked for, or ended.
    pub(super) async fn event(&mut self, has_output: bool) -> Event {
        let Child { stdin, stdout, exit, .. } = &mut self.child;
        tokio::select! {
            biased;
            read = read(&mut self.frames, stdout) => Event::Read(read),
            status = exit.wait() => Event::Ended(status.to_owned()),
            () = writable(stdin.as_ref()), if has_output => Event::Writable,
        }
    }

    /// Reads what an ended process left behind; `false` at the end of it.
    pub(super) async fn read_rest(&mut self) -> bool {
        timeout(REST, read(&mut self.frames, &mut self.child.stdout)).await.is_ok_and(|read| read.is_ok())
    }

    /// Why the stream ended: because the process did, most of the time.
    pub(super) async fn why(&mut self, error: Error) -> Error {
        match timeout(REST, self.child.exit.wait()).await {
            Ok(status) => ended(status),
            Err(_) => error,
        }
    }

    /// Writes what the pipe takes, and forgets it. What cannot be written is forgotten too: then the process is about to be
    /// seen to have ended.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        let mut written = 0;
        while let Some(rest) = out.get(written..).filter(|rest| !rest.is_empty()) {
            let Some(stdin) = &self.child.stdin else { return out.zeroize() };
            match stdin.try_write(rest) {
                Ok(count) => written += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => self.child.stdin = None,
            }
        }
        if let Some(sent) = out.get_mut(..written).filter(|_| self.wipes) {
            sent.zeroize();
        }
        out.drain(..written);
    }

    /// Ends the process in peace.
    pub(super) async fn stop(mut self) {
        if let Speaks::Rpc(_) = self.speaks {
            self.write(&mut b"{\"jsonrpc\":\"2.0\",\"method\":\"shutdown\"}\n".to_vec());
        }
        self.child.stdin = None;
        if timeout(STOP, self.child.exit.wait()).await.is_err() {
            self.child.terminate();
            let _ = timeout(STOP, self.child.exit.wait()).await;
        }
        self.bury().await;
    }

    /// Sees to it that nothing of the process is left, and that its last words are logged.
    pub(super) async fn bury(mut self) {
        self.child.kill();
        // A process that the system cannot end now is left to it.
        let _ = timeout(STOP, self.child.exit.wait()).await;
        if let Some(logging) = &mut self.logging {
            logging.finish(REST).await;
        }
    }
}

/// Waits until something can be read, and reads it.
///
/// # Errors
/// At the end of the stream.
async fn read(frames: &mut Frames, stdout: &mut pipe::Receiver) -> Result<()> {
    match frames.read(stdout).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(lost("it closed its standard output")),
        Err(error) => Err(lost(&format!("its standard output cannot be read: {error}"))),
    }
}

/// Waits until the process reads; for ever, if it does not.
async fn writable(stdin: Option<&pipe::Sender>) {
    match stdin {
        Some(stdin) => drop(stdin.writable().await),
        None => std::future::pending().await,
    }
}

pub(super) fn too_long() -> Error {
    Error::unexpected("the plugin sent a frame of more than 8 MiB")
}

/// The error of a call whose process is gone.
pub(super) fn lost(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the plugin was lost during this call: {why}"))
}

/// The error of a call whose process ended.
pub(super) fn ended(status: &str) -> Error {
    lost(&format!("it ended ({status})"))
}
