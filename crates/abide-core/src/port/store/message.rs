use std::sync::Arc;

use super::ROW_BYTES;
use crate::{error::Error, json::Json, key::Key, seq::Seq, time::Timestamp};

/// Which message of which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The object that sent it.
    pub sender: Key,
    /// Its number: strictly increasing for a sender, for ever.
    pub n: u64,
}

impl MessageId {
    /// A number is the seq of the turn that sent it, followed by this many bits for its place in that turn.
    pub const TURN_BITS: u32 = 16;

    /// The highest number that an object whose head is `head` can have sent.
    #[must_use]
    pub const fn last_of(head: u64) -> u64 {
        head << Self::TURN_BITS | ((1 << Self::TURN_BITS) - 1)
    }
}

/// A durable message from one object to another.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxMessage {
    /// Sender and number.
    pub id: MessageId,
    /// The receiver.
    pub target: Key,
    /// The handler to call.
    pub handler: Arc<str>,
    /// Its arguments.
    pub args: Json,
    /// Who was calling when it was sent, as JSON.
    pub principal: Option<Json>,
    /// When it was sent.
    pub at: Timestamp,
}

/// The recorded result of a keyed call.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Who called.
    pub caller: Arc<str>,
    /// The call's key.
    pub call_key: Arc<str>,
    /// A hash of handler and arguments: the same key for another call is a conflict.
    pub fingerprint: u64,
    /// The seq the answer reflects.
    pub seq: Seq,
    /// The answer, or the handler's own error.
    pub reply: Result<Json, Error>,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl OutboxMessage {
    /// About how many bytes it takes: what pages are measured by.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let principal = self.principal.as_ref().map_or(0, |principal| principal.as_str().len());
        ROW_BYTES + self.id.sender.id().len() + self.target.id().len() + self.args.as_str().len() + principal
    }
}
