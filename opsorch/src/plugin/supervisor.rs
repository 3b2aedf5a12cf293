//! Runs a plugin: starts it, finds out what it speaks, and starts it again after a crash, but not for ever.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::call::{Call, Message};
use super::child::Launch;
use super::config::{Protocol, Restart};
use super::crashes::Crashes;
use super::frames::{Frames, Piece};
use super::running::{Event, Running, Speaks, too_long};
use super::start::Content;
use super::stderr::Logging;
use super::wire::{self, FromPlugin, HostLimits, INITIALIZE_ID, Initialize, Initialized, Program};
use super::{lines, rpc};
use crate::secret::Secret;
use crate::transport::Redactor;
use crate::{Error, ErrorKind, Result};

/// How long a plugin has to say what it speaks.
const START: Duration = Duration::from_secs(10);

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
    pub(super) content: Content,
    pub(super) ids: Arc<AtomicU64>,
    /// How many of its processes ended.
    pub(super) generations: Arc<AtomicU64>,
    /// What the plugin said of itself at first, which every later process must say too.
    pub(super) declared: Option<Initialized>,
    pub(super) inbox: Inbox,
    /// How often a process was started after the first, here and by the others of this plugin.
    pub(super) restarts: Arc<AtomicU64>,
}

/// The calls that wait.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) messages: mpsc::UnboundedReceiver<Message>,
    pub(super) queue: VecDeque<Call>,
    /// How long the queue gets before it is looked through for calls that nobody waits for.
    most: usize,
}

/// A queue that is shorter is not looked through.
const SHORT: usize = 1024;

impl Inbox {
    pub(super) fn new(messages: mpsc::UnboundedReceiver<Message>) -> Self {
        Self { messages, queue: VecDeque::new(), most: SHORT }
    }

    /// Adds a call to the queue, which holds at most about twice as many calls as somebody waits for, whatever becomes of
    /// their callers.
    pub(super) fn push(&mut self, call: Call) {
        if self.queue.len() >= self.most {
            self.queue.retain(|call| !call.is_given_up());
            self.most = self.queue.len().saturating_mul(2).max(SHORT);
        }
        self.queue.push_back(call);
    }
}

/// What a plugin speaks.
#[derive(Debug)]
pub(super) enum Spoken {
    Rpc(Initialized),
    Line,
}

impl Spoken {
    /// What the plugin said of itself.
    pub(super) fn declared(&self) -> Option<&Initialized> {
        match self {
            Self::Rpc(plugin) => Some(plugin),
            Self::Line => None,
        }
    }
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
                self.declared = self.declared.or_else(|| spoken.declared().cloned());
                let _ = ready.send(Ok(spoken));
                running
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let mut crashes = Crashes::new(self.restart);
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
                    self.generations.fetch_add(1, Ordering::AcqRel);
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
                    Message::Call(call) => self.inbox.push(call),
                    Message::Cancel { .. } => continue,
                }
            }
            if let Some(wait) = crashes.wait() {
                tokio::time::sleep(wait).await;
            }
            match self.start().await {
                Ok((running, _)) => {
                    self.restarts.fetch_add(1, Ordering::Relaxed);
                    return Some(running);
                }
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
                    if let Err(error) = self.check(plugin) {
                        running.bury().await;
                        return Err(error);
                    }
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

    /// Refuses a process that lacks something of what the plugin declared at first, by which the host goes.
    fn check(&self, plugin: &Initialized) -> Result<()> {
        let lacking = self.declared.as_ref().map(|first| plugin.lacks(first)).unwrap_or_default();
        if lacking.is_empty() {
            return Ok(());
        }
        let message = format!(
            "a new process of the plugin no longer declares what the first one did: {}; put that version back, or start the \
             host anew",
            lacking.join(", ")
        );
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    async fn launch(&self) -> Result<Running> {
        let mut child = self.launch.start().await?;
        let stderr = child.stderr.take();
        let wipes = self.content == Content::Secrets;
        let redactor = (!wipes).then(|| self.redactor.clone());
        let logging = stderr.map(|pipe| Logging::start(self.name.clone(), pipe, redactor));
        let frames = if wipes { Frames::of_secrets() } else { Frames::default() };
        Ok(Running { child, frames, speaks: Speaks::Line, wipes, logging })
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
                    Event::Read(Ok(())) => {}
                    Event::Read(Err(error)) => {
                        return Err(Refused::Ended(running.why(error).await.message().to_owned()));
                    }
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
        if self.content == Content::Secrets {
            return tracing::debug!(target: "opsorch::plugin", plugin = %self.name, "not a message; it may be a secret");
        }
        let text = self.redactor.line(&String::from_utf8_lossy(line));
        if !text.is_empty() {
            tracing::debug!(target: "opsorch::plugin", plugin = %self.name, "not a message: {text}");
        }
    }
}

const NOT_TWO: &str = "the plugin replied to initialize as one of the line protocol; say `protocol = \"legacy\"`";

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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::call::{Body, Caller};
    use super::*;

    #[tokio::test]
    async fn calls_that_were_given_up_do_not_pile_up_behind_a_plugin_that_does_not_read() {
        let (caller, messages) = Caller::new();
        let mut inbox = Inbox::new(messages);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut kept = std::pin::pin!(caller.call(Body::Line(Bytes::new()), deadline));
        assert!(futures_util::poll!(kept.as_mut()).is_pending());
        for _ in 0..20_000 {
            let mut gone = std::pin::pin!(caller.call(Body::Line(Bytes::new()), deadline));
            assert!(futures_util::poll!(gone.as_mut()).is_pending());
            if let Ok(Message::Call(call)) = inbox.messages.try_recv() {
                inbox.push(call);
            }
        }
        assert!(inbox.queue.len() <= 2 * SHORT, "{} calls are kept", inbox.queue.len());
        assert!(
            inbox.queue.front().is_some_and(|call| !call.is_given_up()),
            "the call that is waited for is still the first"
        );
    }
}
