//! One node's connection to the disk: slow, and not to be relied upon.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use abide_core::{
    Epoch, FeedPosition, Json, Key, Namespace, Seq, Shard, Store, StoreError, Timestamp,
    port::{
        BoxFuture,
        store::{
            AlarmCursor, AlarmsPage, AlarmsQuery, ChangesPage, Commit, Committed, FeedPage, KindIndexes, ListPage,
            ListQuery, Loaded, MessageId, OutboxPage, Outcome, Status,
        },
    },
};
use abide_store::MemoryStore;
use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use super::{
    disk::{Disk, ready},
    faults::Faults,
    instant, spawn,
};
use crate::dice::Dice;

/// A store as a node sees it over a bad connection.
///
/// Batches take effect in the order of the calls, each at its own time; the answer comes later
/// still, or is lost. Once the connection is cut nothing of it is answered any more.
#[derive(Clone, Debug)]
pub struct FaultyStore {
    disk: Disk,
    link: Arc<Link>,
}

/// What becomes of batches on their way when a node crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    /// The first so many take effect at once, the rest never.
    Applied(usize),
    /// They take effect when their time comes, if their epoch is still the current one.
    Delayed,
}

#[derive(Debug)]
struct Link {
    number: u32,
    cut: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    orders: VecDeque<Order>,
    last: Option<Instant>,
    handed: u64,
    working: bool,
}

/// A batch on its way to the disk.
#[derive(Debug)]
struct Order {
    number: u64,
    at: Instant,
    batch: Vec<Commit>,
    fate: Fate,
    answer: oneshot::Sender<Answer>,
}

type Answer = Result<Vec<Committed>, StoreError>;

/// What becomes of a batch of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is applied and answered.
    Done,
    /// It fails and changes nothing.
    Refused,
    /// The store is full; it changes nothing.
    Full,
    /// It is applied, but its answer is lost.
    UnknownApplied,
    /// It is lost on its way, and nobody can tell.
    UnknownLost,
}

impl Fate {
    fn draw(faults: &Faults, dice: &mut Dice) -> Self {
        if dice.chance(faults.commits_fail) {
            Self::Refused
        } else if dice.chance(faults.commits_full) {
            Self::Full
        } else if dice.chance(faults.commits_unknown) {
            if dice.chance(0.5) { Self::UnknownApplied } else { Self::UnknownLost }
        } else {
            Self::Done
        }
    }
}

impl FaultyStore {
    pub(super) fn new(disk: Disk, number: u32) -> Self {
        let link = Link { number, cut: AtomicBool::new(false), queue: Mutex::default() };
        Self { disk, link: Arc::new(link) }
    }

    /// Cuts the connection, as the crash of its node does.
    pub fn cut(&self, in_flight: InFlight) {
        self.link.cut.store(true, Ordering::SeqCst);
        if let InFlight::Applied(count) = in_flight {
            let orders = std::mem::take(&mut self.link.queue.lock().orders);
            for order in orders.into_iter().take(count) {
                self.carry_out(order);
            }
        }
    }

    /// How many batches are on their way.
    pub fn in_flight(&self) -> usize {
        self.link.queue.lock().orders.len()
    }

    fn is_cut(&self) -> bool {
        self.link.cut.load(Ordering::SeqCst)
    }

    /// Takes a batch's place in the order.
    fn enqueue(&self, batch: Vec<Commit>) -> oneshot::Receiver<Answer> {
        let (fate, delay) = self.disk.draw(|faults, dice| (Fate::draw(faults, dice), faults.delay(dice)));
        let fate = self.disk.planned_fate().unwrap_or(fate);
        let (answer, answered) = oneshot::channel();
        let mut queue = self.link.queue.lock();
        queue.handed += 1;
        let at = queue.last.map_or(instant(), |last| last.max(instant())) + delay;
        queue.last = Some(at);
        let number = queue.handed;
        self.disk.trace().line(format_args!(
            "store {}: batch {number} of {} is on its way, {fate:?}",
            self.link.number,
            batch.len()
        ));
        queue.orders.push_back(Order { number, at, batch, fate, answer });
        if !std::mem::replace(&mut queue.working, true) {
            spawn(self.clone().work());
        }
        answered
    }

