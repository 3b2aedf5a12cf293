//! A conversation in protocol 2: many calls at once, replies in any order.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::call::{Body, Call, Message, Reply};
use super::frames::id_of_broken;
use super::running::{Event, Running, ended, lost, too_long};
use super::supervisor::{End, Supervisor};
use super::wire::{FRAME_BYTES, FromPlugin, Progress};
use crate::{Error, Result};

/// How long a plugin may stay silent after a call that took too long; half the time of a call, if that is shorter.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) fn silence(timeout: Duration) -> Duration {
    SILENCE.min(timeout / 2)
}

/// No more calls are written while so much waits for a plugin that does not read: they are then known not to have been sent.
const MOST_UNREAD: usize = 256 * 1024;

/// How many frames are taken before callers have their turn.
const TURN: usize = 16;

/// What is on its way.
struct Session<'a> {
    host: &'a mut Supervisor,
    most: usize,
    pending: HashMap<u64, Call>,
    out: Vec<u8>,
    /// Until when a silent plugin is not taken to hang.
    suspect: Option<Instant>,
    /// When a plugin is asked whether it hangs that has said nothing since a caller gave up by itself.
    doubt: Option<Instant>,
    closed: bool,
    /// Frames that were read wait for their turn.
    behind: bool,
}

/// Talks to a process until it is of no more use, or nobody is left who would call.
pub(super) async fn converse(running: &mut Running, most: usize, host: &mut Supervisor) -> End {
    let (pending, out) = (HashMap::new(), Vec::new());
    let mut session = Session { host, most, pending, out, suspect: None, doubt: None, closed: false, behind: false };
    let end = session.talk(running).await;
    if let End::Crashed(error) = &end {
        session.pending.into_values().for_each(|call| call.fail(error.clone()));
    }
    end
}

