//! Distinct values.

use std::{fmt, hash::Hash};

use indexmap::{Equivalent, IndexSet, set};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Collection, OPERATIONS_MAX, identity::Identity, json, too_many};
use crate::operation::Operation;

/// Distinct values in the order in which they came; its changes say which came and which left. In JSON
/// it is an array.
///
/// The order is that of insertion so that whoever applies the changes gets the very same array. Two
/// sets are equal when they hold the same values, in whatever order.
#[derive(Clone)]
pub struct Set<T> {
    values: IndexSet<T>,
    operations: Vec<Operation>,
    identity: Identity,
}

impl<T> Set<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, in the order in which they came.
    pub fn iter(&self) -> set::Iter<'_, T> {
        self.values.iter()
    }

    /// The value that came first.
    pub fn first(&self) -> Option<&T> {
        self.values.first()
    }

    /// The value that came last.
    pub fn last(&self) -> Option<&T> {
        self.values.last()
    }

    /// Removes all values.
    pub fn clear(&mut self) {
        if !self.values.is_empty() {
            self.values.clear();
            self.operations.clear();
            self.record(Some(Operation::Clear));
        }
    }

    /// Adds an operation; `None` is one that cannot be told.
    fn record(&mut self, operation: Option<Operation>) {
        match operation {
            Some(operation) if self.identity.records() && self.operations.len() < OPERATIONS_MAX => {
                self.operations.push(operation);
            }
            _ => {
                self.identity.lose();
                self.operations = Vec::new();
            }
        }
    }
}

impl<T: Eq + Hash> Set<T> {
    /// Whether the value is there.
    pub fn contains<Q: ?Sized + Hash + Equivalent<T>>(&self, value: &Q) -> bool {
        self.values.contains(value)
    }

    /// The value that equals `value`.
    pub fn get<Q: ?Sized + Hash + Equivalent<T>>(&self, value: &Q) -> Option<&T> {
        self.values.get(value)
    }

    /// Whether all values of this are in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.values.is_subset(&other.values)
    }

    /// Whether all values of `other` are in this.
    pub fn is_superset(&self, other: &Self) -> bool {
        self.values.is_superset(&other.values)
    }

    /// Whether no value is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.values.is_disjoint(&other.values)
    }

    /// The values that are in this, in `other` or in both.
    pub fn union<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a T> {
        self.values.union(&other.values)
    }

    /// The values that are in both.
    pub fn intersection<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a T> {
        self.values.intersection(&other.values)
    }

    /// The values that are in this and not in `other`.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a T> {
        self.values.difference(&other.values)
    }
}

impl<T: Eq + Hash + Serialize> Set<T> {
    /// Adds a value. `false` if it was there already.
    pub fn insert(&mut self, value: T) -> bool {
        if self.values.contains(&value) {
            return false;
        }
        if self.identity.records() {
            self.record(json(&value).map(|value| Operation::Include { value }));
        }
        self.values.insert(value)
    }

    /// Removes a value. `false` if it was not there. The order of the others stays.
    pub fn remove<Q: ?Sized + Hash + Equivalent<T>>(&mut self, value: &Q) -> bool {
        self.take(value).is_some()
    }

    /// Removes a value and hands it over.
    pub fn take<Q: ?Sized + Hash + Equivalent<T>>(&mut self, value: &Q) -> Option<T> {
        let value = self.values.shift_take(value)?;
        if self.identity.records() {
            self.record(json(&value).map(|value| Operation::Exclude { value }));
        }
        Some(value)
    }

    /// Adds the value if it is not there, removes it if it is. Says whether it is there now.
    pub fn toggle(&mut self, value: T) -> bool {
        !self.remove(&value) && self.insert(value)
    }

    /// Keeps the values that pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let mut gone = Vec::new();
        let records = self.identity.records();
        self.values.retain(|value| {
            let stays = keep(value);
            if !stays && records {
                gone.push(json(value).map(|value| Operation::Exclude { value }));
            }
            stays
        });
        for operation in gone {
            self.record(operation);
        }
    }
}

impl<T> Collection for Set<T> {
    fn take_operations(&mut self, field: &'static str) -> Vec<Operation> {
        let operations = std::mem::take(&mut self.operations);
        if self.identity.renew(field) && !too_many(operations.len(), self.len()) { operations } else { Vec::new() }
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self { values: IndexSet::default(), operations: Vec::new(), identity: Identity::default() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<T: Eq + Hash> PartialEq for Set<T> {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl<T: Eq + Hash> Eq for Set<T> {}

impl<T: Eq + Hash + Serialize> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl<T: Eq + Hash> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self { values: values.into_iter().collect(), ..Self::default() }
    }
}

impl<T: Eq + Hash, const N: usize> From<[T; N]> for Set<T> {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = set::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = set::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize> Serialize for Set<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.identity.note_written();
        serializer.collect_seq(&self.values)
    }
}

impl<'de, T: Eq + Hash + Deserialize<'de>> Deserialize<'de> for Set<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = IndexSet::deserialize(deserializer)?;
        Ok(Self { values, operations: Vec::new(), identity: Identity::read() })
    }
}
