use std::time::Duration;

use abide_core::{FeedPosition, Timestamp};
use metrics::{Counter, Gauge, counter, gauge};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::note::Lane;

/// What a projection does right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectionState {
    /// It looks where it is.
    Starting,
    /// It fills the model from the objects themselves, since the feed does not reach back far enough.
    Listing,
    /// It follows the feed.
    Following,
    /// The last thing it tried failed; it tries again.
    Failing,
    /// It cannot go on by itself: its error says what to do.
    Stopped,
}

/// How a projection is doing.
#[derive(Clone, Debug)]
pub struct ProjectionStatus {
    /// Its name.
    pub name: &'static str,
    /// The kinds it follows.
    pub kinds: Vec<&'static str>,
    /// What it does right now.
    pub state: ProjectionState,
    /// Which build the model holds: 1 is the first, and each rebuild is one more.
    pub build: u64,
    /// How long the oldest news that it has found has been waiting for the model; zero when there are none.
    pub lag: Duration,
    /// How much news it has written since the node started.
    pub items: u64,
    /// In how many batches.
    pub batches: u64,
    /// How many of its attempts have failed since the node started.
    pub failures: u64,
    /// What the last failure was, until something succeeds.
    pub error: Option<String>,
}

impl ProjectionState {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Listing => "listing",
            Self::Following => "following",
            Self::Failing => "failing",
            Self::Stopped => "stopped",
        }
    }
}

/// What is known of a projection, by its own tasks and by those who ask.
pub(crate) struct Shared {
    pub(super) name: &'static str,
    pub(super) kinds: Vec<&'static str>,
    now: Mutex<Now>,
    /// Tells those who wait that something has moved.
    moved: watch::Sender<u64>,
    /// A rebuild was asked for.
    pub(super) asked: Notify,
    metrics: Metrics,
}

struct Now {
    state: ProjectionState,
    build: u64,
    places: FxHashMap<Lane, FeedPosition>,
    /// The oldest news that each worker has in its hands.
    oldest: FxHashMap<usize, Timestamp>,
    items: u64,
    batches: u64,
    failures: u64,
    error: Option<String>,
    rebuild: bool,
    /// Ends the workers.
    stop: CancellationToken,
}

struct Metrics {
    lag: Gauge,
    failing: Gauge,
    items: Counter,
    failures: Counter,
}

impl Shared {
    pub(super) fn new(name: &'static str, kinds: Vec<&'static str>) -> Self {
        let metrics = Metrics {
            lag: gauge!("abide_projection_lag_seconds", "projection" => name),
            failing: gauge!("abide_projection_failing", "projection" => name),
            items: counter!("abide_projection_items_total", "projection" => name),
            failures: counter!("abide_projection_failures_total", "projection" => name),
        };
        let now = Now {
            state: ProjectionState::Starting,
            build: 0,
            places: FxHashMap::default(),
            oldest: FxHashMap::default(),
            items: 0,
            batches: 0,
            failures: 0,
            error: None,
            rebuild: false,
            stop: CancellationToken::new(),
        };
        Self { name, kinds, now: Mutex::new(now), moved: watch::Sender::new(0), asked: Notify::new(), metrics }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Now) -> T) -> T {
        let changed = change(&mut self.now.lock());
        self.moved.send_modify(|count| *count = count.wrapping_add(1));
        changed
    }

    pub(super) fn status(&self, at: Timestamp) -> ProjectionStatus {
        let now = self.now.lock();
        ProjectionStatus {
            name: self.name,
            kinds: self.kinds.clone(),
            state: now.state,
            build: now.build,
            lag: now.lag(at),
            items: now.items,
            batches: now.batches,
            failures: now.failures,
            error: now.error.clone(),
        }
    }

    pub(super) fn listen(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Asks for a rebuild, and ends what is under way.
    pub(super) fn ask_rebuild(&self) {
        self.change(|now| {
            now.rebuild = true;
            now.stop.cancel();
        });
        self.asked.notify_one();
    }

    /// Whether a rebuild was asked for, and still is.
    pub(super) fn is_rebuild_asked(&self) -> bool {
        self.now.lock().rebuild
    }

    /// A token for the next workers; cancelled at once if a rebuild was asked for.
    pub(super) fn begin(&self, state: ProjectionState, build: u64) -> CancellationToken {
        self.change(|now| {
            (now.state, now.build, now.error) = (state, build, None);
            now.places.clear();
            now.stop = CancellationToken::new();
            if now.rebuild {
                now.stop.cancel();
            }
            self.metrics.failing.set(0.0);
            now.stop.clone()
        })
    }

    /// The rebuild that was asked for has begun.
    pub(super) fn rebuilt(&self) {
        self.change(|now| now.rebuild = false);
    }

    /// The model has come so far.
    pub(super) fn reached(&self, lanes: impl IntoIterator<Item = (Lane, FeedPosition)>) {
        self.change(|now| now.places.extend(lanes));
    }

    /// A batch is in the model.
    pub(super) fn wrote(&self, state: ProjectionState, items: u64) {
        self.metrics.items.increment(items);
        self.metrics.failing.set(0.0);
        self.change(|now| {
            (now.state, now.error) = (state, None);
            now.items += items;
            now.batches += 1;
        });
    }

    pub(super) fn failed(&self, state: ProjectionState, error: String) {
        self.metrics.failures.increment(1);
        self.metrics.failing.set(1.0);
        self.change(|now| {
            (now.state, now.error) = (state, Some(error));
            now.failures += 1;
        });
    }

    /// What a worker has in its hands, oldest first; `None` when it has caught up.
    pub(super) fn holds(&self, worker: usize, oldest: Option<Timestamp>) {
        let mut now = self.now.lock();
        match oldest {
            Some(at) => now.oldest.insert(worker, at),
            None => now.oldest.remove(&worker),
        };
    }

    pub(super) fn publish_lag(&self, at: Timestamp) {
        self.metrics.lag.set(self.now.lock().lag(at).as_secs_f64());
    }

    /// Whether the model holds the feed up to these places; an error if it will not get there by itself.
    pub(super) fn has_reached(&self, heads: &[(Lane, FeedPosition)]) -> Result<bool, String> {
        let now = self.now.lock();
        if now.state == ProjectionState::Stopped && !now.rebuild {
            return Err(now.error.clone().unwrap_or_default());
        }
        if now.rebuild || now.state == ProjectionState::Listing || now.state == ProjectionState::Starting {
            return Ok(false);
        }
        Ok(heads.iter().all(|(lane, head)| now.places.get(lane).is_some_and(|at| at >= head)))
    }
}

impl Now {
    fn lag(&self, at: Timestamp) -> Duration {
        self.oldest.values().min().map_or(Duration::ZERO, |oldest| at.since(*oldest))
    }
}
