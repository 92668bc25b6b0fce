//! The change hub: durable changes, and ephemeral news, on their way to whoever watches.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use abide_core::{
    ChangeRecord, Error, Json, Key, Result,
    error::Code,
    frame::{SHOWN_BYTES_MAX, fits_broadcast},
};
use metrics::Gauge;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::{
    channel::{Channel, Reader, Room, Taken},
    options::NodeOptions,
    page::PageRoom,
    watch::Broadcast,
};

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

impl Item {
    /// About how much memory it keeps.
    fn bytes(&self) -> usize {
        ITEM_BYTES
            + match self {
                Self::Change(change) => change.json.as_str().len(),
                Self::Unsure => 0,
                Self::Broadcast(broadcast) => broadcast.data.as_str().len(),
                Self::Presence(member) => member.1.as_ref().map_or(0, |data| data.as_str().len()),
            }
    }
}

/// What an item takes besides its text.
const ITEM_BYTES: usize = 128;

const SLICES: usize = 16;

/// How many changes a listener to everything may be behind, and how many bytes of them.
const LISTEN_BUFFER: usize = 1024;
const LISTEN_BYTES: usize = 4 << 20;

/// How many clients may be present beside one object.
const MEMBERS_MAX: usize = 1024;

/// Who is present, and what they show.
pub(crate) type Members = BTreeMap<Arc<str>, Json>;

/// What of a client shows it beside an object: a number of its connection, and one of the connection's watch. A
/// client that came back may be on two connections for a while; the later one has the greater number.
pub type Shower = (u64, u64);

/// What each client shows, and what of it does.
type Shown = BTreeMap<Arc<str>, (Shower, Json)>;

/// What all watchers of one object share.
struct Watched {
    channel: Arc<Channel<Item>>,
    members: Option<Box<Shown>>,
}

type Slice = FxHashMap<Key, Watched>;

/// One channel for each watched object. Publishing never waits: a watcher that falls behind is told
/// so and reads from the log.
pub(crate) struct Hub {
    slices: Box<[Mutex<Slice>]>,
    watched: AtomicUsize,
    everything: Arc<Channel<(Key, Arc<ChangeRecord>)>>,
    listeners: Arc<AtomicUsize>,
    room: Arc<Room>,
    pages: Arc<PageRoom>,
    subscribers: Gauge,
}

impl Hub {
    pub(crate) fn new(options: &NodeOptions, subscribers: Gauge) -> Self {
        let slices = (0..SLICES).map(|_| Mutex::default()).collect();
        let room = Room::new(options.watch_buffer, options.watch_bytes, options.watch_bytes_total);
        let everything = Arc::new(Channel::new(Arc::new(Room::new(LISTEN_BUFFER, LISTEN_BYTES, LISTEN_BYTES))));
        let (watched, listeners) = (AtomicUsize::new(0), Arc::default());
        let pages = Arc::new(PageRoom::new(options.watch_bytes_total));
        Self { slices, watched, everything, listeners, room: Arc::new(room), pages, subscribers }
    }

    fn slice(&self, key: &Key) -> &Mutex<Slice> {
        &self.slices[usize::try_from(key.hash() >> 8).unwrap_or(0) % SLICES]
    }

    pub(crate) fn subscribe(self: &Arc<Self>, key: &Key) -> Subscription {
        let mut slice = self.slice(key).lock();
        let watched = slice.entry(key.clone()).or_insert_with(|| {
            self.watched.fetch_add(1, Ordering::SeqCst);
            Watched { channel: Arc::new(Channel::new(self.room.clone())), members: None }
        });
        self.subscribers.increment(1.0);
        Subscription { reader: Some(watched.channel.reader()), key: key.clone(), hub: self.clone() }
    }

    pub(crate) fn publish(&self, key: &Key, changes: &[ChangeRecord]) {
        if self.listeners.load(Ordering::SeqCst) > 0 {
            for change in changes {
                let change = Arc::new(ChangeRecord { snapshot: None, ..change.clone() });
                let bytes = ITEM_BYTES + change.json.as_str().len() + key.id().len();
                // A room of its own, of which it may take all.
                self.everything.put((key.clone(), change), bytes);
            }
        }
        if changes.is_empty() || self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        if let Some(watched) = self.slice(key).lock().get(key) {
            for change in changes {
                watched.send(Item::Change(Arc::new(ChangeRecord { snapshot: None, ..change.clone() })));
            }
        }
        self.make_room();
    }

