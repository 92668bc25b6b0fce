//! The node: what it owns, how it starts and how it stops.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use abide_core::{
    Clock, Epoch, Error, Json, Key, Namespace, Result, Seq, Shard, Store, Timestamp,
    error::Code,
    port::store::{AlarmsPage, AlarmsQuery, ChangesPage, FeedPage, ListPage, ListQuery, Sharing, Status},
    seq::FeedPosition,
};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    activation::{Resident, Seen},
    activity::Activity,
    blocking,
    call::DynamicCall,
    clients::Clients,
    clock::SystemClock,
    directory::Directory,
    find::Find,
    foreign,
    handle::{Handle, Place, Snapshot},
    hub::{Everything, Hub},
    job::{Bare, Origin, Purpose},
    kind::{KindDescription, KindEntry, Kinds},
    metrics::NodeMetrics,
    object::{Durability, Object},
    options::NodeOptions,
    outbox::Outbox,
    pipeline::Pipeline,
    principal::Principal,
    projection::{self, Project, Projections, Registered, Runner},
    scheduler::Scheduler,
    traffic::{Traffic, TrafficLog},
    transaction::{HasKey, Transaction, TransactionCall},
    watch::{After, Beginning, Changes},
};

/// Everything a node is, shared by its tasks.
pub(crate) struct NodeCore {
    pub(crate) options: NodeOptions,
    pub(crate) store: Arc<dyn Store>,
    /// Where foreign programs share objects.
    pub(crate) sharing: Option<Arc<dyn Sharing>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) kinds: Kinds,
    pub(crate) directory: Directory,
    pub(crate) pipeline: Pipeline,
    pub(crate) hub: Arc<Hub>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) scheduler: Scheduler,
    pub(crate) outbox: Outbox,
    pub(crate) metrics: NodeMetrics,
    pub(crate) traffic: TrafficLog,
    pub(crate) projections: Registered,
    pub(crate) tasks: TaskTracker,
    pub(crate) closing: CancellationToken,
    pub(crate) shards: u32,
    pub(crate) started: Instant,
    pub(crate) ticks: AtomicU32,
    epochs: Box<[Epoch]>,
    commit_ids: AtomicU64,
    accepting: AtomicBool,
}

/// A node about to start: register kinds, then `start`.
pub struct NodeBuilder {
    options: NodeOptions,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    kinds: Result<Kinds>,
    projections: Registered,
}

impl NodeBuilder {
    /// A node over this store, with the system's clock.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            options: NodeOptions::default(),
            store,
            clock: Arc::new(SystemClock),
            kinds: Ok(Kinds::default()),
            projections: Vec::new(),
        }
    }

    /// Adds a kind. A mistake in it (a name used twice) is reported by `start`.
    #[must_use]
    pub fn register<O: Object>(mut self) -> Self {
        self.kinds = self.kinds.and_then(|mut kinds| {
            kinds.add(KindEntry::of::<O>()?)?;
            Ok(kinds)
        });
        self
    }

    /// Adds a projection, which fills this model from the node's store as long as the node runs. A mistake in
    /// it (a name used twice, a kind that is not registered) is reported by `start`.
    #[must_use]
    pub fn project<P: Project>(mut self, project: P, model: P::Model) -> Self {
        self.projections.push(Runner::new(project, model));
        self
    }

    /// Sets limits and times.
    #[must_use]
    pub fn options(mut self, options: NodeOptions) -> Self {
        self.options = options;
        self
    }

    /// Changes some limits and times.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut NodeOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes ownership of the store's shards and starts the node on the current Tokio runtime.
    pub async fn start(self) -> Result<Node> {
        let Self { options, store, clock, kinds, projections } = self;
        let kinds = kinds?;
        for (n, run) in projections.iter().enumerate() {
            projection::check(&**run, &projections[..n], |kind| {
                kinds.all().iter().any(|entry| entry.name.as_str() == kind)
            })?;
        }
        let epochs = store.claim().await?;
        store.index(kinds.all().into_iter().map(|kind| kind.indexes()).collect()).await?;
        let sharing = foreign::share(&*store, &kinds)?;
        let metrics = NodeMetrics::new();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics.shards_owned.set(epochs.len() as f64);
        let core = Arc::new(NodeCore {
            pipeline: Pipeline::new(store.clone(), options.commits_in_flight),
            hub: Arc::new(Hub::new(&options, metrics.subscribers.clone())),
            clients: Arc::new(Clients::new(options.pushes_kept, options.push_bytes_kept)),
            scheduler: Scheduler::new(options.alarms_in_flight),
            outbox: Outbox::new(options.messages_in_memory, metrics.outbox_depth.clone()),
            directory: Directory::new(),
            traffic: TrafficLog::new(if options.metered { options.traffic_edges } else { 0 }),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            shards: store.shards(),
            started: Instant::now(),
            ticks: AtomicU32::new(0),
            epochs: epochs.into(),
            commit_ids: AtomicU64::new(clock.random() >> 2),
            accepting: AtomicBool::new(true),
            options,
            store,
            sharing,
            clock,
            kinds,
            metrics,
            projections,
        });
        blocking::watch(&core);
        core.tasks.spawn(core.clone().schedule_alarms());
        core.tasks.spawn(core.clone().refill_outbox());
        core.tasks.spawn(core.clone().sweep_forever());
        core.tasks.spawn(core.clone().clean_store());
        core.tasks.spawn(core.clone().hear_foreign());
        for run in &core.projections {
            run.clone().start(&core);
        }
        let node = Node { core };
        node.autoload();
        Ok(node)
    }
}

