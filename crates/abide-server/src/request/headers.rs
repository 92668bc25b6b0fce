//! Headers that say how a call is to be made.

use std::sync::Arc;

use abide_core::{
    Code, Error, Result,
    duration::{format_duration, parse_duration},
};
use abide_node::{CALL_KEY_BYTES_MAX, CallOptions};
use axum::http::{HeaderMap, HeaderName, header};

use crate::{Limits, Problem};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ABIDE_TIMEOUT: HeaderName = HeaderName::from_static("abide-timeout");

/// The options of a call from its headers.
pub(crate) fn call_options(headers: &HeaderMap, limits: &Limits) -> Result<CallOptions> {
    let mut options = CallOptions::default();
    if let Some(key) = text(headers, &IDEMPOTENCY_KEY)? {
        if key.is_empty() || key.len() > CALL_KEY_BYTES_MAX {
            let bytes = key.len();
            let detail = format!(
                "the header Idempotency-Key has {bytes} bytes; it has 1 to {CALL_KEY_BYTES_MAX}; nothing was changed"
            );
            return Err(Error::bad_request(detail));
        }
        options.key = Some(Arc::from(key));
    }
    if let Some(written) = text(headers, &ABIDE_TIMEOUT)? {
        let timeout = parse_duration(written)
            .map_err(|error| Error::bad_request(format!("the header Abide-Timeout: {error}; nothing was changed")))?;
        if timeout.is_zero() || timeout > limits.call_timeout {
            let most = format_duration(limits.call_timeout);
            let detail = format!("the header Abide-Timeout is 1ms to {most}, not {written}; nothing was changed");
            return Err(Error::bad_request(detail));
        }
        options.timeout = Some(timeout);
    }
    Ok(options)
}

/// A header that is there at most once and can be read.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>> {
    let mut all = headers.get_all(name).iter();
    let Some(value) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(Error::bad_request(format!("the header {name} is there twice; nothing was changed")));
    }
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Error::bad_request(format!("the header {name} is not UTF-8; nothing was changed")))?;
    Ok(Some(text))
}

/// Refuses a body that says it is not JSON. One that says nothing is taken at its word when it is read.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    if value.as_bytes() == b"application/json" || value.to_str().is_ok_and(is_json) {
        return Ok(());
    }
    let detail =
        "the body is JSON: send Content-Type: application/json (curl: --json instead of -d); nothing was changed";
    Err(Problem::from(Error::new(Code::UnsupportedMedia, detail)).with_header(header::ACCEPT, "application/json"))
}

fn is_json(media: &str) -> bool {
    let mut parts = media.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    })
}

/// Whether the caller asks for a stream of events.
pub(crate) fn wants_events(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|media| {
        let mut parts = media.split(';');
        let events = parts.next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream");
        events && !parts.any(|p| matches!(p.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_call_may_have_a_key_and_a_timeout() {
        let headers = headers(&[("idempotency-key", "order-77"), ("abide-timeout", "2s")]);
        let options = call_options(&headers, &Limits::default()).unwrap();
        assert_eq!(options.key.as_deref(), Some("order-77"));
        assert_eq!(options.timeout, Some(Duration::from_secs(2)));
    }

    #[test]
    fn headers_that_cannot_be_meant_are_refused_by_name() {
        for (name, value, word) in [
            ("idempotency-key", "", "1 to 256"),
            ("abide-timeout", "2", "no unit"),
            ("abide-timeout", "0s", "1ms to"),
            ("abide-timeout", "2h", "1h"),
            ("abide-timeout", "soon", "1h30m"),
        ] {
            let error = call_options(&headers(&[(name, value)]), &Limits::default()).unwrap_err();
            assert!(error.detail().contains(word), "{name}: {value}: {error}");
        }
        let mut twice = headers(&[("idempotency-key", "a")]);
        twice.append("idempotency-key", HeaderValue::from_static("b"));
        assert!(call_options(&twice, &Limits::default()).unwrap_err().detail().contains("twice"));
        let mut odd = HeaderMap::new();
        odd.insert("idempotency-key", HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(call_options(&odd, &Limits::default()).unwrap_err().detail().contains("UTF-8"));
    }

    #[test]
    fn json_in_utf_8_is_the_only_media_type() {
        for media in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/vnd.x+json",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(is_json(media), "{media}");
        }
        for media in
            ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "text/json", ""]
        {
            assert!(!is_json(media), "{media}");
        }
    }

    #[test]
    fn events_are_sent_to_those_who_ask() {
        assert!(wants_events(&headers(&[("accept", "text/event-stream")])));
        assert!(wants_events(&headers(&[("accept", "application/json;q=0.5, Text/Event-Stream; q=0.9")])));
        for accept in ["*/*", "application/json", "text/event-stream;q=0"] {
            assert!(!wants_events(&headers(&[("accept", accept)])), "{accept}");
        }
    }
}
