//! The port for durability.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::BoxFuture;
use crate::{
    change::ChangeRecord,
    error::{Code, Error},
    filter::Filter,
    json::Json,
    key::{Key, Kind, Namespace, Shard},
    schedule::Schedule,
    seq::{Epoch, FeedPosition, Incarnation, Seq},
    time::Timestamp,
};

/// Where objects are durable.
///
/// # Durability
/// When `commit` says [`Committed::Done`], everything the commit holds survives a crash of this
/// process and of the machine, as far as the store's own settings promise it.
///
/// # Atomicity
/// One `commit` call is one transaction: either every commit of the batch that passes its checks is
/// durable, or none is and the call fails. A commit that fails its fence or its expectation is left
/// out whole and reported by itself; the others are not touched by it. Commits of one batch to the
/// same object apply in their order, each seeing the one before.
///
/// # Ordering
/// Batches take effect in the order in which `commit` was called. The call itself, not the first poll
/// of its future, takes the place in the order; dropping the future does not undo the batch.
///
/// # Fencing
/// A commit whose `epoch` is not the shard's current epoch changes nothing. `claim` raises the epoch
/// in a transaction of its own; from then on no commit with an older epoch can succeed.
///
/// # Reads
/// Reads see every batch that was reported done before the read began, and never a part of a batch.
///
/// # Limits
/// Every page has a limit, and no call reads more than a page into memory.
pub trait Store: Send + Sync + 'static {
    /// A short name for logs and metrics: `sqlite`, `memory`.
    fn name(&self) -> &'static str;

    /// How many shards this store was created with.
    fn shards(&self) -> u32;

    /// Takes ownership of every shard: raises each epoch by one and returns the new one of each, by number.
    fn claim(&self) -> BoxFuture<'_, Result<Vec<Epoch>, StoreError>>;

    /// Loads one object, or its grave. `None` if there never was one.
    fn load(&self, key: &Key) -> BoxFuture<'static, Result<Option<Loaded>, StoreError>>;

    /// Makes a batch durable. One answer for each commit, in order.
    fn commit(&self, batch: Vec<Commit>) -> BoxFuture<'static, Result<Vec<Committed>, StoreError>>;

    /// Removes messages that were delivered, or given up, from the outbox. Needs no fence: it is only
    /// asked for after the receiver's commit is durable, and repeating it is harmless.
    fn acknowledge(&self, messages: Vec<MessageId>) -> BoxFuture<'static, Result<(), StoreError>>;

    /// A page of the changes of an object after `after`, oldest first, without snapshots.
    fn changes(&self, key: &Key, after: Seq, limit: usize) -> BoxFuture<'static, Result<ChangesPage, StoreError>>;

    /// The latest kept snapshot at or before `at`, from which changes lead to the state at `at`.
    /// `None` if history does not reach back that far.
    fn snapshot(&self, key: &Key, at: Seq) -> BoxFuture<'static, Result<Option<(Seq, Json)>, StoreError>>;

    /// A page of the feed: which object reached which seq, in commit order, of one shard or of all.
    /// An object's entries follow one another without a gap; one may span several commits.
    fn feed(
        &self,
        shard: Option<Shard>,
        after: FeedPosition,
        limit: usize,
    ) -> BoxFuture<'static, Result<FeedPage, StoreError>>;

    /// Live alarms due at or before `until`, ordered by (due, key, name), after `after` in that order.
    fn due_alarms(
        &self,
        until: Timestamp,
        after: Option<AlarmCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<DueAlarm>, StoreError>>;

    /// Alarms, pending or dead, of one object or of all, ordered as `due_alarms`.
    fn alarms(&self, query: AlarmsQuery) -> BoxFuture<'static, Result<Vec<DueAlarm>, StoreError>>;

    /// Messages not yet acknowledged, ordered by (sender, n), after `after`.
    fn outbox(
        &self,
        after: Option<MessageId>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<OutboxMessage>, StoreError>>;

    /// The stored outcome of a keyed call, if it expires after `now`.
    fn outcome(
        &self,
        key: &Key,
        caller: &str,
        call_key: &str,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Option<Outcome>, StoreError>>;

    /// The last message number `key` has applied from `sender`; zero if none.
    fn received(&self, key: &Key, sender: &Key) -> BoxFuture<'static, Result<u64, StoreError>>;

    /// A page of the objects of a kind, by id.
    fn list(&self, query: ListQuery) -> BoxFuture<'static, Result<ListPage, StoreError>>;

    /// Removes outcomes that expired at or before `now` and feed entries beyond what is kept; at most
    /// `limit` rows at once. Returns how many it removed.
    fn clean(&self, now: Timestamp, limit: usize) -> BoxFuture<'static, Result<u64, StoreError>>;

    /// What is in the store.
    fn status(&self) -> BoxFuture<'static, Result<Status, StoreError>>;

    /// Finishes what was asked for, then lets go of files, locks and threads; later calls fail with
    /// [`StoreError::Closed`]. A store that holds nothing of the kind has nothing to do.
    fn close(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Checks the whole store: logs dense from floor to head, alarms and messages of live objects,
    /// states well formed, epochs consistent. Returns the faults found, at most `limit`.
    fn verify(&self, limit: usize) -> BoxFuture<'static, Result<Vec<String>, StoreError>>;
}

/// Why a store call failed as a whole.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// Nothing changed; the store may well work later.
    #[error("{0}; nothing was changed")]
    Unavailable(String),
    /// The store is full or read-only; nothing changed; it needs an operator.
    #[error("{0}; nothing was changed; free some space or make the store writable")]
    Full(String),
    /// The batch may or may not be durable: read back to know.
    #[error("{0}; the batch may or may not be durable")]
    Unknown(String),
    /// What is stored cannot be read.
    #[error("the store is damaged: {0}; stop the node and run `abide store verify`")]
    Damaged(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let maybe = matches!(error, StoreError::Unknown(_));
        let code = match error {
            StoreError::Damaged(_) => Code::Internal,
            StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::Unknown(_) | StoreError::Closed => {
                Code::Unavailable
            }
        };
        Self::new(code, error.to_string()).maybe_applied(maybe)
    }
}

/// What a store holds of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The seq of the last change.
    pub head: Seq,
    /// Changes with a seq at or below this are no longer kept.
    pub floor: Seq,
    /// How often the object was created.
    pub incarnation: Incarnation,
    /// The state; `None` is a grave.
    pub state: Option<Json>,
    /// The schema version the state was written with.
    pub version: u32,
    /// When this incarnation was created.
    pub created_at: Timestamp,
    /// When the last change was made.
    pub updated_at: Timestamp,
    /// The id of the last commit, to settle one whose answer was lost.
    pub commit_id: u64,
    /// All its alarms, dead ones included.
    pub alarms: Vec<Alarm>,
}

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
}

