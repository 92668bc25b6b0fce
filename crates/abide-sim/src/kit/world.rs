use std::{fmt, sync::Arc};

use abide_core::{
    Change, ChangeRecord, Error, Json, Key, Kind, Namespace, Seq, Store,
    port::store::{Alarm, AlarmsQuery, DueAlarm, Loaded, OutboxMessage},
    state::decode,
};
use abide_node::{DynamicCall, Node, Object};
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    dice::Dice,
    world::{Disk, Fate, Faults, Host, InFlight, SimClock, Up, ready},
};

/// How many rows are read at a time.
const READ_ROWS: usize = 10_000;

/// A running node under a virtual clock, over a store in memory that fails when it is told to.
///
/// What is asked with `state`, `alarms`, `changes` and `messages` is read from the store: it is what
/// would survive a crash now.
pub struct TestWorld {
    seed: u64,
    pub(super) host: Host,
    pub(super) disk: Disk,
    pub(super) clock: Arc<SimClock>,
    dice: Mutex<Dice>,
}

impl TestWorld {
    pub(super) fn new(seed: u64, host: Host, disk: Disk, clock: Arc<SimClock>) -> Self {
        Self { seed, host, disk, clock, dice: Mutex::new(Dice::part(seed, "test")) }
    }

    /// The handle of an object, on the node that runs now. After a restart, ask for it again.
    ///
    /// # Panics
    /// If the node was crashed or shut down and not started again.
    pub fn object<O: Object>(&self, id: &str) -> O::Ref {
        self.node().object::<O>(id)
    }

    /// A call by names, as clients make it.
    ///
    /// # Panics
    /// As [`TestWorld::object`].
    pub fn call<R>(&self, kind: &str, id: &str, handler: &str, args: impl Serialize) -> DynamicCall<R> {
        self.node().call(kind, id, handler, args)
    }

    /// The node that runs now.
    ///
    /// # Panics
    /// As [`TestWorld::object`].
    pub fn node(&self) -> Node {
        self.up().node.clone()
    }

    fn up(&self) -> Arc<Up> {
        self.host.up().unwrap_or_else(|| panic!("no node runs in this world: call `start().await` after a crash"))
    }

    /// The seed of this world.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Draws from the world's randomness.
    pub fn dice<T>(&self, draw: impl FnOnce(&mut Dice) -> T) -> T {
        draw(&mut self.dice.lock())
    }
}

/// Crashes and restarts.
impl TestWorld {
    /// Ends the node as a power failure does: commits on their way to the store are lost, callers hear
    /// nothing. The data stays.
    ///
    /// # Panics
    /// As [`TestWorld::object`].
    pub fn crash(&self) {
        self.crash_with(InFlight::Applied(0));
    }

    /// As [`TestWorld::crash`], and says what becomes of commits on their way.
    ///
    /// # Panics
    /// As [`TestWorld::object`].
    pub fn crash_with(&self, in_flight: InFlight) {
        let up = self.up();
        self.host.crash(&up, in_flight);
    }

    /// Starts a node over the same data, after a crash or a shutdown.
    ///
    /// # Panics
    /// If the store is away.
    pub async fn start(&self) {
        if let Err(error) = self.host.try_start().await {
            panic!("the node does not start: {error}");
        }
    }

    /// Crashes the node and starts another over the same data.
    ///
    /// # Panics
    /// As [`TestWorld::object`] and [`TestWorld::start`].
    pub async fn crash_and_restart(&self) {
        self.crash();
        self.start().await;
    }

    /// Stops the node in good order.
    ///
    /// # Errors
    /// If not everything under way ended in time.
    ///
    /// # Panics
    /// As [`TestWorld::object`].
    pub async fn shutdown(&self) -> Result<(), Error> {
        let up = self.up();
        self.host.stop(&up).await
    }
}

/// Faults of the store.
impl TestWorld {
    /// Changes how the store behaves from now on: [`Faults::none`], [`Faults::slow`], [`Faults::away`],
    /// or what you like.
    pub fn set_faults(&self, faults: Faults) {
        self.disk.set_faults(faults);
    }

