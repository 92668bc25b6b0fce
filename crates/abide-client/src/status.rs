//! How the connection is.

use abide_core::Error;

/// How a client's connection is.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// The first connection is being made.
    Connecting,
    /// The server has said welcome.
    Online,
    /// There is no connection; the next is being made.
    Offline(Error),
    /// It ended for good: the client was closed, or the server refuses it.
    Closed(Error),
}

impl Status {
    /// Whether there is a connection.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online)
    }

    /// Why there is no connection, if something is known of it.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Connecting | Self::Online => None,
            Self::Offline(error) | Self::Closed(error) => Some(error),
        }
    }
}
