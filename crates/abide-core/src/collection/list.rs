//! Values in order.

use std::{
    fmt,
    ops::{Deref, Index, IndexMut},
    slice::{self, SliceIndex},
    vec,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Collection, OPERATIONS_MAX, identity::Identity, json, too_many};
use crate::operation::Operation;

/// Values in order; its changes say what came, left or was replaced, and where. In JSON it is an array.
///
/// It reads like a slice. Sorting, or changing all of it, puts the whole list into the change.
#[derive(Clone)]
pub struct List<T> {
    values: Vec<T>,
    operations: Vec<Operation>,
    /// The element that was lent to be changed last: it is recorded when that is over.
    lent: Option<usize>,
    identity: Identity,
}

impl<T> List<T> {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The values, in order.
    pub fn as_slice(&self) -> &[T] {
        &self.values
    }

    /// Removes all values.
    pub fn clear(&mut self) {
        if !self.values.is_empty() {
            self.values.clear();
            self.lent = None;
            self.operations.clear();
            self.record(Some(Operation::Clear));
        }
    }

    /// All values, to change them: the whole list then stands in the change.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.lose();
        &mut self.values
    }

    /// All values in order, to change them: the whole list then stands in the change.
    pub fn iter_mut(&mut self) -> slice::IterMut<'_, T> {
        self.as_mut_slice().iter_mut()
    }

    fn lose(&mut self) {
        self.identity.lose();
        self.lent = None;
        self.operations = Vec::new();
    }

    /// Adds an operation; `None` is one that cannot be told.
    fn record(&mut self, operation: Option<Operation>) {
        match operation {
            Some(operation) if self.identity.records() && self.operations.len() < OPERATIONS_MAX => {
                self.operations.push(operation);
            }
            _ => self.lose(),
        }
    }
}

impl<T: Serialize> List<T> {
    /// Adds a value at the end.
    pub fn push(&mut self, value: T) {
        self.insert(self.values.len(), value);
    }

    /// Adds a value before position `at`. Panics if the list is shorter than that.
    pub fn insert(&mut self, at: usize, value: T) {
        self.settle();
        let records = self.identity.records();
        let operation = if records { json(&value).map(|value| Operation::Insert { at, value }) } else { None };
        self.values.insert(at, value);
        if records {
            self.record(operation);
        }
    }

    /// Removes the value at `at` and hands it over. Panics if there is none.
    pub fn remove(&mut self, at: usize) -> T {
        self.settle();
        let value = self.values.remove(at);
        if self.identity.records() {
            self.record(Some(Operation::Remove { at }));
        }
        value
    }

    /// Removes the last value and hands it over.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.values.len().checked_sub(1)?;
        Some(self.remove(last))
    }

    /// Puts a value in the place of the one at `at`, and hands that over. Panics if there is none.
    pub fn replace(&mut self, at: usize, value: T) -> T {
        std::mem::replace(&mut self[at], value)
    }

    /// The value at `at`, to change it.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        if self.lent != Some(at) {
            self.settle();
        }
        let value = self.values.get_mut(at)?;
        if self.identity.records() {
            self.lent = Some(at);
        }
        Some(value)
    }

    /// The first value, to change it.
    pub fn first_mut(&mut self) -> Option<&mut T> {
        self.get_mut(0)
    }

    /// The last value, to change it.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.get_mut(self.values.len().checked_sub(1)?)
    }

    /// Keeps the first `len` values.
    pub fn truncate(&mut self, len: usize) {
        if len == 0 {
            self.clear();
        }
        while self.values.len() > len {
            self.pop();
        }
    }

    /// Keeps the values that pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.settle();
        let records = self.identity.records();
        let (mut at, mut gone) = (0, Vec::new());
        self.values.retain(|value| {
            let stays = keep(value);
            if stays {
                at += 1;
            } else if records {
                gone.push(Operation::Remove { at });
            }
            stays
        });
        for operation in gone {
            self.record(Some(operation));
        }
    }

    /// Exchanges two values. Panics if one is not there.
    pub fn swap(&mut self, a: usize, b: usize) {
        if a != b {
            self.values.swap(a, b);
            self.get_mut(a);
            self.get_mut(b);
        }
    }

    /// Sorts the values: the whole list then stands in the change.
    pub fn sort(&mut self)
    where
        T: Ord,
    {
        self.as_mut_slice().sort();
    }

    /// Sorts the values by a key: the whole list then stands in the change.
    pub fn sort_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K) {
        self.as_mut_slice().sort_by_key(key);
    }

    /// Records what became of the element that was lent.
    fn settle(&mut self) {
        if let Some(at) = self.lent.take() {
            let value = self.values.get(at).and_then(json);
            self.record(value.map(|value| Operation::Replace { at, value }));
        }
    }
}

impl<T: Serialize> Collection for List<T> {
    fn take_operations(&mut self, field: &'static str) -> Vec<Operation> {
        self.settle();
        let operations = std::mem::take(&mut self.operations);
        if self.identity.renew(field) && !too_many(operations.len(), self.values.len()) {
            operations
        } else {
            Vec::new()
        }
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.values, f)
    }
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl<T: Eq> Eq for List<T> {}

impl<T: PartialEq, const N: usize> PartialEq<[T; N]> for List<T> {
    fn eq(&self, other: &[T; N]) -> bool {
        self.values == other
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<T, I: SliceIndex<[T]>> Index<I> for List<T> {
    type Output = I::Output;

    /// One value or a range of them. Panics if they are not there.
    fn index(&self, at: I) -> &I::Output {
        &self.values[at]
    }
}

impl<T: Serialize> IndexMut<usize> for List<T> {
    /// The value at `at`, to change it. Panics if there is none.
    fn index_mut(&mut self, at: usize) -> &mut T {
        let len = self.values.len();
        let Some(value) = self.get_mut(at) else {
            panic!("a list of {len} values has none at {at}");
        };
        value
    }
}

impl<T: Serialize> Extend<T> for List<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.push(value);
        }
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().collect::<Vec<_>>().into()
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(values: Vec<T>) -> Self {
        Self { values, operations: Vec::new(), lent: None, identity: Identity::default() }
    }
}

impl<T, const N: usize> From<[T; N]> for List<T> {
    fn from(values: [T; N]) -> Self {
        Vec::from(values).into()
    }
}

impl<T> From<List<T>> for Vec<T> {
    fn from(list: List<T>) -> Self {
        list.values
    }
}

impl<T> IntoIterator for List<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.identity.note_written();
        self.values.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::deserialize(deserializer)?;
        Ok(Self { identity: Identity::read(), ..Self::from(values) })
    }
}
