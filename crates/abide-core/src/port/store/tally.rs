use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::Row;

/// What rows add up to: how many there are of each sort, and a digest of all.
///
/// The order of rows does not count, so that two stores with the same tally hold the same, whatever
/// stores they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Objects and graves.
    pub objects: u64,
    /// Kept changes.
    pub changes: u64,
    /// Alarms, pending and dead.
    pub alarms: u64,
    /// Last messages that objects applied.
    pub received: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// Messages not yet acknowledged.
    pub messages: u64,
    /// The sum of the hashes of all rows.
    pub digest: Digest,
}

/// The sum of the xxh3-128 hashes of rows as [`Row::write`] writes them, modulo 2^128. It tells faults,
/// not forgeries.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest(u128);

impl Tally {
    /// Adds a row, given with its bytes.
    pub fn add(&mut self, row: &Row, bytes: &[u8]) {
        *match row {
            Row::Object(_) => &mut self.objects,
            Row::Change { .. } => &mut self.changes,
            Row::Alarm { .. } => &mut self.alarms,
            Row::Received { .. } => &mut self.received,
            Row::Outcome { .. } => &mut self.outcomes,
            Row::Message(_) => &mut self.messages,
        } += 1;
        self.digest.0 = self.digest.0.wrapping_add(xxh3_128(bytes));
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.objects + self.changes + self.alarms + self.received + self.outcomes + self.messages
    }
}

impl Digest {
    /// The digest with this number.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}
