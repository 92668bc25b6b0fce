//! What survives the crash of a node.

use std::{collections::VecDeque, sync::Arc, task::Poll};

use abide_core::{Epoch, StoreError, port::store::Commit};
use abide_store::MemoryStore;
use parking_lot::Mutex;

use super::{
    faults::Faults,
    store::{Fate, FaultyStore},
    trace::Trace,
};
use crate::dice::Dice;

/// The data of a simulated store and the faults in reaching it. Each node has a connection of its
/// own; the data outlives them all. A clone is another handle to the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    memory: MemoryStore,
    trace: Trace,
    /// Whether epochs are checked; a mutant leaves it out.
    fenced: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    faults: Faults,
    planned: VecDeque<Fate>,
    epochs: Vec<Epoch>,
    connections: u32,
}

impl Disk {
    /// An empty disk of a few shards.
    pub fn new(seed: u64, faults: Faults, trace: Trace) -> Self {
        Self::with_fence(seed, faults, trace, true)
    }

    /// As [`Disk::new`]; without the fence, any node may commit in any epoch.
    pub(crate) fn with_fence(seed: u64, faults: Faults, trace: Trace, fenced: bool) -> Self {
        const SHARDS: u32 = 16;
        let state = State {
            dice: Dice::part(seed, "disk"),
            faults,
            planned: VecDeque::new(),
            epochs: Vec::new(),
            connections: 0,
        };
        Self(Arc::new(Inner { memory: MemoryStore::new(SHARDS), trace, fenced, state: Mutex::new(state) }))
    }

    /// A connection for one node.
    pub fn connect(&self) -> FaultyStore {
        let mut state = self.0.state.lock();
        state.connections += 1;
        FaultyStore::new(self.clone(), state.connections)
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.trace.line(format_args!("disk: {faults:?}"));
        self.0.state.lock().faults = faults;
    }

    /// What goes wrong now.
    pub fn faults(&self) -> Faults {
        self.0.state.lock().faults.clone()
    }

    /// Says what becomes of the next batches of commits, whatever the faults are otherwise.
    pub fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        self.0.state.lock().planned.extend(fates);
    }

    pub(super) fn planned_fate(&self) -> Option<Fate> {
        self.0.state.lock().planned.pop_front()
    }

    /// The data itself, without faults.
    pub fn data(&self) -> &MemoryStore {
        &self.0.memory
    }

    /// Draws from the disk's randomness, with what goes wrong now.
    pub(super) fn draw<T>(&self, draw: impl FnOnce(&Faults, &mut Dice) -> T) -> T {
        let State { dice, faults, .. } = &mut *self.0.state.lock();
        draw(faults, dice)
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.0.trace
    }

    pub(super) fn remember_epochs(&self, epochs: &[Epoch]) {
        self.0.state.lock().epochs = epochs.to_vec();
    }

    /// The batch with its own epochs, or (without the fence) with those that the store will accept.
    pub(super) fn past_the_fence(&self, mut batch: Vec<Commit>) -> Vec<Commit> {
        if !self.0.fenced {
            let state = self.0.state.lock();
            for commit in &mut batch {
                let current = state.epochs.get(commit.shard.number() as usize);
                commit.epoch = current.copied().unwrap_or(commit.epoch);
            }
        }
        batch
    }
}

/// The result of a future of the memory store, which is always ready.
pub(crate) fn ready<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(StoreError::Damaged("BUG: the memory store was not ready at once".into())),
    }
}
