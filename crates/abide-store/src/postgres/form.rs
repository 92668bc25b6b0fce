//! States as `jsonb`, and back to the very text that was put.
//!
//! `jsonb` forgets the order of fields, spaces, and how numbers were written, and it has no NUL. So
//! the column `state` holds what queries need, and `exact` the text itself wherever the text could not
//! be told from `state` again.

use std::{borrow::Cow, fmt::Write};

use serde_json::{Number, Value};

use super::text::escaped;

/// Deeper states take the long way.
const DEPTH_MAX: usize = 64;
/// With so many digits a number means the same as decimal and as floating point.
const DIGITS_MAX: usize = 15;
/// So many digits fit a whole number of 64 bits.
const WHOLE_DIGITS_MAX: usize = 18;
/// Whole numbers beyond it are never compared with exact ones.
const WHOLE_BEYOND: f64 = 1e30;

/// A state as it is stored.
#[derive(Debug, PartialEq)]
pub(super) struct Form<'t> {
    /// For `jsonb`. Every comparison that filters and orders know has the same answer on it as on the
    /// decoded state.
    pub(super) query: Cow<'t, str>,
    /// The text, if it cannot be told from the `jsonb`.
    pub(super) exact: Option<&'t str>,
}

/// How a state is stored.
pub(super) fn form(text: &str) -> Form<'_> {
    match Scan::of(text) {
        Some(canonical) => Form { query: Cow::Borrowed(text), exact: (!canonical).then_some(text) },
        None => Form { query: Cow::Owned(normal(text)), exact: Some(text) },
    }
}

/// The text that [`form`] found canonical, from what `jsonb` prints of it: without the spaces.
pub(super) fn compact(printed: &str) -> String {
    let mut text = String::with_capacity(printed.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in printed.chars() {
        if c == ' ' && !quoted {
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        text.push(c);
    }
    text
}

/// A number as `numeric` reads it: with the exact value of the floating point number it decodes as,
/// where that matters.
pub(super) fn numeric(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            if float.fract() == 0.0 && float.abs() < WHOLE_BEYOND {
                (float as i128).to_string()
            } else {
                format!("{float:e}")
            }
        }
        _ => number.to_string(),
    }
}

/// The long way: decode it, and write what queries need.
fn normal(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    write(&value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&numeric(number)),
        Value::String(text) => write_text(text, out),
        Value::Array(values) => {
            out.push('[');
            for (place, value) in values.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                write(value, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (place, (name, value)) in fields.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                write_text(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    let text = Value::String(escaped(text).into_owned());
    // A String takes everything.
    let _ = write!(out, "{text}");
}

/// One pass over a well-formed text.
struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    /// Whether `jsonb` would print the same again, but for spaces.
    canonical: bool,
    /// The last field of each object that is open; `None` for a list.
    open: Vec<Option<&'t [u8]>>,
}

impl<'t> Scan<'t> {
    /// Whether the text is canonical; `None` if it has something that takes the long way.
    fn of(text: &'t str) -> Option<bool> {
        let mut scan = Self { text: text.as_bytes(), at: 0, canonical: true, open: Vec::new() };
        let mut field = false;
        while let Some(byte) = scan.text.get(scan.at).copied() {
            match byte {
                b'{' | b'[' => {
                    scan.open.push((byte == b'{').then_some(&b""[..]));
                    if scan.open.len() > DEPTH_MAX {
                        return None;
                    }
                    field = byte == b'{';
                    scan.at += 1;
                    if byte == b'{' {
                        scan.first_field();
                    }
                    continue;
                }
                b'}' | b']' => {
                    scan.open.pop();
                }
                b',' => field = matches!(scan.open.last(), Some(Some(_))),
                b'"' => {
                    let name = scan.string()?;
                    if std::mem::take(&mut field) {
                        scan.field(name);
                    }
                    continue;
                }
                b'-' | b'0'..=b'9' => {
                    scan.number()?;
                    continue;
                }
                b' ' | b'\t' | b'\n' | b'\r' => scan.canonical = false,
                _ => {}
            }
            scan.at += 1;
        }
        Some(scan.canonical)
    }

    /// Any name may come first, also the empty one.
    fn first_field(&mut self) {
        if let Some(last) = self.open.last_mut() {
            *last = Some(b"\0");
        }
    }

    /// Passes a string and gives what is between its quotes.
    fn string(&mut self) -> Option<&'t [u8]> {
        let start = self.at + 1;
        self.at = start;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => {
                    match self.text.get(self.at + 1)? {
                        b'u' => return None,
                        b'/' => self.canonical = false,
                        _ => {}
                    }
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.text[start..self.at - 1])
    }

    /// Fields have to come as `jsonb` keeps them: short names first, equal ones by their bytes.
    fn field(&mut self, name: &'t [u8]) {
        let Some(Some(last)) = self.open.last_mut() else { return };
        let sorted = *last == b"\0" || (last.len(), *last) < (name.len(), name);
        *last = name;
        self.canonical &= sorted && !name.contains(&b'\\');
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = self.text.get(self.at) {
            self.at += 1;
        }
        let number = &self.text[start..self.at];
        let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
        let whole = !number.contains(&b'.');
        let zero = !number.iter().any(|byte| matches!(byte, b'1'..=b'9'));
        let long = digits > if whole { WHOLE_DIGITS_MAX } else { DIGITS_MAX };
        let powers = number.iter().any(|byte| matches!(byte, b'e' | b'E'));
        (!(long || powers || zero && number.starts_with(b"-"))).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_jsonb_would_print_otherwise_is_kept_as_it_is() {
        for canonical in [
            r#"{"count":5}"#,
            r#"{"b":1,"aa":[1,{"x":"a b, c: d"}],"ab":1.50}"#,
            r#"[]"#,
            r#""a\"b\\\n""#,
            r#"{"":1,"a":-0.5}"#,
            "null",
        ] {
            assert_eq!(form(canonical), Form { query: canonical.into(), exact: None }, "{canonical}");
        }
        for other in [
            r#"{"aa":1,"b":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{ "a":1}"#,
            r#"{"a":1e3}"#,
            r#"{"a":-0}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":{"cc":1,"b":1}}"#,
        ] {
            assert_eq!(form(other).exact, Some(other), "{other}");
        }
    }

    #[test]
    fn what_queries_see_has_no_nul_and_exact_numbers() {
        for (text, query) in [
            (r#"{"a":"x\u0000\u0001"}"#, "{\"a\":\"x\\u0001\\u0001\\u0001\\u0002\"}"),
            (r#"[9223372036854775808.0,1e300,0.1e0,-0.0]"#, "[9223372036854775808,1e300,1e-1,0]"),
            (r#"{"a":18446744073709551615}"#, r#"{"a":18446744073709551615}"#),
            (r#"{"a":"\ud800"}"#, "null"),
            ("1e400", "null"),
        ] {
            assert_eq!(form(text).query, query, "{text}");
        }
    }

    proptest! {
        #[test]
        fn spaces_that_jsonb_adds_are_taken_away(text in "[a\" \\\\:,]{0,8}") {
            let plain = serde_json::json!({ "k": [text, 1] }).to_string();
            let printed = format!("{{\"k\": [{}, 1]}}", serde_json::json!(text));
            prop_assert_eq!(compact(&printed), plain);
        }
    }
}
