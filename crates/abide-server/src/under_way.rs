//! What a connection is asked at the moment, and since when it is asked nothing.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

/// An answer is handed out in pieces of so many bytes at most. The next is asked for when the last is taken, so
/// that it is known whether any of it is.
const PIECE_BYTES: usize = 16 << 10;

/// How soon it is seen that the last of those that go on has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The requests of one connection that are not answered to their end.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    requests: usize,
    /// The number of the last of them.
    last: u64,
    /// Since when a piece of an answer waits to be taken, by the number of its request.
    waiting: BTreeMap<u64, Instant>,
    /// When the last of them ended.
    ended: Instant,
    /// Whether there ever was one.
    asked: bool,
    /// Whether somebody else looks after this connection.
    left_alone: bool,
}

impl UnderWay {
    /// Nothing, from now on.
    pub(crate) fn nothing() -> Self {
        let (waiting, ended) = (BTreeMap::new(), Instant::now());
        Self(Arc::new(Mutex::new(State { requests: 0, last: 0, waiting, ended, asked: false, left_alone: false })))
    }

    /// A request has come; it is under way until what this answers with is dropped.
    pub(crate) fn begin(&self) -> Request {
        let mut state = self.0.lock();
        state.requests += 1;
        state.last += 1;
        state.asked = true;
        Request { of: self.clone(), n: state.last }
    }

    /// A request has come over HTTP/1, whose own clock ends what is idle.
    pub(crate) fn is_left_alone(&self) {
        let mut state = self.0.lock();
        (state.asked, state.left_alone) = (true, true);
    }

    /// Whether there ever was a request.
    pub(crate) fn was_asked(&self) -> bool {
        self.0.lock().asked
    }

    /// Ready when nothing of an answer was taken for so long.
    pub(crate) async fn stalled(&self, patience: Duration) {
        loop {
            let oldest = self.0.lock().waiting.values().min().copied();
            match oldest {
                Some(since) if since.elapsed() >= patience => return,
                Some(since) => sleep_until(since + patience).await,
                // None can have waited for so long by then.
                None => sleep(patience).await,
            }
        }
    }

    /// Whether nothing of an answer was taken for so long.
    pub(crate) fn is_stalled(&self, patience: Duration) -> bool {
        self.0.lock().waiting.values().any(|since| since.elapsed() >= patience)
    }

    /// Ready when nothing was taken for so long of anything that is under way.
    pub(crate) async fn all_stalled(&self, patience: Duration) {
        loop {
            let newest = {
                let state = self.0.lock();
                let all = state.requests > 0 && state.waiting.len() == state.requests;
                if all { state.waiting.values().max().copied() } else { None }
            };
            match newest {
                Some(since) if since.elapsed() >= patience => return,
                Some(since) => sleep_until(since + patience).await,
                None => sleep(patience.min(LOOK_AGAIN)).await,
            }
        }
    }

    /// Ready when nothing was under way for so long.
    pub(crate) async fn idle(&self, patience: Duration) {
        loop {
            let (requests, ended, left_alone) = {
                let state = self.0.lock();
                (state.requests, state.ended, state.left_alone)
            };
            match requests {
                _ if left_alone => std::future::pending().await,
                0 if ended.elapsed() >= patience => return,
                0 => sleep_until(ended + patience).await,
                // It cannot be over before.
                _ => sleep(patience).await,
            }
        }
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Request {
    of: UnderWay,
    n: u64,
}

impl Request {
    /// The body of its answer: it is under way until that is taken, or given up.
    pub(crate) fn until_taken(self, body: Body) -> Body {
        Body::new(Answer { body, rest: Bytes::new(), request: self })
    }

    /// A piece of its answer was handed out.
    fn waits(&self) {
        self.of.0.lock().waiting.insert(self.n, Instant::now());
    }

    /// What was handed out is taken.
    fn is_taken(&self) {
        self.of.0.lock().waiting.remove(&self.n);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.of.0.lock();
        state.waiting.remove(&self.n);
        state.requests -= 1;
        state.ended = Instant::now();
    }
}

struct Answer {
    body: Body,
    /// What of the body was not handed out yet.
    rest: Bytes,
    request: Request,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.request.is_taken();
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(other)) => return Poll::Ready(Some(Ok(other))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(piece);
        self.request.waits();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