/// A running node. Cloning is cheap; the node stops with [`Node::shutdown`].
#[derive(Clone)]
pub struct Node {
    pub(crate) core: Arc<NodeCore>,
}

impl Node {
    /// A node over this store.
    pub fn builder(store: Arc<dyn Store>) -> NodeBuilder {
        NodeBuilder::new(store)
    }

    /// The typed handle of an object in the default namespace. No I/O: objects exist by being named.
    pub fn object<O: Object>(&self, id: &str) -> O::Ref {
        self.object_in::<O>(&Namespace::default(), id)
    }

    /// The typed handle of an object in a namespace.
    pub fn object_in<O: Object>(&self, namespace: &Namespace, id: &str) -> O::Ref {
        let kind = self.core.kinds.name(O::KIND);
        let key = kind.and_then(|kind| Ok(Key::new(namespace, &kind, id)?));
        let place = key.and_then(|key| Place::find(&self.core, key));
        O::Ref::from(Handle::new(place))
    }

    /// The typed handle of an object with a fresh id.
    pub fn object_new<O: Object>(&self) -> O::Ref {
        let random = u128::from(self.core.clock.random()) << 64 | u128::from(self.core.clock.random());
        let millis = u64::try_from(self.core.clock.now().as_millis()).unwrap_or(0);
        self.object::<O>(&ulid::Ulid::from_parts(millis, random).to_string())
    }

    /// Calls a handler by names.
    pub fn call<R>(&self, kind: &str, id: &str, handler: &str, args: impl Serialize) -> DynamicCall<R> {
        let key = Key::parse("default", kind, id).map_err(Error::from);
        let place = key.and_then(|key| Place::find(&self.core, key));
        let args =
            Json::of(&args).map_err(|e| Error::bad_request(format!("the arguments cannot be written as JSON: {e}")));
        DynamicCall::new(place, handler, args)
    }

    /// Calls a handler of a key with arguments as JSON text. Its turn never runs on the caller's task.
    pub fn call_key(&self, key: &Key, handler: &str, args: Json) -> DynamicCall<serde_json::Value> {
        let place = Place::find(&self.core, key.clone()).map(Place::apart);
        DynamicCall::new(place, handler, Ok(args))
    }

