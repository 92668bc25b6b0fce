//! When an alarm fires.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::cron::{CronError, CronExpr};
use crate::duration::{DURATION_MAX, format_duration};

/// When an alarm fires: once, at a fixed interval, or as a cron expression says.
///
/// A firing that is late (the node was down) does not pile up: [`Schedule::next_after`] is asked with
/// the time at which the alarm fired, so that the firings missed in between are made up by one.
///
/// Stored as JSON: `{"once":"2026-01-02T03:04:05.678Z"}`,
/// `{"every":{"period_ms":60000,"anchor":"2026-01-02T03:04:05.678Z"}}`,
/// `{"cron":{"expr":"0 9 * * MON-FRI","tz":"Europe/Berlin"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Stored")]
pub enum Schedule {
    /// At this moment and never again.
    Once(Timestamp),
    /// At `anchor` and at every whole number of periods after it.
    Every {
        /// The period in milliseconds, at least 1.
        period_ms: u64,
        /// The first moment; the others are counted from it, so they do not drift.
        anchor: Timestamp,
    },
    /// When the wall clock shows the times of an expression.
    Cron(CronExpr),
}

/// Why a schedule cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The period is shorter than a millisecond, or longer than a century.
    #[error("a period of {period:?} cannot be kept; it is 1ms to 36500d")]
    Period {
        /// The period as it was given.
        period: Duration,
    },
    /// The cron expression or its time zone cannot be read.
    #[error(transparent)]
    Cron(#[from] CronError),
}

impl Schedule {
    /// Every `period`, first one period after `now`.
    ///
    /// # Errors
    /// [`ScheduleError::Period`] when the period is under a millisecond or over a century.
    pub fn every(period: Duration, now: Timestamp) -> Result<Self, ScheduleError> {
        match u64::try_from(period.as_millis()) {
            Ok(period_ms) if period_ms > 0 && period <= DURATION_MAX => {
                Ok(Self::Every { period_ms, anchor: now.plus(period) })
            }
            _ => Err(ScheduleError::Period { period }),
        }
    }

    /// When the clock of the IANA time zone `zone` shows the times of the cron expression `expr`.
    ///
    /// # Errors
    /// [`ScheduleError::Cron`] when either cannot be read or no date ever fits.
    pub fn cron(expr: &str, zone: &str) -> Result<Self, ScheduleError> {
        Ok(Self::Cron(CronExpr::parse(expr, zone)?))
    }

    /// When an alarm with this schedule, set at `now`, is due for the first time.
    ///
    /// A single moment that is already past is due at once: an alarm fires late rather than never.
    #[must_use]
    pub fn first(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once(at) => Some(*at),
            Self::Every { .. } | Self::Cron(_) => self.next_after(now),
        }
    }

    /// The first moment strictly after `after` at which it fires; `None` when it never fires again.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once(at) => (*at > after).then_some(*at),
            Self::Every { period_ms, anchor } => next_period(*period_ms, *anchor, after),
            Self::Cron(expr) => expr.next_after(after),
        }
    }

    /// Whether it fires more than once.
    #[must_use]
    pub fn repeats(&self) -> bool {
        !matches!(self, Self::Once(_))
    }
}

impl fmt::Display for Schedule {
    /// `once at 2026-…`, `every 5m`, `0 9 * * * in Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once(at) => write!(f, "once at {at}"),
            Self::Every { period_ms, .. } => {
                write!(f, "every {}", format_duration(Duration::from_millis(*period_ms)))
            }
            Self::Cron(expr) => expr.fmt(f),
        }
    }
}

/// The stored form before its period is checked.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    Once(Timestamp),
    Every { period_ms: u64, anchor: Timestamp },
    Cron(CronExpr),
}

impl TryFrom<Stored> for Schedule {
    type Error = ScheduleError;

    fn try_from(stored: Stored) -> Result<Self, ScheduleError> {
        match stored {
            Stored::Once(at) => Ok(Self::Once(at)),
            Stored::Cron(expr) => Ok(Self::Cron(expr)),
            Stored::Every { period_ms, anchor } => {
                let period = Duration::from_millis(period_ms);
                if period.is_zero() || period > DURATION_MAX {
                    return Err(ScheduleError::Period { period });
                }
                Ok(Self::Every { period_ms, anchor })
            }
        }
    }
}

