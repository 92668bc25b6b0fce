//! What may go wrong between a node and its store.

use std::{ops::RangeInclusive, time::Duration};

use crate::dice::Dice;

/// How slow the store is, and how often it fails. Chances are from 0 (never) to 1 (always).
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// How long an operation usually takes each way, in milliseconds.
    pub delay_ms: RangeInclusive<u64>,
    /// The chance that one takes `slow_ms` instead.
    pub slow: f64,
    /// How long a slow operation takes each way, in milliseconds.
    pub slow_ms: RangeInclusive<u64>,
    /// The chance that a read fails.
    pub reads_fail: f64,
    /// The chance that a commit fails and changes nothing.
    pub commits_fail: f64,
    /// The chance that a commit finds the store full.
    pub commits_full: f64,
    /// The chance that the answer to a commit is lost, half of the time after it was applied.
    pub commits_unknown: f64,
}

impl Faults {
    /// A store that answers at once and never fails.
    pub const fn none() -> Self {
        Self {
            delay_ms: 0..=0,
            slow: 0.0,
            slow_ms: 0..=0,
            reads_fail: 0.0,
            commits_fail: 0.0,
            commits_full: 0.0,
            commits_unknown: 0.0,
        }
    }

    /// A store that takes its time and never fails.
    pub const fn slow() -> Self {
        Self { delay_ms: 0..=3, slow: 0.03, slow_ms: 10..=200, ..Self::none() }
    }

    /// A store that nothing reaches: every operation fails, and nothing changes.
    pub const fn away() -> Self {
        Self { reads_fail: 1.0, commits_fail: 1.0, ..Self::none() }
    }

    /// A store with a random character, somewhere between sound and hopeless.
    pub fn random(dice: &mut Dice) -> Self {
        if dice.chance(0.1) {
            return Self::away();
        }
        let mut some = |most: &[f64]| *dice.pick(most);
        Self {
            slow: some(&[0.0, 0.05, 0.3]),
            slow_ms: 10..=400,
            delay_ms: 0..=5,
            reads_fail: some(&[0.0, 0.0, 0.05, 0.3, 0.7]),
            commits_fail: some(&[0.0, 0.05, 0.2, 0.5]),
            commits_full: some(&[0.0, 0.0, 0.0, 0.2]),
            commits_unknown: some(&[0.0, 0.05, 0.2, 0.5]),
        }
    }

    pub(super) fn delay(&self, dice: &mut Dice) -> Duration {
        let slow = self.slow > 0.0 && dice.chance(self.slow);
        dice.millis(if slow { self.slow_ms.clone() } else { self.delay_ms.clone() })
    }
}
