//! The configurations a search has been to.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::unplaced::Signature;

/// The configurations a search has been to: which answered operations are placed, the state that
/// made, and how many unknown operations of each kind it took.
///
/// A configuration that took at least as many of each kind as an earlier one with the same answered
/// operations and state is not worth going to: whatever can follow it can follow the earlier one,
/// which has more unknown operations left.
pub(super) struct Visited<S> {
    known: FxHashMap<(Signature, S), Vec<Taken>>,
}

/// Kinds of unknown operations with how many of them are placed; none with zero.
type Taken = Box<[(usize, u32)]>;

impl<S: Eq + Hash> Visited<S> {
    /// Whether it is worth going to this configuration; it counts as visited from here on.
    pub(super) fn visit(&mut self, answered: Signature, state: S, used: &[u32]) -> bool {
        let earlier = self.known.entry((answered, state)).or_default();
        let took_less = |taken: &Taken| taken.iter().all(|(kind, count)| *count <= used[*kind]);
        if earlier.iter().any(took_less) {
            return false;
        }
        earlier.push(
            used.iter()
                .copied()
                .enumerate()
                .filter(|(_, count)| *count > 0)
                .collect(),
        );
        true
    }
}

impl<S> Default for Visited<S> {
    fn default() -> Self {
        Self {
            known: FxHashMap::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unplaced::Unplaced;
    use super::*;

    #[test]
    fn a_configuration_that_took_more_than_an_earlier_one_is_not_worth_it() {
        let placed = || Unplaced::new(3).signature(Some(1));
        let mut visited = Visited::default();
        assert!(visited.visit(placed(), 'a', &[1, 2]));
        assert!(!visited.visit(placed(), 'a', &[1, 2]));
        assert!(!visited.visit(placed(), 'a', &[2, 2]));
        assert!(visited.visit(placed(), 'a', &[0, 3]));
        assert!(visited.visit(placed(), 'b', &[2, 2]));
        assert!(visited.visit(Unplaced::new(3).signature(Some(2)), 'a', &[2, 2]));
    }
}
