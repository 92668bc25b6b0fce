//! What happened, in order: always as a hash, on request as text.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use parking_lot::Mutex;
use rustc_hash::FxHasher;
use tokio::time::Instant;

use super::instant;

/// The record of a run. Two runs of one seed have the same hash.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hasher: FxHasher,
    text: String,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace, which keeps its lines if `readable`. To be made inside the paused runtime.
    pub fn new(readable: bool) -> Self {
        let state = State { lines: readable.then(Vec::new), ..State::default() };
        Self(Arc::new(Inner { started: instant(), state: Mutex::new(state) }))
    }

    /// Adds a line.
    pub fn line(&self, line: fmt::Arguments<'_>) {
        use fmt::Write;
        let at = self.0.started.elapsed();
        let mut state = self.0.state.lock();
        let State { hasher, text, lines } = &mut *state;
        text.clear();
        // Writing to a String cannot fail.
        let _ = write!(text, "{:>4}.{:03}s  {line}", at.as_secs(), at.subsec_millis());
        text.hash(hasher);
        if let Some(lines) = lines {
            lines.push(text.clone());
        }
    }

    /// The hash of all lines so far.
    pub fn hash(&self) -> u64 {
        self.0.state.lock().hasher.finish()
    }

    /// The lines so far; none if they are not kept.
    pub fn lines(&self) -> Vec<String> {
        self.0.state.lock().lines.clone().unwrap_or_default()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("hash", &self.hash()).finish_non_exhaustive()
    }
}
