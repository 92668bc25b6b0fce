/// Units from the smallest to the largest.
const UNITS: [(&str, usize); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads a number of bytes: `1MiB`, `512 KiB`, `100`. `None` if it is no such thing, or 0.
pub(crate) fn parse_size(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let number: usize = text[..end].replace('_', "").parse().ok()?;
    let unit = text[end..].trim();
    let factor = match unit {
        "" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    number.checked_mul(factor).filter(|&bytes| bytes > 0)
}

/// A number of bytes for people: `1.5 MiB`.
pub(crate) fn format_size(bytes: u64) -> String {
    let unit = UNITS.iter().rev().find(|(_, factor)| bytes >= *factor as u64).unwrap_or(&UNITS[0]);
    match unit {
        (name, 1) => format!("{bytes} {name}"),
        #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
        (name, factor) => format!("{:.1} {name}", bytes as f64 / *factor as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("1", 1), ("1_000", 1000), ("2 KiB", 2048), ("1MiB", 1 << 20), ("3gib", 3 << 30)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "0", "MiB", "-1", "1.5MiB", "1XB", "99999999999999999999", "99999999999GiB", "1MB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_written_with_one_decimal() {
        assert_eq!(format_size(0), "0 B");
        assert_eq!(format_size(1023), "1023 B");
        assert_eq!(format_size(3 << 19), "1.5 MiB");
    }
}
