//! The port for durability.

mod alarm;
mod codec;
mod commit;
mod error;
mod export;
mod feed;
mod judge;
mod list;
mod message;
mod object;
mod page;
mod row;
mod sharing;
mod status;
mod tally;

pub use alarm::{Alarm, AlarmCursor, AlarmWrite, AlarmsQuery, DueAlarm};
pub use codec::BadRow;
pub use commit::{Commit, Committed, Write};
pub use error::StoreError;
pub use export::{Export, PAGE_BYTES};
pub use feed::{FeedEntry, FeedPage};
pub use judge::{Ledger, apply_batch};
pub use list::{KindIndexes, ListCursor, ListPage, ListQuery, Listed, Order};
pub use message::{MessageId, OutboxMessage, Outcome};
pub use object::{ChangesPage, Loaded};
pub(crate) use page::ROW_BYTES;
pub use page::{AlarmsPage, OutboxPage, READ_BYTES, Room};
pub use row::{ObjectRow, Row};
pub use sharing::{FieldForm, Notice, SharedKind, Shares, Sharing, Strings};
pub use status::{Importing, Status};
pub use tally::{Digest, Tally};

use super::BoxFuture;
use crate::{
    json::Json,
    key::{Key, Namespace, Shard},
    seq::{Epoch, FeedPosition, Seq},
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
/// # Groups
/// Commits of one group stand next to each other in one batch, at most one for each object, and are
/// done together or not at all: when one fails its fence or its expectation, it says so, and the others
/// of its group that would have passed say [`Committed::LeftOut`]. The rest of the batch is not touched
/// by it. A store that says `false` to [`Store::groups`] answers a batch with a group
/// [`StoreError::Unsupported`].
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
/// Every page has a limit in rows, and no call reads more than a page into memory. Pages of changes, objects,
/// alarms and messages end before that where they would have more than [`READ_BYTES`]: a page has at least
/// one row, if there are any, and may have less than the limit. Whether there is more is not to be told by
/// counting its rows, but by [`ChangesPage::head`], [`ListPage::next`], [`AlarmsPage::more`] and
/// [`OutboxPage::more`]. An entry of the feed has names and numbers only.
///
/// # Parts
/// A store that is made of several may lose one of them. Alarms and messages of the others are served
/// meanwhile: pages say that they are [partial](OutboxPage::partial), and [`Store::acknowledge`] gives back
/// what it could not take out.
///
/// # Moving
/// What [`Store::export`] gives, [`Store::import`] of any store takes, and exporting that store gives the
/// same rows: states, changes, snapshots and numbers to the last byte. An import can be broken off at any
/// point and goes on where it was; what is there of it is never taken for a whole store.
pub trait Store: Send + Sync + 'static {
    /// A short name for logs and metrics: `sqlite`, `memory`.
    fn name(&self) -> &'static str;

    /// How many shards this store was created with.
    fn shards(&self) -> u32;

    /// Whether commits of several objects can be done all or none.
    fn groups(&self) -> bool {
        true
    }

    /// Whether commits to objects of these shards can be done all or none: a store made of several
    /// databases can where one of them holds them all.
    fn together(&self, shards: &[Shard]) -> bool {
        shards.len() < 2 || self.groups()
    }

    /// Whether `list` filters and orders by indexed fields only.
    fn needs_index(&self) -> bool {
        false
    }

    /// Takes ownership of every shard: raises each epoch by one and returns the new one of each, by number.
    fn claim(&self) -> BoxFuture<'_, Result<Vec<Epoch>, StoreError>>;

    /// Loads one object, or its grave. `None` if there never was one.
    fn load(&self, key: &Key) -> BoxFuture<'static, Result<Option<Loaded>, StoreError>>;

    /// Makes a batch durable. One answer for each commit, in order.
    fn commit(&self, batch: Vec<Commit>) -> BoxFuture<'static, Result<Vec<Committed>, StoreError>>;

    /// Removes messages that were delivered, or given up, from the outbox. Needs no fence: it is only
    /// asked for after the receiver's commit is durable, and repeating it is harmless. Gives back those of a
    /// part of the store that is away, which are still there: they are to be asked for again.
    fn acknowledge(&self, messages: Vec<MessageId>) -> BoxFuture<'static, Result<Vec<MessageId>, StoreError>>;

    /// A page of the changes of an object after `after`, oldest first, without snapshots.
    fn changes(&self, key: &Key, after: Seq, limit: usize) -> BoxFuture<'static, Result<ChangesPage, StoreError>>;

    /// The latest kept snapshot at or before `at`, from which changes lead to the state at `at`.
    /// `None` if history does not reach back that far.
    fn snapshot(&self, key: &Key, at: Seq) -> BoxFuture<'static, Result<Option<(Seq, Json)>, StoreError>>;

    /// A page of the feed: which object reached which seq, in commit order, of one shard or of all.
    /// An object's entries follow one another without a gap; one may span several commits. Positions
    /// grow within a shard. A store that has no one order over all shards answers `None` with
    /// [`StoreError::Unsupported`].
    fn feed(
        &self,
        shard: Option<Shard>,
        after: FeedPosition,
        limit: usize,
    ) -> BoxFuture<'static, Result<FeedPage, StoreError>>;

    /// Resolves when the feed of a shard, or any feed, may have moved since this was called; the call
    /// itself counts, not the first poll. So: call this, read the feed, and if there is nothing new, wait.
    ///
    /// It is a hint and nothing more. It may come although nothing moved, it may be late, and it may never
    /// come: a connection was lost, or the store gives none, as by default. Whoever waits sets a limit and
    /// then reads the feed all the same, and nothing may be right only because of it.
    fn feed_moved(&self, shard: Option<Shard>) -> BoxFuture<'static, ()> {
        let _ = shard;
        Box::pin(std::future::pending())
    }

    /// The namespaces that have, or had, objects, by name, after `after`; at most `limit`.
    fn namespaces(
        &self,
        after: Option<Namespace>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<Namespace>, StoreError>>;

    /// The shards that ever had an entry in the feed, by number, each with the position of its last one.
    fn feed_heads(&self) -> BoxFuture<'static, Result<Vec<(Shard, FeedPosition)>, StoreError>>;

    /// Live alarms due at or before `until`, ordered by (due, key, name), after `after` in that order.
    fn due_alarms(
        &self,
        until: Timestamp,
        after: Option<AlarmCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<AlarmsPage, StoreError>>;

    /// Alarms, pending or dead, of one object or of all, ordered as `due_alarms`.
    fn alarms(&self, query: AlarmsQuery) -> BoxFuture<'static, Result<AlarmsPage, StoreError>>;

    /// Messages not yet acknowledged, ordered by (sender, n), after `after`.
    fn outbox(&self, after: Option<MessageId>, limit: usize) -> BoxFuture<'static, Result<OutboxPage, StoreError>>;

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

    /// A page of the objects of a kind, by id or by a field of their states. An object that does not
    /// change while pages are read is in exactly one of them; one that does change may be missed or met
    /// twice only by moving in the order.
    ///
    /// Where [`Store::needs_index`], a filter or an order over a field without an index is answered with
    /// [`StoreError::Unsupported`], which names the field.
    fn list(&self, query: ListQuery) -> BoxFuture<'static, Result<ListPage, StoreError>>;

    /// Makes the indexes of these kinds what is wanted: those that are missing are made, also over
    /// objects that are there already, and those that are not named any more are dropped. Other kinds
    /// keep theirs. Asking again changes nothing.
    fn index(&self, wanted: Vec<KindIndexes>) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Keeps these kinds the way that programs of distobject keep their objects, from now on: to be asked
    /// before the first commit, once. A store that cannot answers [`StoreError::Unsupported`].
    fn share(&self, kinds: Vec<SharedKind>) -> Shares {
        let kinds: Vec<_> = kinds.iter().map(|shared| shared.kind.as_str()).collect();
        Err(StoreError::Unsupported(format!(
            "a store of type {} cannot keep {} with `layout = \"distobject\"`: that is how objects are kept in Redis; \
             open the store at redis://…, or remove the option",
            self.name(),
            kinds.join(", ")
        )))
    }

    /// Removes outcomes that expired at or before `now` and feed entries beyond what is kept; at most
    /// `limit` rows at once. Returns how many it removed, or `limit` if there is more to do than can wait.
    fn clean(&self, now: Timestamp, limit: usize) -> BoxFuture<'static, Result<u64, StoreError>>;

    /// What is in the store.
    fn status(&self) -> BoxFuture<'static, Result<Status, StoreError>>;

    /// A text that was kept under this name, apart from everything else: what is made of several stores
    /// says there which part each of them is. Imports leave it alone.
    fn note(&self, name: &'static str) -> BoxFuture<'static, Result<Option<String>, StoreError>> {
        let _ = name;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Keeps a text under a name, in place of another one only if `replace` says so, and gives what is
    /// there now.
    fn set_note(
        &self,
        name: &'static str,
        text: String,
        replace: bool,
    ) -> BoxFuture<'static, Result<String, StoreError>> {
        drop((name, text, replace));
        export::unsupported(self.name(), "notes, and so cannot be a part of a larger one")
    }

    /// Finishes what was asked for, then lets go of files, locks and threads; later calls fail with
    /// [`StoreError::Closed`]. A store that holds nothing of the kind has nothing to do.
    fn close(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Everything that the store holds, row by row. Writers go on meanwhile.
    ///
    /// An unfinished import is refused with [`StoreError::Unsupported`].
    fn export(&self) -> BoxFuture<'static, Result<Box<dyn Export>, StoreError>> {
        export::unsupported(self.name(), "export")
    }

    /// Begins to take in the rows of what is called `source`, or goes on with it, and says how many of its
    /// rows are in. Whoever has claimed the store before is fenced. Until [`Store::import_done`], also
    /// over reopening, the store is neither claimed nor exported, it acknowledges nothing, `verify` calls
    /// it unfinished, [`Status::importing`] says what is in, and reads may meet a part of an object.
    ///
    /// A store that holds objects or messages, or another unfinished import, is refused with
    /// [`StoreError::Unsupported`] unless `replace` says that all of it is to go. Indexes stay. The store
    /// gets a new [`Status::id`] and a feed of its own, since positions from before mean nothing in it.
    fn import_begin(&self, source: String, replace: bool) -> BoxFuture<'static, Result<u64, StoreError>> {
        drop((source, replace));
        export::unsupported(self.name(), "import")
    }

    /// Takes in rows, of which the first has the number `from`, counted from zero, in an order that
    /// [`Export`] allows. Rows that are in already are passed over; rows that would leave a gap are
    /// refused. Rows and the count of rows that are in become durable in one transaction. After an error,
    /// ask [`Store::import_begin`] where to go on.
    ///
    /// A row of an object that is not there, and a change that does not follow the one before, are refused
    /// with [`StoreError::Unsupported`], here or by [`Store::import_done`].
    fn import(&self, from: u64, rows: Vec<Row>) -> BoxFuture<'static, Result<(), StoreError>> {
        drop((from, rows));
        export::unsupported(self.name(), "import")
    }

    /// Ends an import of so many rows: from here on the store can be claimed. Refused with
    /// [`StoreError::Unsupported`] if another number of rows is in, or if an object's changes do not lead to
    /// its head.
    fn import_done(&self, rows: u64) -> BoxFuture<'static, Result<(), StoreError>> {
        let _ = rows;
        export::unsupported(self.name(), "import")
    }

    /// Checks the whole store: logs dense from floor to head, alarms and messages of live objects,
    /// states well formed, epochs consistent. Returns the faults found, at most `limit`.
    fn verify(&self, limit: usize) -> BoxFuture<'static, Result<Vec<String>, StoreError>>;
}
