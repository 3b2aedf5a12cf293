//! What can go wrong in SQLite, in the words of the one error type.

use opsorch::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// Says what went wrong and what to do.
pub(super) fn explain(error: rusqlite::Error) -> Error {
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (ErrorKind::Unavailable, "the disk is full; make room"),
        Some(ErrorCode::ReadOnly) => {
            (ErrorKind::Unavailable, "the file is read-only; let this process write to it and to its folder")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Unavailable, "another process kept the file locked for too long; try again")
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            (ErrorKind::Unavailable, "the file cannot be read or written; look at the disk")
        }
        Some(ErrorCode::OutOfMemory) => (ErrorKind::Unavailable, "there is not enough memory for the file"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (ErrorKind::Unexpected, "the file is damaged; restore it from a backup")
        }
        _ => (ErrorKind::Unexpected, "the file could not be used"),
    };
    Error::new(kind, message).with_source(error)
}

/// Says what went wrong with a commit, and whether it may have been made all the same: where a write failed half way
/// SQLite may find it whole after a crash.
pub(super) fn explain_commit(error: rusqlite::Error) -> Error {
    use ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly};
    let refused = matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull | ReadOnly));
    let error = explain(error);
    if refused { error.not_applied() } else { error.maybe_applied() }
}

/// A body that this provider did not write like this.
pub(super) fn damaged(kind: &str, id: &str, error: serde_json::Error) -> Error {
    let message = format!("the {kind} `{id}` in the file cannot be read; it was altered, or the file is damaged");
    Error::unexpected(message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    #[test]
    fn what_the_disk_refuses_may_be_tried_again_and_damage_may_not() {
        use rusqlite::ffi::{SQLITE_BUSY, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_IOERR, SQLITE_NOTADB, SQLITE_READONLY};
        for code in [SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY] {
            assert_eq!(*explain(failed(code)).kind(), ErrorKind::Unavailable, "{code}");
        }
        for code in [SQLITE_CORRUPT, SQLITE_NOTADB] {
            assert_eq!(*explain(failed(code)).kind(), ErrorKind::Unexpected, "{code}");
        }
    }

    #[test]
    fn a_commit_that_the_disk_interrupted_may_have_been_made() {
        use rusqlite::ffi::{SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY};
        for code in [SQLITE_BUSY, SQLITE_FULL, SQLITE_READONLY] {
            assert!(!explain_commit(failed(code)).may_have_applied(), "{code}");
        }
        assert!(explain_commit(failed(SQLITE_IOERR)).may_have_applied());
    }
}
