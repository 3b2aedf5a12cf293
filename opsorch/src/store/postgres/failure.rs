//! What can go wrong in PostgreSQL and on the way to it, in the words of the one error type.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::{Error, ErrorKind};

/// What stopped a step or a read: the database, the way to it, or something that was found.
#[derive(Debug)]
pub(super) enum Failure {
    Database(tokio_postgres::Error),
    /// No answer came in time.
    TimedOut,
    Found(Error),
    /// It may have been committed, and cannot be looked up.
    Unknown(Error),
}

impl Failure {
    /// Whether the database said no, and its transaction is over: nothing of it was committed.
    pub(super) fn is_refusal(&self) -> bool {
        self.refusal().is_some()
    }

    /// Whether the connection is gone, so that another one may do better.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Database(_)) && !self.is_refusal()
    }

    /// Whether it may be due to one of several steps, and not to the state of the database.
    pub(super) fn may_be_of_one_step(&self) -> bool {
        let waited = [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED, SqlState::READ_ONLY_SQL_TRANSACTION];
        match self {
            Self::Found(error) => !error.is_retryable(),
            _ => self.refusal().is_some_and(|error| !waited.contains(error.code())),
        }
    }

    /// A refusal ends a statement; what is worse ends the connection, at any moment.
    fn refusal(&self) -> Option<&DbError> {
        let Self::Database(error) = self else { return None };
        error.as_db_error().filter(|error| error.parsed_severity() == Some(Severity::Error))
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Database(error),
            PoolError::Timeout(_) => Self::TimedOut,
            other => {
                let message = "there is no connection to read the store with";
                Self::Found(Error::new(ErrorKind::Unavailable, message).with_context("reason", other))
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Found(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Found(error) | Failure::Unknown(error) => error,
            Failure::TimedOut => Error::new(ErrorKind::Unavailable, "the database did not answer in time; try again"),
            Failure::Database(error) => match error.as_db_error() {
                Some(refusal) => refused(refusal),
                None => lost(&error),
            },
        }
    }
}

/// An error of the way to the database. What caused it is told in words: it may know more than should be printed.
fn lost(error: &tokio_postgres::Error) -> Error {
    let message = "the database cannot be reached, or the connection was lost; look at the server and the network";
    let lost = Error::new(ErrorKind::Unavailable, message).with_context("reason", error);
    match error.source() {
        Some(source) => lost.with_context("cause", source),
        None => lost,
    }
}

/// An error that the database reports. Its details are left out, because they repeat rows.
fn refused(error: &DbError) -> Error {
    let (kind, message) = explain(error.code());
    Error::new(kind, message).with_context("sqlstate", error.code().code()).with_context("reason", error.message())
}

fn explain(state: &SqlState) -> (ErrorKind, &'static str) {
    use ErrorKind::{Forbidden, Invalid, Unauthenticated, Unavailable, Unexpected};
    match (state, state.code().get(..2).unwrap_or_default()) {
        (&SqlState::DISK_FULL, _) => (Unavailable, "the disk of the database is full; make room"),
        (&SqlState::LOCK_NOT_AVAILABLE, _) => {
            (Unavailable, "another process kept the store locked for too long; try again")
        }
        (&SqlState::QUERY_CANCELED, _) => (Unavailable, "the database took too long; try again"),
        (&SqlState::READ_ONLY_SQL_TRANSACTION, _) => {
            (Unavailable, "the database is read-only; connect to the primary server")
        }
        (&SqlState::INSUFFICIENT_PRIVILEGE, _) => {
            (Forbidden, "the role may not do this in the database; make it the owner of the store's schema")
        }
        (&SqlState::INVALID_CATALOG_NAME, _) => {
            (Invalid { field: "url".into() }, "there is no such database; create it")
        }
        (&SqlState::CHARACTER_NOT_IN_REPERTOIRE, _) => {
            (Invalid { field: "text".into() }, "PostgreSQL keeps no text with a NUL character")
        }
        (_, "28") => (Unauthenticated, "the database refuses the user or the password"),
        (_, "08" | "53" | "57" | "40" | "25") => (Unavailable, "the database cannot answer now; try again"),
        (_, "58") => (Unavailable, "the database cannot read or write its files; look at its disk"),
        (_, "23") => (Unexpected, "the store holds rows that contradict this step; verify the log"),
        (_, "42") => (Unexpected, "the store's tables are not as it made them; restore them from a backup"),
        (_, "XX") => (Unexpected, "the database is damaged; restore it from a backup"),
        _ => (Unexpected, "the store failed"),
    }
}
