//! A vendor with one number that every change counts up, and whose calls take as long as a test says.

use std::collections::VecDeque;
use std::sync::MutexGuard;

use opsorch::capability::{TicketReader, TicketWriter};
use opsorch::gate::Approved;

use super::super::*;

/// Clones are the same vendor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vendor {
    state: Arc<Mutex<State>>,
    pub(crate) clock: ManualClock,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    /// When each version was replaced by the next.
    replaced: Vec<Instant>,
    reads: usize,
    changes: usize,
    next_reads: VecDeque<Took>,
    next_changes: VecDeque<Took>,
    size: usize,
}

/// How long a call takes before it looks or does, and after, and how it fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Took {
    before: Duration,
    after: Duration,
    error: Option<ErrorKind>,
}

impl Took {
    pub(crate) fn new(before: Duration, after: Duration) -> Self {
        Self { before, after, error: None }
    }

    /// It does what it does, and answers with an error.
    pub(crate) fn failing(mut self, kind: ErrorKind) -> Self {
        self.error = Some(kind);
        self
    }
}

impl Vendor {
    pub(crate) fn provider(&self, name: &str) -> Provider {
        let this = Arc::new(self.clone());
        Provider::new(name).with_ticket_reader(this.clone()).with_ticket_writer(this)
    }

    /// How often something was read.
    pub(crate) fn reads(&self) -> usize {
        self.state().reads
    }

    pub(crate) fn changes(&self) -> usize {
        self.state().changes
    }

    pub(crate) fn next_read(&self, took: Took) {
        self.state().next_reads.push_back(took);
    }

    pub(crate) fn next_change(&self, took: Took) {
        self.state().next_changes.push_back(took);
    }

    pub(crate) fn change_behind_our_back(&self) {
        let mut state = self.state();
        state.version += 1;
        state.replaced.push(Instant::now());
    }

    /// How many bytes a ticket has beside the others.
    pub(crate) fn set_size(&self, size: usize) {
        self.state().size = size;
    }

    /// When a version was replaced, if it was.
    pub(crate) fn replaced(&self, version: u64) -> Option<Instant> {
        self.state().replaced.get(usize::try_from(version).unwrap()).copied()
    }

    fn now(&self) -> (u64, usize) {
        let state = self.state();
        (state.version, state.size)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What everybody sees at one moment, some time after the question and some time before the answer.
    async fn look(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        let took = {
            let mut state = self.state();
            state.reads += 1;
            state.next_reads.pop_front().unwrap_or_default()
        };
        wait(took.before).await;
        let (version, size) = self.now();
        wait(took.after).await;
        match took.error {
            Some(kind) => Err(Error::new(kind, "the vendor says so")),
            None => Ok(Ticket::new(id, format!("{version} for {}", cx.actor()), "todo").description("x".repeat(size))),
        }
    }
}

/// The runtime's timers count whole milliseconds, and may count one for nothing.
async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// The version that a ticket shows.
pub(crate) fn version(ticket: &Ticket) -> u64 {
    ticket.title.split(' ').next().unwrap().parse().unwrap()
}

#[async_trait]
impl TicketReader for Vendor {
    async fn query(&self, cx: &Context, _: &TicketQuery) -> Result<Page<Ticket>> {
        Ok(Page::new(vec![self.look(cx, &"T-1".into()).await?]))
    }

    async fn get(&self, cx: &Context, id: &TicketId) -> Result<Ticket> {
        self.look(cx, id).await
    }
}

#[async_trait]
impl TicketWriter for Vendor {
    async fn create(&self, _: &Context, _: Approved<'_, CreateTicket>) -> Result<Ticket> {
        let took = {
            let mut state = self.state();
            state.changes += 1;
            state.next_changes.pop_front().unwrap_or_default()
        };
        // A vendor goes on with what it was sent, whether somebody waits for it or not.
        let this = self.clone();
        let made = tokio::spawn(async move {
            wait(took.before).await;
            this.change_behind_our_back();
            this.state().version
        });
        let version = made.await.unwrap();
        wait(took.after).await;
        match took.error {
            Some(kind) => Err(Error::new(kind, "the vendor says so")),
            None => Ok(Ticket::new("T-1", format!("{version} made"), "todo")),
        }
    }

    async fn update(&self, _: &Context, _: Approved<'_, UpdateTicket>) -> Result<Ticket> {
        unreachable!("no test updates")
    }
}
