//! Which answered operations are placed already.

/// The answered operations not placed yet, by position: a linked list, for walking it without the
/// placed ones in between, and a bit set of the placed ones.
pub(super) struct Unplaced {
    /// Neighbours of each position; the last entry is both ends of the list.
    links: Vec<(usize, usize)>,
    placed: Vec<u64>,
}

/// A set of placed positions: how many leading words are full, and the words after them up to the
/// last that is not empty.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Signature {
    full: usize,
    rest: Box<[u64]>,
}

impl Unplaced {
    /// With all of `len` positions unplaced.
    pub(super) fn new(len: usize) -> Self {
        let ring = len + 1;
        let links = (0..ring)
            .map(|at| ((at + len) % ring, (at + 1) % ring))
            .collect();
        Self {
            links,
            placed: vec![0; len.div_ceil(64)],
        }
    }

    /// Takes an unplaced position out.
    pub(super) fn place(&mut self, at: usize) {
        let (before, after) = self.links[at];
        self.links[before].1 = after;
        self.links[after].0 = before;
        self.placed[at / 64] |= 1 << (at % 64);
    }

    /// Undoes the last `place` not undone yet, which must have been of `at`.
    pub(super) fn restore(&mut self, at: usize) {
        let (before, after) = self.links[at];
        self.links[before].1 = at;
        self.links[after].0 = at;
        self.placed[at / 64] &= !(1 << (at % 64));
    }

    /// Whether everything is placed.
    pub(super) fn is_empty(&self) -> bool {
        self.first() == self.end()
    }

    /// The unplaced positions, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let end = self.end();
        let all = std::iter::successors(Some(self.first()), |at| Some(self.links[*at].1));
        all.take_while(move |at| *at != end)
    }

    /// What is placed, with `next` as if it were.
    pub(super) fn signature(&self, next: Option<usize>) -> Signature {
        let word = |at: usize| match next {
            Some(next) if next / 64 == at => self.placed[at] | 1 << (next % 64),
            _ => self.placed[at],
        };
        let words = self.placed.len();
        let full = (self.first() / 64..words)
            .find(|at| word(*at) != u64::MAX)
            .unwrap_or(words);
        let end = (full..words)
            .rfind(|at| word(*at) != 0)
            .map_or(full, |at| at + 1);
        Signature {
            full,
            rest: (full..end).map(word).collect(),
        }
    }

    fn end(&self) -> usize {
        self.links.len() - 1
    }

    fn first(&self) -> usize {
        self.links[self.end()].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_undone_in_reverse() {
        let mut unplaced = Unplaced::new(5);
        for at in [1, 2, 0] {
            unplaced.place(at);
        }
        assert_eq!(unplaced.iter().collect::<Vec<_>>(), [3, 4]);
        for at in [0, 2] {
            unplaced.restore(at);
        }
        assert_eq!(unplaced.iter().collect::<Vec<_>>(), [0, 2, 3, 4]);
        for at in [0, 2, 3, 4] {
            unplaced.place(at);
        }
        assert!(unplaced.is_empty());
    }

    #[test]
    fn nothing_to_place_is_empty_from_the_start() {
        assert!(Unplaced::new(0).is_empty());
        assert_eq!(
            Unplaced::new(0).signature(None),
            Signature {
                full: 0,
                rest: [].into()
            }
        );
    }

    #[test]
    fn signatures_are_equal_exactly_for_equal_sets() {
        let mut one = Unplaced::new(200);
        let mut other = Unplaced::new(200);
        for at in 0..130 {
            one.place(at);
            other.place(129 - at);
        }
        one.place(140);
        assert_ne!(one.signature(None), other.signature(None));
        assert_eq!(one.signature(None), other.signature(Some(140)));
        assert_eq!(one.signature(None).full, 2);
        assert_eq!(one.signature(None).rest.len(), 1);
    }

    #[test]
    fn a_word_filled_by_the_next_position_counts_as_full() {
        let mut one = Unplaced::new(128);
        let mut other = Unplaced::new(128);
        for at in 0..63 {
            one.place(at);
            other.place(at);
        }
        one.place(63);
        assert_eq!(one.signature(None), other.signature(Some(63)));
    }
}
