use std::sync::Arc;

use abide_core::{
    Epoch, FeedPosition, Json, Key, Namespace, Seq, Shard, Store, StoreError, Timestamp,
    port::{
        BoxFuture,
        store::{
            AlarmCursor, AlarmsPage, AlarmsQuery, ChangesPage, Commit, Committed, Export, FeedPage, KindIndexes,
            ListPage, ListQuery, Loaded, MessageId, OutboxPage, Outcome, Row, SharedKind, Shares, Status,
        },
    },
};
use parking_lot::RwLock;
use redis::{Cmd, Value};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    distobject::RedisSharing,
    hints::Hints,
    indexing, moving, names,
    open::{self, Opened},
    options::RedisOptions,
    read::{alarms, feed, list, messages, objects, status},
    reply, script, verify,
    writer::{self, Answer, Request, Shared},
};
use crate::error::OpenError;

/// A store in a Redis server, or in a Redis Cluster. Clones are handles to the same store.
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
    requests: Arc<RwLock<Option<mpsc::Sender<Request>>>>,
    feed_keep: u64,
    client: redis::Client,
    hints: Arc<Hints>,
}

type Answered<T> = BoxFuture<'static, Result<T, StoreError>>;

impl RedisStore {
    /// Opens the store that a URL names, and creates it if it is not there. Needs a Tokio runtime, on
    /// which the store's writer runs until the last handle is dropped.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way and what to do.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let (base, options) = RedisOptions::parse(url)?;
        Self::open_with(&base, options).await
    }

    /// Opens the store of the server at `url`, which has no options of the store in it.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way and what to do.
    #[expect(clippy::disallowed_methods, reason = "the one task of a store; it ends with the store's last handle")]
    pub async fn open_with(url: &str, options: RedisOptions) -> Result<Self, OpenError> {
        let Opened { names, writes, reads, client } = open::open(url, url, &options).await?;
        let hints = Hints::new(&names, client.clone());
        let shared = Arc::new(Shared { names, writes, reads, declared: RwLock::default(), layouts: RwLock::default() });
        indexing::reload(&shared).await.map_err(|error| OpenError::Failed {
            path: super::options::without_password(url).into(),
            why: error.to_string(),
        })?;
        let (requests, waiting) = mpsc::channel(options.waiting_max.max(1));
        tokio::spawn(writer::run(shared.clone(), waiting));
        Ok(Self {
            shared,
            requests: Arc::new(RwLock::new(Some(requests))),
            feed_keep: options.feed_keep,
            hints: Arc::new(hints),
            client,
        })
    }

    /// Puts a request into the writer's queue, now; the future waits for its answer.
    fn ask<T: Send + 'static>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Answered<T> {
        let (answer, answered) = oneshot::channel();
        let sent = match self.requests.read().as_ref() {
            Some(requests) => requests.try_send(request(answer)).map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Unavailable("too many batches are waiting for the store".into()),
                TrySendError::Closed(_) => StoreError::Closed,
            }),
            None => Err(StoreError::Closed),
        };
        Box::pin(async move {
            sent?;
            // The writer ends with its runtime, and nobody knows how far it came.
            answered.await.unwrap_or_else(|_| Err(StoreError::Unknown("the store's writer ended".into())))
        })
    }

    fn run(&self, commands: Vec<(u16, Cmd)>) -> Answered<Vec<Value>> {
        self.ask(|answer| Request::Run { commands, answer })
    }

    /// Reads, unless the store was closed.
    fn read<T, F, R>(&self, read: F) -> Answered<T>
    where
        F: FnOnce(Arc<Shared>) -> R + Send + 'static,
        R: Future<Output = Result<T, StoreError>> + Send,
        T: Send + 'static,
    {
        let shared = self.requests.read().is_some().then(|| self.shared.clone());
        Box::pin(async move {
            match shared {
                Some(shared) => read(shared).await,
                None => Err(StoreError::Closed),
            }
        })
    }

    /// The same command for every part.
    fn parts(&self, command: impl Fn(u32, &str) -> Cmd) -> Vec<(u16, Cmd)> {
        let names = &self.shared.names;
        (0..names.parts).map(|part| (names.slot(part), command(part, names.tag(part)))).collect()
    }

    /// Whether the commits of a group would be of different parts.
    fn splits_a_group(&self, batch: &[Commit]) -> bool {
        let part = |commit: &Commit| self.shared.names.part_of(commit.shard);
        batch.windows(2).any(|two| {
            let [left, right] = two else { return false };
            left.group.is_some() && left.group == right.group && part(left) != part(right)
        })
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("names", &self.shared.names).finish_non_exhaustive()
    }
}

