use crate::time::Timestamp;

/// Where wall-clock time and randomness come from.
///
/// # Ordering
/// The clock may jump both ways; whatever must not go back keeps its own last value.
pub trait Clock: Send + Sync + 'static {
    /// The time now, in UTC.
    fn now(&self) -> Timestamp;

    /// Sixty-four fresh random bits: seeds, ids and jitter are made of them.
    fn random(&self) -> u64;
}
