use abide_core::{Key, Seq};
use rustc_hash::FxHashMap;

/// Where an object is in the file and how far its log goes: all the writer must know of an object
/// to commit to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The object's row.
    pub(super) oid: i64,
    /// Its head.
    pub(super) head: Seq,
    /// Its floor.
    pub(super) floor: Seq,
    /// Where its last entry in the log is.
    pub(super) pos: i64,
    /// The last group that touched it.
    pub(super) group: u64,
    /// Its index among the objects that group touched.
    pub(super) slot: usize,
}

impl Place {
    /// The place of an object that is not there yet.
    pub(super) fn new(oid: i64) -> Self {
        Self { oid, head: Seq::ZERO, floor: Seq::ZERO, pos: 0, group: 0, slot: 0 }
    }
}

/// The places of recently written objects: two generations, so that what is used stays and the rest
/// goes, at the cost of one look-up.
#[derive(Debug)]
pub(super) struct Cache {
    young: FxHashMap<Key, Place>,
    old: FxHashMap<Key, Place>,
    generation_max: usize,
}

impl Cache {
    /// A cache of about `objects` places.
    pub(super) fn new(objects: usize) -> Self {
        Self { young: FxHashMap::default(), old: FxHashMap::default(), generation_max: (objects / 2).max(1) }
    }

    /// The place of an object, if it is remembered.
    pub(super) fn place(&mut self, key: &Key) -> Option<&mut Place> {
        if !self.old.is_empty()
            && let Some((key, place)) = self.old.remove_entry(key)
        {
            self.young.insert(key, place);
        }
        self.young.get_mut(key)
    }

    /// Remembers a place.
    pub(super) fn insert(&mut self, key: &Key, place: Place) -> &mut Place {
        self.young.entry(key.clone()).insert_entry(place).into_mut()
    }

    /// Forgets what was not used lately, if it is time. Never within a group: the places of a group
    /// hold what the group has done so far.
    pub(super) fn age(&mut self) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Forgets everything: what is remembered may no longer be so.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_is_used_and_forgets_the_rest() {
        let mut cache = Cache::new(8);
        let key = |n: usize| Key::parse("default", "K", &n.to_string()).unwrap();
        for n in 0..100 {
            cache.age();
            assert!(n == 0 || cache.place(&key(0)).is_some_and(|p| p.oid == 7));
            cache.insert(&key(n), Place::new(7));
        }
        assert!(cache.place(&key(1)).is_none());
        assert!(cache.young.len() + cache.old.len() <= 8);
        cache.clear();
        assert!(cache.place(&key(0)).is_none());
    }
}