    /// Changes several objects together or not at all.
    ///
    /// All of `objects` (64 at most) are taken first, in the order of their keys, and held until the end:
    /// others wait. `body` calls them through `tx`; its own error, a panic, the deadline, or dropping the
    /// future undoes everything. When it succeeds, what it did is made durable in one piece, and only then
    /// the answer, the changes, the messages and the alarms leave.
    ///
    /// ```ignore
    /// let (from, to) = (node.object::<Wallet>("a"), node.object::<Wallet>("b"));
    /// node.transaction(&[&from, &to], |tx| async move {
    ///     tx.object::<Wallet>("a").withdraw(5).await?;
    ///     tx.object::<Wallet>("b").deposit(5).await
    /// })
    /// .await?;
    /// ```
    pub fn transaction<'a, T, F, Fut>(&self, objects: &[&dyn HasKey], body: F) -> TransactionCall<'a, T>
    where
        F: FnOnce(Transaction) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T>> + Send + 'a,
    {
        TransactionCall::new(&self.core, None, objects, body)
    }

    /// The object's durable state now (of a kind that answers before it is durable: its acknowledged
    /// state); `None` if it is not there.
    pub async fn snapshot(&self, key: &Key) -> Result<Option<Snapshot<Json>>> {
        self.core.kinds.find(key.kind())?;
        self.core.snapshot(key).await
    }

    /// The object's state as it was at `seq`. `not_found` if that is not kept, or not reached yet.
    pub async fn state_at(&self, key: &Key, seq: Seq) -> Result<Snapshot<Json>> {
        self.core.kinds.find(key.kind())?;
        self.core.state_at(key, seq).await
    }

    /// A page of the object's kept changes after `after`.
    pub async fn changes(&self, key: &Key, after: Seq, limit: usize) -> Result<ChangesPage> {
        self.core.kinds.find(key.kind())?;
        self.core.changes(key, after, limit).await
    }

    /// Watches an object.
    pub async fn watch(&self, key: &Key, after: After) -> Result<Changes> {
        self.core.watch(key, after).await
    }

    /// An object's state now (`None` if it is not there), and its changes from there on.
    pub async fn watch_state(&self, key: &Key) -> Result<(Option<Json>, Changes)> {
        self.core.watch_state(key).await
    }

    /// Begins to watch an object, before anything is read of it: whoever has this is one of its watchers.
    ///
    /// # Errors
    /// `unknown_kind`.
    pub fn begin_watch(&self, key: &Key) -> Result<Beginning> {
        self.core.begin_watch(key)
    }

    /// Deletes an object. `Ok(false)` if it was not there.
    pub async fn delete(&self, key: &Key, principal: Option<Arc<Principal>>) -> Result<bool> {
        self.core.delete(key, principal).await
    }

    /// A page of the objects of a kind. Objects that are not stored (volatile ones) are not listed.
    pub async fn list(&self, query: ListQuery) -> Result<ListPage> {
        self.core.kinds.find(&query.kind)?;
        Ok(self.core.store.list(query).await?)
    }

    /// The objects of a type, by filter and in an order: `node.find::<Counter>().filter("count > 5").await`.
    pub fn find<O: Object>(&self) -> Find<O> {
        Find::new(self.clone())
    }

    /// A page of the alarms of an object, or of all.
    pub async fn alarms(&self, query: AlarmsQuery) -> Result<AlarmsPage> {
        Ok(self.core.store.alarms(query).await?)
    }

    /// The feed across objects.
    pub async fn feed(&self, shard: Option<Shard>, after: FeedPosition, limit: usize) -> Result<FeedPage> {
        Ok(self.core.store.feed(shard, after, limit).await?)
    }

    /// The projections of this node.
    pub fn projections(&self) -> Projections {
        Projections::new(self.clone())
    }

    /// The kinds of this node.
    pub fn kinds(&self) -> Vec<KindDescription> {
        self.core.kinds.all().into_iter().map(|kind| kind.describe()).collect()
    }

    /// What the store holds.
    pub async fn store_status(&self) -> Result<Status> {
        Ok(self.core.store.status().await?)
    }

