use super::{Alarm, OutboxMessage, Outcome, ROW_BYTES};
use crate::{
    change::ChangeRecord,
    json::Json,
    key::Key,
    seq::{Incarnation, Seq},
    time::Timestamp,
};

/// One thing that a store holds, in the words that all stores share.
///
/// Epochs and the feed are not among them: they belong to a store. A store that takes rows in keeps its
/// own epochs, which go on growing, and makes a feed of its own, in which every object stands from its
/// first seq to its head.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// An object, or its grave.
    Object(Box<ObjectRow>),
    /// A change that is kept, with its snapshot if it has one.
    Change {
        /// Whose it is.
        key: Key,
        /// The change.
        change: ChangeRecord,
    },
    /// An alarm, pending or dead.
    Alarm {
        /// Whose it is.
        key: Key,
        /// The alarm.
        alarm: Box<Alarm>,
    },
    /// The last message that an object applied from a sender.
    Received {
        /// The object.
        key: Key,
        /// The sender.
        sender: Key,
        /// The message's number.
        n: u64,
    },
    /// The result of a keyed call.
    Outcome {
        /// The object that was called.
        key: Key,
        /// The outcome.
        outcome: Box<Outcome>,
    },
    /// A message that is not yet acknowledged.
    Message(Box<OutboxMessage>),
}

/// What a store holds of one object beside the rows of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectRow {
    /// Its name.
    pub key: Key,
    /// The seq of the last change.
    pub head: Seq,
    /// Changes with a seq at or below this are no longer kept.
    pub floor: Seq,
    /// How often the object was created.
    pub incarnation: Incarnation,
    /// The state; `None` is a grave, or, at head zero, an object that only has outcomes or messages.
    pub state: Option<Json>,
    /// The schema version the state was written with.
    pub version: u32,
    /// When this incarnation was created.
    pub created_at: Timestamp,
    /// When the last change was made.
    pub updated_at: Timestamp,
    /// The id of the last commit.
    pub commit_id: u64,
}

impl Row {
    /// About how many bytes it takes: what pages are measured by.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let json = |json: &Option<Json>| json.as_ref().map_or(0, |json| json.as_str().len());
        match self {
            Self::Object(row) => ROW_BYTES + row.key.id().len() + json(&row.state),
            Self::Change { key, change } => key.id().len() + change.bytes(),
            Self::Alarm { key, alarm } => key.id().len() + alarm.bytes(),
            Self::Received { key, sender, .. } => ROW_BYTES + key.id().len() + sender.id().len(),
            Self::Outcome { key, outcome } => {
                ROW_BYTES + key.id().len() + outcome.reply.as_ref().map_or(0, |reply| reply.as_str().len())
            }
            Self::Message(message) => message.bytes(),
        }
    }
}
