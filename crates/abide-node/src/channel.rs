//! What several readers have not taken yet, bounded in number and in bytes. Whoever puts something in never
//! waits: the oldest make place, and a reader who had not taken them is told how many they were.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Places that are kept for what comes next, though nothing waits in them.
const PLACES_IDLE: usize = 8;

/// How much one channel, and all that share this, may hold.
pub(crate) struct Room {
    items_max: usize,
    bytes_max: usize,
    total_max: usize,
    held: AtomicUsize,
    /// How many bytes were ever put in.
    passed: AtomicU64,
}

impl Room {
    /// So many items and bytes for each channel, and so many bytes for all of them together.
    pub(crate) fn new(items_max: usize, bytes_max: usize, total_max: usize) -> Self {
        Self { items_max: items_max.max(1), bytes_max, total_max, held: AtomicUsize::new(0), passed: AtomicU64::new(0) }
    }

    /// How many bytes wait for readers now.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Counts what is put in.
    fn pass(&self, bytes: usize) -> u64 {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        let more = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.passed.fetch_add(more, Ordering::Relaxed) + more
    }

    /// If all channels together hold more than they may: what has to be [forgotten](Channel::forget) in each.
    /// That is all but the half of it that came last, so that only those miss something who are slow.
    pub(crate) fn overdue(&self) -> Option<Overdue> {
        let stays = u64::try_from(self.total_max / 2).unwrap_or(u64::MAX).max(1);
        (self.held() > self.total_max).then(|| Overdue(self.passed.load(Ordering::Relaxed).saturating_sub(stays)))
    }
}

/// What came up to here has to make place: so many bytes had been put in when it was there.
#[derive(Clone, Copy)]
pub(crate) struct Overdue(u64);

/// What was put in, for as long as a reader has not taken it.
pub(crate) struct Channel<T> {
    ring: Mutex<Ring<T>>,
    news: Notify,
    room: Arc<Room>,
}

struct Ring<T> {
    slots: VecDeque<Slot<T>>,
    /// The position of the first slot.
    first: u64,
    bytes: usize,
    readers: usize,
    closed: bool,
}

struct Slot<T> {
    item: T,
    bytes: usize,
    /// How many bytes had been put into all channels with it.
    passed: u64,
    /// How many readers have not taken it.
    unread: usize,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    /// The next.
    Item(T),
    /// So many made place for others.
    Missed(u64),
    /// There will be nothing more.
    Closed,
}

impl<T: Clone> Channel<T> {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        let ring = Ring { slots: VecDeque::new(), first: 0, bytes: 0, readers: 0, closed: false };
        Self { ring: Mutex::new(ring), news: Notify::new(), room }
    }

    /// Somebody who reads what is put in from now on.
    pub(crate) fn reader(self: &Arc<Self>) -> Reader<T> {
        let mut ring = self.ring.lock();
        ring.readers += 1;
        Reader { at: ring.end(), channel: self.clone() }
    }

    /// How many read.
    pub(crate) fn readers(&self) -> usize {
        self.ring.lock().readers
    }

    /// Puts in something that takes about so many bytes. Whoever does looks afterwards whether anything is
    /// [overdue](Room::overdue).
    pub(crate) fn put(&self, item: T, bytes: usize) {
        {
            let mut ring = self.ring.lock();
            if ring.readers == 0 {
                return;
            }
            let unread = ring.readers;
            let passed = self.room.pass(bytes);
            ring.slots.push_back(Slot { item, bytes, passed, unread });
            ring.bytes += bytes;
            // The newest stays, whatever its size: those who are quick share it.
            let many = |ring: &Ring<T>| ring.slots.len() > self.room.items_max || ring.bytes > self.room.bytes_max;
            while ring.slots.len() > 1 && many(&ring) {
                ring.drop_first(&self.room);
            }
        }
        self.news.notify_waiters();
    }

    /// Drops what has waited too long: whoever had not taken it is told so.
    pub(crate) fn forget(&self, overdue: Overdue) {
        let mut ring = self.ring.lock();
        while ring.slots.front().is_some_and(|slot| slot.passed <= overdue.0) {
            ring.drop_first(&self.room);
        }
        ring.give_back();
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.ring.lock().closed = true;
        self.news.notify_waiters();
    }
}