    /// Nothing reaches the store any more.
    pub fn store_away(&self) {
        self.set_faults(Faults::away());
    }

    /// The store is sound again.
    pub fn store_back(&self) {
        self.set_faults(Faults::none());
    }

    /// Says what becomes of the next batches of commits, one after the other.
    pub fn next_commits(&self, fates: impl IntoIterator<Item = Fate>) {
        self.disk.plan(fates);
    }
}

/// What is durable.
impl TestWorld {
    /// The object's state; `None` if it is not there.
    ///
    /// # Panics
    /// If the id is not one, or the stored state does not fit the type.
    pub fn state<O: Object>(&self, id: &str) -> Option<O> {
        let json = self.state_json(&key::<O>(id))?;
        match decode::<O>(json.as_str()) {
            Ok((state, _)) => Some(state),
            Err(error) => panic!("the stored state {json} is not a {}: {error}", O::KIND),
        }
    }

    /// The state of a key as JSON; `None` if the object is not there.
    pub fn state_json(&self, key: &Key) -> Option<Json> {
        self.load(key)?.state
    }

    /// The object's alarms, the next one first; those given up (`dead`) are among them.
    ///
    /// # Panics
    /// If the id is not one.
    pub fn alarms<O: Object>(&self, id: &str) -> Vec<Alarm> {
        let (key, namespace) = (Some(key::<O>(id)), Namespace::default());
        let query = AlarmsQuery { key, namespace, dead: false, after: None, limit: 10_000 };
        self.pending(query).into_iter().map(|due| due.alarm).collect()
    }

    /// The object's kept changes, oldest first.
    ///
    /// # Panics
    /// If the id is not one, or a change cannot be decoded.
    pub fn changes<O: Object>(&self, id: &str) -> Vec<Change> {
        let (key, mut changes) = (key::<O>(id), Vec::new());
        loop {
            let after = changes.last().map_or(Seq::ZERO, |last: &ChangeRecord| last.seq);
            let page = ready(self.disk.data().changes(&key, after, READ_ROWS)).unwrap_or_default();
            if page.changes.is_empty() {
                break;
            }
            changes.extend(page.changes);
        }
        let decoded = changes.iter().map(|record| record.decode());
        decoded.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("a stored change cannot be decoded: {error}"))
    }

    /// Durable messages that were not delivered yet.
    pub fn messages(&self) -> Vec<OutboxMessage> {
        let mut messages = Vec::new();
        loop {
            let after = messages.last().map(|last: &OutboxMessage| last.id.clone());
            let page = ready(self.disk.data().outbox(after, READ_ROWS)).unwrap_or_default();
            messages.extend(page.messages);
            if !page.more {
                return messages;
            }
        }
    }

    /// All alarms of a query, whatever its limit.
    pub(super) fn pending(&self, mut query: AlarmsQuery) -> Vec<DueAlarm> {
        let mut alarms = Vec::new();
        loop {
            query.after = alarms.last().map(DueAlarm::place);
            let page = ready(self.disk.data().alarms(query.clone())).unwrap_or_default();
            alarms.extend(page.alarms);
            if !page.more {
                return alarms;
            }
        }
    }

    /// Faults in the store itself: always none, unless Abide has a bug.
    pub fn store_faults(&self) -> Vec<String> {
        ready(self.disk.data().verify(100)).unwrap_or_default()
    }

    fn load(&self, key: &Key) -> Option<Loaded> {
        ready(self.disk.data().load(key)).ok().flatten()
    }
}

fn key<O: Object>(id: &str) -> Key {
    let kind = Kind::new(O::KIND).and_then(|kind| Key::new(&Namespace::default(), &kind, id));
    kind.unwrap_or_else(|error| panic!("{error}"))
}

impl fmt::Debug for TestWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestWorld").field("seed", &self.seed).finish_non_exhaustive()
    }
}
