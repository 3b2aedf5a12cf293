//! Runs a plugin: starts it, finds out what it speaks, and starts it again after a crash, but not for ever.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::call::{Call, Message};
use super::child::{Child, Launch};
use super::config::{Protocol, Restart};
use super::frames::{Frames, Piece};
use super::stderr::Logging;
use super::wire::{self, FromPlugin, HostLimits, INITIALIZE_ID, Initialize, Initialized, Program};
use super::{lines, rpc};
use crate::secret::Secret;
use crate::transport::Redactor;
use crate::{Error, ErrorKind, Result};

/// How long a plugin has to say what it speaks.
const START: Duration = Duration::from_secs(10);

/// How long a plugin has to end by itself, and then once more after it was asked to.
const STOP: Duration = Duration::from_secs(1);

/// How long is waited for what an ended process left in its pipes, if something else holds them open.
const REST: Duration = Duration::from_millis(100);

/// The wait before the second start in a row, which doubles, and the longest wait.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What runs a plugin, and outlives its processes.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) name: String,
    pub(super) launch: Arc<Launch>,
    pub(super) protocol: Protocol,
    /// The plugin's configuration, as JSON.
    pub(super) config: Secret,
    pub(super) timeout: Duration,
    pub(super) restart: Restart,
    pub(super) redactor: Arc<Redactor>,
    pub(super) ids: Arc<AtomicU64>,
    pub(super) inbox: Inbox,
}

/// The calls that wait.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) messages: mpsc::UnboundedReceiver<Message>,
    pub(super) queue: VecDeque<Call>,
}

impl Inbox {
    pub(super) fn new(messages: mpsc::UnboundedReceiver<Message>) -> Self {
        Self { messages, queue: VecDeque::new() }
    }
}

/// What a plugin speaks.
#[derive(Debug)]
pub(super) enum Spoken {
    Rpc(Initialized),
    Line,
}

/// A process, and what was read of it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) frames: Frames,
    pub(super) speaks: Speaks,
    logging: Option<Logging>,
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
    Readable,
    Writable,
    /// How it ended.
    Ended(String),
}

/// Why a conversation is over.
#[derive(Debug)]
pub(super) enum End {
    /// Nobody is left who would call.
    Closed,
    /// The process is of no more use.
    Crashed(Error),
}

