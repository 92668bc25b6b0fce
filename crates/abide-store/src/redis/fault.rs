//! What went wrong with a command, and whether it can have changed anything.

use abide_core::StoreError;
use redis::{RedisError, ServerError, ServerErrorKind};

/// Why a command did not do its work.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// The server refused it, or it was never sent: nothing changed.
    Refused(StoreError),
    /// It was sent, and no answer came.
    Unanswered(String),
    /// Another server of the cluster has these keys now: nothing changed.
    Moved,
    /// The server does not know the script: nothing changed.
    NoScript,
}

impl Fault {
    /// Of a connection that could not be made.
    pub(super) fn unconnected(error: &RedisError) -> Self {
        Self::Refused(StoreError::Unavailable(format!("the Redis server cannot be reached: {error}")))
    }

    /// Of a command that was under way on a connection.
    pub(super) fn under_way(error: &RedisError) -> Self {
        Self::Unanswered(format!("the connection to the Redis server was lost under way: {error}"))
    }

    /// Of an error that the server answered with.
    pub(super) fn answered(error: &ServerError) -> Self {
        match error.kind() {
            Some(ServerErrorKind::Moved) => return Self::Moved,
            Some(ServerErrorKind::NoScript) => return Self::NoScript,
            _ => {}
        }
        let detail = error.details().unwrap_or_default();
        let said = format!("the Redis server said {} {detail}", error.code());
        Self::Refused(match error.code() {
            "OOM" | "READONLY" | "MISCONF" => StoreError::Full(said),
            "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "ASK" | "NOREPLICAS" | "NOAUTH"
            | "NOPERM" | "WRONGPASS" | "UNKILLABLE" => StoreError::Unavailable(said),
            // A script that is refused before it runs names the reason in its text.
            _ if detail.contains("-OOM") || detail.contains("maxmemory") => StoreError::Full(said),
            _ if detail.contains("-READONLY") || detail.contains("-MISCONF") => StoreError::Full(said),
            _ => StoreError::Damaged(said),
        })
    }

    /// For a call that reads, or that stands alone.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Refused(error) => error,
            Self::Unanswered(why) => StoreError::Unknown(why),
            Self::Moved => StoreError::Unavailable("the keys are moving between servers of the cluster".into()),
            Self::NoScript => StoreError::Unavailable("the Redis server forgets scripts".into()),
        }
    }

    /// For a call that only reads: it changed nothing, answered or not.
    pub(super) fn into_read_error(self) -> StoreError {
        match self {
            Self::Unanswered(why) => StoreError::Unavailable(why),
            other => other.into_error(),
        }
    }
}

/// What is stored cannot be what a store writes.
pub(super) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged(what.into())
}
