//! The reference store: plain maps behind one lock.
//!
//! Clear rather than clever. Every future is ready when it is returned, and nothing here knows of
//! time or threads, so that it behaves the same in a simulation as outside of one.

mod apply;
mod data;
mod export;
mod import;
mod model;
mod read;
mod verify;

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
};

use abide_core::{
    ChangeRecord, Epoch, FeedPosition, Json, Key, Namespace, Seq, Shard, Store, StoreError, Timestamp,
    port::{
        BoxFuture,
        store::{
            AlarmCursor, AlarmsPage, AlarmsQuery, ChangesPage, Commit, Committed, Export, FeedPage, KindIndexes,
            ListPage, ListQuery, Loaded, MessageId, OutboxPage, Outcome, Row, Status,
        },
    },
};
use parking_lot::Mutex;

use crate::news::News;
use data::Data;
pub use model::{MemoryModel, MemoryTx};

/// How many entries of the feed are kept by default.
pub const FEED_KEEP_DEFAULT: u64 = 1_000_000;

/// A store in memory. A clone is another handle to the same data: what one commits, the others read,
/// and the data lives as long as the last handle.
#[derive(Clone, Debug)]
pub struct MemoryStore(Arc<Mutex<Data>>, Arc<News>);

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

impl MemoryStore {
    /// An empty store of `shards` shards, at least one.
    pub fn new(shards: u32) -> Self {
        Self::with_feed_keep(shards, FEED_KEEP_DEFAULT)
    }

    /// An empty store whose feed keeps at least the last `feed_keep` entries.
    pub fn with_feed_keep(shards: u32, feed_keep: u64) -> Self {
        Self(Arc::new(Mutex::new(Data::new(shards.max(1), feed_keep))), Arc::default())
    }

    fn answer<T: Send + 'static>(&self, work: impl FnOnce(&mut Data) -> T) -> Answer<T> {
        self.attempt(|data| Ok(work(data)))
    }

    fn attempt<T: Send + 'static>(&self, work: impl FnOnce(&mut Data) -> Result<T, StoreError>) -> Answer<T> {
        Box::pin(ready(work(&mut self.0.lock())))
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn shards(&self) -> u32 {
        self.0.lock().shards()
    }

    fn claim(&self) -> Answer<Vec<Epoch>> {
        self.attempt(Data::claim)
    }

    fn load(&self, key: &Key) -> Answer<Option<Loaded>> {
        self.answer(|data| data.load(key))
    }

    fn commit(&self, batch: Vec<Commit>) -> Answer<Vec<Committed>> {
        let answers = self.answer(|data| data.commit_batch(&batch));
        self.1.tell(batch.iter().map(|commit| commit.shard));
        answers
    }

    fn acknowledge(&self, messages: Vec<MessageId>) -> Answer<Vec<MessageId>> {
        self.attempt(|data| {
            data.whole()?;
            for id in &messages {
                data.outbox.remove(id);
            }
            Ok(Vec::new())
        })
    }

    fn changes(&self, key: &Key, after: Seq, limit: usize) -> Answer<ChangesPage> {
        self.answer(|data| data.changes(key, after, limit))
    }

    fn snapshot(&self, key: &Key, at: Seq) -> Answer<Option<(Seq, Json)>> {
        self.answer(|data| data.snapshot(key, at))
    }

    fn feed(&self, shard: Option<Shard>, after: FeedPosition, limit: usize) -> Answer<FeedPage> {
        self.answer(|data| data.feed(shard, after, limit))
    }

    fn feed_moved(&self, shard: Option<Shard>) -> BoxFuture<'static, ()> {
        self.1.wait(shard)
    }

    fn namespaces(&self, after: Option<Namespace>, limit: usize) -> Answer<Vec<Namespace>> {
        self.answer(|data| data.namespaces(after.as_ref(), limit))
    }

    fn feed_heads(&self) -> Answer<Vec<(Shard, FeedPosition)>> {
        self.answer(|data| data.feed_heads())
    }

    fn due_alarms(&self, until: Timestamp, after: Option<AlarmCursor>, limit: usize) -> Answer<AlarmsPage> {
        self.answer(|data| data.due_alarms(until, after.as_ref(), limit))
    }

    fn alarms(&self, query: AlarmsQuery) -> Answer<AlarmsPage> {
        self.answer(|data| data.alarms(&query))
    }

    fn outbox(&self, after: Option<MessageId>, limit: usize) -> Answer<OutboxPage> {
        self.answer(|data| data.outbox(after, limit))
    }

    fn outcome(&self, key: &Key, caller: &str, call_key: &str, now: Timestamp) -> Answer<Option<Outcome>> {
        self.answer(|data| data.outcome(key, caller, call_key, now))
    }

    fn received(&self, key: &Key, sender: &Key) -> Answer<u64> {
        self.answer(|data| data.received(key, sender))
    }

    fn list(&self, query: ListQuery) -> Answer<ListPage> {
        self.answer(|data| data.list(&query))
    }

    fn index(&self, wanted: Vec<KindIndexes>) -> Answer<()> {
        self.answer(|data| data.index(wanted))
    }

    fn clean(&self, now: Timestamp, limit: usize) -> Answer<u64> {
        self.answer(|data| data.clean(now, limit))
    }

    fn status(&self) -> Answer<Status> {
        self.answer(|data| data.status())
    }

    fn note(&self, name: &'static str) -> Answer<Option<String>> {
        self.answer(|data| data.notes.get(name).cloned())
    }

    fn set_note(&self, name: &'static str, text: String, replace: bool) -> Answer<String> {
        self.answer(|data| {
            if replace {
                data.notes.insert(name, text.clone());
            }
            data.notes.entry(name).or_insert(text).clone()
        })
    }

    fn export(&self) -> Answer<Box<dyn Export>> {
        self.attempt(|data| data.export())
    }

    fn import_begin(&self, source: String, replace: bool) -> Answer<u64> {
        self.attempt(|data| data.import_begin(source, replace))
    }

    fn import(&self, from: u64, rows: Vec<Row>) -> Answer<()> {
        self.attempt(|data| data.import(from, rows))
    }

    fn import_done(&self, rows: u64) -> Answer<()> {
        self.attempt(|data| data.import_done(rows))
    }

    fn verify(&self, limit: usize) -> Answer<Vec<String>> {
        self.answer(|data| data.verify(limit))
    }
}

/// A change as pages of changes hold it.
fn without_snapshot(change: &ChangeRecord) -> ChangeRecord {
    ChangeRecord { snapshot: None, ..change.clone() }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn every_answer_is_ready_at_once_and_a_clone_sees_the_same_data() {
        let store = MemoryStore::new(8);
        let mut context = Context::from_waker(Waker::noop());
        let claimed = store.claim().as_mut().poll(&mut context);
        assert_eq!(claimed, Poll::Ready(Ok(vec![Epoch::new(1); 8])));
        let again = store.clone().claim().as_mut().poll(&mut context);
        assert_eq!(again, Poll::Ready(Ok(vec![Epoch::new(2); 8])));
    }
}
