//! A conversation in the line protocol: one call after the other.

use tokio::time::{Instant, sleep_until};

use super::call::{Body, Call, Message, Reply};
use super::frames::Piece;
use super::rpc::silence;
use super::running::{Event, Running, ended, lost, too_long};
use super::supervisor::{End, Supervisor};
use super::wire::FRAME_BYTES;
use crate::{Error, ErrorKind, Result};

struct Session<'a> {
    host: &'a mut Supervisor,
    /// The call that was sent and not answered.
    current: Option<Call>,
    out: Vec<u8>,
    closed: bool,
}

/// Talks to a process until it is of no more use, or nobody is left who would call.
pub(super) async fn converse(running: &mut Running, host: &mut Supervisor) -> End {
    let mut session = Session { host, current: None, out: Vec::new(), closed: false };
    let end = session.talk(running).await;
    if let (Some(call), End::Crashed(error)) = (session.current.take(), &end) {
        call.fail(error.clone());
    }
    end
}

impl Session<'_> {
    async fn talk(&mut self, running: &mut Running) -> End {
        loop {
            self.take_messages();
            self.send_call();
            if self.closed && self.current.is_none() {
                return End::Closed;
            }
            if !self.out.is_empty() {
                running.write(&mut self.out);
            }
            // The caller is told in time; a process that is only slow is not lost to one who had little time left.
            let patience = silence(self.host.timeout);
            let deadline = self.current.as_ref().and_then(|call| call.deadline.checked_add(patience));
            let deadline = deadline.unwrap_or_else(Instant::now);
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
                () = sleep_until(deadline), if self.current.is_some() => {
                    return End::Crashed(Error::new(ErrorKind::Timeout, "the plugin did not reply in time"));
                }
            }
        }
    }

    fn take_messages(&mut self) {
        for _ in 0..1024 {
            let Ok(message) = self.host.inbox.messages.try_recv() else { break };
            self.message(message);
        }
    }

    /// A call that was sent is waited for even if its caller is gone: only then is the next reply that of the next call.
    fn message(&mut self, message: Message) {
        if let Message::Call(call) = message {
            self.host.inbox.push(call);
        }
    }

    fn send_call(&mut self) {
        while self.current.is_none() {
            let Some(call) = self.host.inbox.queue.pop_front() else { break };
            let Body::Line(line) = &call.body else {
                call.fail(Error::unexpected("a call of another protocol"));
                continue;
            };
            if line.len() >= FRAME_BYTES {
                call.fail(Error::invalid("input", "expected an input of less than 4 MiB"));
                continue;
            }
            if !call.begin() {
                continue;
            }
            self.out.extend_from_slice(line);
            self.out.push(b'\n');
            self.current = Some(call);
        }
    }

    fn replies(&mut self, running: &mut Running) -> Result<()> {
        while let Some(piece) = running.frames.piece().map_err(|_| too_long())? {
            let reply = match piece {
                Piece::Noise(line) => {
                    self.host.log_noise(&line);
                    continue;
                }
                Piece::Answer(answer) => Ok(Reply::Line(answer)),
                Piece::Broken(reason) => Err(Error::unexpected(format!("the plugin's reply cannot be read: {reason}"))),
                Piece::Rpc(_) => {
                    Err(Error::unexpected("the plugin replied in protocol 2 to a line of the line protocol"))
                }
            };
            match (self.current.take(), reply) {
                (Some(call), Ok(reply)) => call.finish(Ok(reply)),
                (Some(call), Err(error)) => call.fail(error),
                // The next reply would be taken for that of the next call.
                (None, _) => return Err(lost("it replied although nothing was asked")),
            }
        }
        Ok(())
    }

    /// Reads what an ended process left behind.
    async fn rest(&mut self, running: &mut Running) -> Result<()> {
        for _ in 0..1024 {
            let more = running.read_rest().await;
            self.replies(running)?;
            if !more {
                break;
            }
        }
        Ok(())
    }
}
