//! What a connection is asked at the moment, and since when it is asked nothing.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

/// The requests of one connection that are not answered to their end.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    requests: usize,
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
        Self(Arc::new(Mutex::new(State { requests: 0, ended: Instant::now(), asked: false, left_alone: false })))
    }

    /// A request has come; it is under way until what this answers with is dropped.
    pub(crate) fn begin(&self) -> Request {
        let mut state = self.0.lock();
        state.requests += 1;
        state.asked = true;
        Request(self.clone())
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
pub(crate) struct Request(UnderWay);

impl Request {
    /// The body of its answer: it is under way until that is taken, or given up.
    pub(crate) fn until_taken(self, body: Body) -> Body {
        Body::new(Answer { body, _request: self })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.requests -= 1;
        state.ended = Instant::now();
    }
}

struct Answer {
    body: Body,
    _request: Request,
}

impl HttpBody for Answer {
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
