//! The change hub: durable changes on their way to whoever watches.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use abide_core::{ChangeRecord, Key};
use metrics::Gauge;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::broadcast;

/// A change, or `None`: what happened is not known, look into the log.
type Item = Option<Arc<ChangeRecord>>;

const SLICES: usize = 16;

type Channels = FxHashMap<Key, broadcast::Sender<Item>>;

/// One channel for each watched object. Publishing never waits: a watcher that falls behind is told
/// so and reads from the log.
pub(crate) struct Hub {
    slices: Box<[Mutex<Channels>]>,
    watched: AtomicUsize,
    buffer: usize,
    subscribers: Gauge,
}

impl Hub {
    pub(crate) fn new(buffer: usize, subscribers: Gauge) -> Self {
        let slices = (0..SLICES).map(|_| Mutex::default()).collect();
        Self { slices, watched: AtomicUsize::new(0), buffer, subscribers }
    }

    fn slice(&self, key: &Key) -> &Mutex<FxHashMap<Key, broadcast::Sender<Item>>> {
        &self.slices[usize::try_from(key.hash() >> 8).unwrap_or(0) % SLICES]
    }

    pub(crate) fn subscribe(self: &Arc<Self>, key: &Key) -> Subscription {
        let mut slice = self.slice(key).lock();
        let sender = slice.entry(key.clone()).or_insert_with(|| {
            self.watched.fetch_add(1, Ordering::SeqCst);
            broadcast::channel(self.buffer).0
        });
        self.subscribers.increment(1.0);
        Subscription { receiver: Some(sender.subscribe()), key: key.clone(), hub: self.clone() }
    }

    pub(crate) fn publish(&self, key: &Key, changes: &[ChangeRecord]) {
        if changes.is_empty() || self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        let slice = self.slice(key).lock();
        let Some(sender) = slice.get(key) else { return };
        for change in changes {
            // A send without receivers is fine: the last one is just leaving.
            let _ = sender.send(Some(Arc::new(ChangeRecord { snapshot: None, ..change.clone() })));
        }
    }

    /// Tells watchers that the object may have changed in a way that this node cannot tell.
    pub(crate) fn unsure(&self, key: &Key) {
        if let Some(sender) = self.slice(key).lock().get(key) {
            // A send without receivers is fine: the last one is just leaving.
            let _ = sender.send(None);
        }
    }

    fn leave(&self, key: &Key) {
        self.subscribers.decrement(1.0);
        let mut slice = self.slice(key).lock();
        if slice.get(key).is_some_and(|sender| sender.receiver_count() == 0) {
            slice.remove(key);
            self.watched.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// How many objects are watched.
    pub(crate) fn watched(&self) -> usize {
        self.watched.load(Ordering::SeqCst)
    }
}

/// A place at the hub; leaving it is dropping it.
pub(crate) struct Subscription {
    receiver: Option<broadcast::Receiver<Item>>,
    key: Key,
    hub: Arc<Hub>,
}

impl Subscription {
    /// The next change, or that some were missed.
    pub(crate) async fn next(&mut self) -> Next {
        let Some(receiver) = &mut self.receiver else {
            return Next::Closed;
        };
        match receiver.recv().await {
            Ok(Some(change)) => Next::Change(change),
            Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => Next::Missed,
            Err(broadcast::error::RecvError::Closed) => Next::Closed,
        }
    }
}

/// What a subscription brings.
pub(crate) enum Next {
    Change(Arc<ChangeRecord>),
    Missed,
    Closed,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.receiver = None;
        self.hub.leave(&self.key);
    }
}
