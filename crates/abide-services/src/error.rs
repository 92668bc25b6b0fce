use std::fmt;

/// Why a server did not come up, or did not do what was asked; a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError(pub String);

impl ServiceError {
    /// An error with this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServiceError {}

impl From<std::io::Error> for ServiceError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
