//! Nodes over one disk: started, crashed, restarted, and left behind as zombies.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use abide_core::{Clock, Error, Store};
use abide_node::{Node, NodeBuilder, NodeOptions};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    clock::SimClock,
    disk::Disk,
    store::{FaultyStore, InFlight},
    trace::Trace,
};

/// How kinds come into a node.
type Register = Arc<dyn Fn(NodeBuilder) -> NodeBuilder + Send + Sync>;

/// Runs one node after the other over one disk.
pub struct Host {
    disk: Disk,
    clock: Arc<SimClock>,
    trace: Trace,
    options: NodeOptions,
    register: Register,
    current: Mutex<Option<Arc<Up>>>,
    /// Told when a node is up. (A `watch` channel wakes in an order that no seed governs.)
    came_up: Notify,
    started: AtomicU32,
}

/// A node that was started.
pub struct Up {
    /// The node.
    pub node: Node,
    /// Which one it is, from 1.
    pub number: u32,
    store: FaultyStore,
    gone: CancellationToken,
    replaced: AtomicBool,
}

impl Host {
    /// A host whose nodes know the kinds that `register` adds. Nothing runs yet.
    pub fn new(
        disk: Disk,
        clock: Arc<SimClock>,
        trace: Trace,
        options: NodeOptions,
        register: impl Fn(NodeBuilder) -> NodeBuilder + Send + Sync + 'static,
    ) -> Self {
        let (current, came_up) = (Mutex::default(), Notify::new());
        Self { disk, clock, trace, options, register: Arc::new(register), current, came_up, started: AtomicU32::new(0) }
    }

    /// Tries once to start a node. The one before it, if it still runs, is a zombie from now on.
    pub async fn try_start(&self) -> Result<Arc<Up>, Error> {
        if let Some(before) = self.up() {
            before.replaced.store(true, Ordering::SeqCst);
        }
        let number = self.started.fetch_add(1, Ordering::SeqCst) + 1;
        let store = self.disk.connect();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let builder = NodeBuilder::new(shared).options(self.options.clone()).clock(clock);
        let started = (self.register)(builder).start().await;
        let outcome = started.as_ref().map_or_else(|e| e.code().as_str(), |_| "started");
        self.trace.line(format_args!("node {number}: {outcome}"));
        let gone = CancellationToken::new();
        let up = Arc::new(Up { node: started?, number, store, gone, replaced: AtomicBool::new(false) });
        *self.current.lock() = Some(up.clone());
        self.came_up.notify_waiters();
        Ok(up)
    }

    /// Starts a node, however often it takes.
    pub async fn start(&self) -> Arc<Up> {
        loop {
            match self.try_start().await {
                Ok(up) => return up,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// The node that was started last, if it is up.
    pub fn up(&self) -> Option<Arc<Up>> {
        self.current.lock().clone()
    }

    /// The node that was started last, once there is one.
    pub async fn when_up(&self) -> Arc<Up> {
        loop {
            let came_up = self.came_up.notified();
            if let Some(up) = self.up() {
                return up;
            }
            came_up.await;
        }
    }

    /// Ends a node without warning. What it had sent to the disk may still arrive.
    pub fn crash(&self, up: &Arc<Up>, in_flight: InFlight) {
        self.trace.line(format_args!("node {}: crashes, {in_flight:?}", up.number));
        self.take_down(up);
        up.store.cut(in_flight);
        up.node.abort();
        up.gone.cancel();
    }

    /// Stops a node in good order, then ends it.
    pub async fn stop(&self, up: &Arc<Up>) -> Result<(), Error> {
        self.trace.line(format_args!("node {}: shuts down", up.number));
        self.take_down(up);
        let stopped = up.node.shutdown().await;
        let outcome = stopped.as_ref().map_or_else(|e| e.code().as_str(), |()| "stopped");
        self.trace.line(format_args!("node {}: {outcome}", up.number));
        up.store.cut(InFlight::Applied(0));
        up.node.abort();
        up.gone.cancel();
        stopped
    }

    fn take_down(&self, up: &Arc<Up>) {
        self.current.lock().take_if(|current| Arc::ptr_eq(current, up));
    }
}

impl Up {
    /// Whether another node has taken, or is taking, the shards over: what this one reads from memory
    /// may be out of date, and nothing it commits succeeds.
    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::SeqCst)
    }

    /// How many batches are on their way to the disk.
    pub fn in_flight(&self) -> usize {
        self.store.in_flight()
    }

    /// Waits until the node is gone.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("up", &self.up()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Up {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Up").field("number", &self.number).finish_non_exhaustive()
    }
}
