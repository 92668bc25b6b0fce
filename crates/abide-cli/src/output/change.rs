//! A change on one line.

use serde_json::Value;

use super::{Output, plain, shorten};

/// The longest value shown whole.
const VALUE_CHARS: usize = 200;

/// `03:04:05.678  12  increment  count = 5  last = "…"  -gone  +Incremented {…}`.
pub(crate) fn change_line(output: &Output, change: &Value) -> String {
    line(output, change, &time(&change["at"]))
}

/// The same with the day before the time, for changes that may be old.
pub(crate) fn dated_change_line(output: &Output, change: &Value) -> String {
    let day = plain(change["at"].as_str().and_then(|at| at.get(..10)).unwrap_or_default());
    line(output, change, &format!("{day} {}", time(&change["at"])))
}

fn line(output: &Output, change: &Value, when: &str) -> String {
    let mut parts = vec![
        output.dim(when),
        output.bold(format!("{:>5}", change["seq"].as_u64().unwrap_or_default())),
        output.cyan(plain(change["cause"]["handler"].as_str().unwrap_or("?"))),
    ];
    if change["deleted"] == Value::Bool(true) {
        parts.push(output.red("deleted"));
    }
    for (field, value) in fields(&change["patch"]) {
        parts.push(format!("{} = {}", output.green(plain(field)), cut(value)));
    }
    for (field, operations) in fields(&change["ops"]) {
        parts.push(format!("{} ~ {}", output.green(plain(field)), cut(operations)));
    }
    for field in elements(&change["removed"]) {
        parts.push(output.red(format!("-{}", plain(field.as_str().unwrap_or_default()))));
    }
    for event in elements(&change["events"]) {
        let kind = plain(event["type"].as_str().unwrap_or_default());
        parts.push(format!("{} {}", output.green(format!("+{kind}")), cut(&event["data"])));
    }
    for cause in ["key", "principal"] {
        if let Some(text) = change["cause"][cause].as_str() {
            parts.push(output.dim(format!("({cause} {})", plain(text))));
        }
    }
    parts.join("  ")
}

/// The time of day of a timestamp.
fn time(at: &Value) -> String {
    let text = at.as_str().unwrap_or_default();
    plain(text.get(11..23).unwrap_or(text))
}

fn cut(value: &Value) -> String {
    shorten(&value.to_string(), VALUE_CHARS)
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_one_line_that_says_when_who_and_what() {
        let change = json!({
            "seq": 12, "at": "2026-01-02T03:04:05.678Z",
            "patch": {"count": 5, "name": "x"}, "removed": ["gone"],
            "events": [{"id": "1", "type": "Incremented", "data": {"by": 2}}],
            "cause": {"handler": "increment", "key": "order-77"},
        });
        assert_eq!(
            change_line(&Output::new(true), &change),
            "03:04:05.678     12  increment  count = 5  name = \"x\"  -gone  +Incremented {\"by\":2}  (key order-77)"
        );
        assert!(
            dated_change_line(&Output::new(true), &change).starts_with("2026-01-02 03:04:05.678     12  increment")
        );
    }
}
