use std::hash::{BuildHasher, RandomState};

use abide_core::Key;
use rustc_hash::FxHashMap;

/// What an import knows of very many objects, in some forty bytes for each beside the value.
///
/// An object is found by two hashes of its name, 128 bits together, of which half are keyed anew for each
/// import: nobody can make two names that meet, and by chance none do.
pub(crate) struct Known<V> {
    places: FxHashMap<(u64, u64), V>,
    keyed: RandomState,
    most: usize,
}

impl<V> Known<V> {
    /// Room for about so many objects.
    pub(crate) fn new(most: usize) -> Self {
        Self { places: FxHashMap::default(), keyed: RandomState::new(), most: most.max(1) }
    }

    fn place(&self, key: &Key) -> (u64, u64) {
        let name = (key.namespace().as_str(), key.kind().as_str(), key.id());
        (key.hash(), self.keyed.hash_one(name))
    }

    /// What is known of an object.
    pub(crate) fn get(&mut self, key: &Key) -> Option<&mut V> {
        let place = self.place(key);
        self.places.get_mut(&place)
    }

    /// Keeps what is known of an object.
    pub(crate) fn insert(&mut self, key: &Key, value: V) {
        let place = self.place(key);
        self.places.insert(place, value);
    }

    /// Makes room if there is none: first those go that are not `needed`, then all. Never between the rows
    /// of one page.
    pub(crate) fn make_room(&mut self, needed: impl Fn(&V) -> bool) {
        if self.places.len() >= self.most {
            self.places.retain(|_, value| needed(value));
        }
        if self.places.len() >= self.most {
            self.places.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_goes_first_when_there_is_no_room() {
        let key = |n: usize| Key::parse("default", "K", &n.to_string()).unwrap();
        let mut known = Known::new(10);
        for n in 0..10 {
            known.make_room(|_| false);
            known.insert(&key(n), n);
        }
        known.make_room(|n| *n < 5);
        assert_eq!((known.get(&key(4)).copied(), known.get(&key(5)).copied()), (Some(4), None));
        for n in 5..10 {
            known.insert(&key(n), n);
        }
        known.make_room(|_| true);
        assert!((0..10).all(|n| known.get(&key(n)).is_none()));
    }

    #[test]
    fn names_that_look_alike_are_told_apart() {
        let mut known = Known::new(1_000);
        let names = [("a", "b", "c"), ("a", "c", "b"), ("b", "a", "c"), ("a", "b", "cc"), ("a", "bc", "c")];
        let key = |(namespace, kind, id): (&str, &str, &str)| Key::parse(namespace, kind, id).unwrap();
        for (n, name) in names.into_iter().enumerate() {
            known.insert(&key(name), n);
        }
        for (n, name) in names.into_iter().enumerate() {
            assert_eq!(known.get(&key(name)), Some(&mut n.clone()));
        }
    }
}
