//! Values by key.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet, btree_map},
    fmt,
    ops::{Index, RangeBounds},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use super::{Collection, OPERATIONS_MAX, identity::Identity, json, too_many};
use crate::operation::Operation;

/// Values by key, sorted by key; its changes say which entries were set and which were removed. In JSON
/// it is an object.
///
/// Keys are texts, or what JSON can write as one: numbers, booleans, unit variants.
#[derive(Clone)]
pub struct Map<K, V> {
    entries: BTreeMap<K, V>,
    /// The keys whose entries may have changed since the operations were last taken.
    touched: BTreeSet<K>,
    /// Whether the map was emptied since then, before what was touched.
    cleared: bool,
    identity: Identity,
}

impl<K, V> Map<K, V> {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, sorted by key.
    pub fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.entries.iter()
    }

    /// The keys, sorted.
    pub fn keys(&self) -> btree_map::Keys<'_, K, V> {
        self.entries.keys()
    }

    /// The values, sorted by key.
    pub fn values(&self) -> btree_map::Values<'_, K, V> {
        self.entries.values()
    }

    /// All values, to change them: the whole map then stands in the change.
    pub fn values_mut(&mut self) -> btree_map::ValuesMut<'_, K, V> {
        self.identity.lose();
        self.touched = BTreeSet::new();
        self.entries.values_mut()
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        if !self.entries.is_empty() {
            self.entries.clear();
            self.touched = BTreeSet::new();
            self.cleared = true;
        }
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The value of a key.
    pub fn get<Q: ?Sized + Ord>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    /// Whether the key has an entry.
    pub fn contains_key<Q: ?Sized + Ord>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entries.contains_key(key)
    }

    /// The entry with the smallest key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.entries.first_key_value()
    }

    /// The entry with the largest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.entries.last_key_value()
    }

    /// The entries whose keys are in the range.
    pub fn range<Q: ?Sized + Ord>(&self, range: impl RangeBounds<Q>) -> btree_map::Range<'_, K, V>
    where
        K: Borrow<Q>,
    {
        self.entries.range(range)
    }
}

impl<K: Ord + Clone, V> Map<K, V> {
    /// Sets the value of a key. Hands over the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.touch(&key);
        self.entries.insert(key, value)
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: ?Sized + Ord>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (key, _) = self.entries.get_key_value(key)?;
        let key = key.clone();
        self.touch(&key);
        self.entries.get_mut(key.borrow())
    }

    /// The value of a key, to change it; if there is none, what `make` makes.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.touch(&key);
        self.entries.entry(key).or_insert_with(make)
    }

    /// The value of a key, to change it; if there is none, the default.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.get_or_insert_with(key, V::default)
    }

    /// Removes a key's entry and hands its value over.
    pub fn remove<Q: ?Sized + Ord>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (key, value) = self.entries.remove_entry(key)?;
        self.touch(&key);
        Some(value)
    }

    /// Removes the entry with the smallest key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let (key, value) = self.entries.pop_first()?;
        self.touch(&key);
        Some((key, value))
    }

    /// Removes the entry with the largest key.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        let (key, value) = self.entries.pop_last()?;
        self.touch(&key);
        Some((key, value))
    }

    /// Keeps the entries that pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let gone = self.entries.extract_if(.., |key, value| !keep(key, value));
        let gone: Vec<K> = gone.map(|(key, _)| key).collect();
        for key in gone {
            self.touch(&key);
        }
    }

    /// Notes that a key's entry may change.
    fn touch(&mut self, key: &K) {
        if self.identity.records() {
            self.touched.insert(key.clone());
            if self.touched.len() > OPERATIONS_MAX {
                self.identity.lose();
                self.touched = BTreeSet::new();
            }
        }
    }
}

impl<K: Ord + Serialize, V: Serialize> Map<K, V> {
    /// What was done to one entry; `None` if its key or value has no JSON form.
    fn operation(&self, key: &K) -> Option<Operation> {
        let value = self.entries.get(key);
        let (key, json) = entry_json(key, &value)?;
        Some(match value {
            Some(_) => Operation::Put { key, value: json },
            None => Operation::Delete { key },
        })
    }
}

impl<K: Ord + Serialize, V: Serialize> Collection for Map<K, V> {
    fn take_operations(&mut self, field: &'static str) -> Vec<Operation> {
        let touched = std::mem::take(&mut self.touched);
        let cleared = std::mem::take(&mut self.cleared);
        if !self.identity.renew(field) || too_many(touched.len(), self.len()) {
            return Vec::new();
        }
        let left = |key: &&K| !cleared || self.entries.contains_key(key);
        let edits = touched.iter().filter(left).map(|key| self.operation(key));
        let operations: Option<Vec<Operation>> =
            cleared.then_some(Some(Operation::Clear)).into_iter().chain(edits).collect();
        operations.unwrap_or_default()
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), touched: BTreeSet::new(), cleared: false, identity: Identity::default() }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.entries, f)
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<K: Eq, V: Eq> Eq for Map<K, V> {}

impl<K: Borrow<Q> + Ord, Q: ?Sized + Ord, V> Index<&Q> for Map<K, V> {
    type Output = V;

    /// The value of a key. Panics if it has none.
    fn index(&self, key: &Q) -> &V {
        &self.entries[key]
    }
}

impl<K: Ord + Clone, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect(), ..Self::default() }
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = btree_map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = btree_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for Map<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.identity.note_written();
        self.entries.serialize(serializer)
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::deserialize(deserializer)?;
        Ok(Self { entries, identity: Identity::read(), ..Self::default() })
    }
}

/// The key and value of one entry as they stand in the encoded map.
fn entry_json<K: Serialize, V: Serialize>(key: &K, value: &V) -> Option<(String, Value)> {
    struct One<'a, K, V>(&'a K, &'a V);
    impl<K: Serialize, V: Serialize> Serialize for One<'_, K, V> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(self.0, self.1)?;
            map.end()
        }
    }
    match json(&One(key, value))? {
        Value::Object(entries) => entries.into_iter().next(),
        _ => None,
    }
}
