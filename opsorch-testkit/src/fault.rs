//! Faults on demand: what can go wrong between a caller and a vendor.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opsorch::{Error, ErrorKind, Operation, Result};

/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The vendor answers with an error of this kind, and nothing is made. Whether the error says so
    /// ([`Error::may_have_applied`]) is up to the kind, as in life.
    Error(ErrorKind),
    /// The work is done, then the answer is lost: `Unavailable`, and the change may have applied.
    LostReply,
    /// The request never leaves: `Unavailable`, and the change was certainly not made.
    NotSent,
    /// The call waits so long, on the runtime's clock, before it goes on as if nothing were wrong.
    Delay(Duration),
    /// The call never ends by itself.
    Hang,
    /// The provider panics before it does anything.
    Panic,
    /// The page has at most so many items, and says that it was cut. For operations that answer a page.
    PartialPage(usize),
}

/// A request that reached the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// What was asked for.
    pub operation: Operation,
    /// The key of a change; a read has none.
    pub idempotency_key: Option<String>,
}

/// The faults that wait for their call, and a record of the calls there were. Clones share both.
///
/// Each call takes the next fault of its operation; with none left it is healthy.
///
/// ```
/// use opsorch::capability::TicketReader;
/// use opsorch::{Actor, Context, ErrorKind, ManualClock, Operation, TicketQuery};
/// use opsorch_testkit::{Fault, MemoryProvider};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let memory = MemoryProvider::new(ManualClock::default());
/// memory.faults().next(Operation::TicketQuery, Fault::Error(ErrorKind::Unavailable));
///
/// let (cx, query) = (Context::new(Actor::agent("triage")), TicketQuery::new());
/// let first = TicketReader::query(&memory, &cx, &query).await;
/// assert_eq!(first.unwrap_err().kind(), &ErrorKind::Unavailable);
/// assert!(TicketReader::query(&memory, &cx, &query).await.is_ok());
/// assert_eq!(memory.calls(Operation::TicketQuery), 2);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Operation, VecDeque<Fault>>,
    calls: BTreeMap<Operation, u64>,
    requests: Vec<Recorded>,
}

impl Faults {
    /// Adds a fault behind those that wait for this operation.
    ///
    /// # Panics
    /// When a [`Fault::PartialPage`] is meant for an operation that answers no page: the test would prove nothing.
    pub fn next(&self, operation: Operation, fault: Fault) {
        let is_page = operation.output_type().starts_with("Page");
        assert!(is_page || !matches!(fault, Fault::PartialPage(_)), "{operation} answers no page that could be cut");
        self.state().waiting.entry(operation).or_default().push_back(fault);
    }

    /// How often the operation was called, whatever became of it.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.state().calls.get(&operation).copied().unwrap_or(0)
    }

    /// The requests that reached the vendor, in order: every call but those that were [never sent](Fault::NotSent).
    pub fn requests(&self) -> Vec<Recorded> {
        self.state().requests.clone()
    }

    /// Does the work of a call, with the fault that waits for it. `cut` shortens what it answers.
    pub(crate) async fn around<T>(
        &self,
        operation: Operation,
        idempotency_key: Option<String>,
        cut: fn(T, usize) -> T,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let fault = self.begin(Recorded { operation, idempotency_key });
        match &fault {
            Some(Fault::Error(kind)) => {
                return Err(injected(kind.clone(), "the vendor answered with an error", operation));
            }
            Some(Fault::NotSent) => {
                return Err(injected(ErrorKind::Unavailable, "the request was not sent", operation).not_applied());
            }
            Some(Fault::Delay(delay)) => tokio::time::sleep(*delay).await,
            Some(Fault::Hang) => std::future::pending::<()>().await,
            #[allow(clippy::panic)]
            Some(Fault::Panic) => panic!("a fault that the test asked for: {operation} panics"),
            Some(Fault::LostReply | Fault::PartialPage(_)) | None => {}
        }
        let answer = work()?;
        match fault {
            Some(Fault::LostReply) => Err(injected(ErrorKind::Unavailable, "the answer was lost", operation)),
            Some(Fault::PartialPage(items)) => Ok(cut(answer, items)),
            _ => Ok(answer),
        }
    }

    /// Notes a call and takes its fault.
    fn begin(&self, request: Recorded) -> Option<Fault> {
        let mut state = self.state();
        *state.calls.entry(request.operation).or_default() += 1;
        let fault = state.waiting.get_mut(&request.operation).and_then(VecDeque::pop_front);
        if fault != Some(Fault::NotSent) {
            state.requests.push(request);
        }
        fault
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn injected(kind: ErrorKind, message: &'static str, operation: Operation) -> Error {
    Error::new(kind, message)
        .with_context("operation", operation)
        .with_context("cause", "a fault that the test asked for")
}
