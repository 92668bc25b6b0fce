//! W3C trace context: which trace a request belongs to.

use axum::http::HeaderMap;
use tracing::{Level, Span};

/// A valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent<'h> {
    pub(crate) trace_id: &'h str,
    pub(crate) parent_id: &'h str,
    pub(crate) sampled: bool,
}

/// Reads a `traceparent`; one that is not valid is as good as none.
pub(crate) fn parse(text: &str) -> Option<TraceParent<'_>> {
    let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    let mut parts = text.trim().split('-');
    let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let shaped = version.len() == 2 && trace_id.len() == 32 && parent_id.len() == 16 && flags.len() == 2;
    let legal = [version, trace_id, parent_id, flags].into_iter().all(hex);
    let ends = version != "00" || parts.next().is_none();
    if !shaped || !legal || !ends || version == "ff" || zero(trace_id) || zero(parent_id) {
        return None;
    }
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    Some(TraceParent { trace_id, parent_id, sampled })
}

/// The span of a request, if anybody listens at that level.
pub(crate) fn span(method: &str, path: &str, headers: &HeaderMap) -> Option<Span> {
    if !tracing::enabled!(Level::DEBUG) {
        return None;
    }
    let parent = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(parse);
    let span = tracing::debug_span!(
        "request",
        method,
        path,
        trace_id = tracing::field::Empty,
        parent_id = tracing::field::Empty,
        sampled = tracing::field::Empty,
    );
    if let Some(parent) = parent {
        span.record("trace_id", parent.trace_id);
        span.record("parent_id", parent.parent_id);
        span.record("sampled", parent.sampled);
    }
    Some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_traceparent_is_taken_apart() {
        let parent = parse(VALID).unwrap();
        assert_eq!((parent.trace_id, parent.parent_id), ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"));
        assert!(parent.sampled);
        assert!(parse(&VALID.replace("00-4", "cc-4").replace("-01", "-00-later")).is_some_and(|p| !p.sampled));
    }

    #[test]
    fn an_invalid_traceparent_is_as_good_as_none() {
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            &zero_trace,
            &zero_parent,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    /// What a log at this level shows of a request with this `traceparent`.
    fn logged(level: Level, parent: &'static str) -> String {
        let (text, headers) = (Log::default(), [("traceparent", parent)]);
        let headers: HeaderMap =
            headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).into_iter().collect();
        let writer = text.clone();
        let log = tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::with_default(log.finish(), || {
            let span = span("GET", "/v1/kinds", &headers).unwrap_or_else(Span::none);
            span.in_scope(|| tracing::info!("looked"));
        });
        let bytes = text.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_span_of_a_request_names_its_trace_where_somebody_listens() {
        let shown = logged(Level::DEBUG, VALID);
        assert!(shown.contains("looked") && shown.contains("/v1/kinds"), "{shown}");
        assert!(shown.contains("4bf92f3577b34da6a3ce929d0e0e4736") && shown.contains("00f067aa0ba902b7"), "{shown}");
        let without = logged(Level::DEBUG, "nonsense");
        assert!(without.contains("/v1/kinds") && !without.contains("trace_id"), "{without}");
        let quiet = logged(Level::INFO, VALID);
        assert!(quiet.contains("looked") && !quiet.contains("/v1/kinds"), "{quiet}");
    }
}
