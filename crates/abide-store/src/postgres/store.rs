use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
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
use tokio::sync::{mpsc, oneshot};

use super::{
    clean::{self, Clean},
    connect::{Connector, SharedConn},
    export,
    fault::Result,
    hints,
    import::Importer,
    index,
    migrate::{self, Meta},
    options::{PostgresOptions, Target},
    read::{alarms, feed, list, messages, objects, status},
    readers::{POINTS_AT_A_TIME, Readers, SCANS_AT_A_TIME},
    verify,
    writer::{Request, Writer},
};
use crate::{
    error::OpenError,
    requests::{self, Answer, Batch, crowded},
};

/// A store in a schema of a PostgreSQL database. Several processes may have it open.
///
/// It outlives its server: calls wait for one that is away, and fail with a sentence when it stays away.
pub struct PostgresStore {
    meta: Meta,
    queue: mpsc::Sender<Request>,
    readers: Arc<Readers>,
    importer: Arc<Importer>,
    /// For what may scan much, so that no read of one object waits for it.
    scans: Arc<Readers>,
    /// For what the node looks for by itself, so that no alarm and no message waits behind anybody's list.
    rounds: Arc<Readers>,
    /// The shard with which cleaning goes on.
    cleaned: AtomicU32,
}

type Answered<T> = BoxFuture<'static, Result<T, StoreError>>;

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.scans.connector().hints.close();
    }
}

impl PostgresStore {
    /// Opens the store at `url`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=abide`, and creates
    /// its tables if they are not there. Runs within a Tokio runtime, which has to live as long as it.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way and what to do; the database is then as it was.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, OpenError> {
        let mut options = options;
        let target = Target::parse(url, &mut options)?;
        let name = target.name.clone();
        let (connections, waiting) = (options.readers, options.waiting_max.max(1));
        let connector =
            Connector::new(target, options).map_err(|why| OpenError::BadUrl { url: name, why }).map(Arc::new)?;
        let opening = |fault| migrate::opening(&fault, &connector);
        let conn = connector.connect_within(connector.options.wait).await.map_err(opening)?;
        let meta = migrate::migrate(&conn, &connector).await?;
        let (queue, requests) = mpsc::channel(waiting);
        let writer = Writer::new(Arc::clone(&connector), conn);
        #[expect(clippy::disallowed_methods, reason = "it ends with the queue, and `close` waits for it")]
        tokio::spawn(writer.run(requests));
        if connector.options.notify {
            #[expect(clippy::disallowed_methods, reason = "it ends when the store is closed or dropped")]
            tokio::spawn(hints::run(Arc::clone(&connector.hints), Arc::clone(&connector)));
        }
        let readers = Arc::new(Readers::new(Arc::clone(&connector), connections, POINTS_AT_A_TIME));
        let importer = Arc::new(Importer::new(Arc::clone(&connector), meta.shards));
        let scans = Arc::new(Readers::new(Arc::clone(&connector), 1, SCANS_AT_A_TIME));
        let rounds = Arc::new(Readers::new(connector, 1, SCANS_AT_A_TIME));
        Ok(Self { meta, queue, readers, importer, scans, rounds, cleaned: AtomicU32::new(0) })
    }

    /// Puts a request into the writer's queue, now; the future waits for its answer.
    fn ask<T: Send + 'static>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Answered<T> {
        requests::ask(|answer| {
            self.queue.try_send(request(answer)).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => crowded(),
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            })
        })
    }

    /// Reads one object.
    fn point<T, F>(&self, key: &Key, read: impl Fn(SharedConn) -> F + Send + Sync + 'static) -> Answered<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let (readers, key) = (Arc::clone(&self.readers), key.clone());
        Box::pin(async move { readers.read(Some(key), read).await })
    }

    /// Reads what may be much, beside the reads of single objects.
    fn scan<T, F>(&self, read: impl Fn(SharedConn) -> F + Send + Sync + 'static) -> Answered<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let scans = Arc::clone(&self.scans);
        Box::pin(async move { scans.read(None, read).await })
    }

    /// Reads what the node looks for by itself, beside what callers ask for.
    fn round<T, F>(&self, read: impl Fn(SharedConn) -> F + Send + Sync + 'static) -> Answered<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
    {
        let rounds = Arc::clone(&self.rounds);
        Box::pin(async move { rounds.read(None, read).await })
    }
}

