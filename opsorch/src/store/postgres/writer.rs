//! The one thread that writes: it commits all that waits together.

use std::fmt;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::batch::{Batch, Needs, Step};
use super::failure::Failure;
use super::recent::Recent;
use super::sealed::Sealed;
use super::server::Server;
use super::session::{Locked, Session};
use crate::{Error, ErrorKind, Result};

/// How many steps share a commit at most, so that the first of them does not wait for ever more.
const LARGEST_GROUP: usize = 256;

/// How many steps wait in memory at most; whoever comes later waits before its step is accepted.
const LONGEST_QUEUE: usize = 1024;

/// How often a commit is begun: anew where the log must be read back first, or the connection was lost before.
const ATTEMPTS: u32 = 5;

/// How long to wait between attempts to connect when a commit must be looked up.
const PAUSE: Duration = Duration::from_millis(100);

/// The way to the thread that writes. Dropping it waits until everything that was accepted is committed or refused.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts a thread with a runtime of its own, so that steps do not depend on the one that asked for them.
    pub(super) fn start(server: Server) -> Result<Self> {
        let unavailable = |error: std::io::Error| {
            Error::new(ErrorKind::Unavailable, "the system gives no thread for the store").with_source(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unavailable)?;
        let (queue, jobs) = mpsc::channel(LONGEST_QUEUE);
        let thread = std::thread::Builder::new().name("opsorch-store".into());
        let committer = Committer { server, session: None, recent: Recent::default() };
        let thread = thread.spawn(move || runtime.block_on(committer.run(jobs))).map_err(unavailable)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Takes a step in the next commit, and answers once that is durable. If the future is dropped, a step that was accepted
    /// is committed all the same.
    pub(super) async fn write<S: Step>(&self, step: S) -> Result<S::Answer> {
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
trait Job: fmt::Debug + Send {
    fn needs(&self, needs: &mut Needs);

    /// Takes the step and keeps its answer.
    fn take(&mut self, batch: &mut Batch<'_>);

    /// Answers, after the commit.
    fn answer(&mut self, committed: Result<()>);
}

struct Waiting<S: Step> {
    step: S,
    answer: Option<Result<S::Answer>>,
    reply: Option<oneshot::Sender<Result<S::Answer>>>,
}

impl<S: Step> Job for Waiting<S> {
    fn needs(&self, needs: &mut Needs) {
        self.step.needs(needs);
    }

    fn take(&mut self, batch: &mut Batch<'_>) {
        self.answer = Some(self.step.take(batch).map_err(Error::not_applied));
    }

    fn answer(&mut self, committed: Result<()>) {
        let Some(reply) = self.reply.take() else { return };
        // Whoever asked may have gone.
        _ = reply.send(committed.and_then(|()| self.answer.take().unwrap_or_else(|| Err(ended()))));
    }
}

impl<S: Step> fmt::Debug for Waiting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// What became of an attempt to commit.
enum Attempt {
    /// All of it is durable.
    Committed,
    /// Nothing was written, and the same steps may do better now.
    Again,
}

/// What the thread owns.
struct Committer {
    server: Server,
    /// `None` before the first step, and after an error: a connection that was dropped is rolled back.
    session: Option<Session>,
    recent: Recent,
}

impl Committer {
    async fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut jobs = Vec::with_capacity(LARGEST_GROUP);
        while queue.recv_many(&mut jobs, LARGEST_GROUP).await > 0 {
            self.serve(&mut jobs).await;
            jobs.clear();
        }
    }

    async fn serve(&mut self, jobs: &mut [Box<dyn Job>]) {
        match self.commit(jobs).await {
            // One of them may be what cannot be written: each is tried by itself.
            Err(failure) if jobs.len() > 1 && failure.may_be_of_one_step() => {
                for job in jobs.chunks_mut(1) {
                    let committed = self.commit(job).await;
                    answer(job, &committed.map_err(refused));
                }
            }
            committed => answer(jobs, &committed.map_err(refused)),
        }
    }

    /// Commits the steps, durably, or none of them.
    async fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let mut lost = None;
        for _ in 0..ATTEMPTS {
            match self.attempt(jobs).await {
                Ok(Attempt::Committed) => return Ok(()),
                Ok(Attempt::Again) => {}
                // The database may have been restarted since the last commit.
                Err(failure) if failure.is_lost() => lost = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        let too_fast = Error::new(ErrorKind::Unavailable, "the log grows faster than it can be read; try again");
        Err(lost.unwrap_or(too_fast.into()))
    }

    async fn attempt(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Attempt, Failure> {
        let mut needs = Needs::default();
        jobs.iter().for_each(|job| job.needs(&mut needs));
        let session = match self.session.take() {
            Some(session) => session,
            // Another attempt to connect at once would do no better.
            None => Session::open(&self.server).await.map_err(Error::from)?,
        };
        let locked = session.begin(&needs, self.recent.end()).await?;
        follow(&mut self.recent, &locked)?;
        if let Some(since) = missing(&self.recent, &needs, &locked) {
            session.rollback().await?;
            session.read_back(since, &mut self.recent).await?;
            self.session = Some(session);
            return Ok(Attempt::Again);
        }
        let mut batch = Batch::new(locked.tail, &self.recent, locked.found);
        jobs.iter_mut().for_each(|job| job.take(&mut batch));
        match Sealed::new(batch, self.server.channel())? {
            Some(sealed) => self.seal(session, &sealed).await,
            None => {
                session.rollback().await?;
                self.session = Some(session);
                Ok(Attempt::Committed)
            }
        }
    }

    async fn seal(&mut self, session: Session, sealed: &Sealed) -> Result<Attempt, Failure> {
        match session.commit(sealed).await {
            Ok(()) => self.session = Some(session),
            Err(refusal) if refusal.is_refusal() => return Err(refusal),
            Err(failure) => {
                drop(session);
                if !self.find_out(sealed, failure).await? {
                    return Ok(Attempt::Again);
                }
            }
        }
        self.recent.committed(&sealed.tail.tree, sealed.said.iter().cloned());
        if let Some(log) = &sealed.log {
            log.committed(&sealed.tail.tree);
        }
        Ok(Attempt::Committed)
    }

    /// Whether a batch was committed although no answer came. The head that it signed tells.
    async fn find_out(&mut self, sealed: &Sealed, failure: Failure) -> Result<bool, Failure> {
        let deadline = Instant::now() + self.server.patience();
        loop {
            match self.look_up(sealed).await {
                Ok((session, found)) => {
                    self.session = Some(session);
                    return Ok(found);
                }
                Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Err(_) => {
                    let message = "the connection to the database was lost while it committed, and it cannot be asked whether \
                        it did; look at the log before this is done again";
                    let cause = Error::from(failure);
                    return Err(Failure::Unknown(
                        Error::new(ErrorKind::Unavailable, message).maybe_applied().with_source(cause),
                    ));
                }
            }
        }
    }

    async fn look_up(&self, sealed: &Sealed) -> Result<(Session, bool), Failure> {
        let session = Session::open(&self.server).await?;
        let found = session.has(sealed).await?;
        Ok((session, found))
    }
}

/// Goes on to where the log ends; from there on alone, if too much was written since.
fn follow(recent: &mut Recent, locked: &Locked) -> Result<()> {
    let Some(gap) = &locked.gap else {
        *recent = Recent::at(&locked.tail.tree);
        return Ok(());
    };
    let leaves: Vec<&str> = gap.iter().map(|row| super::rows::column(row, 0)).collect::<Result<_>>()?;
    recent.follow(&locked.tail.tree, leaves.into_iter())
}

/// From where on the log must be known, if it is not.
fn missing(recent: &Recent, needs: &Needs, locked: &Locked) -> Option<u64> {
    let intents = needs.intents.iter().filter(|grant| !recent.has_intent(grant));
    let intents = intents.filter_map(|grant| locked.intents.get(grant).copied());
    intents.chain(needs.since).min().filter(|since| *since < recent.start())
}

/// What to answer if nothing was committed, unless the failure says otherwise.
fn refused(failure: Failure) -> Error {
    match failure {
        Failure::Unknown(error) => error,
        failure => Error::from(failure).not_applied(),
    }
}

fn answer(jobs: &mut [Box<dyn Job>], committed: &Result<()>) {
    jobs.iter_mut().for_each(|job| job.answer(committed.clone()));
}
