use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use abide_core::{Code, Error};
use futures_util::{Stream, StreamExt, stream, task::AtomicWaker};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use tonic::{Code as Grpc, Status, Streaming};

use super::generated::Frame;
use crate::{
    link::{Arrived, End, Link, Lost},
    reads::Turn,
    stranger::Stranger,
};

/// How many frames wait to be taken by HTTP/2, whose own flow control holds the rest back.
const FRAMES_WAITING: usize = 16;

/// How many bytes of frames may wait before one more is put there.
const BYTES_WAITING: usize = 64 << 10;

/// How much waits to be taken.
#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    room: AtomicWaker,
}

/// A frame that leaves, and the turn that it has until it is taken.
type Leaves = (Result<Frame, Status>, Option<Turn>);

/// Where frames are taken from.
struct Leaving {
    frames: mpsc::Receiver<Leaves>,
    waiting: Arc<Waiting>,
    /// The turn of the frame that was taken last, until the next is asked for: it has not left before.
    turn: Option<Turn>,
}

impl Leaving {
    async fn next(&mut self) -> Option<Result<Frame, Status>> {
        self.turn = None;
        let (frame, turn) = self.frames.recv().await?;
        self.turn = turn;
        let bytes = frame.as_ref().map_or(0, |frame| frame.json.len());
        self.waiting.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.waiting.room.wake();
        Some(frame)
    }
}

impl Drop for Leaving {
    /// Whoever waits for room learns that nobody takes anything any more.
    fn drop(&mut self) {
        self.frames.close();
        self.waiting.bytes.store(0, Ordering::Release);
        self.waiting.room.wake();
    }
}

/// A bidirectional stream as a link of frames.
pub(super) struct StreamLink {
    arriving: Streaming<Frame>,
    leaving: PollSender<Leaves>,
    waiting: Arc<Waiting>,
    stranger: Stranger,
}

impl StreamLink {
    /// The link, and what it sends.
    pub(super) fn new(
        arriving: Streaming<Frame>,
        stranger: Stranger,
    ) -> (Self, impl Stream<Item = Result<Frame, Status>> + Send) {
        let (tx, frames) = mpsc::channel(FRAMES_WAITING);
        let waiting = Arc::<Waiting>::default();
        let leaving = Leaving { frames, waiting: waiting.clone(), turn: None };
        let leaving = stream::unfold(leaving, |mut leaving| async move { Some((leaving.next().await?, leaving)) });
        (Self { arriving, leaving: PollSender::new(tx), waiting, stranger }, leaving)
    }
}

impl Link for StreamLink {
    type Text = String;

    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<Arrived<String>> {
        Poll::Ready(match ready!(self.arriving.poll_next_unpin(cx)) {
            Some(Ok(frame)) => Arrived::Frame(frame.json),
            // Whoever ends its side in order has said all there was to say.
            None => Arrived::Over { finally: true },
            Some(Err(status)) if status.code() == Grpc::OutOfRange => {
                Arrived::Broken(Error::new(Code::TooLarge, status.message().to_owned()), End::TooLarge)
            }
            Some(Err(_)) => Arrived::Over { finally: false },
        })
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let full = || self.waiting.bytes.load(Ordering::Acquire) >= BYTES_WAITING;
        if full() {
            self.waiting.room.register(cx.waker());
            if full() {
                return Poll::Pending;
            }
        }
        self.leaving.poll_reserve(cx).map_err(|_| Lost)
    }

    fn put(&mut self, json: String, turn: Option<Turn>) -> Result<(), Lost> {
        self.waiting.bytes.fetch_add(json.len(), Ordering::AcqRel);
        self.leaving.send_item((Ok(Frame { json }), turn)).map_err(|_| Lost)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn admitted(&mut self) {
        self.stranger.is_known();
    }

    /// HTTP/2 has pings of its own.
    fn probe(&mut self) -> Result<bool, Lost> {
        Ok(false)
    }

    async fn close(&mut self, end: End) {
        let status = match end {
            End::Bye => return self.leaving.close(),
            End::Stopping => Status::unavailable(end.as_str()),
            End::Unknown => Status::unauthenticated(end.as_str()),
            End::Refused => Status::failed_precondition(end.as_str()),
            End::TooLarge => Status::out_of_range(end.as_str()),
            End::Replaced => Status::aborted(end.as_str()),
        };
        let room = std::future::poll_fn(|cx| Pin::new(&mut self.leaving).poll_reserve(cx)).await;
        if room.is_ok() {
            // Whoever is gone does not need to be told.
            let _ = self.leaving.send_item((Err(status), None));
        }
        self.leaving.close();
    }
}
