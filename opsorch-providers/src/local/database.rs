//! The one file that everything is kept in: a SQLite database, which several providers and processes may share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use opsorch::{Clock, Context, Error, ErrorKind, Result, Time};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

pub(super) use self::attempt::Attempt;
pub(super) use self::edit::Edit;
use self::file::File;
pub(super) use self::position::{Part, Position};
use self::stop::Stop;
pub(super) use self::view::View;

mod attempt;
mod edit;
mod failure;
mod file;
mod position;
mod stop;
mod view;

/// How many read at once; more wait for their turn.
const MOST_READERS: usize = 4;

/// Something that is kept under an id and found by its time.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// What it is called in the file and in an error: `incident`.
    const KIND: &'static str;
    /// What its id begins with, before a dash and a number: `INC`.
    const PREFIX: &'static str;

    /// When it was; the newest is found first, and what has no time comes last.
    fn at(&self) -> Option<Time>;

    /// A name that no two records of its kind have at a time; the file sees to it.
    fn key(&self) -> Option<&str> {
        None
    }
}

/// Something that is added to a record and never changed: an entry of a timeline.
pub(super) trait Entry: Serialize + DeserializeOwned {
    /// What it is called in the file: `comment`.
    const KIND: &'static str;
}

/// A handle of the file; clones share its connections.
///
/// One connection writes, and others read: a reader never waits for a writer.
#[derive(Clone, Debug)]
pub(super) struct Database(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
    clock: Arc<dyn Clock>,
    /// Held on a blocking thread, by whoever has the turn.
    writer: Mutex<Connection>,
    turn_to_write: Arc<Semaphore>,
    /// Held for a moment, to take or give back a connection.
    readers: Mutex<Vec<Connection>>,
    turns_to_read: Arc<Semaphore>,
}

impl Database {
    /// Opens `local.db` in a folder; both are made where they are missing.
    ///
    /// # Errors
    /// `Invalid` if the file is not one of this provider, `Unsupported` if a later release wrote it: it is left as it
    /// is then; `Unavailable` if the disk refuses.
    pub(super) async fn open(folder: PathBuf, clock: Arc<dyn Clock>) -> Result<Self> {
        let open = move || {
            let (file, writer) = File::open(&folder)?;
            let reader = file.reader()?;
            Ok(Self(Arc::new(Shared {
                file,
                clock,
                writer: Mutex::new(writer),
                turn_to_write: Arc::new(Semaphore::new(1)),
                readers: Mutex::new(vec![reader]),
                turns_to_read: Arc::new(Semaphore::new(MOST_READERS)),
            })))
        };
        tokio::task::spawn_blocking(open).await.map_err(interrupted)?
    }

    /// Reads; all that `work` sees is of one moment. It ends when the caller stops waiting, or at its deadline.
    ///
    /// # Errors
    /// Those of `work`; `Timeout` at the deadline; `Unavailable` if the disk refuses.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        cx: &Context,
        work: impl FnOnce(&View<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let reading = async {
            let turn = turn(&self.0.turns_to_read).await?;
            let stop = Stop::default();
            let (shared, stopped) = (Arc::clone(&self.0), stop.watch());
            let task = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                shared.read_now(|connection, now| work(&View::new(connection, now, stopped)))
            });
            task.await.map_err(interrupted)?
        };
        in_time(cx, reading).await
    }

    /// Makes a change that somebody asked for, unless it was made before, and answers what `answer` finds under the id
    /// that `work` returned. It is on the disk then. Once begun, it is finished even if the caller stops waiting.
    ///
    /// # Errors
    /// Those of `work` and `answer`; `Conflict` if the idempotency key was used for another change; `Timeout` if the
    /// deadline passes before it begins; `Unavailable` if the disk refuses, or another process writes for 10 s. Nothing
    /// was changed then, unless the error says that it may have been.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        cx: &Context,
        attempt: Attempt,
        work: impl FnOnce(&Edit<'_>) -> Result<String> + Send + 'static,
        answer: impl FnOnce(&View<'_>, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = in_time(cx, turn(&self.0.turn_to_write)).await.map_err(Error::not_applied)?;
        let once = move |edit: &Edit<'_>| {
            let id = match attempt.made_before(edit)? {
                Some(id) => id,
                None => attempt.remember(edit, work(edit)?)?,
            };
            answer(edit, &id)
        };
        self.write_in_turn(turn, once).await
    }

    /// Makes a change of the provider's own, that nobody asked for: each call is another one. Else as
    /// [`change`](Self::change).
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Edit<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = turn(&self.0.turn_to_write).await.map_err(Error::not_applied)?;
        self.write_in_turn(turn, work).await
    }

    async fn write_in_turn<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce(&Edit<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            shared.write_now(work)
        });
        task.await.map_err(interrupted)?
    }
}

