use abide_core::{Epoch, Key, port::store::Commit};
use rustc_hash::FxHashMap;

use super::batch::{Gathered, Known, Place};
use crate::recent::Recent;

/// What the writer knows without asking, because it wrote it itself.
///
/// The fence holds a shard's epoch while a transaction runs, and in an epoch nobody but its owner
/// commits to the shard. So what this writer committed in an epoch is still so as long as the epoch is.
pub(super) struct Remembered {
    /// The last position of each shard, and the epoch in which it was so.
    shards: FxHashMap<u32, (Epoch, i64)>,
    /// The row of each object that was written lately, and the epoch in which it was so.
    places: Recent<(Epoch, Place)>,
}

/// What a transaction knows before it asks, and what it has to ask for.
pub(super) struct Recalled<'c> {
    pub(super) known: Known,
    /// The shards that are named, in order; each with its epoch if something of it was recalled.
    pub(super) shards: Vec<(u32, Option<Epoch>)>,
    /// Shards whose last position is not known.
    pub(super) positions: Vec<i64>,
    /// Objects of which nothing is known.
    pub(super) keys: Vec<&'c Key>,
}

impl Remembered {
    pub(super) fn new(objects: usize) -> Self {
        Self { shards: FxHashMap::default(), places: Recent::new(objects) }
    }

    /// Forgets everything: something may have been otherwise.
    pub(super) fn forget(&mut self) {
        self.shards.clear();
        self.places.clear();
    }

    /// What is known of the objects that these commits name, if their epochs are what they say.
    pub(super) fn recall<'c>(&mut self, commits: impl Iterator<Item = &'c Commit> + Clone) -> Recalled<'c> {
        self.places.age();
        let mut shards: FxHashMap<u32, Option<Epoch>> = FxHashMap::default();
        for commit in commits.clone() {
            let shard = commit.shard.number();
            let remembered = || self.shards.get(&shard).map(|(epoch, _)| *epoch);
            let epoch = shards.entry(shard).or_insert_with(remembered);
            // One commit of another epoch, and nothing is taken for granted.
            *epoch = epoch.filter(|epoch| *epoch == commit.epoch);
        }
        let mut recalled =
            Recalled { known: Known::default(), shards: Vec::new(), positions: Vec::new(), keys: Vec::new() };
        for (shard, epoch) in &shards {
            match (epoch, self.shards.get(shard)) {
                (Some(epoch), Some((_, position))) => {
                    recalled.known.epochs.insert(*shard, *epoch);
                    recalled.known.positions.insert(*shard, *position);
                }
                _ => recalled.positions.push(i64::from(*shard)),
            }
        }
        for commit in commits {
            let epoch = shards.get(&commit.shard.number()).copied().flatten();
            let place = self.places.get(&commit.key).filter(|(of, _)| Some(*of) == epoch);
            match place {
                Some((_, place)) => drop(recalled.known.places.insert(commit.key.clone(), *place)),
                None => recalled.keys.push(&commit.key),
            }
        }
        recalled.keys.sort_unstable();
        recalled.keys.dedup();
        recalled.shards = shards.into_iter().collect();
        recalled.shards.sort_unstable();
        recalled
    }

    /// Remembers what a transaction wrote, now that it is durable.
    pub(super) fn note(&mut self, known: &Known, gathered: &Gathered<'_>, oids: &[i64]) {
        for (shard, position) in &known.positions {
            self.shards.insert(*shard, (known.epoch(*shard), *position));
        }
        for (object, oid) in gathered.objects.iter().zip(oids) {
            let place = Place { oid: *oid, head: object.head, floor: object.floor, commit_id: object.commit_id };
            self.places.insert(object.key, (known.epoch(object.shard.number()), place));
        }
    }
}

impl Recalled<'_> {
    /// Whether there is nothing to ask for but whether the epochs are still so.
    pub(super) fn is_all(&self) -> bool {
        self.keys.is_empty() && self.positions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use abide_core::Seq;

    use super::*;
    use crate::{MemoryStore, contract::fixture};

    async fn owner() -> fixture::Owner {
        fixture::Owner::claim(std::sync::Arc::new(MemoryStore::new(16))).await
    }

    fn written(remembered: &mut Remembered, commit: &Commit) {
        let mut known = Known::default();
        known.epochs.insert(commit.shard.number(), commit.epoch);
        known.positions.insert(commit.shard.number(), 7);
        let mut gathered = Gathered::default();
        gathered.apply_batch(std::slice::from_ref(commit), &known);
        remembered.note(&known, &gathered, &[42]);
    }

    #[tokio::test]
    async fn what_was_written_is_recalled_in_the_same_epoch_only() {
        let owner = owner().await;
        let key = fixture::key("a");
        let mut remembered = Remembered::new(100);
        written(&mut remembered, &owner.put(&key, 0));
        let next = owner.put(&key, 1);
        let recalled = remembered.recall([&next].into_iter());
        assert!(recalled.is_all());
        assert_eq!(recalled.known.places[&key].head, Seq::new(1));
        assert_eq!(recalled.known.positions[&next.shard.number()], 7);

        let later = Commit { epoch: next.epoch.next(), ..next.clone() };
        for commits in [vec![&later], vec![&next, &later], vec![&later, &next]] {
            let recalled = remembered.recall(commits.into_iter());
            assert_eq!(recalled.keys, [&key]);
            assert_eq!(recalled.shards, [(next.shard.number(), None)]);
            assert!(recalled.known.places.is_empty() && recalled.known.positions.is_empty());
        }
        remembered.forget();
        assert!(!remembered.recall([&next].into_iter()).is_all());
    }
}
