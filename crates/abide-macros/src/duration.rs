//! Durations in options, read while compiling.
//!
//! The forms are those of `abide_core::parse_duration`; a test holds the two together. The core
//! itself would have to be compiled before the first macro of a program could run.

/// What is accepted, as errors show it.
pub(crate) const ACCEPTED: &str =
    "a number and a unit (ms, s, m, h, d, w), largest unit first, like \"250ms\", \"2s\", \"5m\" or \"1h30m\"";

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The longest duration: 100 years of 365 days.
const LONGEST_MS: u64 = 36_500 * 86_400_000;

/// The longest text that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// The milliseconds that `text` stands for, if it is a duration.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() || rest.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut total: u64 = 0;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let place = units.iter().position(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(units[place].1)?;
        total = total.checked_add(part)?;
        units = &units[place + 1..];
        rest = after.trim_start();
    }
    (total <= LONGEST_MS).then_some(total)
}

/// Splits off the longest prefix of characters that pass.
fn split(text: &str, passes: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !passes(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn core(text: &str) -> Option<u64> {
        let duration = abide_core::parse_duration(text).ok()?;
        Some(u64::try_from(duration.as_millis()).unwrap())
    }

    #[test]
    fn the_forms_in_the_manual_are_read() {
        for (text, expected) in [
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("250ms", Some(250)),
            (" 1d 12h ", Some(129_600_000)),
            ("7d", Some(604_800_000)),
            ("0", Some(0)),
            ("5", None),
            ("5 minutes", None),
            ("30m1h", None),
            ("36501d", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text:?}");
            assert_eq!(core(text), expected, "{text:?} in the core");
        }
    }

    proptest! {
        #[test]
        fn the_macros_read_a_duration_as_the_core_does(text in "[ 0-9]{0,3}(([0-9]{1,6}|99999999999999999999)(ms|[smhdwy ])){0,4}[a-z5 ]{0,2}") {
            prop_assert_eq!(milliseconds(&text), core(&text));
        }
    }
}
