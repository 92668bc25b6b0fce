//! A hybrid logical clock: wall-clock time that never goes back and respects causality.
//!
//! After Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical Physical Clocks" (2014).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ReplicaId, Timestamp};

/// How far ahead of the local clock a remote one may be, unless told otherwise.
pub const DRIFT_MAX_DEFAULT: Duration = Duration::from_secs(60);

/// A moment of a hybrid logical clock: close to wall-clock time, unique, and later than everything its
/// writer had seen.
///
/// The order is that of the time, then the counter, then the writer, and is the same as the order of the
/// printed texts: `2026-01-02T03:04:05.678Z-0000002a-node-1`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc {
    at: Timestamp,
    counter: u32,
    writer: ReplicaId,
}

/// One writer's hybrid logical clock. Wall-clock time comes in as an argument.
#[derive(Clone, Debug)]
pub struct HlcClock {
    last: (Timestamp, u32),
    writer: ReplicaId,
    drift_max: Duration,
}

/// Why a moment cannot be read or taken over. The clock is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HlcError {
    /// The text is not the printed form of a moment.
    #[error("{text:?} is not a clock reading such as 2026-01-02T03:04:05.678Z-0000002a-node-1")]
    Malformed {
        /// The text as it was given, shortened when it is very long.
        text: String,
    },
    /// The remote moment is further ahead than is allowed: its clock, or this one, is wrong.
    #[error("the clock of {writer} is {ahead_ms} ms ahead, {allowed_ms} ms are allowed")]
    Drift {
        /// Whose clock it is.
        writer: ReplicaId,
        /// How far it is ahead of the local wall clock.
        ahead_ms: u64,
        /// How far it may be.
        allowed_ms: u64,
    },
}

impl Hlc {
    /// The moment with these parts.
    #[must_use]
    pub fn new(at: Timestamp, counter: u32, writer: ReplicaId) -> Self {
        Self { at, counter, writer }
    }

    /// The wall-clock part: never before the writer's own clock, and ahead of it only by what was seen.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Tells moments of the same millisecond apart.
    #[must_use]
    pub fn counter(&self) -> u32 {
        self.counter
    }

    /// Whose moment it is.
    #[must_use]
    pub fn writer(&self) -> &ReplicaId {
        &self.writer
    }
}

impl HlcClock {
    /// A clock that has seen nothing.
    #[must_use]
    pub fn new(writer: ReplicaId) -> Self {
        Self { last: (Timestamp::from_millis(i64::MIN), 0), writer, drift_max: DRIFT_MAX_DEFAULT }
    }

    /// A clock that goes on from the last moment it gave out before it was stored.
    #[must_use]
    pub fn resume(last: Hlc) -> Self {
        Self { last: (last.at, last.counter), writer: last.writer, drift_max: DRIFT_MAX_DEFAULT }
    }

    /// Sets how far ahead of the local clock a remote one may be.
    #[must_use]
    pub fn with_drift_max(mut self, drift_max: Duration) -> Self {
        self.drift_max = drift_max;
        self
    }

    /// The moment of something that happens here at wall-clock time `now`: later than every moment this
    /// clock gave out or observed, also when the wall clock went back.
    pub fn tick(&mut self, now: Timestamp) -> Hlc {
        self.last = if now > self.last.0 { (now, 0) } else { after(self.last) };
        self.reading()
    }

    /// The moment at which a remote moment is received: later than it, and than all before it here.
    ///
    /// # Errors
    /// [`HlcError::Drift`] when the remote moment is further ahead of `now` than is allowed; the clock is
    /// unchanged, so that one wrong clock cannot push the others.
    pub fn observe(&mut self, remote: &Hlc, now: Timestamp) -> Result<Hlc, HlcError> {
        let ahead = remote.at.since(now);
        if ahead > self.drift_max {
            let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            return Err(HlcError::Drift {
                writer: remote.writer.clone(),
                ahead_ms: millis(ahead),
                allowed_ms: millis(self.drift_max),
            });
        }
        let latest = self.last.max((remote.at, remote.counter));
        self.last = if now > latest.0 { (now, 0) } else { after(latest) };
        Ok(self.reading())
    }

    /// Whose clock it is.
    #[must_use]
    pub fn writer(&self) -> &ReplicaId {
        &self.writer
    }

    /// The last moment given out, to be stored and passed to [`HlcClock::resume`].
    #[must_use]
    pub fn reading(&self) -> Hlc {
        Hlc::new(self.last.0, self.last.1, self.writer.clone())
    }
}

/// The next moment within the same millisecond, or the start of the next one when its counter is used up.
fn after((at, counter): (Timestamp, u32)) -> (Timestamp, u32) {
    match counter.checked_add(1) {
        Some(counter) => (at, counter),
        None => (at.plus(Duration::from_millis(1)), 0),
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}-{}", self.at, self.counter, self.writer)
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hlc({self})")
    }
}

impl FromStr for Hlc {
    type Err = HlcError;

    fn from_str(text: &str) -> Result<Self, HlcError> {
        read(text).ok_or_else(|| HlcError::Malformed { text: text.chars().take(80).collect() })
    }
}

/// The printed form only: a time in another zone or precision is refused, so that equal moments have
/// equal texts.
fn read(text: &str) -> Option<Hlc> {
    let (at, rest) = text.split_at_checked(24)?;
    let (counter, writer) = rest.strip_prefix('-')?.split_once('-')?;
    let hlc = Hlc::new(at.parse().ok()?, u32::from_str_radix(counter, 16).ok()?, ReplicaId::new(writer).ok()?);
    (hlc.to_string() == text).then_some(hlc)
}

