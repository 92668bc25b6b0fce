use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use abide_core::{
    Epoch, FeedPosition, Json, Key, Namespace, Seq, Shard, Store, StoreError, Timestamp,
    port::{
        BoxFuture,
        store::{
            AlarmCursor, AlarmsPage, AlarmsQuery, ChangesPage, Commit, Committed, Export, FeedPage, KindIndexes,
            ListPage, ListQuery, Loaded, MessageId, OutboxPage, Outcome, Row, Status,
        },
    },
};
use parking_lot::RwLock;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    backup, export, index,
    open::{self, Opened},
    options::SqliteOptions,
    read::{alarms, feed, list, messages, objects, status},
    readers::Readers,
    writer::{Request, Writer},
};
use crate::{
    error::{BackupError, OpenError},
    news::News,
    requests::{self, Answer, Batch, crowded},
};

/// A store in one SQLite file.
///
/// Dropping it waits until everything that was queued is durable and its threads have ended.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    shards: u32,
    running: RwLock<Option<Running>>,
    news: Arc<News>,
}

/// The threads of an open store.
#[derive(Debug)]
struct Running {
    queue: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
    /// Answers reads of one object.
    points: Readers,
    /// Answers what may scan much, so that no read of one object waits for it.
    scans: Readers,
    /// Answers what the node looks for by itself, so that no alarm and no message waits behind anybody's list.
    rounds: Readers,
    /// Held as long as the store is open; given up last.
    _lock: Option<File>,
}

type Answered<T> = BoxFuture<'static, Result<T, StoreError>>;

impl SqliteStore {
    /// Opens the store at `path`, and creates it if it is not there.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way and what to do; the file is then as it was.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let Opened { writer, shards, lock } = open::open(path, &options)?;
        let points = (0..options.readers.max(1)).map(|_| open::reader(path, &options)).collect::<Result<_, _>>()?;
        let scans = vec![open::reader(path, &options)?];
        let rounds = vec![open::reader(path, &options)?];
        let failed = |error: std::io::Error| OpenError::Failed {
            path: path.into(),
            why: format!("a thread could not be started: {error}"),
        };
        let waiting_max = options.waiting_max;
        let points = Readers::start("abide-store-read", points, waiting_max).map_err(failed)?;
        let scans = Readers::start("abide-store-scan", scans, waiting_max).map_err(failed)?;
        let rounds = Readers::start("abide-store-round", rounds, waiting_max).map_err(failed)?;
        let (queue, requests) = sync_channel(waiting_max);
        let news = Arc::<News>::default();
        let told = Arc::clone(&news);
        let writer = Builder::new()
            .name("abide-store".into())
            .spawn(move || write(&writer, &options, &requests, told))
            .map_err(failed)?;
        let running = Running { queue: Some(queue), writer: Some(writer), points, scans, rounds, _lock: lock };
        Ok(Self { path: path.into(), shards, running: RwLock::new(Some(running)), news })
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the store, as it is at this moment, into a new file, while it is in use. The copy opens
    /// as a store. `progress` is told how many pages of how many are copied. Blocks until it is done.
    ///
    /// # Errors
    /// [`BackupError`]; the store is as it was, and nothing is left at `to`.
    pub fn backup(&self, to: impl AsRef<Path>, progress: impl FnMut(u64, u64)) -> Result<(), BackupError> {
        backup::backup(&self.path, to.as_ref(), progress)
    }

    /// Puts a request into the writer's queue, now; the future waits for its answer.
    fn ask<T: Send + 'static>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Answered<T> {
        requests::ask(|answer| {
            let running = self.running.read();
            let queue = running.as_ref().and_then(|running| running.queue.as_ref()).ok_or(StoreError::Closed)?;
            queue.try_send(request(answer)).map_err(|error| match error {
                TrySendError::Full(_) => crowded(),
                TrySendError::Disconnected(_) => StoreError::Closed,
            })
        })
    }
}

impl SqliteStore {
    /// Reads one object on a thread of its own.
    fn point<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> super::fault::Result<T> + Send + 'static,
    ) -> Answered<T> {
        self.running.read().as_ref().map_or_else(closed, |running| running.points.read(read))
    }

    /// Reads what may be much, beside the reads of single objects.
    fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> super::fault::Result<T> + Send + 'static,
    ) -> Answered<T> {
        self.running.read().as_ref().map_or_else(closed, |running| running.scans.read(read))
    }

    /// Reads what the node looks for by itself, beside what callers ask for.
    fn round<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> super::fault::Result<T> + Send + 'static,
    ) -> Answered<T> {
        self.running.read().as_ref().map_or_else(closed, |running| running.rounds.read(read))
    }
}

fn closed<T: Send + 'static>() -> Answered<T> {
    Box::pin(std::future::ready(Err(StoreError::Closed)))
}

impl Drop for Running {
    /// The writer's connection is the last to close, so that it copies the write-ahead log into the file.
    fn drop(&mut self) {
        self.points.stop();
        self.scans.stop();
        self.rounds.stop();
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write(conn: &Connection, options: &SqliteOptions, requests: &std::sync::mpsc::Receiver<Request>, news: Arc<News>) {
    match Writer::new(conn, options, news) {
        Ok(writer) => writer.run(requests),
        Err(fault) => tracing::error!(?fault, "the writer of the store could not start"),
    }
}

impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn shards(&self) -> u32 {
        self.shards
    }

    fn claim(&self) -> BoxFuture<'_, Result<Vec<Epoch>, StoreError>> {
        self.ask(Request::Claim)
    }

    fn load(&self, key: &Key) -> Answered<Option<Loaded>> {
        let key = key.clone();
        let running = self.running.read();
        let load = move |conn: &Connection| objects::load(conn, &key);
        running.as_ref().map_or_else(closed, |running| running.points.read_statement(load))
    }