impl<T> Ring<T> {
    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    fn drop_first(&mut self, room: &Room) {
        let Some(slot) = self.slots.pop_front() else { return };
        self.first += 1;
        self.bytes -= slot.bytes;
        room.held.fetch_sub(slot.bytes, Ordering::Relaxed);
    }

    /// Drops what everybody has taken.
    fn tidy(&mut self, room: &Room) {
        while self.slots.front().is_some_and(|slot| slot.unread == 0) {
            self.drop_first(room);
        }
        self.give_back();
    }

    /// Gives places back that only a full channel needs.
    fn give_back(&mut self) {
        if self.slots.is_empty() && self.slots.capacity() > PLACES_IDLE {
            self.slots = VecDeque::new();
        }
    }
}

/// One who reads, each item once and in order.
pub(crate) struct Reader<T> {
    channel: Arc<Channel<T>>,
    /// The position of what it takes next.
    at: u64,
}

impl<T: Clone> Reader<T> {
    /// What comes next. Nothing is lost if this is dropped and asked again.
    pub(crate) async fn next(&mut self) -> Taken<T> {
        loop {
            if let Some(taken) = self.take() {
                return taken;
            }
            let channel = self.channel.clone();
            let mut news = pin!(channel.news.notified());
            // What is put in from here on wakes; what was put in before is there.
            news.as_mut().enable();
            if let Some(taken) = self.take() {
                return taken;
            }
            news.await;
        }
    }

