//! Reading the feed from where a model is.

use abide_core::{FeedPosition, Store, StoreError, port::store::FeedEntry};
use rustc_hash::FxHashMap;

use super::note::{Lane, LaneNote};

/// How many entries nobody wants are passed over before that is written down.
pub(super) const PASSED_MAX: u64 = 10_000;

/// Where a worker is in a lane.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The note as it stands in the model.
    pub(super) stored: Option<LaneNote>,
    /// How far the feed was read; between the note and this there is nothing for the model.
    pub(super) at: FeedPosition,
    /// How many entries those were.
    pub(super) passed: u64,
}

/// Entries of a lane, to be written.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) lane: Lane,
    pub(super) place: Place,
    pub(super) entries: Vec<FeedEntry>,
    /// Where the lane is after them.
    pub(super) next: FeedPosition,
}

/// Why the feed cannot be gone on with.
#[derive(Debug)]
pub(super) enum Stuck {
    /// What comes next is not kept any more.
    Trimmed,
    /// The store has less than the model holds.
    Behind,
    /// The store failed.
    Store(StoreError),
}

impl Place {
    pub(super) fn of(note: LaneNote) -> Self {
        Self { stored: Some(note), at: note.at, passed: 0 }
    }
}

/// The lanes of a store: everything, or each shard.
pub(super) async fn is_one_lane(store: &dyn Store) -> Result<bool, StoreError> {
    match store.feed(None, FeedPosition::ZERO, 1).await {
        Ok(_) => Ok(true),
        Err(StoreError::Unsupported(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The last positions of each lane that has any.
pub(super) async fn heads(store: &dyn Store, one_lane: bool) -> Result<Vec<(Lane, FeedPosition)>, StoreError> {
    let heads = store.feed_heads().await?;
    if one_lane {
        let last = heads.into_iter().map(|(_, head)| head).max();
        return Ok(last.map(|head| (Lane(None), head)).into_iter().collect());
    }
    Ok(heads.into_iter().map(|(shard, head)| (Lane(Some(shard)), head)).collect())
}

/// What one worker reads.
pub(super) struct Share {
    pub(super) one_lane: bool,
    pub(super) worker: usize,
    pub(super) workers: usize,
}

impl Share {
    fn has(&self, lane: Lane) -> bool {
        lane.0.is_none_or(|shard| shard.number() as usize % self.workers == self.worker)
    }

    /// Up to about `limit` entries of the lanes of this worker. Nothing if there is nothing new.
    pub(super) async fn gather(
        &self,
        store: &dyn Store,
        places: &FxHashMap<Lane, Place>,
        limit: usize,
        turn: usize,
    ) -> Result<Vec<Read>, Stuck> {
        let mut lanes = vec![Lane(None)];
        if !self.one_lane {
            lanes = self.moved(store, places).await?;
            // Each lane comes first some time.
            let first = turn % lanes.len().max(1);
            lanes.rotate_left(first);
        }
        let (mut reads, mut found) = (Vec::new(), 0);
        for lane in lanes {
            let place = places.get(&lane).cloned().unwrap_or_default();
            let page = store.feed(lane.0, place.at, limit - found).await.map_err(Stuck::Store)?;
            if page.floor > place.at {
                return Err(Stuck::Trimmed);
            }
            found += page.entries.len();
            if page.next > place.at {
                reads.push(Read { lane, place, entries: page.entries, next: page.next });
            }
            if found >= limit {
                break;
            }
        }
        Ok(reads)
    }

    /// The lanes of this worker with something new.
    async fn moved(&self, store: &dyn Store, places: &FxHashMap<Lane, Place>) -> Result<Vec<Lane>, Stuck> {
        let heads = heads(store, false).await.map_err(Stuck::Store)?;
        let mut moved = Vec::new();
        for (lane, head) in heads.into_iter().filter(|(lane, _)| self.has(*lane)) {
            let at = places.get(&lane).map_or(FeedPosition::ZERO, |place| place.at);
            if at > head {
                return Err(Stuck::Behind);
            }
            if at < head {
                moved.push(lane);
            }
        }
        Ok(moved)
    }
}
