//! The change hub: durable changes, and ephemeral news, on their way to whoever watches.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use abide_core::{ChangeRecord, Error, Json, Key, Result, error::Code};
use metrics::Gauge;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::broadcast;

use crate::watch::Broadcast;

/// What a channel carries.
#[derive(Clone)]
enum Item {
    Change(Arc<ChangeRecord>),
    /// What happened is not known: look into the log.
    Unsure,
    Broadcast(Arc<Broadcast>),
    /// A client is present with this data, or (`None`) is no longer.
    Presence(Arc<(Arc<str>, Option<Json>)>),
}

const SLICES: usize = 16;

/// How many changes a listener to everything may be behind.
const LISTEN_BUFFER: usize = 1024;

/// How many clients may be present beside one object, and how much each of them may show.
const MEMBERS_MAX: usize = 1024;
const SHOWN_BYTES_MAX: usize = 4096;

/// Who is present, and what they show.
pub(crate) type Members = BTreeMap<Arc<str>, Json>;

/// What all watchers of one object share.
struct Channel {
    sender: broadcast::Sender<Item>,
    members: Option<Box<Members>>,
}

type Channels = FxHashMap<Key, Channel>;

/// One channel for each watched object. Publishing never waits: a watcher that falls behind is told
/// so and reads from the log.
pub(crate) struct Hub {
    slices: Box<[Mutex<Channels>]>,
    watched: AtomicUsize,
    everything: broadcast::Sender<(Key, Arc<ChangeRecord>)>,
    listeners: Arc<AtomicUsize>,
    buffer: usize,
    subscribers: Gauge,
}

impl Hub {
    pub(crate) fn new(buffer: usize, subscribers: Gauge) -> Self {
        let slices = (0..SLICES).map(|_| Mutex::default()).collect();
        let everything = broadcast::channel(LISTEN_BUFFER).0;
        Self { slices, watched: AtomicUsize::new(0), everything, listeners: Arc::default(), buffer, subscribers }
    }

    fn slice(&self, key: &Key) -> &Mutex<Channels> {
        &self.slices[usize::try_from(key.hash() >> 8).unwrap_or(0) % SLICES]
    }

    pub(crate) fn subscribe(self: &Arc<Self>, key: &Key) -> Subscription {
        let mut slice = self.slice(key).lock();
        let channel = slice.entry(key.clone()).or_insert_with(|| {
            self.watched.fetch_add(1, Ordering::SeqCst);
            Channel { sender: broadcast::channel(self.buffer).0, members: None }
        });
        self.subscribers.increment(1.0);
        Subscription { receiver: Some(channel.sender.subscribe()), key: key.clone(), hub: self.clone() }
    }

    pub(crate) fn publish(&self, key: &Key, changes: &[ChangeRecord]) {
        if self.listeners.load(Ordering::SeqCst) > 0 {
            for change in changes {
                let change = Arc::new(ChangeRecord { snapshot: None, ..change.clone() });
                // A send without receivers is fine: the last one is just leaving.
                let _ = self.everything.send((key.clone(), change));
            }
        }
        if changes.is_empty() || self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        let slice = self.slice(key).lock();
        let Some(channel) = slice.get(key) else { return };
        for change in changes {
            channel.send(Item::Change(Arc::new(ChangeRecord { snapshot: None, ..change.clone() })));
        }
    }

    /// Tells watchers that the object may have changed in a way that this node cannot tell.
    pub(crate) fn unsure(&self, key: &Key) {
        if let Some(channel) = self.slice(key).lock().get(key) {
            channel.send(Item::Unsure);
        }
    }

    /// Sends ephemeral data to whoever watches.
    pub(crate) fn broadcast(&self, key: &Key, broadcast: Broadcast) {
        if self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        if let Some(channel) = self.slice(key).lock().get(key) {
            channel.send(Item::Broadcast(Arc::new(broadcast)));
        }
    }

