//! An object in memory on the node that owns it.
//!
//! An idle object is a few words and its encoded state. While calls wait for it, one task at a time
//! (or the caller's own) runs their turns.

mod deliver;
mod drain;
mod finish;
mod foreign;
mod inline;
mod lend;
mod settle;
mod turn;

use std::{collections::VecDeque, sync::Arc};

use abide_core::{
    Encoded, Error, Incarnation, Json, Key, Seq, Timestamp, Unknown,
    port::store::{Alarm, Loaded, Outcome},
};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

pub(crate) use inline::Here;
pub(crate) use lend::{Claim, Lease, Member};
pub(crate) use settle::{Issued, Verdict};

use crate::{
    activity::Activity,
    effects::Signal,
    job::{AnyObject, Envelope, Job},
    kind::KindEntry,
    node::NodeCore,
    object::Durability,
    pipeline::Behind,
    timer::Timers,
};

/// One object in memory.
pub(crate) struct Activation {
    pub(crate) node: Arc<NodeCore>,
    pub(crate) key: Key,
    pub(crate) kind: Arc<KindEntry>,
    cell: Mutex<Cell>,
}

/// What is known of the object, behind the activation's lock (never held across an await).
struct Cell {
    phase: Phase,
    /// Whether the object is there.
    exists: bool,
    /// The state after the last turn, if the object is there. A volatile object's is brought up to date
    /// only when somebody may look at it (`stale` says that it is not).
    state: Option<Json>,
    stale: bool,
    /// The schema version that state was written with.
    version: u32,
    live: Option<Box<Live>>,
    head: Seq,
    floor: Seq,
    incarnation: Incarnation,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Commits issued and commits settled: a reply waits until all issued before it are settled.
    issued: u64,
    settled: u64,
    waiting: Option<Box<Waiting>>,
    extras: Option<Box<Extras>>,
    /// When it last ran, in the node's ticks.
    last_used: u32,
    /// How many readers run beside the turns, on whatever version of the object.
    readers: u16,
    /// The turn that runs is of a handler that never waits.
    brief: bool,
    /// A task will write what a `behind` object owes.
    writes_later: bool,
    /// Its time is over, but what was owed before is still on its way: it is written when that is settled.
    writes_late: bool,
    broken: bool,
    leaving: bool,
}

/// Calls that wait for their turn, and answers that wait for their commit.
#[derive(Default)]
struct Waiting {
    mailbox: VecDeque<Envelope>,
    gate: VecDeque<Held>,
}

/// An answer behind the gate.
struct Held {
    number: u64,
    seq: Seq,
    answer: Answer,
}

/// What is released when a commit is durable.
enum Answer {
    Job(Box<dyn Job>, Option<Error>),
    Stored(Box<dyn Job>, Outcome),
    Wake(tokio::sync::oneshot::Sender<Result<(), Error>>),
    Signals(Arc<NodeCore>, Key, Vec<Signal>),
}

/// What few objects need.
#[derive(Default)]
struct Extras {
    alarms: Vec<Alarm>,
    /// Outcomes whose commit is on its way: (caller, key) → (commit number, outcome).
    outcomes: FxHashMap<(Arc<str>, Arc<str>), (u64, Outcome)>,
    /// Last message applied of each sender: number and the commit that records it.
    received: FxHashMap<Key, (u64, u64)>,
    /// When a snapshot was recorded, for history by time.
    marks: VecDeque<(Seq, Timestamp)>,
    timers: Timers,
    behind: Option<Box<Behind>>,
    /// What the object was before the transaction that holds it.
    before: Option<Box<lend::Before>>,
}

/// The decoded object and the encoding it had after its last turn.
pub(crate) struct Live {
    object: Arc<dyn AnyObject>,
    unknown: Unknown,
    encoded: Encoded,
    /// A turn failed, and could not be undone in it: it is to be decoded afresh.
    spoilt: bool,
}

impl Live {
    /// It, unless it has to be decoded afresh.
    fn sound(self: Box<Self>) -> Option<Box<Self>> {
        (!self.spoilt).then_some(self)
    }
}

impl Extras {
    fn is_empty(&self) -> bool {
        self.alarms.is_empty()
            && self.outcomes.is_empty()
            && self.received.is_empty()
            && self.marks.is_empty()
            && self.timers.is_empty()
            && self.behind.is_none()
            && self.before.is_none()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is loaded yet, and nobody asked for it.
    Cold,
    /// A task loads it.
    Loading,
    /// Loaded, and nobody runs it.
    Idle,
    /// A task runs its turns.
    Running,
    /// It has left the directory: look it up again.
    Gone,
}

impl Activation {
    pub(crate) fn new(node: Arc<NodeCore>, key: Key, kind: Arc<KindEntry>) -> Self {
        let cell = Cell {
            phase: Phase::Cold,
            exists: false,
            state: None,
            stale: false,
            version: kind.options.version,
            live: None,
            head: Seq::ZERO,
            floor: Seq::ZERO,
            incarnation: Incarnation::ZERO,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            issued: 0,
            settled: 0,
            waiting: None,
            extras: None,
            last_used: 0,
            readers: 0,
            brief: false,
            writes_later: false,
            writes_late: false,
            broken: false,
            leaving: false,
        };
        Self { node, key: key.sharing(&kind.name), kind, cell: Mutex::new(cell) }
    }

    /// The object's alarms as the last turn left them.
    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        self.cell.lock().alarms().to_vec()
    }