impl Supervisor {
    /// Starts the plugin, says what it speaks or why it does not start, and runs it until nobody is left who would call.
    pub(super) async fn run(mut self, ready: oneshot::Sender<Result<Spoken>>) {
        let mut running = match self.start().await {
            Ok((running, spoken)) => {
                self.protocol = match spoken {
                    Spoken::Rpc(_) => Protocol::Two,
                    Spoken::Line => Protocol::Legacy,
                };
                let _ = ready.send(Ok(spoken));
                running
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let mut crashes = Crashes { restart: self.restart, times: VecDeque::new(), paused: None };
        loop {
            let end = match running.speaks {
                Speaks::Rpc(most) => rpc::converse(&mut running, most, &mut self).await,
                Speaks::Line => lines::converse(&mut running, &mut self).await,
            };
            match end {
                End::Closed => return running.stop().await,
                End::Crashed(error) => {
                    let reason = error.message();
                    tracing::warn!(target: "opsorch::plugin", plugin = %self.name, reason, "a plugin's process is given up");
                    running.bury().await;
                    crashes.add(Instant::now());
                }
            }
            running = match self.revive(&mut crashes).await {
                Some(running) => running,
                None => return,
            };
        }
    }

    /// Starts the next process when somebody calls and it is time; `None` once nobody is left.
    async fn revive(&mut self, crashes: &mut Crashes) -> Option<Running> {
        loop {
            if let Some((until, error)) = crashes.pause(Instant::now()) {
                self.refuse_until(until, &error).await?;
                crashes.resume();
                continue;
            }
            self.inbox.queue.retain(|call| !call.is_given_up());
            if self.inbox.queue.is_empty() {
                match self.inbox.messages.recv().await? {
                    Message::Call(call) => self.inbox.queue.push_back(call),
                    Message::Cancel { .. } => continue,
                }
            }
            if let Some(wait) = crashes.wait() {
                tokio::time::sleep(wait).await;
            }
            match self.start().await {
                Ok((running, _)) => return Some(running),
                Err(error) => {
                    crashes.add(Instant::now());
                    self.inbox.queue.drain(..).for_each(|call| call.fail(error.clone()));
                }
            }
        }
    }

    /// Answers every call with an error, for a while.
    async fn refuse_until(&mut self, until: Instant, error: &Error) -> Option<()> {
        self.inbox.queue.drain(..).for_each(|call| call.fail(error.clone()));
        loop {
            tokio::select! {
                () = sleep_until(until) => return Some(()),
                message = self.inbox.messages.recv() => match message? {
                    Message::Call(call) => call.fail(error.clone()),
                    Message::Cancel { .. } => {}
                },
            }
        }
    }

    /// Starts a process and finds out what it speaks.
    async fn start(&self) -> Result<(Running, Spoken)> {
        let mut running = self.launch().await?;
        if self.protocol == Protocol::Legacy {
            return Ok((running, Spoken::Line));
        }
        let deadline = Instant::now() + START;
        match self.negotiate(&mut running, deadline).await {
            Ok(spoken) => {
                if let Spoken::Rpc(plugin) = &spoken {
                    let most = plugin.limits.calls_in_flight.clamp(1, wire::CALLS_IN_FLIGHT);
                    running.speaks = Speaks::Rpc(most.try_into().unwrap_or(1));
                }
                Ok((running, spoken))
            }
            Err(Refused::Ended(_)) if self.protocol == Protocol::Auto => {
                running.bury().await;
                Ok((self.launch().await?, Spoken::Line))
            }
            Err(Refused::Ended(status)) => {
                running.bury().await;
                let message = format!("the plugin ended before it replied to initialize ({status})");
                Err(Error::new(ErrorKind::Unavailable, message))
            }
            Err(Refused::Error(error)) => Err(error),
        }
    }

    async fn launch(&self) -> Result<Running> {
        let mut child = self.launch.start().await?;
        let stderr = child.stderr.take();
        let logging = stderr.map(|pipe| Logging::start(self.name.clone(), pipe, self.redactor.clone()));
        Ok(Running { child, frames: Frames::default(), speaks: Speaks::Line, logging })
    }

    async fn negotiate(&self, running: &mut Running, deadline: Instant) -> Result<Spoken, Refused> {
        let mut out = self.initialize()?;
        loop {
            while let Some(piece) = running.frames.piece().map_err(|_| too_long())? {
                match piece {
                    Piece::Rpc(text) => return self.greeted(&text),
                    Piece::Answer(_) if self.protocol == Protocol::Auto => return Ok(Spoken::Line),
                    Piece::Answer(_) => return Err(Error::unexpected(NOT_TWO).into()),
                    Piece::Broken(reason) => {
                        let message = format!("the plugin's reply to initialize cannot be read: {reason}");
                        return Err(Error::unexpected(message).into());
                    }
                    Piece::Noise(line) => self.log_noise(&line),
                }
            }
            tokio::select! {
                biased;
                event = running.event(!out.is_empty()) => match event {
                    Event::Readable => if let Err(error) = running.read() {
                        return Err(Refused::Ended(running.why(error).await.message().to_owned()));
                    },
                    Event::Ended(status) => return Err(Refused::Ended(status)),
                    Event::Writable => running.write(&mut out),
                },
                () = sleep_until(deadline) => {
                    let message = "the plugin did not reply to initialize in time; if it speaks the line protocol, say \
                                   `protocol = \"legacy\"`";
                    return Err(Error::new(ErrorKind::Timeout, message).into());
                }
            }
        }
    }

    /// The first line.
    fn initialize(&self) -> Result<Vec<u8>> {
        let config: serde_json::Map<String, Value> = serde_json::from_str(self.config.expose())
            .map_err(|_| Error::unexpected("the configuration of a plugin is not an object"))?;
        let params = Initialize {
            versions: vec![wire::VERSION],
            host: Program { name: "opsorch".into(), version: env!("CARGO_PKG_VERSION").into() },
            provider: self.name.clone(),
            config,
            limits: HostLimits::default(),
        };
        let params = serde_json::to_string(&params)
            .map_err(|_| Error::unexpected("the configuration of a plugin cannot be written"))?;
        let mut line = format!(r#"{{"jsonrpc":"2.0","id":{INITIALIZE_ID},"method":"initialize","params":{params}"#);
        if self.protocol == Protocol::Auto {
            line += &format!(r#","config":{},"payload":{{}}"#, self.config.expose());
        }
        line += "}\n";
        if line.len() > wire::FRAME_BYTES {
            return Err(Error::invalid("config", "expected a configuration below 4 MiB"));
        }
        Ok(line.into_bytes())
    }

    fn greeted(&self, text: &[u8]) -> Result<Spoken, Refused> {
        let unreadable = || Error::unexpected("the plugin's reply to initialize is not the one expected");
        let reply: FromPlugin<'_> = serde_json::from_slice(text).map_err(|_| unreadable())?;
        if reply.id != Some(INITIALIZE_ID) {
            return Err(unreadable().into());
        }
        if let Some(failure) = reply.error {
            let shown = self.redactor.line(&failure.message);
            return Err(in_config(failure.into_error(format!("the plugin refuses to start: {shown}"))).into());
        }
        let result = reply.result.map_or("null", RawValue::get);
        let plugin: Initialized = serde_json::from_str(result)
            .map_err(|error| Error::unexpected(format!("the plugin's reply to initialize lacks something: {error}")))?;
        if plugin.version != wire::VERSION {
            let message = format!("the plugin speaks version {} of the protocol; this host speaks 2", plugin.version);
            return Err(Error::unsupported(message).into());
        }
        Ok(Spoken::Rpc(plugin))
    }

    /// Logs a line that is no message.
    pub(super) fn log_noise(&self, line: &[u8]) {
        let text = self.redactor.line(&String::from_utf8_lossy(line));
        if !text.is_empty() {
            tracing::debug!(target: "opsorch::plugin", plugin = %self.name, "not a message: {text}");
        }
    }
}

const NOT_TWO: &str = "the plugin replied to initialize as one of the line protocol; say `protocol = \"legacy\"`";

pub(super) fn too_long() -> Error {
    Error::unexpected("the plugin sent a frame of more than 8 MiB")
}

/// The error of a call whose process is gone.
pub(super) fn lost(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the plugin was lost during this call: {why}"))
}

/// A field that the plugin names is one of its configuration.
fn in_config(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Invalid { field } => {
            let field = field.strip_prefix("config.").unwrap_or(field);
            Error::invalid(format!("config.{field}"), error.message().to_owned())
        }
        _ => error,
    }
}

/// The error of a call whose process ended.
pub(super) fn ended(status: &str) -> Error {
    lost(&format!("it ended ({status})"))
}

enum Refused {
    /// It ended without a reply.
    Ended(String),
    Error(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Running {
    /// Waits until the process wrote something, reads something, where that is asked for, or ended.
    pub(super) async fn event(&mut self, has_output: bool) -> Event {
        let Child { stdin, stdout, exit, .. } = &mut self.child;
        tokio::select! {
            biased;
            // What is wrong with the pipe, reading says.
            _ = stdout.readable() => Event::Readable,
            status = exit.wait() => Event::Ended(status.to_owned()),
            () = writable(stdin.as_ref()), if has_output => Event::Writable,
        }
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// At the end of the stream.
    pub(super) fn read(&mut self) -> Result<()> {
        match self.frames.read(|buffer| self.child.stdout.try_read_buf(buffer)) {
            Ok(false) => Ok(()),
            Ok(true) => Err(lost("it closed its standard output")),
            Err(error) => Err(lost(&format!("its standard output cannot be read: {error}"))),
        }
    }

    /// Reads what an ended process left behind; `false` at the end of it.
    pub(super) async fn read_rest(&mut self) -> bool {
        timeout(REST, self.child.stdout.readable()).await.is_ok() && self.read().is_ok()
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
            let Some(stdin) = &self.child.stdin else { return out.clear() };
            match stdin.try_write(rest) {
                Ok(count) => written += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => self.child.stdin = None,
            }
        }
        out.drain(..written);
    }

    /// Ends the process in peace.
    async fn stop(mut self) {
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
    async fn bury(mut self) {
        self.child.kill();
        // A process that the system cannot end now is left to it.
        let _ = timeout(STOP, self.child.exit.wait()).await;
        if let Some(logging) = &mut self.logging {
            logging.finish(REST).await;
        }
    }
}

/// Waits until the process reads; for ever, if it does not.
async fn writable(stdin: Option<&pipe::Sender>) {
    match stdin {
        Some(stdin) => drop(stdin.writable().await),
        None => std::future::pending().await,
    }
}

/// When processes of a plugin crashed.
#[derive(Debug)]
struct Crashes {
    restart: Restart,
    times: VecDeque<Instant>,
    paused: Option<Instant>,
}

impl Crashes {
    fn add(&mut self, now: Instant) {
        self.times.retain(|time| now.duration_since(*time) < self.restart.window.duration());
        self.times.push_back(now);
        if self.times.len() >= self.restart.crashes.max(1).try_into().unwrap_or(usize::MAX) {
            self.paused = now.checked_add(self.restart.pause.duration());
        }
    }

    /// Until when it is not started, and what callers are told.
    fn pause(&self, now: Instant) -> Option<(Instant, Error)> {
        let until = self.paused?;
        let Restart { crashes, window, .. } = self.restart;
        let left = until.saturating_duration_since(now).as_secs_f64();
        let message = format!("the plugin crashed {crashes} times within {window}; it is not started for {left:.0} s");
        Some((until, Error::new(ErrorKind::Unavailable, message)))
    }

    /// Ends the pause; one more crash begins the next.
    fn resume(&mut self) {
        self.paused = None;
    }

    /// How long to wait before the next start.
    fn wait(&self) -> Option<Duration> {
        let doublings = u32::try_from(self.times.len()).unwrap_or(u32::MAX).checked_sub(2)?;
        Some(FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wait_doubles_and_too_many_crashes_are_a_pause() {
        let mut crashes = Crashes { restart: Restart::default(), times: VecDeque::new(), paused: None };
        let mut waits = Vec::new();
        for _ in 0..5 {
            assert!(crashes.pause(Instant::now()).is_none());
            crashes.add(Instant::now());
            waits.push(crashes.wait().map(|wait| wait.as_millis()));
        }
        assert_eq!(waits, [None, Some(100), Some(200), Some(400), Some(800)]);
        let (until, error) = crashes.pause(Instant::now()).unwrap();
        assert_eq!(until, Instant::now() + Duration::from_secs(30));
        assert!(error.to_string().contains("crashed 5 times within 60s; it is not started for 30 s"), "{error}");
        crashes.resume();
        crashes.add(Instant::now());
        assert!(crashes.pause(Instant::now()).is_some(), "one more crash is enough");
        crashes.resume();
        tokio::time::advance(Duration::from_secs(61)).await;
        crashes.add(Instant::now());
        assert!(crashes.pause(Instant::now()).is_none() && crashes.wait().is_none(), "old crashes do not count");
    }
}
