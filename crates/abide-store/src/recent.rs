use abide_core::Key;
use rustc_hash::FxHashMap;

/// What is remembered of recently used objects: two generations, so that what is used stays and the
/// rest goes, at the cost of one look-up.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    young: FxHashMap<Key, V>,
    old: FxHashMap<Key, V>,
    generation_max: usize,
}

impl<V> Recent<V> {
    /// Room for about so many objects.
    pub(crate) fn new(objects: usize) -> Self {
        Self { young: FxHashMap::default(), old: FxHashMap::default(), generation_max: (objects / 2).max(1) }
    }

    /// What is remembered of an object.
    pub(crate) fn get(&mut self, key: &Key) -> Option<&mut V> {
        if !self.old.is_empty()
            && let Some((key, value)) = self.old.remove_entry(key)
        {
            self.young.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// Remembers something of an object.
    pub(crate) fn insert(&mut self, key: &Key, value: V) -> &mut V {
        self.young.entry(key.clone()).insert_entry(value).into_mut()
    }

    /// Forgets what was not used lately, if it is time. Never within a transaction: what is remembered
    /// holds what the transaction has done so far.
    pub(crate) fn age(&mut self) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Forgets everything: what is remembered may no longer be so.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_is_used_and_forgets_the_rest() {
        let mut recent = Recent::new(8);
        let key = |n: usize| Key::parse("default", "K", &n.to_string()).unwrap();
        for n in 0..100 {
            recent.age();
            assert!(n == 0 || recent.get(&key(0)).is_some_and(|value| *value == 7));
            recent.insert(&key(n), 7);
        }
        assert!(recent.get(&key(1)).is_none());
        assert!(recent.young.len() + recent.old.len() <= 8);
        recent.clear();
        assert!(recent.get(&key(0)).is_none());
    }
}