    fn take(&mut self) -> Option<Taken<T>> {
        let mut ring = self.channel.ring.lock();
        if let Some(missed @ 1..) = ring.first.checked_sub(self.at) {
            self.at = ring.first;
            return Some(Taken::Missed(missed));
        }
        let index = usize::try_from(self.at - ring.first).unwrap_or(usize::MAX);
        let Some(slot) = ring.slots.get_mut(index) else {
            return ring.closed.then_some(Taken::Closed);
        };
        self.at += 1;
        slot.unread -= 1;
        let item = slot.item.clone();
        if index == 0 {
            ring.tidy(&self.channel.room);
        }
        Some(Taken::Item(item))
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut ring = self.channel.ring.lock();
        ring.readers -= 1;
        let untaken = usize::try_from(self.at.saturating_sub(ring.first)).unwrap_or(usize::MAX);
        ring.slots.iter_mut().skip(untaken).for_each(|slot| slot.unread -= 1);
        ring.tidy(&self.channel.room);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn channel(items: usize, bytes: usize, total: usize) -> (Arc<Room>, Arc<Channel<u32>>) {
        let room = Arc::new(Room::new(items, bytes, total));
        (room.clone(), Arc::new(Channel::new(room)))
    }

    fn all(reader: &mut Reader<u32>) -> Vec<Taken<u32>> {
        std::iter::from_fn(|| reader.next().now_or_never()).take(100).collect()
    }

    #[test]
    fn every_reader_takes_what_comes_after_it_came_and_then_it_is_gone() {
        let (room, channel) = channel(4, 100, 1000);
        channel.put(0, 10);
        assert_eq!(room.held(), 0, "nobody reads");
        let mut early = channel.reader();
        channel.put(1, 10);
        let mut late = channel.reader();
        channel.put(2, 10);
        assert_eq!(all(&mut early), [Taken::Item(1), Taken::Item(2)]);
        assert_eq!(room.held(), 10);
        assert_eq!(all(&mut late), [Taken::Item(2)]);
        assert_eq!((room.held(), channel.readers()), (0, 2));
    }

    #[test]
    fn the_slow_lose_the_oldest_by_number_or_by_bytes_and_the_quick_lose_nothing() {
        for (bytes, kept) in [(1, 4), (30, 3), (100, 1)] {
            let (room, channel) = channel(4, 100, 1000);
            let (mut slow, mut quick) = (channel.reader(), channel.reader());
            for n in 0..6 {
                channel.put(n, bytes);
                assert_eq!(all(&mut quick), [Taken::Item(n)]);
                assert!(room.held() <= 100, "{}", room.held());
            }
            let mut expected = vec![Taken::Missed(u64::from(6 - kept))];
            expected.extend((6 - kept..6).map(Taken::Item));
            assert_eq!(all(&mut slow), expected, "of {bytes} bytes each");
        }
    }

    #[test]
    fn what_is_larger_than_a_channel_reaches_the_quick_and_makes_place_for_what_comes_next() {
        let (room, channel) = channel(4, 100, 1000);
        let (mut quick, mut slow) = (channel.reader(), channel.reader());
        channel.put(1, 10);
        assert_eq!(all(&mut quick), [Taken::Item(1)]);
        channel.put(2, 101);
        assert_eq!((all(&mut quick), room.held()), (vec![Taken::Item(2)], 101));
        channel.put(3, 10);
        assert_eq!(all(&mut quick), [Taken::Item(3)]);
        assert_eq!((all(&mut slow), room.held()), (vec![Taken::Missed(2), Taken::Item(3)], 0));
    }

    /// Puts it in as the hub does.
    fn put(room: &Room, channels: &[Arc<Channel<u32>>], into: &Channel<u32>, item: u32, bytes: usize) {
        into.put(item, bytes);
        if let Some(overdue) = room.overdue() {
            channels.iter().for_each(|channel| channel.forget(overdue));
        }
    }

    #[test]
    fn where_the_slow_take_all_the_room_the_quick_of_any_channel_miss_nothing_large_or_small() {
        const TOTAL: usize = 5000;
        let room = Arc::new(Room::new(1000, 600, TOTAL));
        let channels: Vec<_> = (0..20).map(|_| Arc::new(Channel::new(room.clone()))).collect();
        let quiet = &channels[19];
        let mut slow: Vec<_> = channels.iter().take(19).map(Channel::reader).collect();
        let (mut quick, mut late) = (quiet.reader(), quiet.reader());
        for n in 0..300 {
            for channel in &channels[..19] {
                put(&room, &channels, channel, n, 10 + n as usize % 50);
                assert!(room.held() <= TOTAL, "{}", room.held());
            }
            put(&room, &channels, quiet, n, [1, 599, 600][n as usize % 3]);
            assert_eq!(all(&mut quick), [Taken::Item(n)]);
            assert!(room.held() <= TOTAL, "{}", room.held());
        }
        for reader in slow.iter_mut().chain([&mut late]) {
            let taken = all(reader);
            let Taken::Missed(missed) = taken[0] else { panic!("a slow one has all: {taken:?}") };
            assert_eq!(taken.len() as u64 - 1 + missed, 300, "what is left is what came last");
        }
        assert_eq!(room.held(), 0);
    }

    #[test]
    fn the_newest_of_all_stays_however_little_may_be_held() {
        let room = Arc::new(Room::new(10, 1000, 1));
        let channels = [Arc::new(Channel::new(room.clone()))];
        let mut reader = channels[0].reader();
        put(&room, &channels, &channels[0], 1, 900);
        assert_eq!(all(&mut reader), [Taken::Item(1)]);
    }

    #[test]
    fn a_reader_that_leaves_leaves_nothing_behind() {
        let (room, channel) = channel(4, 100, 1000);
        let (mut stays, leaves) = (channel.reader(), channel.reader());
        channel.put(1, 10);
        channel.put(2, 10);
        assert_eq!(all(&mut stays).len(), 2);
        assert_eq!(room.held(), 20);
        drop(leaves);
        assert_eq!((room.held(), channel.readers()), (0, 1));
        channel.close();
        assert_eq!(all(&mut stays)[0], Taken::Closed);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (_, channel) = channel(4, 100, 1000);
        let mut reader = channel.reader();
        let put = async {
            tokio::task::yield_now().await;
            channel.put(7, 1);
        };
        assert_eq!(tokio::join!(reader.next(), put).0, Taken::Item(7));
    }
}
