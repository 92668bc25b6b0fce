//! The configurations a search has taken up.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::placed::{Placed, Used};

/// The configurations a search has taken up: which answered operations are placed, the state that
/// makes, and the unknown operations it took.
///
/// A configuration that took at least the unknown operations of an earlier one with the same
/// answered operations and state is not worth going to: whatever can follow it can follow the
/// earlier one, which has more of them left.
pub(super) struct Visited<S> {
    known: FxHashMap<(Placed, S), Vec<Used>>,
}

impl<S: Clone + Eq + Hash> Visited<S> {
    /// Whether it is worth going to this configuration; it counts as taken up from here on.
    pub(super) fn visit(&mut self, placed: &Placed, state: &S, used: &Used) -> bool {
        let earlier = self.known.entry((placed.clone(), state.clone())).or_default();
        if earlier.iter().any(|less| less.is_within(used)) {
            return false;
        }
        earlier.push(used.clone());
        true
    }
}

impl<S> Default for Visited<S> {
    fn default() -> Self {
        Self { known: FxHashMap::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_took_more_than_an_earlier_one_is_not_worth_it() {
        let (one, other) = (Placed::default().with(1), Placed::default().with(2));
        let used = |kinds: &[usize]| kinds.iter().fold(Used::default(), |used, kind| used.with(*kind));
        let mut visited = Visited::default();
        assert!(visited.visit(&one, &'a', &used(&[0, 1])));
        assert!(!visited.visit(&one, &'a', &used(&[0, 1])));
        assert!(!visited.visit(&one, &'a', &used(&[0, 1, 1])));
        assert!(visited.visit(&one, &'a', &used(&[1, 1, 1])));
        assert!(visited.visit(&one, &'b', &used(&[0, 1])));
        assert!(visited.visit(&other, &'a', &used(&[0, 1])));
    }
}
