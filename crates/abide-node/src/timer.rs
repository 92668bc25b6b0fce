//! Timers: in memory only.

use rustc_hash::FxHashMap;
use tokio::task::AbortHandle;

/// The running timers of an object, by name.
#[derive(Default)]
pub(crate) struct Timers(FxHashMap<&'static str, AbortHandle>);

/// How many timers one object may have.
pub(crate) const TIMERS_MAX: usize = 64;

impl Timers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.values().all(AbortHandle::is_finished)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= TIMERS_MAX
    }

    pub(crate) fn set(&mut self, name: &'static str, timer: AbortHandle) {
        if let Some(old) = self.0.insert(name, timer) {
            old.abort();
        }
        self.0.retain(|_, timer| !timer.is_finished());
    }

    pub(crate) fn cancel(&mut self, name: &'static str) {
        if let Some(old) = self.0.remove(name) {
            old.abort();
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        for timer in self.0.values() {
            timer.abort();
        }
    }
}
