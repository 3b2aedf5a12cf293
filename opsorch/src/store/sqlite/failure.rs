//! What can go wrong in SQLite, in the words of the one error type.

use rusqlite::ErrorCode;

use crate::{Error, ErrorKind};

/// What stopped a step or a read: SQLite, or something that was found.
#[derive(Debug)]
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    Found(Error),
}

impl Failure {
    /// Whether the file is not a database at all.
    pub(super) fn is_no_database(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase))
    }

    /// Whether somebody else holds a lock.
    pub(super) fn is_busy(&self) -> bool {
        use ErrorCode::{DatabaseBusy, DatabaseLocked};
        matches!(self, Self::Sqlite(error)
            if matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked)))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Found(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Found(error) => return error,
            Failure::Sqlite(error) => error,
        };
        let (kind, message) = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                (ErrorKind::Unavailable, "the disk is full, or the store has reached its largest size; make room")
            }
            Some(ErrorCode::ReadOnly) => {
                (ErrorKind::Unavailable, "the store's file is read-only; let this process write to it")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (ErrorKind::Unavailable, "another process kept the store locked for too long; try again")
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                (ErrorKind::Unavailable, "the store's file cannot be read or written; look at the disk")
            }
            Some(ErrorCode::OutOfMemory) => (ErrorKind::Unavailable, "there is not enough memory for the store"),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                (ErrorKind::Unexpected, "the store's file is damaged; restore it from a backup")
            }
            Some(ErrorCode::ConstraintViolation) => {
                (ErrorKind::Unexpected, "the store holds rows that contradict this step; verify the log")
            }
            _ => (ErrorKind::Unexpected, "the store failed"),
        };
        Error::new(kind, message).with_source(error)
    }
}
