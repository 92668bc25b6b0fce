use std::future::ready;

use super::{Row, StoreError};
use crate::port::BoxFuture;

/// The rows of a store, in pages.
///
/// # Order
/// An object comes before all that is its own, and its changes come by seq, without a gap from its floor
/// to its head. Otherwise the order is the store's. Messages may come before their senders.
///
/// # Limits
/// A page holds about [`PAGE_BYTES`] at most, unless a single row has more. No more than a few pages are
/// in memory at once, however much the store holds.
pub trait Export: Send {
    /// About how many rows there are: for a progress bar.
    fn total(&self) -> u64;

    /// Whether all rows are of one moment, which is not before the export was asked for. Otherwise each
    /// object's rows are, but objects that change meanwhile come as they were at different moments.
    fn of_one_moment(&self) -> bool {
        true
    }

    /// The next rows, at least one and at most `limit`; none at the end.
    fn next(&mut self, limit: usize) -> BoxFuture<'_, Result<Vec<Row>, StoreError>>;
}

/// About how many bytes a page of an export has at most.
pub const PAGE_BYTES: usize = 1 << 20;

/// The answer of a store that has no export or import.
pub(super) fn unsupported<T: Send + 'static>(store: &str, what: &str) -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(ready(Err(StoreError::Unsupported(format!("a {store} store has no {what}")))))
}
