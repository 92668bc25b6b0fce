//! What is pushed to this client.

use abide_core::Json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How many pushes are kept for a slow reader.
pub(crate) const PUSHES_MAX: usize = 256;

/// What a reader of pushes gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Push {
    /// What a handler pushed to this client.
    Data(Json),
    /// So many were lost: the connection was away for too long, or this reader is too slow.
    Missed(u64),
}

/// The pushes to this client, in order. It keeps the last 256 for a slow reader.
#[derive(Debug)]
pub struct Pushes(pub(crate) Receiver<Push>);

impl Pushes {
    /// The next push; `None` when the client was closed.
    pub async fn next(&mut self) -> Option<Push> {
        match self.0.recv().await {
            Ok(push) => Some(push),
            Err(RecvError::Lagged(missed)) => Some(Push::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}