impl Serialize for Hlc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hlc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn clock(writer: &str) -> HlcClock {
        HlcClock::new(ReplicaId::new(writer).unwrap())
    }

    #[test]
    fn it_follows_the_wall_clock_and_counts_within_a_millisecond() {
        let mut clock = clock("a");
        let parts = |hlc: Hlc| (hlc.at().as_millis(), hlc.counter());
        assert_eq!(parts(clock.tick(at(10))), (10, 0));
        assert_eq!(parts(clock.tick(at(10))), (10, 1));
        assert_eq!(parts(clock.tick(at(5))), (10, 2));
        assert_eq!(parts(clock.tick(at(11))), (11, 0));
    }

    #[test]
    fn what_is_received_is_later_than_what_was_sent() {
        let (mut fast, mut slow) = (clock("fast"), clock("slow"));
        let sent = fast.tick(at(1_000));
        let received = slow.observe(&sent, at(10)).unwrap();
        assert!(received > sent);
        assert!(slow.tick(at(11)) > received);
    }

    #[test]
    fn a_clock_too_far_ahead_is_refused_and_moves_nothing() {
        let mut clock = clock("a").with_drift_max(Duration::from_millis(500));
        let before = clock.tick(at(1_000));
        let wrong = Hlc::new(at(1_501), 0, ReplicaId::new("b").unwrap());
        let error = clock.observe(&wrong, at(1_000)).unwrap_err();
        assert_eq!(error.to_string(), "the clock of b is 501 ms ahead, 500 ms are allowed");
        assert_eq!(clock.reading(), before);
        assert!(clock.observe(&wrong, at(1_001)).is_ok());
    }

    #[test]
    fn a_used_up_counter_goes_on_in_the_next_millisecond() {
        let last = Hlc::new(at(10), u32::MAX, ReplicaId::new("a").unwrap());
        let next = HlcClock::resume(last.clone()).tick(at(10));
        assert!(next > last);
        assert_eq!((next.at().as_millis(), next.counter()), (11, 0));
    }

    #[test]
    fn a_stored_clock_goes_on_where_it_stopped() {
        let mut clock = clock("a");
        let last = clock.tick(at(1_000));
        let stored: Hlc = last.to_string().parse().unwrap();
        assert!(HlcClock::resume(stored).tick(at(1)) > last);
    }

    #[test]
    fn only_the_printed_form_is_read() {
        let good = "2026-01-02T03:04:05.678Z-0000002a-node-1";
        assert_eq!(good.parse::<Hlc>().unwrap().to_string(), good);
        for text in [
            "",
            "2026-01-02T03:04:05.678Z",
            "2026-01-02T03:04:05.678Z-2a-node-1",
            "2026-01-02T03:04:05.678Z-0000002A-node-1",
            "2026-01-02T03:04:05.678Z-0000002a-",
            "2026-01-02T03:04:05+00:0-0000002a-node-1",
            "äääääääääääääääääääääää",
        ] {
            assert!(text.parse::<Hlc>().is_err(), "{text:?}");
        }
    }

    fn hlcs() -> impl Strategy<Value = Hlc> {
        (-62_167_219_200_000i64..253_402_200_000_000, any::<u32>(), "[a-zA-Z0-9][a-z0-9_.-]{0,8}")
            .prop_map(|(millis, counter, writer)| Hlc::new(at(millis), counter, ReplicaId::new(&writer).unwrap()))
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(hlc in hlcs()) {
            prop_assert_eq!(hlc.to_string().parse(), Ok(hlc));
        }

        #[test]
        fn moments_are_ordered_as_their_texts(left in hlcs(), right in hlcs(), same: bool) {
            let right = if same { Hlc { at: left.at, ..right } } else { right };
            prop_assert_eq!(left.cmp(&right), left.to_string().cmp(&right.to_string()));
        }

        #[test]
        fn a_clock_is_strictly_monotone_whatever_the_wall_clock_does(
            walls in prop::collection::vec(0..50i64, 1..100),
            remotes in prop::collection::vec((0..50i64, 0..5u32), 100),
        ) {
            let mut clock = clock("a");
            let mut last = None;
            for (wall, (remote, counter)) in walls.into_iter().zip(remotes) {
                let next = if counter == 0 {
                    clock.tick(at(wall))
                } else {
                    let remote = Hlc::new(at(remote), counter, ReplicaId::new("b").unwrap());
                    let next = clock.observe(&remote, at(wall)).unwrap();
                    prop_assert!(next > remote);
                    next
                };
                prop_assert!(next.at() >= at(wall));
                prop_assert!(Some(&next) > last.as_ref());
                last = Some(next);
            }
        }

        #[test]
        fn a_chain_of_messages_is_ordered_across_skewed_clocks(
            hops in prop::collection::vec((0..4usize, 0..1_000i64), 1..60),
        ) {
            let mut clocks: Vec<HlcClock> = (0..4).map(|node| clock(&format!("n{node}"))).collect();
            let mut message: Option<Hlc> = None;
            for (node, wall) in hops {
                let next = match &message {
                    Some(previous) => clocks[node].observe(previous, at(wall)).unwrap(),
                    None => clocks[node].tick(at(wall)),
                };
                prop_assert!(Some(&next) > message.as_ref());
                message = Some(next);
            }
        }
    }
}