impl Store for PostgresStore {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn shards(&self) -> u32 {
        self.meta.shards
    }

    fn claim(&self) -> BoxFuture<'_, Result<Vec<Epoch>, StoreError>> {
        self.ask(Request::Claim)
    }

    fn load(&self, key: &Key) -> Answered<Option<Loaded>> {
        let of = key.clone();
        self.point(key, move |conn| objects::load(conn, of.clone()))
    }

    fn commit(&self, commits: Vec<Commit>) -> Answered<Vec<Committed>> {
        self.ask(|answer| Request::Batch(Batch::commit(commits, answer)))
    }

    fn acknowledge(&self, messages: Vec<MessageId>) -> Answered<Vec<MessageId>> {
        let done: Answered<()> = self.ask(|answer| Request::Batch(Batch::Acknowledge { messages, answer }));
        Box::pin(async move { done.await.map(|()| Vec::new()) })
    }

    fn changes(&self, key: &Key, after: Seq, limit: usize) -> Answered<ChangesPage> {
        let of = key.clone();
        self.point(key, move |conn| objects::changes(conn, of.clone(), after, limit))
    }

    fn snapshot(&self, key: &Key, at: Seq) -> Answered<Option<(Seq, Json)>> {
        let of = key.clone();
        self.point(key, move |conn| objects::snapshot(conn, of.clone(), at))
    }

    fn feed(&self, shard: Option<Shard>, after: FeedPosition, limit: usize) -> Answered<FeedPage> {
        let Some(shard) = shard else {
            let sentence = "a store in PostgreSQL has a feed for each shard and none over all: name a shard";
            return Box::pin(std::future::ready(Err(StoreError::Unsupported(sentence.into()))));
        };
        self.scan(move |conn| feed::feed(conn, shard, after, limit))
    }

    fn feed_moved(&self, shard: Option<Shard>) -> BoxFuture<'static, ()> {
        let hints = &self.scans.connector().hints;
        hints.listen();
        hints.news.wait(shard)
    }

    fn namespaces(&self, after: Option<Namespace>, limit: usize) -> Answered<Vec<Namespace>> {
        self.scan(move |conn| objects::namespaces(conn, after.clone(), limit))
    }

    fn feed_heads(&self) -> Answered<Vec<(Shard, FeedPosition)>> {
        self.scan(feed::heads)
    }

    fn due_alarms(&self, until: Timestamp, after: Option<AlarmCursor>, limit: usize) -> Answered<AlarmsPage> {
        self.round(move |conn| alarms::due(conn, until, after.clone(), limit))
    }

    fn alarms(&self, query: AlarmsQuery) -> Answered<AlarmsPage> {
        self.scan(move |conn| alarms::list(conn, query.clone()))
    }

    fn outbox(&self, after: Option<MessageId>, limit: usize) -> Answered<OutboxPage> {
        self.round(move |conn| messages::outbox(conn, after.clone(), limit))
    }

    fn outcome(&self, key: &Key, caller: &str, call_key: &str, now: Timestamp) -> Answered<Option<Outcome>> {
        let wanted = messages::Wanted { key: key.clone(), caller: caller.into(), call_key: call_key.into(), now };
        self.point(key, move |conn| messages::outcome(conn, wanted.clone()))
    }

    fn received(&self, key: &Key, sender: &Key) -> Answered<u64> {
        let (of, sender) = (key.clone(), sender.clone());
        self.point(key, move |conn| messages::received(conn, of.clone(), sender.clone()))
    }

    fn list(&self, query: ListQuery) -> Answered<ListPage> {
        self.scan(move |conn| list::list(conn, query.clone()))
    }

    fn index(&self, wanted: Vec<KindIndexes>) -> Answered<()> {
        let scans = Arc::clone(&self.scans);
        Box::pin(async move {
            let conn = scans.own().await?;
            Ok(index::make(&conn, scans.connector(), &wanted).await?)
        })
    }

    fn clean(&self, now: Timestamp, limit: usize) -> Answered<u64> {
        let shards = self.meta.shards;
        let from = self.cleaned.load(Ordering::Relaxed);
        self.cleaned.store(clean::next(from, shards), Ordering::Relaxed);
        let keep = self.scans.connector().options.feed_keep;
        self.scan(move |conn| clean::clean(conn, Clean { now, limit, keep, from }))
    }

    fn status(&self) -> Answered<Status> {
        self.scan(status::status)
    }

    fn note(&self, name: &'static str) -> Answered<Option<String>> {
        self.scan(move |conn| status::note(conn, name))
    }

    fn set_note(&self, name: &'static str, text: String, replace: bool) -> Answered<String> {
        self.scan(move |conn| status::set_note(conn, name, text.clone(), replace))
    }

    fn export(&self) -> Answered<Box<dyn Export>> {
        let scans = Arc::clone(&self.scans);
        Box::pin(async move { Ok(export::export(scans.own().await?).await?) })
    }

    fn import_begin(&self, source: String, replace: bool) -> Answered<u64> {
        let importer = Arc::clone(&self.importer);
        Box::pin(async move { importer.begin(source, replace).await })
    }

    fn import(&self, from: u64, rows: Vec<Row>) -> Answered<()> {
        let importer = Arc::clone(&self.importer);
        Box::pin(async move { importer.take(from, rows).await })
    }

    fn import_done(&self, rows: u64) -> Answered<()> {
        let importer = Arc::clone(&self.importer);
        Box::pin(async move { importer.done(rows).await })
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let (queue, readers) = (self.queue.clone(), Arc::clone(&self.readers));
        let (scans, rounds) = (Arc::clone(&self.scans), Arc::clone(&self.rounds));
        scans.connector().hints.close();
        Box::pin(async move {
            let (done, wait) = oneshot::channel();
            if queue.send(Request::Close(done)).await.is_ok() {
                let _ = wait.await;
            }
            readers.close().await;
            scans.close().await;
            rounds.close().await;
        })
    }

    fn verify(&self, limit: usize) -> Answered<Vec<String>> {
        let (scans, shards) = (Arc::clone(&self.scans), self.meta.shards);
        Box::pin(async move {
            let conn = scans.own().await?;
            Ok(verify::verify(&conn, shards, limit).await?)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_the_node_looks_for_does_not_wait_behind_lists() {
        let schema = abide_services::postgres::shared().unwrap();
        let options = PostgresOptions { shards: Some(16), ..PostgresOptions::default() };
        let store = PostgresStore::open(&schema.url(), options).await.unwrap();
        let lists: Vec<_> = (0..SCANS_AT_A_TIME)
            .map(|_| {
                let mut list = store.scan(|_| std::future::pending::<Result<()>>());
                assert!((&mut list).now_or_never().is_none());
                list
            })
            .collect();
        let another = tokio::time::timeout(Duration::from_millis(300), store.namespaces(None, 1)).await;
        assert!(another.is_err(), "lists do not wait for each other");
        let looked = async {
            store.due_alarms(Timestamp::from_millis(1), None, 10).await.unwrap();
            store.outbox(None, 10).await.unwrap();
        };
        let looked = tokio::time::timeout(Duration::from_secs(60), looked).await;
        looked.expect("due alarms and messages waited behind lists");
        drop(lists);
    }
}