    /// The store this node stands on.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.core.store
    }

    /// How many shards the keys are divided into.
    pub fn shards(&self) -> u32 {
        self.core.shards
    }

    /// How many objects are in memory.
    pub fn objects_in_memory(&self) -> usize {
        self.core.directory.len()
    }

    /// About how many bytes the objects in memory take.
    pub fn bytes_in_memory(&self) -> usize {
        let directory = &self.core.directory;
        (0..directory.slices()).flat_map(|slice| directory.entries(slice)).map(|activation| activation.bytes()).sum()
    }

    /// How many objects are watched.
    pub fn objects_watched(&self) -> usize {
        self.core.hub.watched()
    }

    /// How many durable messages are on their way.
    pub fn messages_under_way(&self) -> usize {
        self.core.outbox.depth()
    }

    /// The time, by the node's clock.
    pub fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    /// Who calls whom in a tenant, the busiest first, or in the neighbourhood of one object. Calls are counted
    /// where they are timed ([`NodeOptions::metered`]); the others leave no trace here.
    pub fn traffic(&self, namespace: &Namespace, of: Option<&Key>, limit: usize) -> Traffic {
        self.core.traffic.busiest(namespace, of, limit, Instant::now())
    }

    /// What memory knows of an object. Asking does not bring it into memory.
    pub fn activity(&self, key: &Key) -> Activity {
        let found = self.core.directory.find(key);
        let here = found.map(|activation| activation.activity()).unwrap_or_default();
        Activity { watchers: self.core.hub.watchers(key), ..here }
    }

    /// How many bytes of changes, broadcasts and presence wait for watchers that have not taken them yet.
    pub fn bytes_unheard(&self) -> usize {
        self.core.hub.held()
    }

    /// Listens to the changes of all objects as they become durable, for looking at them. Who listens too
    /// slowly is told how many were missed; [`Node::watch`] and [`Node::feed`] miss none.
    pub fn listen(&self) -> Everything {
        self.core.hub.listen()
    }

    /// The limits and times of this node.
    pub fn options(&self) -> &NodeOptions {
        &self.core.options
    }

    /// How long it has been running.
    pub fn uptime(&self) -> Duration {
        self.core.started.elapsed()
    }

    /// Whether the node takes calls.
    pub fn is_running(&self) -> bool {
        self.core.is_running()
    }

    /// A token that is cancelled when the node begins to stop.
    pub fn closing(&self) -> CancellationToken {
        self.core.closing.clone()
    }

    /// Drops the decoded form of every idle object; the next call decodes it again.
    pub fn hibernate_all(&self) {
        self.core.each_activation(|activation| {
            activation.hibernate(u32::MAX);
        });
    }

    /// Sends every idle object out of memory.
    pub fn evict_idle(&self) {
        let core = &self.core;
        core.each_activation(|activation| core.shut_down(activation));
    }

    /// Stops: refuses new calls, lets those under way finish, writes everything out.
    /// Returns an error if not all finished within the drain timeout.
    pub async fn shutdown(&self) -> Result<()> {
        self.core.shutdown().await
    }

    /// Stops at once, as a crash would: nothing is finished, nothing is written any more.
    pub fn abort(&self) {
        self.core.accepting.store(false, Ordering::SeqCst);
        self.core.closing.cancel();
        self.core.directory.clear();
    }

    fn autoload(&self) {
        for kind in self.core.kinds.all() {
            for id in kind.options.autoload {
                match Key::new(&Namespace::default(), &kind.name, id) {
                    Ok(key) => {
                        let wake = self.core.bare_envelope("autoload", Purpose::Timer, Bare::new(None));
                        self.core.submit(&key, kind, wake, false);
                    }
                    Err(error) => {
                        tracing::error!(kind = %kind.name, id, %error, "an autoload id is not an id");
                    }
                }
            }
        }
    }
}

/// How often an earlier state is looked for anew where its history was dropped meanwhile.
const STATE_AT_TRIES: usize = 8;

impl NodeCore {
    pub(crate) fn epoch(&self, shard: Shard) -> Epoch {
        self.epochs.get(shard.number() as usize).copied().unwrap_or_default()
    }

    pub(crate) fn next_commit_id(&self) -> u64 {
        self.commit_ids.fetch_add(1, Ordering::Relaxed) & (u64::MAX >> 1)
    }

    /// Whether `id` was given by this node to a commit after `earlier`.
    pub(crate) fn is_later_commit(&self, id: u64, earlier: u64) -> bool {
        id > earlier && id < self.commit_ids.load(Ordering::Relaxed)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.accepting.load(Ordering::SeqCst)
    }