impl Shared {
    fn read_now<T>(&self, work: impl FnOnce(&Connection, Time) -> Result<T>) -> Result<T> {
        let idle = || self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let connection = match taken {
            Some(connection) => connection,
            None => self.file.reader()?,
        };
        let transaction = connection.unchecked_transaction().map_err(failure::explain)?;
        let answer = work(&transaction, self.clock.now());
        transaction.rollback().map_err(failure::explain)?;
        idle().push(connection);
        answer
    }

    fn write_now<T>(&self, work: impl FnOnce(&Edit<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (transaction, done) = self.work_in(&mut connection, work).map_err(Error::not_applied)?;
        transaction.commit().map_err(failure::explain_commit)?;
        Ok(done)
    }

    /// Everything before the commit: an error here undoes it.
    fn work_in<'c, T>(
        &self,
        connection: &'c mut Connection,
        work: impl FnOnce(&Edit<'_>) -> Result<T>,
    ) -> Result<(Transaction<'c>, T)> {
        self.file.expect_in_place()?;
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate).map_err(failure::explain)?;
        file::expect_schema(&transaction)?;
        // The time is taken in the turn, so that numbers and times agree.
        let done = work(&Edit::new(&transaction, self.clock.now()))?;
        Ok((transaction, done))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The last connection to be closed tidies up, and must be the one that writes.
        self.readers.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self.file.let_tidy_up(self.writer.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    let turn = Arc::clone(turns).acquire_owned().await;
    turn.map_err(|error| Error::unexpected("the file is closed").with_source(error))
}

async fn in_time<T>(cx: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(remaining) = cx.remaining() else { return work.await };
    let late = || Err(Error::new(ErrorKind::Timeout, "the deadline passed before the file answered"));
    // Work that is ready at once would win against a deadline that has passed.
    if remaining.is_zero() {
        return late();
    }
    tokio::time::timeout(remaining, work).await.unwrap_or_else(|_| late())
}

fn interrupted(error: JoinError) -> Error {
    Error::unexpected("the work on the file was interrupted").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use opsorch::{Actor, ManualClock, Operation, Ticket};

    use super::*;

    async fn with_tickets(folder: &tempfile::TempDir, many: usize) -> Database {
        let database = Database::open(folder.path().to_owned(), Arc::new(ManualClock::default())).await.unwrap();
        let add = move |edit: &Edit<'_>| (0..many).try_for_each(|_| edit.add(ticket).map(drop));
        database.write(add).await.unwrap();
        database
    }

    fn ticket(id: &str) -> Ticket {
        Ticket::new(id, "disk full", "todo")
    }

    fn cx() -> Context {
        Context::new(Actor::agent("triage"))
    }

    /// Polls until the work says that it began, stops waiting, and lets the work go on.
    async fn begin_and_leave(work: impl Future, began: mpsc::Receiver<()>, go_on: mpsc::Sender<()>) {
        let began = tokio::task::spawn_blocking(move || began.recv().unwrap());
        tokio::select! {
            biased;
            _ = began => {}
            _ = work => panic!("it cannot be done before it may go on"),
        }
        go_on.send(()).unwrap();
    }

    #[tokio::test]
    async fn a_read_ends_when_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = with_tickets(&folder, 3).await;
        let ((begin, began), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
        let (look, looked) = mpsc::channel();
        let part = Part::new(10, None).unwrap();
        let cx = cx();
        let read = database.read(&cx, move |view| {
            view.page(part, |ticket: Ticket| {
                look.send(ticket.id.to_string()).unwrap();
                if begin.send(()).is_ok() {
                    may_go_on.recv().unwrap();
                }
                Some(ticket)
            })
        });
        begin_and_leave(read, began, go_on).await;
        let looked = tokio::task::spawn_blocking(move || looked.iter().collect::<Vec<_>>()).await.unwrap();
        assert_eq!(looked, ["TCK-3"], "two were never read");
    }

    #[tokio::test]
    async fn a_change_that_has_begun_is_finished_though_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = with_tickets(&folder, 0).await;
        let ((begin, began), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
        let attempt = || Attempt::of(Operation::TicketCreate, "key", &"input").unwrap();
        let work = move |edit: &Edit<'_>| {
            begin.send(()).unwrap();
            may_go_on.recv().unwrap();
            edit.add(ticket)
        };
        let cx = cx();
        begin_and_leave(database.change(&cx, attempt(), work, |_, _| Ok(())), began, go_on).await;
        let again = |_: &Edit<'_>| -> Result<String> { panic!("it was made before") };
        let id = database.change(&cx, attempt(), again, |view, id| view.get::<Ticket>(id)).await.unwrap().id;
        assert_eq!(id.as_str(), "TCK-1");
    }

    #[tokio::test]
    async fn work_that_panics_leaves_nothing_and_the_next_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let database = with_tickets(&folder, 0).await;
        let work = |edit: &Edit<'_>| -> Result<()> {
            edit.add(ticket)?;
            panic!("in the middle of a change")
        };
        assert_eq!(*database.write(work).await.unwrap_err().kind(), ErrorKind::Unexpected);
        assert_eq!(database.write(|edit| edit.add(ticket)).await.unwrap(), "TCK-1");
    }
}
