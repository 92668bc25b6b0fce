//! A number that counts.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::{AddAssign, Deref, SubAssign},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Collection, identity::Identity};
use crate::operation::Operation;

/// A whole number that is counted up and down; its changes say by how much. In JSON it is a number.
///
/// Counting past the range of `i64` panics, which rolls the turn back.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    value: i64,
    /// How far it moved since the operations were last taken.
    moved: i64,
    identity: Identity,
}

impl Counter {
    /// A counter that stands at `value`.
    pub fn new(value: i64) -> Self {
        Self { value, ..Self::default() }
    }

    /// Counts up by `by`, or down if it is negative, and answers with where it stands then.
    pub fn add(&mut self, by: i64) -> i64 {
        let Some(value) = self.value.checked_add(by) else {
            panic!("a counter at {} cannot move by {by}: it holds 64 bits", self.value);
        };
        self.value = value;
        match self.moved.checked_add(by) {
            Some(moved) => self.moved = moved,
            None => self.identity.lose(),
        }
        value
    }

    /// Counts up by one.
    pub fn increment(&mut self) -> i64 {
        self.add(1)
    }

    /// Counts down by one.
    pub fn decrement(&mut self) -> i64 {
        self.add(-1)
    }

    /// Puts it at `value`, whatever it was: that is no counting, and its change holds the value.
    pub fn set(&mut self, value: i64) {
        self.value = value;
        self.identity.lose();
    }

    /// Where it stands.
    pub fn get(&self) -> i64 {
        self.value
    }
}

impl Collection for Counter {
    fn take_operations(&mut self, field: &'static str) -> Vec<Operation> {
        let moved = std::mem::take(&mut self.moved);
        if self.identity.renew(field) && moved != 0 { vec![Operation::Add { by: moved }] } else { Vec::new() }
    }
}

impl AddAssign<i64> for Counter {
    fn add_assign(&mut self, by: i64) {
        self.add(by);
    }
}

impl SubAssign<i64> for Counter {
    fn sub_assign(&mut self, by: i64) {
        let Some(by) = by.checked_neg() else {
            panic!("a counter at {} cannot move by -({by}): it holds 64 bits", self.value);
        };
        self.add(by);
    }
}

impl Deref for Counter {
    type Target = i64;

    fn deref(&self) -> &i64 {
        &self.value
    }
}

impl From<i64> for Counter {
    fn from(value: i64) -> Self {
        Self::new(value)
    }
}

impl From<Counter> for i64 {
    fn from(counter: Counter) -> Self {
        counter.value
    }
}

impl PartialEq for Counter {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Counter {}

impl PartialEq<i64> for Counter {
    fn eq(&self, other: &i64) -> bool {
        self.value == *other
    }
}

impl PartialOrd for Counter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialOrd<i64> for Counter {
    fn partial_cmp(&self, other: &i64) -> Option<Ordering> {
        Some(self.value.cmp(other))
    }
}

impl Ord for Counter {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl Hash for Counter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value, f)
    }
}

impl Serialize for Counter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.identity.note_written();
        self.value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        Ok(Self { value, moved: 0, identity: Identity::read() })
    }
}
