//! How long to wait before trying again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::human;

/// Waiting times that grow from one attempt to the next, and the attempt at which to give up.
///
/// The wait before retry `n` (from 1) is `first * factor^(n-1)`, at most `max`. Jitter takes off a
/// random part of it, so that what failed together is not retried together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// The wait before the first retry.
    #[serde(with = "human")]
    pub first: Duration,
    /// The longest wait.
    #[serde(with = "human")]
    pub max: Duration,
    /// By how much each wait is longer than the one before; what is under 1 counts as 1.
    pub factor: f64,
    /// How many retries are made before giving up; `None` never gives up.
    pub attempts_max: Option<u32>,
    /// The greatest part of a wait that chance may take off, from 0 (none) to 1 (all of it).
    pub jitter: f64,
}

impl Backoff {
    /// How long to wait before retry `attempt`, which counts from 1; `None` when it is time to give up.
    ///
    /// `random` is a uniformly random number; the same one gives the same wait.
    #[must_use]
    pub fn delay(&self, attempt: u32, random: u64) -> Option<Duration> {
        if self.attempts_max.is_some_and(|max| attempt > max) {
            return None;
        }
        let first_ms = self.first.as_secs_f64() * 1000.0;
        let max_ms = self.max.as_secs_f64() * 1000.0;
        let factor = if self.factor >= 1.0 { self.factor } else { 1.0 };
        let steps = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        // `min` also turns the infinity of a great many attempts into the longest wait.
        let full_ms = (first_ms * factor.powi(steps)).min(max_ms);
        let taken_ms = full_ms * unit(self.jitter) * fraction(random);
        Some(Duration::from_millis(whole(full_ms - taken_ms)))
    }
}

impl Default for Backoff {
    /// From one second to five minutes, doubling, ten retries, up to half taken off by chance.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(300),
            factor: 2.0,
            attempts_max: Some(10),
            jitter: 0.5,
        }
    }
}

/// `value` kept within 0 and 1; what is no number counts as 0.
fn unit(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

/// The upper 32 bits of a random number as a fraction from 0 up to, but not including, 1.
fn fraction(random: u64) -> f64 {
    let upper = u32::try_from(random >> 32).unwrap_or(u32::MAX);
    f64::from(upper) / (f64::from(u32::MAX) + 1.0)
}

/// A number of milliseconds that is known to be neither negative nor huge, rounded.
fn whole(millis: f64) -> u64 {
    Duration::try_from_secs_f64(millis.max(0.0) / 1000.0)
        .map_or(u64::MAX, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steady() -> Backoff {
        Backoff { jitter: 0.0, ..Backoff::default() }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let seconds: Vec<u64> = (1..=10).map(|attempt| steady().delay(attempt, 0).unwrap().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    }

    #[test]
    fn it_gives_up_after_the_last_attempt_unless_told_never_to() {
        assert_eq!(steady().delay(11, 0), None);
        let tireless = Backoff { attempts_max: None, ..steady() };
        assert_eq!(tireless.delay(u32::MAX, 0), Some(Duration::from_secs(300)));
        assert_eq!(Backoff { attempts_max: Some(0), ..steady() }.delay(1, 0), None);
    }

    #[test]
    fn chance_takes_off_at_most_the_jitter() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(1, 0), Some(Duration::from_secs(1)));
        assert_eq!(backoff.delay(1, u64::MAX), Some(Duration::from_millis(500)));
        assert_eq!(backoff.delay(1, 1 << 63), Some(Duration::from_millis(750)));
    }

    #[test]
    fn it_is_written_with_durations_people_read() {
        let json = serde_json::to_value(Backoff::default()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"first": "1s", "max": "5m", "factor": 2.0, "attempts_max": 10, "jitter": 0.5})
        );
        assert_eq!(serde_json::from_value::<Backoff>(json).unwrap(), Backoff::default());
        assert!(serde_json::from_str::<Backoff>(r#"{"frist":"1s"}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_setting_waits_longer_than_the_longest_or_panics(
            first_ms in 0..10_000_000u64,
            max_ms in 0..10_000_000u64,
            factor in prop::num::f64::ANY,
            jitter in prop::num::f64::ANY,
            attempt: u32,
            random: u64,
        ) {
            let max = Duration::from_millis(max_ms);
            let first = Duration::from_millis(first_ms);
            let backoff = Backoff { first, max, factor, attempts_max: None, jitter };
            prop_assert!(backoff.delay(attempt, random).unwrap() <= max);
        }
    }
}