    /// Carries out the batches on their way, in order, each at its time.
    async fn work(self) {
        loop {
            let next = {
                let mut queue = self.link.queue.lock();
                queue.working = !queue.orders.is_empty();
                queue.orders.front().map(|order| order.at)
            };
            let Some(at) = next else { return };
            sleep_until(at).await;
            let order = self.link.queue.lock().orders.pop_front();
            if let Some(order) = order {
                self.carry_out(order);
            }
        }
    }

    fn carry_out(&self, order: Order) {
        let Order { number, batch, fate, answer, .. } = order;
        let answered = match fate {
            Fate::Refused => Err(StoreError::Unavailable("the store cannot be reached".into())),
            Fate::Full => Err(StoreError::Full("the disk is full".into())),
            Fate::UnknownLost => Err(StoreError::Unknown("the connection was lost before the commit".into())),
            Fate::Done => self.apply(number, batch),
            Fate::UnknownApplied => {
                let _ = self.apply(number, batch);
                Err(StoreError::Unknown("the connection was lost after the commit".into()))
            }
        };
        // Nobody waits any more if the caller dropped the future.
        let _ = answer.send(answered);
    }

    fn apply(&self, number: u64, batch: Vec<Commit>) -> Answer {
        let batch = self.disk.past_the_fence(batch);
        let mut text = String::new();
        for commit in &batch {
            text.push_str(&format!(" {}@{}", commit.key, commit.head()));
        }
        let answer = ready(self.disk.data().commit(batch));
        self.disk
            .trace()
            .line(format_args!("store {}: batch {number} took effect:{text} {answer:?}", self.link.number));
        answer
    }

    /// An operation other than a commit: it happens after a delay, and is answered after another.
    fn operate<T: Send + 'static>(
        &self,
        work: impl FnOnce(&MemoryStore) -> BoxFuture<'static, Result<T, StoreError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let store = self.clone();
        let (there, back, fails) = self.disk.draw(|faults, dice| {
            let fails = dice.chance(faults.reads_fail);
            (faults.delay(dice), faults.delay(dice), fails)
        });
        Box::pin(async move {
            if !there.is_zero() {
                sleep(there).await;
            }
            store.hang_if_cut().await;
            if fails {
                return Err(StoreError::Unavailable("the store cannot be reached".into()));
            }
            let result = ready(work(store.disk.data()));
            if !back.is_zero() {
                sleep(back).await;
            }
            store.hang_if_cut().await;
            result
        })
    }

    async fn hang_if_cut(&self) {
        if self.is_cut() {
            std::future::pending::<()>().await;
        }
    }
}

impl Store for FaultyStore {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn shards(&self) -> u32 {
        self.disk.data().shards()
    }

