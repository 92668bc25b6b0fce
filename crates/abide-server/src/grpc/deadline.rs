//! `grpc-timeout`: how long a caller waits.

use std::time::Duration;

use abide_core::{Error, Result};
use tonic::metadata::MetadataMap;

/// The time a caller gives, at most `most`.
pub(super) fn timeout(metadata: &MetadataMap, most: Duration) -> Result<Option<Duration>> {
    let Some(value) = metadata.get("grpc-timeout") else { return Ok(None) };
    let time = value.to_str().ok().and_then(parse).filter(|time| !time.is_zero()).ok_or_else(|| {
        Error::bad_request("grpc-timeout is up to 8 digits and a unit (H, M, S, m, u, n); nothing was changed")
    })?;
    Ok(Some(time.min(most)))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_a_number_and_a_unit() {
        for (text, time) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("250m", Some(Duration::from_millis(250))),
            ("5u", Some(Duration::from_micros(5))),
            ("7n", Some(Duration::from_nanos(7))),
            ("", None),
            ("S", None),
            ("1", None),
            ("1x", None),
            ("-1S", None),
            ("123456789S", None),
            ("1ü", None),
        ] {
            assert_eq!(parse(text), time, "{text:?}");
        }
    }
}