    /// A node that is shutting down still finishes what its own objects began.
    pub(crate) fn accepts(&self, origin: &Origin) -> bool {
        self.is_running() || matches!(origin, Origin::Node(Purpose::Deactivate))
    }

    pub(crate) async fn snapshot(self: &Arc<Self>, key: &Key) -> Result<Option<Snapshot<Json>>> {
        self.catch_up(key).await?;
        if let Some(here) = self.resident(key).await {
            let found = here.state.map(|state| Snapshot {
                seq: here.seq,
                state,
                created_at: here.created_at,
                updated_at: here.updated_at,
            });
            return Ok(found);
        }
        self.stored(key).await
    }

    /// An object's state, or that it is not there, and the seq that this reflects: both of one look, since what
    /// happens between two would be missing. `durable` asks for what would survive a crash: memory may be ahead
    /// of it where answers leave before they are durable.
    pub(crate) async fn state_now(self: &Arc<Self>, key: &Key, durable: bool) -> Result<(Seq, Option<Json>)> {
        let kind = self.kinds.find(key.kind())?;
        if !durable || !kind.is_durable() {
            self.catch_up(key).await?;
            if let Some(here) = self.resident(key).await {
                return Ok((here.seq, here.state));
            }
        }
        let loaded = self.store.load(key).await?;
        Ok(loaded.map_or((Seq::ZERO, None), |loaded| (loaded.head, loaded.state)))
    }

    async fn stored(&self, key: &Key) -> Result<Option<Snapshot<Json>>> {
        let loaded = self.store.load(key).await?;
        Ok(loaded.and_then(|loaded| {
            let (seq, created_at, updated_at) = (loaded.head, loaded.created_at, loaded.updated_at);
            loaded.state.map(|state| Snapshot { seq, state, created_at, updated_at })
        }))
    }

    /// What memory says of an object, if it can say anything.
    async fn resident(&self, key: &Key) -> Option<Resident> {
        let activation = self.directory.find(key)?;
        loop {
            match activation.resident() {
                Seen::Here(here) => return Some(here),
                Seen::Nothing => return None,
                Seen::Busy => tokio::task::yield_now().await,
            }
        }
    }

    pub(crate) async fn head(&self, key: &Key) -> Result<Seq> {
        Ok(self.changes(key, Seq::new(u64::MAX >> 1), 1).await?.head)
    }

    pub(crate) async fn changes(&self, key: &Key, after: Seq, limit: usize) -> Result<ChangesPage> {
        let kind = self.kinds.find(key.kind())?;
        if kind.is_durable() {
            return Ok(self.store.changes(key, after, limit).await?);
        }
        let here = self.resident(key).await;
        let head = here.map_or(Seq::ZERO, |here| here.seq);
        Ok(ChangesPage { changes: Vec::new(), head, floor: head })
    }

    async fn state_at(&self, key: &Key, seq: Seq) -> Result<Snapshot<Json>> {
        let gone = |detail: String| Error::new(Code::NotFound, detail);
        let page = self.store.changes(key, Seq::new(u64::MAX >> 1), 1).await?;
        if seq > page.head || seq == Seq::ZERO {
            return Err(gone(format!("{key} has no seq {seq}: its last one is {}", page.head)));
        }
        for _ in 0..STATE_AT_TRIES {
            let Some((from, start)) = self.store.snapshot(key, seq).await? else {
                let floor = self.store.changes(key, seq, 1).await?.floor;
                return Err(gone(format!(
                    "the state of {key} at seq {seq} is not kept: its history begins after seq {floor}"
                )));
            };
            if let Some(found) = self.replayed(key, from, &start, seq).await? {
                return Ok(found);
            }
        }
        let detail = format!("the history of {key} is dropped faster than it is read; nothing was changed; try again");
        Err(Error::unavailable(detail))
    }