    /// If more waits than may: what has waited longest goes, of whatever object it is. Half the room is free
    /// afterwards, so that this is rare however many objects are watched.
    fn make_room(&self) {
        let Some(overdue) = self.room.overdue() else { return };
        for slice in &self.slices {
            slice.lock().values().for_each(|watched| watched.channel.forget(overdue));
        }
    }

    /// Where watchers that are behind account for what they have read.
    pub(crate) fn pages(&self) -> &Arc<PageRoom> {
        &self.pages
    }

    /// Tells watchers that the object may have changed in a way that this node cannot tell.
    pub(crate) fn unsure(&self, key: &Key) {
        if let Some(watched) = self.slice(key).lock().get(key) {
            watched.send(Item::Unsure);
        }
        self.make_room();
    }

    /// Sends ephemeral data to whoever watches.
    pub(crate) fn broadcast(&self, key: &Key, broadcast: Broadcast) -> Result<()> {
        fits_broadcast(&broadcast.data)?;
        if self.watched.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        if let Some(watched) = self.slice(key).lock().get(key) {
            watched.send(Item::Broadcast(Arc::new(broadcast)));
        }
        self.make_room();
        Ok(())
    }

    /// A client is present beside a watched object, or no longer.
    pub(crate) fn present(&self, key: &Key, client: &Arc<str>, shower: Shower, data: Option<Json>) -> Result<()> {
        if let Some(data) = &data
            && data.as_str().len() > SHOWN_BYTES_MAX
        {
            let bytes = data.as_str().len();
            let detail =
                format!("what a client shows has at most {SHOWN_BYTES_MAX} bytes, this has {bytes}; nothing was sent");
            return Err(Error::new(Code::TooLarge, detail));
        }
        let mut slice = self.slice(key).lock();
        let Some(watched) = slice.get_mut(key) else {
            // Who watches is present; who watches no more has nothing to take back.
            let detail = "this client does not watch the object any more; nothing was sent; watch it again";
            return if data.is_none() { Ok(()) } else { Err(Error::bad_request(detail)) };
        };
        let members = watched.members.get_or_insert_default();
        // What an earlier connection of a client that came back still had to say does not count.
        let is_late = members.get(client).is_some_and(|(by, _)| shower.0 < by.0);
        match &data {
            Some(_) if is_late => return Ok(()),
            Some(_) if members.len() >= MEMBERS_MAX && !members.contains_key(client) => {
                let detail = format!("{MEMBERS_MAX} clients are present already; nothing was sent; try again later");
                return Err(Error::new(Code::Overloaded, detail));
            }
            Some(data) => drop(members.insert(client.clone(), (shower, data.clone()))),
            None if members.get(client).is_none_or(|(by, _)| *by != shower) => {
                if members.is_empty() {
                    watched.members = None;
                }
                return Ok(());
            }
            None => drop(members.remove(client)),
        }
        if members.is_empty() {
            watched.members = None;
        }
        watched.send(Item::Presence(Arc::new((client.clone(), data))));
        drop(slice);
        self.make_room();
        Ok(())
    }

    /// Who is present beside an object.
    pub(crate) fn members(&self, key: &Key) -> Members {
        let slice = self.slice(key).lock();
        let members = slice.get(key).and_then(|watched| watched.members.as_deref());
        members.into_iter().flatten().map(|(client, (_, data))| (client.clone(), data.clone())).collect()
    }

