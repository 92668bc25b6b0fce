use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use abide_core::{Code, Error, duration::format_duration};
use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, Incoming};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::status::status;
use crate::stranger::Stranger;

/// What a request brings, within a limit. Trailers are no part of it: a caller is who its headers say.
pub(super) struct Asking {
    body: Incoming,
    limit: Limit,
}

enum Limit {
    /// All of it has to arrive in this time.
    Time(Duration, Option<Pin<Box<Sleep>>>),
    /// So many bytes may, until it is known who is there.
    Stranger(Stranger),
}

impl Asking {
    /// A message that has to be there in this time.
    pub(super) fn within(body: Incoming, time: Duration) -> Self {
        Self { body, limit: Limit::Time(time, None) }
    }

    /// A stream of messages of somebody who is not known yet.
    pub(super) fn of_stranger(body: Incoming) -> (Self, Stranger) {
        let stranger = Stranger::default();
        stranger.begins();
        (Self { body, limit: Limit::Stranger(stranger.clone()) }, stranger)
    }
}

impl HttpBody for Asking {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let arrived = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Pending, Limit::Time(time, until)) = (&arrived, &mut self.limit) {
            let until = until.get_or_insert_with(|| Box::pin(sleep(*time)));
            ready!(until.as_mut().poll(cx));
            let detail = format!("the message did not arrive within {}; nothing was changed", format_duration(*time));
            return Poll::Ready(Some(Err(status(&Error::new(Code::Deadline, detail)))));
        }
        let frame = match ready!(arrived) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(Status::cancelled(error.to_string())))),
            Some(Ok(frame)) => frame,
        };
        let Some(data) = frame.data_ref() else { return Poll::Ready(None) };
        if let Limit::Stranger(stranger) = &self.limit
            && !stranger.may_send(data.len())
        {
            return Poll::Ready(Some(Err(status(&Error::new(Code::TooLarge, Stranger::refusal())))));
        }
        Poll::Ready(Some(Ok(frame)))
    }
}