/// The smallest `anchor + k * period` after `after`, with `k` from 0; `None` past the last moment
/// that can be written.
fn next_period(period_ms: u64, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    let period = i128::from(period_ms.max(1));
    let (anchor, after) = (i128::from(anchor.as_millis()), i128::from(after.as_millis()));
    let periods = if after < anchor { 0 } else { (after - anchor) / period + 1 };
    let next = i64::try_from(anchor + periods * period).ok()?;
    (next <= Timestamp::MAX.as_millis()).then(|| Timestamp::from_millis(next))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_single_moment_fires_once_even_when_it_is_past() {
        let once = Schedule::Once(at(1_000));
        assert_eq!(once.first(at(5_000)), Some(at(1_000)));
        assert_eq!(once.next_after(at(999)), Some(at(1_000)));
        assert_eq!(once.next_after(at(1_000)), None);
        assert!(!once.repeats());
    }

    #[test]
    fn an_interval_first_fires_one_period_from_now() {
        let every = Schedule::every(Duration::from_secs(60), at(1_000)).unwrap();
        assert_eq!(every.first(at(1_000)), Some(at(61_000)));
        assert_eq!(every.next_after(at(61_000)), Some(at(121_000)));
    }

    #[test]
    fn missed_firings_are_made_up_by_one() {
        let every = Schedule::every(Duration::from_secs(60), at(0)).unwrap();
        assert_eq!(every.next_after(at(600_001)), Some(at(660_000)));
    }

    #[test]
    fn a_period_of_nothing_is_refused_also_when_it_is_stored() {
        assert!(Schedule::every(Duration::ZERO, at(0)).is_err());
        assert!(Schedule::every(Duration::from_micros(10), at(0)).is_err());
        assert!(Schedule::every(Duration::MAX, at(0)).is_err());
        let json = r#"{"every":{"period_ms":0,"anchor":"2026-01-02T03:04:05.678Z"}}"#;
        assert!(serde_json::from_str::<Schedule>(json).is_err());
    }

    #[test]
    fn the_stored_form_is_the_documented_one() {
        for json in [
            r#"{"once":"2026-01-02T03:04:05.678Z"}"#,
            r#"{"every":{"period_ms":60000,"anchor":"2026-01-02T03:04:05.678Z"}}"#,
            r#"{"cron":{"expr":"0 9 * * MON-FRI","tz":"Europe/Berlin"}}"#,
        ] {
            let schedule: Schedule = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&schedule).unwrap(), json);
        }
    }

    #[test]
    fn it_prints_for_people() {
        let minutes = Duration::from_secs(300);
        assert_eq!(Schedule::every(minutes, at(0)).unwrap().to_string(), "every 5m");
        assert_eq!(Schedule::Once(at(0)).to_string(), "once at 1970-01-01T00:00:00.000Z");
        let cron = Schedule::cron("@daily", "UTC").unwrap();
        assert_eq!(cron.to_string(), "@daily in UTC");
    }

    #[test]
    fn nothing_fires_after_the_last_moment() {
        let every = Schedule::every(Duration::from_secs(60), at(0)).unwrap();
        assert_eq!(every.next_after(Timestamp::MAX), None);
    }

    proptest! {
        #[test]
        fn the_next_period_is_the_first_one_after(
            period_ms in 1..10_000_000u64,
            anchor in -1_000_000_000_000..2_000_000_000_000i64,
            after in -1_000_000_000_000..2_000_000_000_000i64,
        ) {
            let every = Schedule::Every { period_ms, anchor: at(anchor) };
            let next = every.next_after(at(after)).unwrap().as_millis();
            let period = i64::try_from(period_ms).unwrap();
            prop_assert!(next > after && next >= anchor);
            prop_assert_eq!((next - anchor) % period, 0);
            prop_assert!(next - period <= after || next == anchor);
        }
    }
}