    fn claim(&self) -> BoxFuture<'_, Result<Vec<Epoch>, StoreError>> {
        let disk = self.disk.clone();
        self.operate(move |data| {
            let claimed = ready(data.claim());
            if let Ok(epochs) = &claimed {
                disk.remember_epochs(epochs);
            }
            Box::pin(std::future::ready(claimed))
        })
    }

    fn load(&self, key: &Key) -> BoxFuture<'static, Result<Option<Loaded>, StoreError>> {
        let key = key.clone();
        self.operate(move |data| data.load(&key))
    }

    fn commit(&self, batch: Vec<Commit>) -> BoxFuture<'static, Answer> {
        if self.is_cut() {
            return Box::pin(std::future::pending());
        }
        let answered = self.enqueue(batch);
        let back = self.disk.draw(|faults, dice| faults.delay(dice));
        let store = self.clone();
        Box::pin(async move {
            let answer = answered.await;
            if !back.is_zero() {
                sleep(back).await;
            }
            store.hang_if_cut().await;
            match answer {
                Ok(answer) => answer,
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn acknowledge(&self, messages: Vec<MessageId>) -> BoxFuture<'static, Result<Vec<MessageId>, StoreError>> {
        let lost = self.disk.draw(|faults, dice| dice.chance(faults.commits_unknown));
        self.operate(move |data| {
            let done = ready(data.acknowledge(messages));
            let answer = if lost { Err(StoreError::Unknown("the connection was lost".into())) } else { done };
            Box::pin(std::future::ready(answer))
        })
    }

    fn changes(&self, key: &Key, after: Seq, limit: usize) -> BoxFuture<'static, Result<ChangesPage, StoreError>> {
        let key = key.clone();
        self.operate(move |data| data.changes(&key, after, limit))
    }

    fn snapshot(&self, key: &Key, at: Seq) -> BoxFuture<'static, Result<Option<(Seq, Json)>, StoreError>> {
        let key = key.clone();
        self.operate(move |data| data.snapshot(&key, at))
    }

    fn feed(
        &self,
        shard: Option<Shard>,
        after: FeedPosition,
        limit: usize,
    ) -> BoxFuture<'static, Result<FeedPage, StoreError>> {
        self.operate(move |data| data.feed(shard, after, limit))
    }

    fn namespaces(
        &self,
        after: Option<Namespace>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<Namespace>, StoreError>> {
        self.operate(move |data| data.namespaces(after, limit))
    }

    fn feed_heads(&self) -> BoxFuture<'static, Result<Vec<(Shard, FeedPosition)>, StoreError>> {
        self.operate(|data| data.feed_heads())
    }

    fn due_alarms(
        &self,
        until: Timestamp,
        after: Option<AlarmCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<AlarmsPage, StoreError>> {
        self.operate(move |data| data.due_alarms(until, after, limit))
    }

    fn alarms(&self, query: AlarmsQuery) -> BoxFuture<'static, Result<AlarmsPage, StoreError>> {
        self.operate(move |data| data.alarms(query))
    }

    fn outbox(&self, after: Option<MessageId>, limit: usize) -> BoxFuture<'static, Result<OutboxPage, StoreError>> {
        self.operate(move |data| data.outbox(after, limit))
    }

    fn outcome(
        &self,
        key: &Key,
        caller: &str,
        call_key: &str,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Option<Outcome>, StoreError>> {
        let (key, caller, call_key) = (key.clone(), caller.to_owned(), call_key.to_owned());
        self.operate(move |data| data.outcome(&key, &caller, &call_key, now))
    }

    fn received(&self, key: &Key, sender: &Key) -> BoxFuture<'static, Result<u64, StoreError>> {
        let (key, sender) = (key.clone(), sender.clone());
        self.operate(move |data| data.received(&key, &sender))
    }

    fn list(&self, query: ListQuery) -> BoxFuture<'static, Result<ListPage, StoreError>> {
        self.operate(move |data| data.list(query))
    }

    fn index(&self, wanted: Vec<KindIndexes>) -> BoxFuture<'static, Result<(), StoreError>> {
        // It happens once, beside `claim`, whose faults are those of a start.
        let store = self.clone();
        Box::pin(async move {
            store.hang_if_cut().await;
            ready(store.disk.data().index(wanted))
        })
    }

    fn clean(&self, now: Timestamp, limit: usize) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.operate(move |data| data.clean(now, limit))
    }

    fn status(&self) -> BoxFuture<'static, Result<Status, StoreError>> {
        self.operate(|data| data.status())
    }

    fn verify(&self, limit: usize) -> BoxFuture<'static, Result<Vec<String>, StoreError>> {
        self.operate(move |data| data.verify(limit))
    }
}
