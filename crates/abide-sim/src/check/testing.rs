//! What the checkers' property tests share.

use proptest::prelude::*;
use proptest::sample::Index;

/// Many cases have nothing to change in the way a test wants: those are thrown away.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig { max_global_rejects: 1_000_000, ..ProptestConfig::default() }
}

/// One of `items`; the case is thrown away if there is none.
pub(crate) fn pick<T: Clone>(items: &[T], which: Index) -> Result<T, TestCaseError> {
    if items.is_empty() {
        return Err(TestCaseError::reject("nothing to change"));
    }
    Ok(which.get(items).clone())
}
