//! The simulated world a real node runs in: time, disk, crashes.

mod clock;
mod disk;
mod faults;
mod host;
mod store;
mod trace;

pub use clock::SimClock;
pub use disk::Disk;
pub(crate) use disk::ready;
pub use faults::Faults;
pub use host::{Host, Up};
pub use store::{Fate, FaultyStore, InFlight};
pub use trace::Trace;

/// Runs a future of the simulation beside the others, on the world's one thread.
#[expect(clippy::disallowed_methods, reason = "the runtime is the world's own and ends with it")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(future)
}

/// The virtual time.
pub(crate) fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