/// An alarm of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name: one alarm of a name at a time, and the name of the `#[alarm]` handler.
    pub name: Arc<str>,
    /// When it fires next.
    pub due: Timestamp,
    /// A number that no other setting of an alarm of this object has: tells a replaced alarm from a new one.
    pub token: u64,
    /// What the handler is given.
    pub payload: Json,
    /// How often firing has failed so far.
    pub attempt: u32,
    /// When it repeats, if it does.
    pub schedule: Option<Schedule>,
    /// The last error, once it was given up: a dead letter, kept and reported, never fired.
    pub dead: Option<String>,
}

/// One edit of an object's alarms.
#[derive(Clone, Debug, PartialEq)]
pub enum AlarmWrite {
    /// Sets or replaces the alarm of this name.
    Set(Alarm),
    /// Removes the alarm of this name, if there is one.
    Remove(Arc<str>),
}

/// An alarm and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct DueAlarm {
    /// The object.
    pub key: Key,
    /// The alarm.
    pub alarm: Alarm,
}

/// A place in the order of alarms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlarmCursor {
    /// When the alarm is due.
    pub due: Timestamp,
    /// Whose it is.
    pub key: Key,
    /// Its name.
    pub name: Arc<str>,
}

/// Which alarms to list.
#[derive(Clone, Debug)]
pub struct AlarmsQuery {
    /// Of this object, or of all.
    pub key: Option<Key>,
    /// In this namespace.
    pub namespace: Namespace,
    /// Only dead letters; otherwise pending and dead ones.
    pub dead: bool,
    /// Continue after this one.
    pub after: Option<AlarmCursor>,
    /// At most so many.
    pub limit: usize,
}

/// Which message of which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The object that sent it.
    pub sender: Key,
    /// Its number: strictly increasing for a sender, for ever.
    pub n: u64,
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

/// A page of changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangesPage {
    /// The changes, oldest first.
    pub changes: Vec<ChangeRecord>,
    /// The object's head when the page was read; zero if there is no object.
    pub head: Seq,
    /// Changes at or below this are no longer kept.
    pub floor: Seq,
}

/// An entry of the feed: an object's head moved.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEntry {
    /// Its position.
    pub position: FeedPosition,
    /// The object.
    pub key: Key,
    /// Its shard.
    pub shard: Shard,
    /// The first seq of this step.
    pub first: Seq,
    /// The last seq of this step.
    pub last: Seq,
}

/// A page of the feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedPage {
    /// The entries, in commit order.
    pub entries: Vec<FeedEntry>,
    /// Ask for what comes after this next. Moves on even when a page has no entries of the shard asked for.
    pub next: FeedPosition,
    /// Whether there is more right now.
    pub more: bool,
    /// Entries at or below this are no longer kept.
    pub floor: FeedPosition,
}

/// Which objects to list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// The tenant.
    pub namespace: Namespace,
    /// The kind.
    pub kind: Kind,
    /// Only ids that begin with this.
    pub prefix: String,
    /// Only objects whose state matches.
    pub filter: Option<Filter>,
    /// Only ids after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its head.
    pub seq: Seq,
    /// Its state.
    pub state: Json,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPage {
    /// The objects, by id.
    pub objects: Vec<Listed>,
    /// Whether there are more: ask again with `after` the last id.
    pub more: bool,
}

/// What is in a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The store's name.
    pub store: String,
    /// The schema version of its tables.
    pub schema: u32,
    /// Objects by kind, graves not counted.
    pub objects: Vec<(String, u64)>,
    /// Kept changes.
    pub changes: u64,
    /// Pending alarms.
    pub alarms: u64,
    /// Alarms given up.
    pub dead_alarms: u64,
    /// Messages not yet delivered.
    pub outbox: u64,
    /// Kept outcomes.
    pub outcomes: u64,
    /// Bytes on disk.
    pub bytes: u64,
}
