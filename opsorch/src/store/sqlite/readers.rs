//! Connections that only read, on threads that may wait.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::failure::Failure;
use super::file::File;
use crate::{Error, ErrorKind, Result};

/// How many read at once; more wait for their turn.
const MOST: usize = 4;

/// A few connections; all but the first are opened when they are needed.
#[derive(Debug)]
pub(super) struct Readers {
    pool: Arc<Pool>,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Pool {
    file: File,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Opens the first connection, so that reads go on whatever becomes of the file's name.
    pub(super) fn open(file: File) -> Result<Self> {
        let idle = Mutex::new(vec![file.reader()?]);
        Ok(Self { pool: Arc::new(Pool { file, idle }), turns: Arc::new(Semaphore::new(MOST)) })
    }

    /// Reads on a thread of the runtime that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let unavailable = |message| Error::new(ErrorKind::Unavailable, message);
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| unavailable("the store is closed").with_source(error))?;
        let runtime = Handle::try_current()
            .map_err(|error| unavailable("the store is read within a tokio runtime").with_source(error))?;
        let pool = Arc::clone(&self.pool);
        let task = runtime.spawn_blocking(move || {
            let answer = pool.read(query);
            drop(turn);
            answer
        });
        let ended = task.await.map_err(|error| unavailable("reading the store was broken off").with_source(error));
        Ok(ended??)
    }
}

impl Pool {
    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        let connection = self.take().map_or_else(|| self.file.reader(), Ok)?;
        let answer = query(&connection)?;
        // After an error it is closed instead.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(answer)
    }

    fn take(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
