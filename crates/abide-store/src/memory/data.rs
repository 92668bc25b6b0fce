use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use abide_core::{
    ChangeRecord, Epoch, FeedPosition, Incarnation, Json, Key, Kind, Seq, Shard, StoreError, Timestamp,
    filter::Path,
    port::store::{Alarm, AlarmCursor, FeedEntry, Importing, KindIndexes, MessageId, OutboxMessage, Outcome},
};

/// Everything the store holds.
#[derive(Debug)]
pub(super) struct Data {
    /// The epoch of each shard, by number.
    pub(super) epochs: Vec<Epoch>,
    /// All objects and graves.
    pub(super) objects: BTreeMap<Key, Object>,
    /// The places of all alarms, in firing order; dead ones are not here.
    pub(super) due: BTreeSet<AlarmCursor>,
    /// Messages not yet acknowledged.
    pub(super) outbox: BTreeMap<MessageId, OutboxMessage>,
    /// The feed, oldest first.
    pub(super) feed: VecDeque<FeedEntry>,
    /// Entries at or below this were removed.
    pub(super) feed_floor: FeedPosition,
    /// How many entries `clean` leaves.
    pub(super) feed_keep: u64,
    /// The last entry of each shard, kept or not.
    pub(super) feed_heads: BTreeMap<Shard, FeedPosition>,
    /// The fields that are to be indexed. A store of this size needs none: they are only remembered.
    pub(super) indexes: BTreeSet<(Kind, Path)>,
    /// Texts that others keep here.
    pub(super) notes: BTreeMap<&'static str, String>,
    /// Made with the store.
    pub(super) id: String,
    /// What is being taken in, if anything is.
    pub(super) importing: Option<Importing>,
}

/// One object, or its grave.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) head: Seq,
    pub(super) floor: Seq,
    pub(super) incarnation: Incarnation,
    pub(super) state: Option<Json>,
    pub(super) version: u32,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) commit_id: u64,
    pub(super) changes: BTreeMap<Seq, ChangeRecord>,
    pub(super) alarms: BTreeMap<Arc<str>, Alarm>,
    /// By caller and call key.
    pub(super) outcomes: BTreeMap<(Arc<str>, Arc<str>), Outcome>,
    /// The last message applied from each sender.
    pub(super) received: BTreeMap<Key, u64>,
}

impl Data {
    pub(super) fn new(shards: u32, feed_keep: u64) -> Self {
        Self {
            epochs: vec![Epoch::ZERO; shards as usize],
            objects: BTreeMap::new(),
            due: BTreeSet::new(),
            outbox: BTreeMap::new(),
            feed: VecDeque::new(),
            feed_floor: FeedPosition::ZERO,
            feed_keep,
            feed_heads: BTreeMap::new(),
            indexes: BTreeSet::new(),
            notes: BTreeMap::new(),
            id: ulid::Ulid::generate().to_string(),
            importing: None,
        }
    }

    pub(super) fn index(&mut self, wanted: Vec<KindIndexes>) {
        for KindIndexes { kind, paths } in wanted {
            self.indexes.retain(|(of, _)| *of != kind);
            self.indexes.extend(paths.into_iter().map(|path| (kind.clone(), path)));
        }
    }

    pub(super) fn claim(&mut self) -> Result<Vec<Epoch>, StoreError> {
        self.whole()?;
        for epoch in &mut self.epochs {
            *epoch = epoch.next();
        }
        Ok(self.epochs.clone())
    }

    pub(super) fn shards(&self) -> u32 {
        u32::try_from(self.epochs.len()).unwrap_or(u32::MAX)
    }

    /// The position of the newest entry of the feed, kept or not.
    pub(super) fn feed_last(&self) -> FeedPosition {
        self.feed.back().map_or(self.feed_floor, |entry| entry.position)
    }

    /// Removes expired outcomes first, then feed entries beyond what is kept.
    pub(super) fn clean(&mut self, now: Timestamp, limit: usize) -> u64 {
        let mut left = limit;
        for object in self.objects.values_mut() {
            object.outcomes.retain(|_, outcome| {
                let remove = left > 0 && outcome.expires_at <= now;
                left -= usize::from(remove);
                !remove
            });
        }
        while left > 0 && self.feed.len() as u64 > self.feed_keep {
            if let Some(entry) = self.feed.pop_front() {
                self.feed_floor = entry.position;
            }
            left -= 1;
        }
        (limit - left) as u64
    }
}
