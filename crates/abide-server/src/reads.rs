//! Reads that may be much: how many are under way for one connection at a time, and how long each may take.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use abide_core::{Code, Error, Result, duration::format_duration};
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How many lists and states of one connection of frames are read at a time: each may hold megabytes.
pub(crate) const OF_FRAMES: usize = 4;

/// How many states are read at a time for what a connection of frames begins to watch.
pub(crate) const OF_WATCHES: usize = 16;

/// How many lists, states and changes of one HTTP/2 connection are read and on their way at a time. Such a
/// connection may be a proxy's, that speaks for many.
pub(crate) const OF_REQUESTS: usize = 16;

/// How many objects or changes are read from the store first, and how many at once at most: each may be large.
const FIRST: usize = 16;
const AT_ONCE: usize = 64;

/// How many objects or changes to read next for a page that has `read` of them, which are so many `bytes` of the
/// `page_bytes` it may have: as many as fit if they are no larger than those before.
pub(crate) fn next_few(read: usize, bytes: usize, page_bytes: usize) -> usize {
    match bytes.checked_div(read) {
        None => FIRST,
        Some(each) => (page_bytes.saturating_sub(bytes) / each.max(1)).clamp(1, AT_ONCE),
    }
}

/// Turns to read.
#[derive(Clone, Debug)]
pub(crate) struct Reads(Arc<Semaphore>);

/// A turn, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Reads {
    /// So many at a time.
    pub(crate) fn of(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }

    /// Waits until one more may be read.
    pub(crate) async fn turn(&self) -> Result<Turn> {
        let permit = self.0.clone().acquire_owned().await;
        permit.map(|_permit| Turn { _permit }).map_err(|_| Error::unavailable("the connection has ended"))
    }
}

impl Turn {
    /// The body of an answer, which has the turn until it is taken or given up.
    pub(crate) fn until_taken(self, body: Body) -> Body {
        Body::new(Held { body, _turn: self })
    }
}

/// As for any request, there is an end to waiting.
pub(crate) async fn in_time<T>(within: Duration, changes: bool, answer: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(within, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(late(within, changes)),
    }
}

/// What is said of a request that took too long.
pub(crate) fn late(within: Duration, changes: bool) -> Error {
    let detail = format!("there was no answer within {}; try again, or ask for less", format_duration(within));
    Error::new(Code::Deadline, detail).maybe_applied(changes)
}

struct Held {
    body: Body,
    _turn: Turn,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_with_few_and_goes_on_with_as_many_as_fit() {
        for (read, bytes, next) in
            [(0, 0, FIRST), (16, 1_600, AT_ONCE), (16, 400_000, 24), (16, 999_999, 1), (16, 2_000_000, 1)]
        {
            assert_eq!(next_few(read, bytes, 1_000_000), next, "{read} of {bytes} bytes");
        }
    }
}
