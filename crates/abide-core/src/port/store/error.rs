use crate::error::{Code, Error};

/// Why a store call failed as a whole.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// Nothing changed; the store may well work later.
    #[error("{0}; nothing was changed")]
    Unavailable(String),
    /// The store is full or read-only; nothing changed; it needs an operator.
    #[error("{0}; nothing was changed; free some space or make the store writable")]
    Full(String),
    /// The batch may or may not be durable: read back to know. A read of its objects answers what stays so, or
    /// that the store is unavailable.
    #[error("{0}; the batch may or may not be durable")]
    Unknown(String),
    /// What is stored cannot be read.
    #[error("the store is damaged: {0}; stop the node and run `abide store verify`")]
    Damaged(String),
    /// This store does not do what was asked for; nothing changed. The text says what to do instead.
    #[error("{0}; nothing was changed")]
    Unsupported(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let maybe = matches!(error, StoreError::Unknown(_));
        let code = match error {
            StoreError::Damaged(_) => Code::Internal,
            StoreError::Unsupported(_) => Code::BadRequest,
            StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::Unknown(_) | StoreError::Closed => {
                Code::Unavailable
            }
        };
        Self::new(code, error.to_string()).maybe_applied(maybe)
    }
}
