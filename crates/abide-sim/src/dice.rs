//! Seeded randomness.

use std::{ops::RangeInclusive, time::Duration};

/// Random numbers from a seed. The sequence is part of the crate: the same seed gives the same
/// numbers in every release, so that a failing seed can be replayed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for one part of a world: what others draw does not shift it.
    pub fn part(seed: u64, name: &str) -> Self {
        let mixed = name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut dice = Self(mixed);
        dice.number();
        dice
    }

    /// Sixty-four random bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if the limit is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.number()) * u128::from(limit);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number of a range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// A length of time of a range in milliseconds.
    pub fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    /// `true` with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a float exactly")]
        let drawn = (self.number() >> 11) as f64 / (1u64 << 53) as f64;
        drawn < probability
    }

    /// One of several, each as likely.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(choices.len() as u64);
        &choices[usize::try_from(index).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut dice = Dice::new(7);
        let first = [dice.number(), dice.number(), dice.number()];
        assert_eq!(first, [0x63cb_e1e4_5932_0dd7, 0x044c_3cd7_f43c_661c, 0xe698_4080_bab1_2a02]);
    }

    #[test]
    fn ranges_are_kept_to_and_reached() {
        let mut dice = Dice::part(1, "test");
        let drawn: Vec<u64> = (0..200).map(|_| dice.within(3..=5)).collect();
        assert!((3..=5).all(|n| drawn.contains(&n)) && drawn.iter().all(|n| (3..=5).contains(n)));
        assert_eq!((0..100).filter(|_| dice.chance(0.0)).count(), 0);
        assert_eq!((0..100).filter(|_| dice.chance(1.0)).count(), 100);
    }

    #[test]
    fn parts_of_one_seed_are_different_sequences() {
        assert_ne!(Dice::part(1, "store").number(), Dice::part(1, "clock").number());
        assert_ne!(Dice::part(1, "store").number(), Dice::part(2, "store").number());
    }
}
