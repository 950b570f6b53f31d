//! What SQLite says, as what the store says.

use relynt_gateway::ports::StoreError;
use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::seal::SealError;

/// Why a piece of work inside a transaction did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self::Store(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sql(error) => from_sql(&error),
            Failure::Store(error) => error,
        }
    }
}

/// What cannot be true of a store that only this code has written.
pub(crate) fn corrupt(what: impl Into<String>) -> Failure {
    Failure::Store(StoreError::Corrupt(what.into()))
}

/// What the caller must not ask for.
pub(crate) fn refused(what: impl Into<String>) -> Failure {
    Failure::Store(StoreError::Database(what.into()))
}

pub(crate) fn from_sql(error: &rusqlite::Error) -> StoreError {
    // SQLite's texts name tables and columns, never values.
    let text = error.to_string();
    match error {
        rusqlite::Error::SqliteFailure(code, _) => match code.code {
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure => StoreError::Unwritable(text),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(text),
            ErrorCode::OperationInterrupted => {
                StoreError::Database("reading took too long".to_owned())
            }
            _ => StoreError::Database(text),
        },
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => StoreError::Corrupt(text),
        _ => StoreError::Database(text),
    }
}

/// A sync failed: nobody knows what the disk holds, and asking again would be told that all is
/// well. Whoever sees this stops.
pub(crate) fn is_sync_failure(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::SqliteFailure(code, _)
            if matches!(code.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(extended: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None)
    }

    #[test]
    fn a_full_or_read_only_disk_is_told_from_other_errors() {
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_IOERR_WRITE,
        ] {
            assert!(
                matches!(from_sql(&failure(code)), StoreError::Unwritable(_)),
                "{code}"
            );
            assert!(!is_sync_failure(&failure(code)));
        }
        for code in [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_BUSY] {
            assert!(
                matches!(from_sql(&failure(code)), StoreError::Database(_)),
                "{code}"
            );
        }
        assert!(matches!(
            from_sql(&failure(ffi::SQLITE_CORRUPT)),
            StoreError::Corrupt(_)
        ));
    }

    #[test]
    fn only_a_failed_sync_is_fatal() {
        assert!(is_sync_failure(&failure(ffi::SQLITE_IOERR_FSYNC)));
        assert!(is_sync_failure(&failure(ffi::SQLITE_IOERR_DIR_FSYNC)));
        assert!(!is_sync_failure(&failure(ffi::SQLITE_IOERR_READ)));
    }
}