impl Session<'_> {
    async fn talk(&mut self, running: &mut Running) -> End {
        loop {
            if self.behind {
                // Callers that were answered go on first: the plugin works on their next calls while the rest is read.
                yield_now().await;
            }
            self.take_messages();
            self.send_calls();
            if self.closed && self.pending.is_empty() && self.out.is_empty() {
                return End::Closed;
            }
            if !self.out.is_empty() {
                running.write(&mut self.out);
            }
            if self.behind {
                if let Err(error) = self.replies(running) {
                    return End::Crashed(error);
                }
                continue;
            }
            let silence = self.suspect.unwrap_or_else(Instant::now);
            let doubt = self.doubt.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                event = running.event(!self.out.is_empty()) => match event {
                    Event::Read(Ok(())) => if let Err(error) = self.replies(running) {
                        return End::Crashed(error);
                    },
                    Event::Read(Err(error)) => return End::Crashed(running.why(error).await),
                    Event::Ended(status) => {
                        let rest = self.rest(running).await;
                        return End::Crashed(rest.err().unwrap_or_else(|| ended(&status)));
                    }
                    Event::Writable => {}
                },
                message = self.host.inbox.messages.recv(), if !self.closed => match message {
                    Some(message) => self.message(message),
                    None => self.closed = true,
                },
                () = sleep_until(silence), if self.suspect.is_some() => {
                    return End::Crashed(lost("it hangs: it took too long over a call and then stayed silent"));
                }
                () = sleep_until(doubt), if self.doubt.is_some() => self.ping(),
            }
        }
    }

    fn take_messages(&mut self) {
        for _ in 0..1024 {
            let Ok(message) = self.host.inbox.messages.try_recv() else { break };
            self.message(message);
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Call(call) => self.host.inbox.push(call),
            Message::Cancel { id, late } => self.cancel(id, late),
        }
    }

    fn cancel(&mut self, id: u64, late: bool) {
        if self.pending.remove(&id).is_none() {
            return;
        }
        self.write(format_args!(r#"{{"jsonrpc":"2.0","method":"cancel","params":{{"id":{id}}}}}"#));
        if late {
            self.ping();
        } else if self.suspect.is_none() && self.doubt.is_none() {
            // A caller whose own patience is shorter than the timeout, such as a layer, never finds a plugin late.
            self.doubt = Instant::now().checked_add(silence(self.host.timeout));
        }
    }

    /// Asks a plugin that may hang for a sign of life.
    fn ping(&mut self) {
        self.doubt = None;
        if self.suspect.is_none() {
            let ping = self.host.ids.fetch_add(1, Ordering::Relaxed);
            self.write(format_args!(r#"{{"jsonrpc":"2.0","id":{ping},"method":"ping"}}"#));
            self.suspect = Instant::now().checked_add(silence(self.host.timeout));
        }
    }

    fn write(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = writeln!(self.out, "{line}");
    }

    fn send_calls(&mut self) {
        // A plugin that may hang gets no calls that would be lost with it.
        while self.suspect.is_none() && self.pending.len() < self.most && self.out.len() < MOST_UNREAD {
            let Some(call) = self.host.inbox.queue.pop_front() else { break };
            let Body::Rpc { method, params } = &call.body else {
                call.fail(Error::unexpected("a call of another protocol"));
                continue;
            };
            if params.len() + 100 > FRAME_BYTES {
                call.fail(Error::invalid("input", "expected an input of less than 8 MiB"));
                continue;
            }
            if !call.begin() {
                continue;
            }
            let _ = write!(self.out, r#"{{"jsonrpc":"2.0","id":{},"method":"{method}","params":"#, call.id);
            self.out.extend_from_slice(params);
            self.out.extend_from_slice(b"}\n");
            self.pending.insert(call.id, call);
        }
    }

    /// Takes what was read, a few frames at a time.
    fn replies(&mut self, running: &mut Running) -> Result<()> {
        self.behind = false;
        for _ in 0..TURN {
            let Some(line) = running.frames.line().map_err(|_| too_long())? else { return Ok(()) };
            self.reply(&line);
        }
        self.behind = true;
        Ok(())
    }

    fn reply(&mut self, line: &Bytes) {
        if !line.trim_ascii_start().starts_with(b"{") {
            return self.host.log_noise(line);
        }
        let Ok(message) = serde_json::from_slice::<FromPlugin<'_>>(line) else {
            let broken = id_of_broken(line).and_then(|id| self.pending.remove(&id));
            return match broken {
                Some(call) => call.fail(Error::unexpected("the plugin's reply is no valid JSON")),
                None => self.host.log_noise(line),
            };
        };
        (self.suspect, self.doubt) = (None, None);
        let FromPlugin { id, method, params, result, error } = message;
        match (id, method) {
            (_, Some(method)) => self.notified(&method, params),
            (Some(id), None) => {
                // A late or second reply is nobody's.
                let Some(call) = self.pending.remove(&id) else { return };
                call.finish(Ok(match (error, result) {
                    (Some(error), _) => Reply::RpcError(error),
                    (None, Some(result)) => Reply::Rpc(line.slice_ref(result.get().as_bytes())),
                    (None, None) => Reply::Rpc(Bytes::from_static(b"null")),
                }));
            }
            (None, None) => self.host.log_noise(line),
        }
    }

    fn notified(&self, method: &str, params: Option<&RawValue>) {
        let progress = params.and_then(|params| serde_json::from_str::<Progress>(params.get()).ok());
        if let ("progress", Some(progress)) = (method, progress) {
            let message = self.host.redactor.line(&progress.message);
            let (plugin, call, fraction) = (&self.host.name, progress.id, progress.fraction);
            tracing::debug!(target: "opsorch::plugin", %plugin, call, fraction, "{message}");
        }
    }

    /// Reads what an ended process left behind.
    async fn rest(&mut self, running: &mut Running) -> Result<()> {
        for _ in 0..1024 {
            let more = running.read_rest().await;
            self.replies(running)?;
            while self.behind {
                self.replies(running)?;
            }
            if !more {
                break;
            }
        }
        Ok(())
    }
}