    /// State, seq and times, if they are in memory and durable (or never will be).
    pub(crate) fn resident(&self) -> Seen {
        let mut cell = self.cell.lock();
        let known = matches!(cell.phase, Phase::Idle | Phase::Running) && !cell.broken && !cell.is_lent();
        let visible = cell.is_settled() || self.kind.options.durability != Durability::Commit;
        if !known || !visible {
            return Seen::Nothing;
        }
        cell.refresh();
        if cell.stale {
            return Seen::Busy;
        }
        Seen::Here(Resident {
            state: cell.state.clone(),
            seq: cell.head,
            created_at: cell.created_at,
            updated_at: cell.updated_at,
        })
    }

    /// Drops the decoded state if the object has been idle since before `tick`. Says whether it was idle.
    pub(crate) fn hibernate(&self, tick: u32) -> bool {
        let Some(mut cell) = self.cell.try_lock() else {
            return false;
        };
        let idle = cell.phase == Phase::Idle && cell.last_used <= tick;
        if idle && cell.exists {
            cell.refresh();
            cell.live = None;
        }
        idle
    }

    /// Since when it is idle, in ticks; `None` while it runs or its commits are on their way.
    pub(crate) fn idle_since(&self) -> Option<u32> {
        let cell = self.cell.try_lock()?;
        (cell.phase == Phase::Idle && cell.issued == cell.settled && !cell.has_behind()).then_some(cell.last_used)
    }

    /// Leaves memory now, if it is idle with everything durable. The caller then removes it from the directory.
    pub(crate) fn retire(&self) -> bool {
        let mut cell = self.cell.lock();
        let session = self.kind.options.session && cell.exists && self.node.is_running();
        let can = !session
            && cell.phase == Phase::Idle
            && cell.issued == cell.settled
            && !cell.has_behind()
            && !cell.has_timers();
        if can {
            cell.phase = Phase::Gone;
            cell.live = None;
        }
        can
    }

    /// Whether there is nothing to deactivate.
    pub(crate) fn is_gone_or_absent(&self) -> bool {
        let cell = self.cell.lock();
        matches!(cell.phase, Phase::Gone | Phase::Cold | Phase::Loading) || !cell.exists
    }

    /// Whether a turn runs, waits, or its commit is on its way.
    pub(crate) fn is_busy(&self) -> bool {
        let cell = self.cell.lock();
        !matches!(cell.phase, Phase::Idle | Phase::Gone | Phase::Cold) || !cell.is_settled() || cell.mailbox_len() > 0
    }

    pub(crate) fn with_timers<R>(&self, f: impl FnOnce(&mut Timers) -> R) -> R {
        f(&mut self.cell.lock().extras().timers)
    }

    /// How many calls wait for the object.
    pub(crate) fn waiting(&self) -> usize {
        self.cell.lock().mailbox_len()
    }

    /// What it is doing, without those who watch it.
    pub(crate) fn activity(&self) -> Activity {
        let (in_memory, decoded) = {
            let cell = self.cell.lock();
            (!matches!(cell.phase, Phase::Gone | Phase::Cold), cell.live.is_some() || cell.phase == Phase::Running)
        };
        Activity { in_memory, decoded, waiting: self.waiting(), watchers: 0, bytes: self.bytes() }
    }

    /// An estimate of the bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        let cell = self.cell.lock();
        let state = cell.state.as_ref().map_or(0, |json| json.as_str().len());
        size_of::<Self>() + 2 * size_of::<usize>() + state + if cell.live.is_some() { state + 96 } else { 0 }
    }
}

/// Whether memory can say what an object is.
pub(crate) enum Seen {
    /// It can.
    Here(Resident),
    /// In a moment: a short turn runs.
    Busy,
    /// It cannot; the store can.
    Nothing,
}

/// What memory says of an object.
pub(crate) struct Resident {
    pub(crate) state: Option<Json>,
    pub(crate) seq: Seq,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Cell {
    /// Brings the state of a volatile object up to date, if its decoded form is here.
    fn refresh(&mut self) {
        if let (true, Some(live)) = (self.stale, &self.live) {
            self.state = Some(live.encoded.json());
            self.stale = false;
        }
    }

    fn has_behind(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.behind.is_some())
    }

    fn has_timers(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| !extras.timers.is_empty())
    }

    fn alarms(&self) -> &[Alarm] {
        self.extras.as_ref().map_or(&[], |extras| &extras.alarms)
    }

    fn set_alarms(&mut self, alarms: Vec<Alarm>) {
        if self.extras.is_some() || !alarms.is_empty() {
            self.extras().alarms = alarms;
        }
    }

    fn waiting(&mut self) -> &mut Waiting {
        self.waiting.get_or_insert_default()
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    fn mailbox_len(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.mailbox.len())
    }

    fn adopt(&mut self, loaded: Loaded) {
        self.head = loaded.head;
        self.floor = loaded.floor;
        self.incarnation = loaded.incarnation;
        self.exists = loaded.state.is_some();
        self.state = loaded.state;
        self.version = loaded.version;
        self.created_at = loaded.created_at;
        self.updated_at = loaded.updated_at;
        self.set_alarms(loaded.alarms);
    }

    /// Nothing waits and nothing is on its way.
    fn is_settled(&self) -> bool {
        self.issued == self.settled
    }

    /// Gives memory back that only busy objects need.
    fn trim(&mut self) {
        if self
            .waiting
            .as_ref()
            .is_some_and(|w| w.mailbox.is_empty() && w.gate.is_empty() && w.mailbox.capacity() <= 64)
            && self.is_settled()
        {
            self.waiting = None;
        }
        let settled = self.settled;
        if let Some(extras) = &mut self.extras {
            extras.outcomes.retain(|_, (number, _)| *number > settled);
            if extras.received.len() > RECEIVED_MAX {
                extras.received.retain(|_, (_, number)| *number > settled);
            }
            if extras.is_empty() {
                self.extras = None;
            }
        }
    }
}

/// How many senders' last message numbers an activation remembers beyond those on their way.
const RECEIVED_MAX: usize = 1024;
