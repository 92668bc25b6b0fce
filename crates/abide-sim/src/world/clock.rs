//! Wall-clock time and randomness from a seed.

use std::time::Duration;

use abide_core::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::instant;
use crate::dice::Dice;

/// A clock that follows the virtual time of its runtime, and jumps when it is told to.
#[derive(Debug)]
pub struct SimClock {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    /// What the wall clock said when virtual time began, with all jumps since.
    base_ms: i64,
    /// The latest time the wall clock has shown before a jump back.
    highest: Timestamp,
    /// What the wall clock showed first and last between its jumps, but for the time since the last one.
    shown: Vec<(Timestamp, Timestamp)>,
    /// What it showed first since the last jump.
    since: Timestamp,
}

impl SimClock {
    /// When simulated wall clocks begin: 2026-01-01T00:00:00Z.
    pub const BEGINNING: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    /// A clock that shows [`Self::BEGINNING`] now. To be made inside the paused runtime.
    pub fn new(seed: u64) -> Self {
        let state = State {
            dice: Dice::part(seed, "clock"),
            base_ms: Self::BEGINNING.as_millis(),
            highest: Self::BEGINNING,
            shown: Vec::new(),
            since: Self::BEGINNING,
        };
        Self { started: instant(), state: Mutex::new(state) }
    }

    /// Virtual time since the world began. It never jumps.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Makes the wall clock jump by so many milliseconds, forward or backward.
    pub fn jump(&self, by_ms: i64) {
        let before = self.now();
        let mut state = self.state.lock();
        state.highest = state.highest.max(before);
        let since = state.since;
        state.shown.push((since, before));
        state.base_ms = state.base_ms.saturating_add(by_ms);
        state.since = Timestamp::from_millis(before.as_millis().saturating_add(by_ms));
    }

    /// Ends the time of jumps: the clock goes to the latest time it has ever shown.
    pub fn settle(&self) {
        let now = self.now();
        let behind = self.state.lock().highest.as_millis() - now.as_millis();
        if behind > 0 {
            self.jump(behind);
        }
    }

    /// What the wall clock has shown so far: first and last between two jumps, in the order of time.
    pub fn shown(&self) -> Vec<(Timestamp, Timestamp)> {
        let now = self.now();
        let state = self.state.lock();
        state.shown.iter().copied().chain([(state.since, now)]).collect()
    }

    /// Whether it was ever set back.
    pub fn was_set_back(&self) -> bool {
        self.shown().windows(2).any(|two| two[1].0 < two[0].1)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.state.lock().base_ms.saturating_add(elapsed))
    }

    fn random(&self) -> u64 {
        self.state.lock().dice.number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_follows_virtual_time_and_jumps() {
        let clock = SimClock::new(1);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(clock.now().since(SimClock::BEGINNING), Duration::from_secs(2));
        clock.jump(10_000);
        assert_eq!(clock.now().since(SimClock::BEGINNING), Duration::from_secs(12));
        clock.jump(-11_000);
        assert_eq!(clock.now().since(SimClock::BEGINNING), Duration::from_secs(1));
        let at = |seconds: u64| SimClock::BEGINNING.plus(Duration::from_secs(seconds));
        assert_eq!(clock.shown(), [(at(0), at(2)), (at(12), at(12)), (at(1), at(1))]);
        assert!(clock.was_set_back());
        assert_eq!(clock.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_settled_clock_is_never_behind_what_it_has_shown() {
        let clock = SimClock::new(1);
        clock.jump(-5_000);
        clock.settle();
        assert_eq!(clock.now(), SimClock::BEGINNING);
    }
}