    /// A client is present beside a watched object, or no longer.
    pub(crate) fn present(&self, key: &Key, client: &Arc<str>, data: Option<Json>) -> Result<()> {
        if let Some(data) = &data
            && data.as_str().len() > SHOWN_BYTES_MAX
        {
            let bytes = data.as_str().len();
            let detail =
                format!("what a client shows has at most {SHOWN_BYTES_MAX} bytes, this has {bytes}; nothing was sent");
            return Err(Error::new(Code::TooLarge, detail));
        }
        let mut slice = self.slice(key).lock();
        let Some(channel) = slice.get_mut(key) else { return Ok(()) };
        let members = channel.members.get_or_insert_default();
        match &data {
            Some(_) if members.len() >= MEMBERS_MAX && !members.contains_key(client) => {
                let detail = format!("{MEMBERS_MAX} clients are present already; nothing was sent; try again later");
                return Err(Error::new(Code::Overloaded, detail));
            }
            Some(data) => drop(members.insert(client.clone(), data.clone())),
            None if members.remove(client).is_none() => return Ok(()),
            None => {}
        }
        if members.is_empty() {
            channel.members = None;
        }
        channel.send(Item::Presence(Arc::new((client.clone(), data))));
        Ok(())
    }

    /// Who is present beside an object.
    pub(crate) fn members(&self, key: &Key) -> Members {
        let slice = self.slice(key).lock();
        slice.get(key).and_then(|channel| channel.members.as_deref().cloned()).unwrap_or_default()
    }

    fn leave(&self, key: &Key) {
        self.subscribers.decrement(1.0);
        let mut slice = self.slice(key).lock();
        if slice.get(key).is_some_and(|channel| channel.sender.receiver_count() == 0) {
            slice.remove(key);
            self.watched.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Whether anybody watches an object or listens to all.
    pub(crate) fn is_heeded(&self) -> bool {
        self.watched() > 0 || self.listeners.load(Ordering::SeqCst) > 0
    }

    /// How many watch an object.
    pub(crate) fn watchers(&self, key: &Key) -> usize {
        self.slice(key).lock().get(key).map_or(0, |channel| channel.sender.receiver_count())
    }

    /// Listens to the changes of all objects.
    pub(crate) fn listen(&self) -> Everything {
        let changes = self.everything.subscribe();
        self.listeners.fetch_add(1, Ordering::SeqCst);
        Everything { changes, listeners: self.listeners.clone() }
    }

    /// How many objects are watched.
    pub(crate) fn watched(&self) -> usize {
        self.watched.load(Ordering::SeqCst)
    }
}

impl Channel {
    fn send(&self, item: Item) {
        // A send without receivers is fine: the last one is just leaving.
        let _ = self.sender.send(item);
    }
}

/// A place at the hub; leaving it is dropping it.
pub(crate) struct Subscription {
    receiver: Option<broadcast::Receiver<Item>>,
    key: Key,
    hub: Arc<Hub>,
}

impl Subscription {
    /// What comes next, or that something was missed.
    pub(crate) async fn next(&mut self) -> Next {
        let Some(receiver) = &mut self.receiver else {
            return Next::Closed;
        };
        match receiver.recv().await {
            Ok(Item::Change(change)) => Next::Change(change),
            Ok(Item::Broadcast(broadcast)) => Next::Broadcast(broadcast),
            Ok(Item::Presence(member)) => Next::Presence(member),
            Ok(Item::Unsure) | Err(broadcast::error::RecvError::Lagged(_)) => Next::Missed,
            Err(broadcast::error::RecvError::Closed) => Next::Closed,
        }
    }
}

/// What a subscription brings.
pub(crate) enum Next {
    Change(Arc<ChangeRecord>),
    Broadcast(Arc<Broadcast>),
    Presence(Arc<(Arc<str>, Option<Json>)>),
    Missed,
    Closed,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.receiver = None;
        self.hub.leave(&self.key);
    }
}

/// The changes of all objects as they become durable: see [`Node::listen`](crate::Node::listen).
#[derive(Debug)]
pub struct Everything {
    changes: broadcast::Receiver<(Key, Arc<ChangeRecord>)>,
    listeners: Arc<AtomicUsize>,
}

/// What a listener hears.
#[derive(Clone, Debug)]
pub enum Heard {
    /// An object changed.
    Change(Key, Arc<ChangeRecord>),
    /// So many changes came too fast to be heard.
    Missed(u64),
}

impl Everything {
    /// The next change; `None` when the node is gone.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.changes.recv().await {
            Ok((key, change)) => Some(Heard::Change(key, change)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for Everything {
    fn drop(&mut self) {
        self.listeners.fetch_sub(1, Ordering::SeqCst);
    }
}
