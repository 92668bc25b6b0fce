//! The arguments of a call: JSON text that is checked, not taken apart. The handler's own types do that.

use abide_core::{Error, Json, Result};

/// Reads a body as arguments: an object of named ones, a list of positional ones, or nothing.
pub(crate) fn read(bytes: &[u8], depth_max: usize) -> Result<Json> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let detail = format!("the body is not UTF-8 at byte {}; nothing was changed", error.valid_up_to());
        Error::bad_request(detail)
    })?;
    // What JSON calls white space, which is less than ASCII does.
    let text = if text.is_empty() { "null" } else { text.trim_matches([' ', '\t', '\n', '\r']) };
    if text == "null" {
        return Ok(Json::trusted("{}"));
    }
    if !text.starts_with(['{', '[']) {
        let detail = "what a handler is given is an object of named arguments, a list of positional ones, or nothing; \
             nothing was changed";
        return Err(Error::bad_request(detail));
    }
    shallow("the body", text, depth_max)?;
    Json::parse(text).map_err(|error| {
        // A fault at the start of the body is told with the position in the body as it was sent.
        Error::bad_request(format!("the body is not JSON: {error}; nothing was changed"))
    })
}

/// Refuses JSON that nests deeper than it may: whoever reads it later may not be able to.
///
/// # Errors
/// `bad_request`, with the place.
pub(crate) fn shallow(what: &str, text: &str, depth_max: usize) -> Result<()> {
    let Some(at) = deeper_than(text, depth_max) else { return Ok(()) };
    Err(Error::bad_request(format!("{what} nests deeper than {depth_max} at byte {at}; nothing was changed")))
}

/// The arguments of a frame, which are known to be JSON.
pub(crate) fn checked(args: Json, depth_max: usize) -> Result<Json> {
    if args.as_str() == "null" || !args.as_str().starts_with(['{', '[']) {
        return read(args.as_str().as_bytes(), depth_max);
    }
    shallow("the body", args.as_str(), depth_max)?;
    Ok(args)
}

/// The first byte at which brackets nest deeper than `max`.
fn deeper_than(text: &str, max: usize) -> Option<usize> {
    if text.len() <= max {
        return None;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                if depth > max {
                    return Some(at);
                }
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_means_no_arguments() {
        for body in ["", "null", " null\n", " {} "] {
            assert_eq!(read(body.as_bytes(), 100).unwrap().as_str(), "{}", "{body:?}");
        }
    }

    #[test]
    fn arguments_keep_their_text() {
        for body in [r#"{"a": 1.0}"#, "[1, [2]]", r#"{"a":"}}]]\"{{"}"#] {
            assert_eq!(read(body.as_bytes(), 2).unwrap().as_str(), body);
        }
    }

    #[test]
    fn arguments_of_frames_are_checked_as_those_of_bodies() {
        for text in ["null", "{}", r#"{"a": 1.0}"#, "[[1]]", "7", r#""x""#, "[[[1]]]", r#"[[["]"]]]"#] {
            let checked = checked(Json::trusted(text), 2).map_err(|error| error.to_string());
            assert_eq!(checked, read(text.as_bytes(), 2).map_err(|error| error.to_string()), "{text}");
        }
    }

    #[test]
    fn broken_bodies_are_refused_with_the_place() {
        for (body, word) in [
            (&b"{\"a\":1"[..], "line 1 column 6"),
            (b"{\"a\":1}}", "column 8"),
            (b"{\n\"a\": nope}", "line 2"),
            (b"7", "named arguments"),
            (b" \n", "named arguments"),
            (b"\x0c", "named arguments"),
            (b"\"x\"", "named arguments"),
            (b"{\"a\":\"\xff\"}", "byte 6"),
            (b"[[[1]]]", "deeper than 2 at byte 2"),
        ] {
            let error = read(body, 2).unwrap_err();
            assert!(error.detail().contains(word), "{}: {error}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_hundred_thousand_brackets_are_refused_and_not_followed() {
        let error = read("[".repeat(100_000).as_bytes(), 100).unwrap_err();
        assert!(error.detail().contains("at byte 100"), "{error}");
    }
}
