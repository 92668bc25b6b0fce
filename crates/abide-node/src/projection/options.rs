use std::time::Duration;

use abide_core::Backoff;

/// What a projection is told of the objects it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Each change that is kept, once. Where changes are not kept (any more), what became of the object.
    Changes,
    /// What has become of an object that changed, at most once in a batch, however often it changed.
    States,
}

/// What a projection does when the feed is not kept any more from where it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// It clears the model and fills it from the objects themselves.
    Rebuild,
    /// It stops and says so: for models that hold what objects do not, such as everything that ever happened.
    Stop,
}

/// The sizes and times of a projection.
#[derive(Clone, Debug)]
pub struct ProjectionOptions {
    /// How much news a batch holds at most.
    pub batch: usize,
    /// How many batches are written at the same time, each of other shards. A store with one order over
    /// all shards (SQLite, memory) is followed by one.
    pub workers: usize,
    /// How long a batch may take, from the beginning of its transaction to the end.
    pub timeout: Duration,
    /// How long to wait after a failure. It never gives up, whatever is said here of attempts.
    pub backoff: Backoff,
    /// How often the store is asked for news at least.
    pub poll: Duration,
    /// What to do when news were missed for good.
    pub on_gap: OnGap,
}

impl Default for ProjectionOptions {
    fn default() -> Self {
        Self {
            batch: 500,
            workers: 1,
            timeout: Duration::from_secs(30),
            backoff: Backoff {
                first: Duration::from_millis(100),
                max: Duration::from_secs(30),
                attempts_max: None,
                ..Backoff::default()
            },
            poll: Duration::from_millis(500),
            on_gap: OnGap::Rebuild,
        }
    }
}