    fn leave(&self, key: &Key) {
        self.subscribers.decrement(1.0);
        let mut slice = self.slice(key).lock();
        if slice.get(key).is_some_and(|watched| watched.channel.readers() == 0) {
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
        self.slice(key).lock().get(key).map_or(0, |watched| watched.channel.readers())
    }

    /// Listens to the changes of all objects.
    pub(crate) fn listen(&self) -> Everything {
        let changes = self.everything.reader();
        self.listeners.fetch_add(1, Ordering::SeqCst);
        Everything { changes, listeners: self.listeners.clone() }
    }

    /// How many bytes wait for watchers.
    pub(crate) fn held(&self) -> usize {
        self.room.held()
    }

    /// How many objects are watched.
    pub(crate) fn watched(&self) -> usize {
        self.watched.load(Ordering::SeqCst)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.everything.close();
    }
}

impl Watched {
    fn send(&self, item: Item) {
        let bytes = item.bytes();
        self.channel.put(item, bytes);
    }
}

/// A place at the hub; leaving it is dropping it.
pub(crate) struct Subscription {
    reader: Option<Reader<Item>>,
    key: Key,
    hub: Arc<Hub>,
}

impl Subscription {
    /// What comes next, or that something was missed.
    pub(crate) async fn next(&mut self) -> Next {
        let Some(reader) = &mut self.reader else {
            return Next::Closed;
        };
        match reader.next().await {
            Taken::Item(Item::Change(change)) => Next::Change(change),
            Taken::Item(Item::Broadcast(broadcast)) => Next::Broadcast(broadcast),
            Taken::Item(Item::Presence(member)) => Next::Presence(member),
            Taken::Item(Item::Unsure) | Taken::Missed(_) => Next::Missed,
            Taken::Closed => Next::Closed,
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
        self.reader = None;
        self.hub.leave(&self.key);
    }
}

/// The changes of all objects as they become durable: see [`Node::listen`](crate::Node::listen).
pub struct Everything {
    changes: Reader<(Key, Arc<ChangeRecord>)>,
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
        match self.changes.next().await {
            Taken::Item((key, change)) => Some(Heard::Change(key, change)),
            Taken::Missed(missed) => Some(Heard::Missed(missed)),
            Taken::Closed => None,
        }
    }
}

impl std::fmt::Debug for Everything {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Everything")
    }
}

impl Drop for Everything {
    fn drop(&mut self) {
        self.listeners.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use abide_core::{Kind, Namespace, frame::BROADCAST_BYTES_MAX};
    use futures_util::FutureExt;

    use super::*;

    fn key(id: &str) -> Key {
        Key::new(&Namespace::default(), &Kind::new("Room").unwrap(), id).unwrap()
    }

    fn hub(total: usize) -> Arc<Hub> {
        Arc::new(Hub::new(&NodeOptions { watch_bytes_total: total, ..NodeOptions::default() }, Gauge::noop()))
    }

    fn broadcast(hub: &Hub, key: &Key, bytes: usize) {
        let data = Json::trusted(format!("{:?}", "x".repeat(bytes - 2)));
        hub.broadcast(key, Broadcast { from: None, data }).unwrap();
    }

    #[test]
    fn an_earlier_connection_of_a_client_neither_shows_nor_takes_back_what_the_later_one_shows() {
        let hub = hub(1 << 20);
        let watching = hub.subscribe(&key("room"));
        let ada: Arc<str> = "ada".into();
        let show = |shower, data: Option<&'static str>| {
            let data = data.map(|text| Json::trusted(format!("{text:?}")));
            hub.present(&watching.key, &ada, shower, data).unwrap();
            hub.members(&watching.key).get(&ada).map(|shown| shown.as_str().to_owned())
        };
        assert_eq!(show((7, 3), Some("old")).unwrap(), r#""old""#);
        assert_eq!(show((8, 1), Some("new")).unwrap(), r#""new""#);
        assert_eq!(show((7, 3), Some("late")).unwrap(), r#""new""#);
        assert_eq!(show((7, 3), None).unwrap(), r#""new""#);
        assert_eq!(show((8, 1), Some("newer")).unwrap(), r#""newer""#);
        assert_eq!(show((8, 2), Some("of another watch")).unwrap(), r#""of another watch""#);
        assert_eq!(show((8, 2), None), None);
        assert_eq!(show((7, 3), Some("alone")).unwrap(), r#""alone""#);
    }

    #[test]
    fn the_longest_broadcast_reaches_the_quick_though_the_slow_of_other_objects_take_all_the_room() {
        const TOTAL: usize = 1 << 20;
        let hub = hub(TOTAL);
        let slow: Vec<_> = (0..100).map(|n| hub.subscribe(&key(&format!("slow-{n}")))).collect();
        let quiet = key("quiet");
        let mut quick = hub.subscribe(&quiet);
        for n in 0..300 {
            broadcast(&hub, &slow[n % 100].key, 10_000);
            assert!(hub.held() <= TOTAL, "{}", hub.held());
            let bytes = if n % 2 == 0 { BROADCAST_BYTES_MAX } else { 5_000 };
            broadcast(&hub, &quiet, bytes);
            match quick.next().now_or_never() {
                Some(Next::Broadcast(heard)) => assert_eq!(heard.data.as_str().len(), bytes),
                _ => panic!("the quick missed broadcast {n} of {bytes} bytes"),
            }
            assert!(hub.held() <= TOTAL, "{}", hub.held());
        }
        assert!(hub.held() > TOTAL / 4, "the slow have what came last");
        drop(slow);
        assert_eq!(hub.held(), 0);
    }
}