impl Store for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn shards(&self) -> u32 {
        self.shared.names.shards
    }

    fn groups(&self) -> bool {
        self.shared.names.parts == 1
    }

    fn needs_index(&self) -> bool {
        true
    }

    fn claim(&self) -> BoxFuture<'_, Result<Vec<Epoch>, StoreError>> {
        let (shards, parts) = (self.shared.names.shards, self.shared.names.parts);
        let claimed = self.run(self.parts(|part, tag| {
            let mut cmd = script::CLAIM.call(tag);
            cmd.arg(tag).arg(part).arg(shards).arg(parts);
            cmd
        }));
        let shared = self.shared.clone();
        Box::pin(async move {
            let claimed = claimed.await?;
            if claimed.iter().any(reply::is_empty) {
                moving::whole(&shared).await?;
                return Err(StoreError::Unavailable("an import ended just now".into()));
            }
            let mut epochs = vec![Epoch::ZERO; shards as usize];
            for (part, found) in claimed.into_iter().enumerate() {
                let own = epochs.iter_mut().skip(part).step_by(parts as usize);
                for (epoch, value) in own.zip(reply::list(found)?) {
                    *epoch = Epoch::new(reply::number(value)?);
                }
            }
            Ok(epochs)
        })
    }

    fn load(&self, key: &Key) -> Answered<Option<Loaded>> {
        let key = key.clone();
        self.read(async move |shared| objects::load(&shared, &key).await)
    }

    fn commit(&self, batch: Vec<Commit>) -> Answered<Vec<Committed>> {
        if self.shared.names.parts > 1 && self.splits_a_group(&batch) {
            let why = "the objects of a transaction are in different slots of the Redis Cluster".to_owned();
            return Box::pin(std::future::ready(Err(StoreError::Unsupported(why))));
        }
        self.ask(|answer| Request::Commit { batch, answer })
    }

    fn acknowledge(&self, mut messages: Vec<MessageId>) -> Answered<Vec<MessageId>> {
        let names = &self.shared.names;
        messages.sort_by_cached_key(|id| names.part(&id.sender));
        let commands = messages.chunk_by(|left, right| names.part(&left.sender) == names.part(&right.sender));
        let commands = commands.map(|own| {
            let part = names.part(&own[0].sender);
            let mut cmd = script::ACKNOWLEDGE.call(names.tag(part));
            cmd.arg(names.tag(part));
            for id in own {
                cmd.arg(names::message_member(id));
            }
            (names.slot(part), cmd)
        });
        let run = self.run(commands.collect());
        let shared = self.shared.clone();
        Box::pin(async move {
            match run.await?.into_iter().any(|answer| answer == Value::Int(-1)) {
                true => moving::whole(&shared).await.map(|()| Vec::new()),
                false => Ok(Vec::new()),
            }
        })
    }

    fn changes(&self, key: &Key, after: Seq, limit: usize) -> Answered<ChangesPage> {
        let key = key.clone();
        self.read(async move |shared| objects::changes(&shared, &key, after, limit).await)
    }

    fn snapshot(&self, key: &Key, at: Seq) -> Answered<Option<(Seq, Json)>> {
        let key = key.clone();
        self.read(async move |shared| objects::snapshot(&shared, &key, at).await)
    }

    fn feed(&self, shard: Option<Shard>, after: FeedPosition, limit: usize) -> Answered<FeedPage> {
        let Some(shard) = shard else {
            let why = "a store in Redis has no one order over all shards: read its feed shard by shard".to_owned();
            return Box::pin(std::future::ready(Err(StoreError::Unsupported(why))));
        };
        self.read(async move |shared| feed::feed(&shared, shard, after, limit).await)
    }

    fn namespaces(&self, after: Option<Namespace>, limit: usize) -> Answered<Vec<Namespace>> {
        self.read(async move |shared| list::namespaces(&shared, after.as_ref(), limit).await)
    }

    fn feed_moved(&self, shard: Option<Shard>) -> BoxFuture<'static, ()> {
        Box::pin(self.hints.wait(shard))
    }

    fn feed_heads(&self) -> Answered<Vec<(Shard, FeedPosition)>> {
        self.read(async move |shared| feed::heads(&shared).await)
    }

    fn due_alarms(&self, until: Timestamp, after: Option<AlarmCursor>, limit: usize) -> Answered<AlarmsPage> {
        self.read(async move |shared| alarms::due(&shared, until, after.as_ref(), limit).await)
    }

    fn alarms(&self, query: AlarmsQuery) -> Answered<AlarmsPage> {
        self.read(async move |shared| alarms::list(&shared, &query).await)
    }

    fn outbox(&self, after: Option<MessageId>, limit: usize) -> Answered<OutboxPage> {
        self.read(async move |shared| messages::outbox(&shared, after.as_ref(), limit).await)
    }

    fn outcome(&self, key: &Key, caller: &str, call_key: &str, now: Timestamp) -> Answered<Option<Outcome>> {
        let (key, caller, call_key) = (key.clone(), caller.to_owned(), call_key.to_owned());
        self.read(async move |shared| messages::outcome(&shared, &key, &caller, &call_key, now).await)
    }

    fn received(&self, key: &Key, sender: &Key) -> Answered<u64> {
        let (key, sender) = (key.clone(), sender.clone());
        self.read(async move |shared| messages::received(&shared, &key, &sender).await)
    }

    fn list(&self, query: ListQuery) -> Answered<ListPage> {
        self.read(async move |shared| list::list(&shared, &query).await)
    }

    fn index(&self, wanted: Vec<KindIndexes>) -> Answered<()> {
        self.read(async move |shared| indexing::index(&shared, wanted).await)
    }

    fn share(&self, kinds: Vec<SharedKind>) -> Shares {
        if self.shared.writes.is_cluster() || self.shared.names.parts > 1 {
            let why = "a kind with the layout of distobject cannot be kept in a Redis Cluster".to_owned();
            return Err(StoreError::Unsupported(why));
        }
        let by_kind = kinds.into_iter().map(|shared| (shared.kind.as_str().to_owned(), shared));
        *self.shared.layouts.write() = Arc::new(by_kind.collect());
        Ok(Arc::new(RedisSharing::new(self.shared.clone(), self.client.clone())))
    }

    fn clean(&self, now: Timestamp, limit: usize) -> Answered<u64> {
        let store = self.clone();
        Box::pin(async move {
            let names = &store.shared.names;
            let mut removed = 0;
            for part in 0..names.parts {
                let left = limit as u64 - removed;
                let mut cmd = script::CLEAN.call(names.tag(part));
                cmd.arg(names.tag(part)).arg(now.as_millis()).arg(left).arg(store.feed_keep);
                let mut found = store.run(vec![(names.slot(part), cmd)]).await?;
                removed += reply::number(found.pop().unwrap_or_default())?;
                if removed >= limit as u64 {
                    break;
                }
            }
            Ok(removed)
        })
    }

    fn status(&self) -> Answered<Status> {
        self.read(async move |shared| status::status(&shared).await)
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let closed = self.ask(|answer| Request::Close { answer });
        *self.requests.write() = None;
        Box::pin(async move { drop(closed.await) })
    }

    fn export(&self) -> Answered<Box<dyn Export>> {
        self.read(moving::export)
    }

    fn import_begin(&self, source: String, replace: bool) -> Answered<u64> {
        self.read(async move |shared| moving::begin(&shared, source, replace).await)
    }

    fn import(&self, from: u64, rows: Vec<Row>) -> Answered<()> {
        self.read(async move |shared| moving::import(&shared, from, rows).await)
    }

    fn import_done(&self, rows: u64) -> Answered<()> {
        self.read(async move |shared| moving::done(&shared, rows).await)
    }

    fn verify(&self, limit: usize) -> Answered<Vec<String>> {
        self.read(async move |shared| verify::verify(&shared, limit).await)
    }
}
