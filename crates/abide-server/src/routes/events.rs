//! The changes of an object as server-sent events: without a gap, or a `reset` that says so.

use std::{convert::Infallible, sync::Arc, time::Duration};

use abide_core::{Error, Key, Result, Seq};
use abide_node::{After, Changes, News, Update};
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Caller, Problem,
    answer::json::Text,
    reads::{Reads, Turn},
    shared::Shared,
    streams::lasting,
};

/// How long a browser waits before it connects again, in the first lines of a stream.
pub(super) const HELLO: &[u8] = b"retry: 1000\n\n";

/// What keeps a silent stream alive.
pub(super) const HEARTBEAT: &[u8] = b":\n\n";

/// How many bytes of events are sent together at most.
const TOGETHER: usize = 32 << 10;

/// From where on to watch: the last event that was seen counts more than what the URL says, since a
/// browser that connects again sends both.
pub(crate) fn after(query: Option<&str>, last: Option<&str>) -> Result<After, Problem> {
    let (what, text) = match (last, query) {
        (Some(last), _) => ("the header Last-Event-ID", last),
        (None, Some("now")) => return Ok(After::Now),
        (None, Some(query)) => ("the query parameter after", query),
        (None, None) => return Ok(After::Start),
    };
    let seq = text.parse::<u64>().ok().filter(|seq| i64::try_from(*seq).is_ok());
    seq.map(|seq| After::Seq(Seq::new(seq))).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Problem::bad_request(format!("{what} is a seq, a whole number, not {shown:?}"))
    })
}

/// Watches until the caller leaves, is not known any more or takes nothing, or the server stops.
pub(crate) async fn stream(
    shared: &Arc<Shared>,
    caller: &Caller,
    key: &Key,
    after: After,
    reads: Reads,
) -> Result<Response, Problem> {
    let watcher = Watcher {
        updates: Box::pin(updates(shared.node.watch(key, after).await?, reads)),
        heartbeat: shared.limits.heartbeat,
        closing: shared.closing.clone(),
        hello: true,
        over: false,
    };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let item = watcher.next().await?;
        Some((item, watcher))
    });
    Ok(respond(shared, caller, events))
}

/// An update, and the turn that it has if it is a state.
type Updated = (Update, Option<Turn>);

/// What happens to an object, each state with its turn.
fn updates(changes: Changes, reads: Reads) -> impl Stream<Item = Result<Updated>> + Send {
    let news = stream::unfold((changes, reads), |(mut changes, reads)| async move {
        let news = reads.news(&mut changes).await?;
        Some((news, (changes, reads)))
    });
    news.filter_map(|news| {
        std::future::ready(match news {
            Ok((News::Update(update), turn)) => Some(Ok((update, turn))),
            Ok((News::Broadcast(_) | News::Presence(_) | News::Members(_), _)) => None,
            Err(error) => Some(Err(error)),
        })
    })
}

/// Events on their way to a caller, as an answer. The last says why, if they end for its sake.
pub(super) fn respond(
    shared: &Arc<Shared>,
    caller: &Caller,
    events: impl Stream<Item = (Bytes, Option<Turn>)> + Send + 'static,
) -> Response {
    let last = |error: &Error| {
        let mut text = Vec::new();
        write(&mut text, Err(error.clone()));
        Bytes::from(text)
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let events = lasting(shared, caller, events, last).map(Ok::<_, Infallible>);
    (headers, Body::from_stream(events)).into_response()
}

/// A stream of events on its way to one caller. It reads on only when the caller has taken what was
/// sent; in between, the node keeps a bounded number of changes for it, and beyond those, the log.
struct Watcher {
    /// What was begun of the next one goes on, however often it is asked for.
    updates: BoxStream<'static, Result<Updated>>,
    heartbeat: Duration,
    closing: CancellationToken,
    hello: bool,
    over: bool,
}

impl Watcher {
    async fn next(&mut self) -> Option<(Bytes, Option<Turn>)> {
        if std::mem::take(&mut self.hello) {
            return Some((Bytes::from_static(HELLO), None));
        }
        if self.over {
            return None;
        }
        let first = tokio::select! {
            biased;
            () = self.closing.cancelled() => return None,
            update = self.updates.next() => update?,
            () = tokio::time::sleep(self.heartbeat) => return Some((Bytes::from_static(HEARTBEAT), None)),
        };
        let (mut text, mut its) = (Vec::new(), None);
        let mut update = Some(first);
        while let Some(now) = update {
            self.over |= now.is_err();
            write(
                &mut text,
                now.map(|(update, turn)| {
                    its = turn;
                    update
                }),
            );
            // A state is the last of its piece, which has its turn.
            let enough = self.over || its.is_some() || text.len() >= TOGETHER;
            update = if enough { None } else { self.updates.next().now_or_never().flatten() };
        }
        Some((text.into(), its))
    }
}

fn write(text: &mut Vec<u8>, update: abide_core::Result<Update>) {
    match update {
        Ok(Update::Change(change)) => event(text, "change", Some(change.seq), change.json.as_str().as_bytes()),
        Ok(Update::Reset { reason, seq, state }) => {
            let mut data = Text::object(100);
            data.number("seq", seq.number());
            data.raw("state", state.as_ref().map_or("null", |state| state.as_str()));
            data.text("reason", reason.as_str());
            event(text, "reset", Some(seq), &data.finish());
        }
        Err(error) => event(text, "error", None, &Problem::from(error).json()),
    }
}

/// Writes one event. Data may have lines of its own: JSON text is kept as its author wrote it.
pub(super) fn event(text: &mut Vec<u8>, name: &str, seq: Option<Seq>, data: &[u8]) {
    text.extend_from_slice(b"event: ");
    text.extend_from_slice(name.as_bytes());
    if let Some(seq) = seq {
        text.extend_from_slice(b"\nid: ");
        // Writing a number into memory cannot fail.
        let _ = serde_json::to_writer(&mut *text, &seq);
    }
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        text.extend_from_slice(b"\ndata: ");
        text.extend_from_slice(line);
    }
    text.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_an_id_and_data() {
        let mut text = Vec::new();
        event(&mut text, "change", Some(Seq::new(12)), b"{\"a\":1}");
        assert_eq!(text, b"event: change\nid: 12\ndata: {\"a\":1}\n\n");
    }

    #[test]
    fn data_of_several_lines_stays_one_event() {
        let mut text = Vec::new();
        event(&mut text, "error", None, b"{\n\r\"a\":\r1}");
        assert_eq!(text, b"event: error\ndata: {\ndata: \ndata: \"a\":\ndata: 1}\n\n");
    }

    #[test]
    fn the_last_event_counts_more_than_the_url() {
        assert_eq!(after(Some("3"), Some("7")).unwrap(), After::Seq(Seq::new(7)));
        assert_eq!(after(Some("3"), None).unwrap(), After::Seq(Seq::new(3)));
        assert_eq!(after(Some("now"), None).unwrap(), After::Now);
        assert_eq!(after(None, None).unwrap(), After::Start);
        for (query, last) in [(Some("x"), None), (None, Some("-1")), (Some("1"), Some("18446744073709551615"))] {
            assert!(after(query, last).is_err());
        }
    }
}