    /// The state of an object at `seq`: a snapshot, which is its state at `from`, and the changes after it. `None` if
    /// some of them were dropped meanwhile.
    async fn replayed(&self, key: &Key, from: Seq, start: &Json, seq: Seq) -> Result<Option<Snapshot<Json>>> {
        let serde_json::Value::Object(mut state) = start.value() else {
            return Err(Error::internal(format!("the snapshot of {key} at seq {from} is not an object")));
        };
        let mut updated_at = Timestamp::EPOCH;
        let mut at = from.minus(1);
        while at < seq {
            // A snapshot is never far below: a page is what leads from it to here.
            let missing = usize::try_from(seq.number() - at.number()).unwrap_or(usize::MAX);
            let page = self.store.changes(key, at, missing.min(256)).await?;
            for record in page.changes.iter().take_while(|record| record.seq <= seq) {
                if record.seq != at.next() {
                    return Ok(None);
                }
                (at, updated_at) = (record.seq, record.at);
                if at == from {
                    continue;
                }
                let damaged = |e: &dyn std::fmt::Display| {
                    Error::internal(format!("change {} of {key} cannot be applied: {e}", record.seq))
                };
                let change = record.decode().map_err(|e| damaged(&e))?;
                change.apply(&mut state).map_err(|e| damaged(&e))?;
            }
            if page.changes.first().is_none_or(|first| first.seq > seq) {
                return Ok(None);
            }
        }
        let state = Json::of(&state).map_err(|e| Error::internal(e.to_string()))?;
        let created_at = self.store.load(key).await?.map_or(updated_at, |loaded| loaded.created_at);
        Ok(Some(Snapshot { seq, state, created_at, updated_at }))
    }

    pub(crate) async fn delete(self: &Arc<Self>, key: &Key, principal: Option<Arc<Principal>>) -> Result<bool> {
        let kind = self.kinds.find(key.kind())?.clone();
        let before = self.snapshot(key).await?.is_some();
        let (tx, rx) = tokio::sync::oneshot::channel();
        let bare = Bare::new(Some(Box::new(move |result| drop(tx.send(result)))));
        let mut envelope = self.bare_envelope("delete", Purpose::Delete, bare);
        envelope.principal = principal;
        envelope.info.sync = false;
        self.submit(key, &kind, envelope, false);
        match rx.await {
            Ok(result) => result.map(|_| before),
            Err(_) => Err(Error::internal("BUG: a delete was dropped without an answer").maybe_applied(true)),
        }
    }

    pub(crate) fn each_activation(&self, mut f: impl FnMut(&Arc<crate::activation::Activation>)) {
        for slice in 0..self.directory.slices() {
            self.directory.entries(slice).iter().for_each(&mut f);
        }
    }

    /// Removes what has expired, a little at a time, until the node closes.
    async fn clean_store(self: Arc<Self>) {
        const LIMIT: usize = 4_000;
        loop {
            let removed = self.store.clean(self.clock.now(), LIMIT).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "expired outcomes cannot be removed; trying again");
                0
            });
            let pause = if removed >= LIMIT as u64 { Duration::from_millis(100) } else { Duration::from_secs(60) };
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn shutdown(self: &Arc<Self>) -> Result<()> {
        let deadline = Instant::now() + self.options.drain_timeout;
        self.accepting.store(false, Ordering::SeqCst);
        self.settle_down(deadline).await?;
        self.each_activation(|activation| {
            self.flush(activation);
            if activation.idle_since().is_some() || activation.kind.options.durability != Durability::Commit {
                self.shut_down(activation);
            }
        });
        let drained = self.settle_down(deadline).await;
        self.closing.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout_at(deadline, self.tasks.wait()).await;
        if drained.is_ok() {
            self.store.close().await;
        }
        drained
    }

    /// Waits until no turn runs and no commit is on its way.
    async fn settle_down(&self, deadline: Instant) -> Result<()> {
        loop {
            let mut busy = usize::from(!self.pipeline.is_idle());
            self.each_activation(|activation| busy += usize::from(activation.is_busy()));
            if busy == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let detail = format!(
                    "{busy} objects were still busy when the time for a clean stop was over; what they had not committed is undone"
                );
                return Err(Error::new(Code::Deadline, detail));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
