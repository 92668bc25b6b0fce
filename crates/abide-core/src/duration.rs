//! Durations as people write them: `250ms`, `2s`, `5m`, `1h30m`.

use std::fmt::Write as _;
use std::time::Duration;

/// What [`parse_duration`] accepts, as its errors show it.
const ACCEPTED: &str = "a number and a unit (ms, s, m, h, d, w), largest unit first, like 250ms, 2s, 5m or 1h30m";

/// The longest duration that can be written: 100 years of 365 days.
pub const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The longest text [`parse_duration`] looks at, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// Units from the largest to the smallest, with their length in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// There is nothing to read.
    #[error("a duration is empty; write {ACCEPTED}")]
    Empty,
    /// A part of the text is not a number followed by a unit.
    #[error("{text:?} is not a duration; write {ACCEPTED}")]
    Malformed {
        /// The text as it was given, shortened when it is very long.
        text: String,
    },
    /// A number has no unit, so its meaning would be a guess.
    #[error("{text:?} has no unit; write {text}s for seconds or {text}ms for milliseconds")]
    NoUnit {
        /// The number as it was given.
        text: String,
    },
    /// The duration is longer than [`DURATION_MAX`].
    #[error("{text:?} is longer than the longest duration, 36500d")]
    TooLong {
        /// The text as it was given.
        text: String,
    },
}

/// Reads a duration in its human form.
///
/// It is one or more of a whole number and a unit, the units from the largest to the smallest and each at
/// most once: `250ms`, `2s`, `5m`, `1h30m`, `1d 12h`. A bare `0` is the empty duration; every other number
/// needs its unit.
///
/// # Errors
/// [`DurationError`], whose text shows what is accepted.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(DurationError::Empty);
    }
    if trimmed == "0" {
        return Ok(Duration::ZERO);
    }
    if trimmed.len() > TEXT_BYTES_MAX {
        return Err(malformed(text));
    }
    if trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::NoUnit { text: trimmed.to_owned() });
    }
    parts(trimmed)
}

/// Writes a duration in the shortest human form that [`parse_duration`] reads back.
///
/// What is finer than a millisecond is dropped.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, length) in UNITS.into_iter().filter(|(unit, _)| *unit != "w") {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            write!(text, "{count}{unit}").expect("writing to a string cannot fail");
        }
    }
    text
}

/// Serde for a field that holds a duration in its human form: `#[serde(with = "abide_core::duration::human")]`.
pub mod human {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    /// Writes the human form.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_duration(*duration))
    }

    /// Reads the human form.
    ///
    /// # Errors
    /// Those of the deserializer, and [`DurationError`](super::DurationError) as a custom error.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_duration(&text).map_err(de::Error::custom)
    }
}

/// Adds up the parts of a text that is known to be short and not empty.
fn parts(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let place = units.iter().position(|(name, _)| *name == unit).ok_or_else(|| malformed(text))?;
        if number.is_empty() {
            return Err(malformed(text));
        }
        let too_long = || DurationError::TooLong { text: text.to_owned() };
        let count: u64 = number.parse().map_err(|_| too_long())?;
        let part = count.checked_mul(units[place].1).ok_or_else(too_long)?;
        total_ms = total_ms.checked_add(part).ok_or_else(too_long)?;
        units = &units[place + 1..];
        rest = after.trim_start();
    }
    let total = Duration::from_millis(total_ms);
    if total > DURATION_MAX {
        return Err(DurationError::TooLong { text: text.to_owned() });
    }
    Ok(total)
}

/// Splits off the longest prefix of characters that pass.
fn split(text: &str, passes: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !passes(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn malformed(text: &str) -> DurationError {
    DurationError::Malformed { text: text.chars().take(TEXT_BYTES_MAX).collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(text: &str) -> u128 {
        parse_duration(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).as_millis()
    }

    #[test]
    fn the_forms_in_the_manual_are_read() {
        for (text, expected) in [
            ("250ms", 250),
            ("2s", 2_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            (" 1d 12h ", 129_600_000),
            ("2w", 1_209_600_000),
            ("0", 0),
            ("0s", 0),
            ("36500d", DURATION_MAX.as_millis()),
        ] {
            assert_eq!(ms(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_the_accepted_forms() {
        for text in ["", "  ", "five", "-5s", "1.5h", "5 m", "m5", "5S", "30m1h", "1h1h", "1h 5", "5µs", "1y"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.to_string().contains("1h30m"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused_with_both_readings() {
        assert_eq!(
            parse_duration("30").unwrap_err().to_string(),
            "\"30\" has no unit; write 30s for seconds or 30ms for milliseconds"
        );
    }

    #[test]
    fn what_is_longer_than_a_century_is_refused() {
        for text in ["36501d", "99999999999999999999s", "18446744073709551615w"] {
            assert!(matches!(parse_duration(text), Err(DurationError::TooLong { .. })), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_refused_and_not_repeated_in_full() {
        let error = parse_duration(&"1h".repeat(10_000)).unwrap_err();
        assert!(error.to_string().len() < 300);
    }

    #[test]
    fn durations_are_written_in_their_shortest_form() {
        for (millis, expected) in
            [(0, "0s"), (250, "250ms"), (60_000, "1m"), (5_400_000, "1h30m"), (90_061_001, "1d1h1m1s1ms")]
        {
            assert_eq!(format_duration(Duration::from_millis(millis)), expected);
        }
    }

    proptest! {
        #[test]
        fn every_written_duration_is_read_back(millis in 0..=DURATION_MAX.as_millis() as u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _ = parse_duration(&text);
        }
    }
}
