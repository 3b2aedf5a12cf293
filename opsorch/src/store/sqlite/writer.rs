//! The one thread that writes: it commits all that waits together.

use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::failure::Failure;
use super::file::File;
use super::steps::Steps;
use super::tail::Tail;
use crate::{Error, ErrorKind, Result};

/// How many steps share a commit at most, so that the first of them does not wait for ever more.
const LARGEST_GROUP: usize = 256;

/// How many steps wait in memory at most; whoever comes later waits before its step is accepted.
const LONGEST_QUEUE: usize = 1024;

/// The way to the thread that writes. Dropping it waits until everything that was accepted is committed.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(file: File, connection: Connection) -> Result<Self> {
        let (queue, jobs) = mpsc::channel(LONGEST_QUEUE);
        let thread = std::thread::Builder::new().name("opsorch-store".into());
        let thread = thread.spawn(move || Committer { file, connection, tail: None }.run(jobs)).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system gives no thread for the store").with_source(error)
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs a step in the next commit, and answers once that is durable. If the future is dropped, a step that was
    /// accepted is committed all the same.
    pub(super) async fn write<T, S>(&self, step: S) -> Result<T>
    where
        T: Send + 'static,
        S: Fn(&mut Steps<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Waiting { step, answer: None, reply: Some(reply) };
        let queue = self.queue.as_ref().ok_or_else(|| ended().not_applied())?;
        queue.send(Box::new(job)).await.map_err(|_| ended().not_applied())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread ends when the queue does. It never waits for those whom it answers.
        drop(self.queue.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that writes the store panicked");
        }
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the thread that writes the store has ended; open the store again")
}

/// A step that waits for its commit, whatever it answers.
trait Job: std::fmt::Debug + Send {
    /// Runs the step and keeps its answer. An error is one of the transaction, as which that of a step alone counts.
    fn run(&mut self, steps: &mut Steps<'_>) -> Result<(), Failure>;

    /// Answers, after the commit.
    fn answer(&mut self, committed: Result<()>);
}

struct Waiting<T, S> {
    step: S,
    answer: Option<Result<T>>,
    reply: Option<oneshot::Sender<Result<T>>>,
}

impl<T, S> Job for Waiting<T, S>
where
    T: Send + 'static,
    S: Fn(&mut Steps<'_>) -> Result<T, Failure> + Send + 'static,
{
    fn run(&mut self, steps: &mut Steps<'_>) -> Result<(), Failure> {
        self.answer = Some(steps.attempt(&self.step)?);
        Ok(())
    }

    fn answer(&mut self, committed: Result<()>) {
        let Some(reply) = self.reply.take() else { return };
        let answer = committed.and_then(|()| self.answer.take().unwrap_or_else(|| Err(ended())));
        // Whoever asked may have gone.
        _ = reply.send(answer.map_err(Error::not_applied));
    }
}

impl<T, S> std::fmt::Debug for Waiting<T, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// What the thread owns.
struct Committer {
    file: File,
    connection: Connection,
    /// Where the log ended after the last commit.
    tail: Option<Tail>,
}

impl Committer {
    fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut jobs = Vec::with_capacity(LARGEST_GROUP);
        while queue.blocking_recv_many(&mut jobs, LARGEST_GROUP) > 0 {
            self.serve(&mut jobs);
            jobs.clear();
        }
        self.file.let_tidy_up(&self.connection);
    }

    fn serve(&mut self, jobs: &mut [Box<dyn Job>]) {
        let last = self.tail.take();
        let committed = match self.begin() {
            Ok(transaction) => commit(transaction, last, jobs),
            Err(error) => return answer(jobs, &Err(error)),
        };
        if committed.is_err() && jobs.len() > 1 {
            // One of them may be what cannot be written: each is tried by itself.
            return jobs.chunks_mut(1).for_each(|job| self.serve(job));
        }
        answer(jobs, &committed.map(|tail| self.tail = Some(tail)));
    }

    /// Waits for its turn among processes.
    fn begin(&mut self) -> Result<Transaction<'_>> {
        self.file.expect_in_place()?;
        let begun = Transaction::new(&mut self.connection, TransactionBehavior::Immediate);
        Ok(begun.map_err(Failure::from)?)
    }
}

/// Commits the steps, durably, or none of them: a transaction that is dropped is rolled back.
fn commit(transaction: Transaction<'_>, last: Option<Tail>, jobs: &mut [Box<dyn Job>]) -> Result<Tail> {
    let mut steps = Steps::new(&transaction, Tail::of(&transaction, last)?, jobs.len());
    jobs.iter_mut().try_for_each(|job| job.run(&mut steps))?;
    let (tail, log) = steps.seal()?;
    transaction.commit().map_err(Failure::from)?;
    if let Some(log) = log {
        log.committed(tail.tree());
    }
    Ok(tail)
}

fn answer(jobs: &mut [Box<dyn Job>], committed: &Result<()>) {
    jobs.iter_mut().for_each(|job| job.answer(committed.clone()));
}
