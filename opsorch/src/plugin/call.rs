//! One call on its way to a plugin: who waits for it, and whether it was sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::line::Answer;
use super::wire::Failure;
use crate::{Error, ErrorKind, Result};

/// The most calls that wait for one plugin.
const MOST_WAITING: usize = 16 * 1024;

/// What callers tell the task that runs the plugin.
#[derive(Debug)]
pub(super) enum Message {
    /// Make a call.
    Call(Call),
    /// Nobody waits for this call any more.
    Cancel {
        /// Its id.
        id: u64,
        /// Because it took too long.
        late: bool,
    },
}

/// A call as the task that runs the plugin has it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) body: Body,
    pub(super) deadline: Instant,
    state: Arc<State>,
    reply: oneshot::Sender<Result<Reply>>,
}

/// What is to be sent.
#[derive(Debug)]
pub(super) enum Body {
    /// A call of protocol 2: the method and the text of its `params`.
    Rpc { method: &'static str, params: Bytes },
    /// A line of the line protocol, but for its line break.
    Line(Bytes),
}

/// What came back.
#[derive(Debug)]
pub(super) enum Reply {
    /// The text of `result`.
    Rpc(Bytes),
    /// `error`.
    RpcError(Failure),
    /// A reply of the line protocol.
    Line(Answer),
}

impl Call {
    /// Takes the right to send it; `false` if nobody waits for it any more. Whoever waits then knows that it may have been
    /// sent.
    pub(super) fn begin(&self) -> bool {
        self.state.step(WAITING, SENT)
    }

    /// Whether nobody waits for it.
    pub(super) fn is_given_up(&self) -> bool {
        self.reply.is_closed()
    }

    pub(super) fn finish(self, reply: Result<Reply>) {
        // Whoever asked may be gone.
        let _ = self.reply.send(reply);
    }

    /// Ends it with an error; a call that was not sent was certainly not made.
    pub(super) fn fail(self, error: Error) {
        let error = if self.state.is(SENT) { error.maybe_applied() } else { error.not_applied() };
        self.finish(Err(error));
    }
}

/// Whether a call was sent. The task that sends it and the caller who gives it up agree on who was first.
#[derive(Debug)]
struct State(AtomicU8);

const WAITING: u8 = 0;
const SENT: u8 = 1;
const GIVEN_UP: u8 = 2;

impl State {
    fn step(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::Acquire) == state
    }
}

/// The callers' end of a plugin. The plugin ends when the last one is dropped.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    messages: mpsc::UnboundedSender<Message>,
    next: Arc<AtomicU64>,
    waiting: Arc<AtomicUsize>,
    generation: Arc<AtomicU64>,
}

impl Caller {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (messages, receiver) = mpsc::unbounded_channel();
        let next = Arc::new(AtomicU64::new(1));
        (Self { messages, next, waiting: Arc::default(), generation: Arc::default() }, receiver)
    }

    /// Where ids come from: each is used once.
    pub(super) fn ids(&self) -> Arc<AtomicU64> {
        self.next.clone()
    }

    /// Where it is counted how many processes ended.
    pub(super) fn generations(&self) -> Arc<AtomicU64> {
        self.generation.clone()
    }

    /// How many processes ended before the present one.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Makes a call and waits for its reply, until the deadline. A caller who is dropped gives the call up.
    ///
    /// # Errors
    /// `Timeout`, `Unavailable` and `Unexpected`, each saying whether the call may have been made.
    pub(super) async fn call(&self, body: Body, deadline: Instant) -> Result<Reply> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(State(AtomicU8::new(WAITING)));
        let (reply, answer) = oneshot::channel();
        let mut waiting = Waiting { caller: self, id, state: &state, late: false, done: false };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            waiting.done = true;
            let message = format!("{MOST_WAITING} calls wait for this plugin already");
            return Err(Error::new(ErrorKind::Unavailable, message).not_applied());
        }
        let call = Call { id, body, deadline, state: state.clone(), reply };
        if self.messages.send(Message::Call(call)).is_err() {
            waiting.done = true;
            return Err(ended().not_applied());
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(reply)) => {
                waiting.done = true;
                reply
            }
            Ok(Err(_)) => {
                waiting.done = true;
                Err(if state.is(SENT) { ended().maybe_applied() } else { ended().not_applied() })
            }
            Err(_) => {
                waiting.late = true;
                let error = Error::new(ErrorKind::Timeout, "the plugin did not reply in time");
                Err(if waiting.give_up() { error.not_applied() } else { error.maybe_applied() })
            }
        }
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the plugin was ended")
}

/// Gives a call up when its caller is dropped.
struct Waiting<'a> {
    caller: &'a Caller,
    id: u64,
    state: &'a State,
    late: bool,
    done: bool,
}

impl Waiting<'_> {
    /// Whether it was given up before it was sent.
    fn give_up(&self) -> bool {
        self.state.step(WAITING, GIVEN_UP)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.caller.waiting.fetch_sub(1, Ordering::Relaxed);
        if !self.done && !self.give_up() && self.state.is(SENT) {
            // The task may have ended; then there is nothing to cancel.
            let _ = self.caller.messages.send(Message::Cancel { id: self.id, late: self.late });
        }
    }
}
