use std::error::Error as _;

use abide_core::StoreError;
use tokio_postgres::{
    Error,
    error::{Severity, SqlState},
};

pub(super) type Result<T, E = Fault> = std::result::Result<T, E>;

/// What went wrong with a statement.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server, or the way to it, says so.
    Postgres(Error),
    /// There is no connection, or it is given up.
    Lost(String),
    /// The server only reads.
    ReadOnly(String),
    /// What is stored has no meaning.
    Value(String),
    /// PostgreSQL cannot hold what it should.
    TooLarge(String),
    /// What was asked for is refused.
    Refused(StoreError),
    /// What a transaction found out before is not so any more; doing it again finds out anew.
    Moved,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Value(format!("a stored text is no JSON: {error}"))
    }
}

impl From<abide_core::key::InvalidName> for Fault {
    fn from(error: abide_core::key::InvalidName) -> Self {
        Self::Value(format!("a stored key is no key: {error}"))
    }
}

impl Fault {
    /// Whether the connection is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Postgres(error) => match error.as_db_error() {
                Some(db) => {
                    matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) || only_reads(db.code())
                }
                None => !of_ours(error),
            },
            Self::Lost(_) | Self::ReadOnly(_) => true,
            Self::Value(_) | Self::TooLarge(_) | Self::Refused(_) | Self::Moved => false,
        }
    }

    /// Whether doing the transaction again may well work: it met another one.
    pub(super) fn is_collision(&self) -> bool {
        match self {
            Self::Moved => true,
            Self::Postgres(error) => error.code().is_some_and(|code| {
                [
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::UNIQUE_VIOLATION,
                    SqlState::DIVISION_BY_ZERO,
                ]
                .contains(code)
            }),
            Self::Lost(_) | Self::ReadOnly(_) | Self::Value(_) | Self::TooLarge(_) | Self::Refused(_) => false,
        }
    }

    /// Whether the server refused the statement, so that its transaction cannot be committed.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Postgres(error) => error
                .as_db_error()
                .is_some_and(|db| db.parsed_severity() == Some(Severity::Error) && *db.code() != unknown_completion()),
            Self::Value(_) | Self::TooLarge(_) | Self::Refused(_) | Self::Moved => true,
            Self::Lost(_) | Self::ReadOnly(_) => false,
        }
    }

    /// What happened, for people.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Postgres(error) => sentence(error),
            Self::Lost(sentence) | Self::ReadOnly(sentence) | Self::Value(sentence) | Self::TooLarge(sentence) => {
                sentence.clone()
            }
            Self::Refused(error) => error.to_string(),
            Self::Moved => "another process wrote to the same objects at the same time".into(),
        }
    }
}

/// A fault of a call that changed nothing.
impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let sentence = fault.sentence();
        match fault {
            Fault::Refused(error) => error,
            Fault::Value(_) => Self::Damaged(sentence),
            Fault::TooLarge(_) => Self::Unsupported(sentence),
            Fault::Postgres(error) => match error.code() {
                Some(code) if is_full(code) => Self::Full(sentence),
                Some(code) if is_damage(code) => Self::Damaged(sentence),
                _ => Self::Unavailable(sentence),
            },
            Fault::Lost(_) | Fault::ReadOnly(_) | Fault::Moved => Self::Unavailable(sentence),
        }
    }
}

/// What an error of the client library says.
pub(super) fn sentence(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("PostgreSQL says: {}{detail} [{}]", db.message(), db.code().code());
    }
    match error.source() {
        Some(cause) => format!("PostgreSQL cannot be reached: {error}: {cause}"),
        None => format!("PostgreSQL cannot be reached: {error}"),
    }
}

/// Errors that the library made of our own values before anything was sent, or of an answer.
fn of_ours(error: &Error) -> bool {
    let text = error.to_string();
    ["error serializing", "error deserializing", "expected ", "invalid column"]
        .iter()
        .any(|ours| text.starts_with(ours))
}

fn only_reads(code: &SqlState) -> bool {
    *code == SqlState::READ_ONLY_SQL_TRANSACTION
}

fn is_full(code: &SqlState) -> bool {
    *code == SqlState::DISK_FULL
}

fn is_damage(code: &SqlState) -> bool {
    [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code)
}

/// What some distributed databases say when they cannot tell whether a COMMIT was done.
fn unknown_completion() -> SqlState {
    SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
}
