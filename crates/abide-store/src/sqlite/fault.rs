use std::path::Path;

use abide_core::{InvalidName, StoreError};
use rusqlite::{Error, ErrorCode, ffi};

use crate::error::OpenError;

/// What went wrong inside of the store, before anybody is told.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite said so.
    Sqlite(Error),
    /// SQLite said so when it was asked to commit.
    AtCommit(Error),
    /// A stored value cannot be what it is.
    Value(String),
    /// What was asked for is not done, and nothing changed.
    Refused(StoreError),
}

pub(super) type Result<T, E = Fault> = std::result::Result<T, E>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<InvalidName> for Fault {
    fn from(error: InvalidName) -> Self {
        Self::Value(format!("a stored key is no key: {error}"))
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Value(format!("a stored JSON text cannot be read: {error}"))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Fault {
    /// Whether one batch of a group may be to blame, so that the others should be tried without it.
    pub(super) fn may_be_of_one_batch(&self) -> bool {
        match self {
            Self::Sqlite(error) | Self::AtCommit(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::TooBig
                        | ErrorCode::ConstraintViolation
                        | ErrorCode::TypeMismatch
                        | ErrorCode::OutOfMemory
                )
            ),
            Self::Value(_) | Self::Refused(_) => true,
        }
    }

    /// Whether the outcome of a COMMIT cannot be known from the answer alone.
    pub(super) fn is_ambiguous(&self) -> bool {
        matches!(self, Self::AtCommit(error) if class(error) == Class::Io)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Full,
    ReadOnly,
    Damaged,
    Busy,
    Io,
    Other,
}

fn class(error: &Error) -> Class {
    let Error::SqliteFailure(failure, _) = error else {
        return Class::Damaged;
    };
    match failure.code {
        ErrorCode::DiskFull => Class::Full,
        ErrorCode::ReadOnly => Class::ReadOnly,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => Class::Damaged,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Class::Busy,
        ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Class::Full,
        ErrorCode::SystemIoFailure => Class::Io,
        _ => Class::Other,
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let ambiguous = fault.is_ambiguous();
        let error = match fault {
            Fault::Value(what) => return Self::Damaged(what),
            Fault::Refused(error) => return error,
            Fault::Sqlite(error) | Fault::AtCommit(error) => error,
        };
        match class(&error) {
            Class::Full => Self::Full(format!("the disk of the store is full ({error})")),
            Class::ReadOnly => Self::Full(format!("the store cannot be written ({error})")),
            Class::Damaged => Self::Damaged(error.to_string()),
            Class::Busy => Self::Unavailable(format!("another handle kept the store busy ({error})")),
            Class::Io if ambiguous => Self::Unknown(format!("the store's disk failed while committing ({error})")),
            Class::Io => Self::Unavailable(format!("the store's disk failed ({error})")),
            Class::Other => Self::Unavailable(format!("the store refused ({error})")),
        }
    }
}

impl Fault {
    /// The sentence for whoever wanted to open the file.
    pub(super) fn opening(self, path: &Path) -> OpenError {
        let path = path.to_path_buf();
        let error = match self {
            Self::Value(why) => return OpenError::Damaged { path, why },
            Self::Refused(error) => return OpenError::Failed { path, why: error.to_string() },
            Self::Sqlite(error) | Self::AtCommit(error) => error,
        };
        let why = error.to_string();
        if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
            let why = "it does not begin as a SQLite database does".into();
            return OpenError::NotAStore { path, why };
        }
        match class(&error) {
            Class::Full | Class::ReadOnly => OpenError::NotWritable { path, why },
            Class::Damaged => OpenError::Damaged { path, why },
            Class::Busy | Class::Io | Class::Other => OpenError::Failed { path, why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn each_fault_says_whether_anything_changed() {
        for (code, expected) in [
            (ffi::SQLITE_FULL, "Full"),
            (ffi::SQLITE_READONLY, "Full"),
            (ffi::SQLITE_IOERR_SHMSIZE, "Full"),
            (ffi::SQLITE_CORRUPT, "Damaged"),
            (ffi::SQLITE_NOTADB, "Damaged"),
            (ffi::SQLITE_BUSY, "Unavailable"),
            (ffi::SQLITE_TOOBIG, "Unavailable"),
            (ffi::SQLITE_IOERR_WRITE, "Unavailable"),
        ] {
            let error = StoreError::from(Fault::Sqlite(failure(code)));
            assert!(format!("{error:?}").starts_with(expected), "{code}: {error:?}");
        }
    }

    #[test]
    fn only_a_disk_fault_at_the_commit_itself_leaves_anything_open() {
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE] {
            let error = StoreError::from(Fault::AtCommit(failure(code)));
            assert!(matches!(error, StoreError::Unknown(_)), "{error:?}");
        }
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY] {
            let error = StoreError::from(Fault::AtCommit(failure(code)));
            assert!(!matches!(error, StoreError::Unknown(_)), "{error:?}");
        }
    }
}