    fn commit(&self, commits: Vec<Commit>) -> Answered<Vec<Committed>> {
        self.ask(|answer| Request::Batch(Batch::commit(commits, answer)))
    }

    fn acknowledge(&self, messages: Vec<MessageId>) -> Answered<Vec<MessageId>> {
        let done: Answered<()> = self.ask(|answer| Request::Batch(Batch::Acknowledge { messages, answer }));
        Box::pin(async move { done.await.map(|()| Vec::new()) })
    }

    fn changes(&self, key: &Key, after: Seq, limit: usize) -> Answered<ChangesPage> {
        let key = key.clone();
        self.point(move |conn| objects::changes(conn, &key, after, limit))
    }

    fn snapshot(&self, key: &Key, at: Seq) -> Answered<Option<(Seq, Json)>> {
        let key = key.clone();
        self.point(move |conn| objects::snapshot(conn, &key, at))
    }

    fn feed(&self, shard: Option<Shard>, after: FeedPosition, limit: usize) -> Answered<FeedPage> {
        self.scan(move |conn| feed::feed(conn, shard, after, limit))
    }

    fn feed_moved(&self, shard: Option<Shard>) -> BoxFuture<'static, ()> {
        self.news.wait(shard)
    }

    fn namespaces(&self, after: Option<Namespace>, limit: usize) -> Answered<Vec<Namespace>> {
        self.scan(move |conn| objects::namespaces(conn, after.as_ref(), limit))
    }

    fn feed_heads(&self) -> Answered<Vec<(Shard, FeedPosition)>> {
        self.scan(feed::heads)
    }

    fn due_alarms(&self, until: Timestamp, after: Option<AlarmCursor>, limit: usize) -> Answered<AlarmsPage> {
        self.round(move |conn| alarms::due(conn, until, after.as_ref(), limit))
    }

    fn alarms(&self, query: AlarmsQuery) -> Answered<AlarmsPage> {
        self.scan(move |conn| alarms::list(conn, &query))
    }

    fn outbox(&self, after: Option<MessageId>, limit: usize) -> Answered<OutboxPage> {
        self.round(move |conn| messages::outbox(conn, after.as_ref(), limit))
    }

    fn outcome(&self, key: &Key, caller: &str, call_key: &str, now: Timestamp) -> Answered<Option<Outcome>> {
        let (key, caller, call_key) = (key.clone(), caller.to_owned(), call_key.to_owned());
        self.point(move |conn| messages::outcome(conn, &key, &caller, &call_key, now))
    }

    fn received(&self, key: &Key, sender: &Key) -> Answered<u64> {
        let (key, sender) = (key.clone(), sender.clone());
        self.point(move |conn| messages::received(conn, &key, &sender))
    }

    fn list(&self, query: ListQuery) -> Answered<ListPage> {
        self.scan(move |conn| list::list(conn, &query))
    }

    fn index(&self, wanted: Vec<KindIndexes>) -> Answered<()> {
        match index::refuse(&wanted) {
            Ok(()) => self.ask(|answer| Request::Index { wanted, answer }),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn clean(&self, now: Timestamp, limit: usize) -> Answered<u64> {
        self.ask(|answer| Request::Clean { now, limit, answer })
    }

    fn status(&self) -> Answered<Status> {
        let path = self.path.clone();
        self.scan(move |conn| status::status(conn, &path))
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let running = self.running.write().take();
        let (done, wait) = oneshot::channel();
        // Ending the threads waits for them: that is for a thread too.
        let closing = Builder::new().name("abide-store-close".into()).spawn(move || {
            drop(running);
            let _ = done.send(());
        });
        Box::pin(async move {
            if closing.is_ok() {
                let _ = wait.await;
            }
        })
    }

    fn export(&self) -> Answered<Box<dyn Export>> {
        if self.running.read().is_none() {
            return closed();
        }
        // The connection is the export's own, for as long as it lives.
        match open::reader(&self.path, &SqliteOptions::default()) {
            Ok(conn) => export::export(conn),
            Err(error) => Box::pin(std::future::ready(Err(StoreError::Unavailable(error.to_string())))),
        }
    }

    fn import_begin(&self, source: String, replace: bool) -> Answered<u64> {
        self.ask(|answer| Request::ImportBegin { source, replace, answer })
    }

    fn import(&self, from: u64, rows: Vec<Row>) -> Answered<()> {
        self.ask(|answer| Request::Import { from, rows, answer })
    }

    fn import_done(&self, rows: u64) -> Answered<()> {
        self.ask(|answer| Request::ImportDone { rows, answer })
    }

    fn verify(&self, limit: usize) -> Answered<Vec<String>> {
        let shards = self.shards;
        self.scan(move |conn| super::verify::verify(conn, shards, limit))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn what_the_node_looks_for_does_not_wait_behind_lists() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions { shards: Some(16), ..SqliteOptions::default() };
        let store = SqliteStore::open(folder.path().join("store.db"), options).unwrap();
        let ((let_go, held), (begun, begins)) = (channel::<()>(), channel());
        let listing = store.scan(move |_| {
            begun.send(()).unwrap();
            let _ = held.recv();
            Ok(())
        });
        begins.recv().unwrap();
        let looked = async {
            store.due_alarms(Timestamp::from_millis(1), None, 10).await.unwrap();
            store.outbox(None, 10).await.unwrap();
        };
        let looked = tokio::time::timeout(std::time::Duration::from_secs(20), looked).await;
        drop(let_go);
        listing.await.unwrap();
        looked.expect("due alarms and messages waited behind a list");
    }
}
