//! What a configuration has placed.

/// A set of answered operations, by position: how many leading words of 64 are full, and the words
/// after them up to the last that is not empty. So two equal sets are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Placed {
    full: usize,
    rest: Box<[u64]>,
}

/// How many unknown operations of each kind are placed: kinds with their counts, in order, none
/// with zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Used(Box<[(usize, usize)]>);

impl Placed {
    /// This set and one position more.
    pub(super) fn with(&self, position: usize) -> Self {
        let at = position / 64 - self.full;
        let mut words = self.rest.to_vec();
        words.resize(words.len().max(at + 1), 0);
        words[at] |= 1 << (position % 64);
        let filled = words.iter().take_while(|word| **word == u64::MAX).count();
        Self { full: self.full + filled, rest: words.split_off(filled).into() }
    }

    /// The positions below `len` that are not in the set, in order.
    pub(super) fn unplaced(&self, len: usize) -> impl Iterator<Item = usize> {
        let words = self.rest.iter().copied().chain(std::iter::repeat(0)).zip(self.full..);
        words
            .flat_map(|(word, at)| Zeros(word).map(move |bit| at * 64 + bit))
            .take_while(move |position| *position < len)
    }
}

impl Used {
    /// How many of this kind.
    pub(super) fn of(&self, kind: usize) -> usize {
        self.0.binary_search_by_key(&kind, |(kind, _)| *kind).map_or(0, |at| self.0[at].1)
    }

    /// These and one more of this kind.
    pub(super) fn with(&self, kind: usize) -> Self {
        let mut counts = self.0.to_vec();
        match counts.binary_search_by_key(&kind, |(kind, _)| *kind) {
            Ok(at) => counts[at].1 += 1,
            Err(at) => counts.insert(at, (kind, 1)),
        }
        Self(counts.into())
    }

    /// Whether there are at most as many of each kind as in `other`.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(kind, count)| *count <= other.of(*kind))
    }
}

/// The positions of the zero bits of a word, lowest first.
struct Zeros(u64);

impl Iterator for Zeros {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_ones();
        self.0 |= 1_u64.checked_shl(bit)?;
        Some(bit as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_equal_however_they_came_about() {
        let up = (0..130).fold(Placed::default(), |set, position| set.with(position));
        let down = (0..130).rev().fold(Placed::default(), |set, position| set.with(position));
        assert_eq!(up, down);
        assert_eq!((up.full, up.rest.len()), (2, 1));
        assert_ne!(up, up.with(131));
    }

    #[test]
    fn what_is_not_in_the_set_is_unplaced() {
        let set = [1, 63, 64, 70].into_iter().fold(Placed::default(), |set, position| set.with(position));
        let unplaced: Vec<usize> = (0..140).filter(|position| ![1, 63, 64, 70].contains(position)).collect();
        assert_eq!(set.unplaced(140).collect::<Vec<_>>(), unplaced);
        assert_eq!(Placed::default().unplaced(0).count(), 0);
    }

    #[test]
    fn a_full_word_is_skipped_and_the_next_counts_from_it() {
        let set = (0..64).fold(Placed::default(), |set, position| set.with(position)).with(66);
        assert_eq!(set.unplaced(68).collect::<Vec<_>>(), [64, 65, 67]);
    }

    #[test]
    fn used_operations_are_counted_by_kind() {
        let used = Used::default().with(3).with(1).with(3);
        assert_eq!([0, 1, 2, 3].map(|kind| used.of(kind)), [0, 1, 0, 2]);
        assert!(used.is_within(&used) && used.is_within(&used.with(0)));
        assert!(!used.with(0).is_within(&used) && !used.is_within(&Used::default().with(3).with(3)));
    }
}
