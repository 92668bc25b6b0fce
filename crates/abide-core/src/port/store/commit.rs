use super::{AlarmWrite, OutboxMessage, Outcome, Strings};
use crate::{
    change::ChangeRecord,
    json::Json,
    key::{Key, Shard},
    seq::{Epoch, Incarnation, Seq},
    time::Timestamp,
};

/// One object's part of a batch: all that one or several turns made durable together.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The object.
    pub key: Key,
    /// Its shard.
    pub shard: Shard,
    /// The epoch in which the committing node owns the shard.
    pub epoch: Epoch,
    /// A number that no other commit of this object has.
    pub id: u64,
    /// The group it belongs to: commits with one number, next to each other in a batch, are done
    /// together or not at all. Numbers mean nothing beyond their batch.
    pub group: Option<u64>,
    /// The head this commit builds on; zero if the object was never there.
    pub expected: Seq,
    /// The object's incarnation from this commit on.
    pub incarnation: Incarnation,
    /// What becomes of the state.
    pub write: Write,
    /// The changes, dense from `expected + 1`. The new head is the last one's seq.
    pub changes: Vec<ChangeRecord>,
    /// Whether `changes` are kept to be read later (a kind without history keeps none; the head moves all the same).
    pub keep_changes: bool,
    /// Drop kept changes with a seq at or below this; becomes the floor.
    pub trim: Option<Seq>,
    /// Alarms set and removed, in order.
    pub alarms: Vec<AlarmWrite>,
    /// Messages to deliver.
    pub outbox: Vec<OutboxMessage>,
    /// Messages these turns applied: (sender, n). The last n of each sender is kept.
    pub received: Vec<(Key, u64)>,
    /// Outcomes of keyed calls.
    pub outcomes: Vec<Outcome>,
    /// What foreign programs wrote, and this commit takes in. Means something only to a store that
    /// [shares](super::Store::share) the object's kind.
    pub taken: Strings,
}

/// What a commit does to the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The state stays. On an object that was never there this leaves a row without a state at head
    /// zero, which loads as a grave does and is in no list. Only objects with a state have alarms.
    Keep,
    /// The new state.
    Put {
        /// The whole state.
        state: Json,
        /// The schema version it is written with.
        version: u32,
        /// When this incarnation was created.
        created_at: Timestamp,
        /// When this commit's last change was made.
        updated_at: Timestamp,
    },
    /// The object is deleted: state, alarms and changes go, this commit's own alarms and changes too;
    /// a grave with head and incarnation remains. What others rely on stays: its messages in the
    /// outbox, the numbers it received, and outcomes until they expire (a keyed call that is repeated
    /// after a delete must not take effect again).
    Delete {
        /// When.
        at: Timestamp,
    },
}

impl Commit {
    /// A commit to an object of this `shard` that builds on `expected` and does nothing yet.
    pub fn keep(key: Key, shard: Shard, epoch: Epoch, id: u64, expected: Seq) -> Self {
        Self {
            key,
            shard,
            epoch,
            id,
            group: None,
            expected,
            incarnation: Incarnation::ZERO.next(),
            write: Write::Keep,
            changes: Vec::new(),
            keep_changes: true,
            trim: None,
            alarms: Vec::new(),
            outbox: Vec::new(),
            received: Vec::new(),
            outcomes: Vec::new(),
            taken: Strings::default(),
        }
    }

    /// The object's head after this commit.
    pub fn head(&self) -> Seq {
        self.changes.last().map_or(self.expected, |change| change.seq)
    }
}

/// What became of one commit of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is durable.
    Done,
    /// Another owner has the shard; nothing changed.
    Fenced {
        /// The epoch found.
        current: Epoch,
    },
    /// The object's head is not what was expected; nothing changed.
    Conflict {
        /// The head found.
        head: Seq,
    },
    /// Another commit of its group failed; nothing changed.
    LeftOut,
    /// The part of the store that it belongs to could not take it; nothing changed. Other commits of the
    /// batch may be done: only a store made of several says so.
    Unavailable,
}
