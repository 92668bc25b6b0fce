use std::{fmt, sync::Arc};

use abide_node::{NodeBuilder, NodeOptions, Object};

use super::world::TestWorld;
use crate::world::{Disk, Faults, Host, SimClock, Trace};

/// A world before its node has started: kinds and options.
#[must_use = "nothing happens until `.start().await`"]
pub struct WorldBuilder {
    seed: u64,
    kinds: Vec<fn(NodeBuilder) -> NodeBuilder>,
    options: NodeOptions,
}

impl WorldBuilder {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, kinds: Vec::new(), options: NodeOptions::default() }
    }

    /// Adds a kind of objects.
    pub fn register<O: Object>(mut self) -> Self {
        self.kinds.push(NodeBuilder::register::<O>);
        self
    }

    /// Changes the node's limits and times.
    pub fn configure(mut self, change: impl FnOnce(&mut NodeOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// The seed of the world's randomness.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Starts the node over an empty store.
    ///
    /// # Panics
    /// If a kind is wrong (a name registered twice), with the error's sentence.
    pub async fn start(self) -> TestWorld {
        let Self { seed, kinds, options } = self;
        let trace = Trace::new(false);
        let disk = Disk::new(seed, Faults::none(), trace.clone());
        let clock = Arc::new(SimClock::new(seed));
        let register = move |node| kinds.iter().fold(node, |node, register| register(node));
        let host = Host::new(disk.clone(), clock.clone(), trace, options, register);
        if let Err(error) = host.try_start().await {
            panic!("the test world's node does not start: {error}");
        }
        TestWorld::new(seed, host, disk, clock)
    }
}

impl fmt::Debug for WorldBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldBuilder").field("seed", &self.seed).finish_non_exhaustive()
    }
}
