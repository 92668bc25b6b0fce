//! One connection of frames, whatever carries it: a WebSocket or a gRPC stream.
//!
//! `hello` says who is there; `connection` then answers frames until the link is over. Calls, watches and
//! pushes are polled by the connection's own task, and it writes only as fast as the other side reads: what
//! waits for a slow reader is the object's log, not this server's memory.

mod asking;
mod connection;
mod hello;
pub(crate) mod script;
#[cfg(test)]
mod tests;
mod text;
mod watching;
mod who;

use std::task::{Context, Poll};

use abide_core::{Error, Json, Seq};
use abide_node::Reply;

pub(crate) use self::{
    connection::{Connection, Opening},
    watching::{Told, Watching},
    who::{Who, foreign_session},
};

use crate::reads::Turn;

/// What a request of a client is answered with.
struct Answered {
    value: Json,
    seq: Seq,
    /// The turn that it has until it is taken.
    turn: Option<Turn>,
}

impl From<Reply<Json>> for Answered {
    fn from(reply: Reply<Json>) -> Self {
        Self { value: reply.value, seq: reply.seq, turn: None }
    }
}

/// What carries frames. None of it waits but for `poll_*`, and those may be dropped and asked again.
pub(crate) trait Link: Send + Unpin + 'static {
    /// A frame as it arrives.
    type Text: AsRef<str> + Send;

    /// The next that arrives.
    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<Arrived<Self::Text>>;

    /// Ready when another frame can be put.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>>;

    /// Puts a frame where it is sent from, which has its turn until it is taken from there. There must be room.
    fn put(&mut self, frame: String, turn: Option<Turn>) -> Result<(), Lost>;

    /// Ready when everything that was put is sent, and what answers the other side's end of the link.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>>;

    /// It is known who is there, and what it sends may be long.
    fn admitted(&mut self) {}

    /// Asks the other side for a sign of life. There must be room. `false` if the link does that by itself.
    fn probe(&mut self) -> Result<bool, Lost>;

    /// Says why the link ends, and ends it.
    fn close(&mut self, end: End) -> impl Future<Output = ()> + Send;
}

/// What arrives over a link.
pub(crate) enum Arrived<T> {
    /// A frame, not read yet.
    Frame(T),
    /// Something that is not a frame and can be passed over.
    Refused(Error),
    /// Something after which nothing more can be read.
    Broken(Error, End),
    /// A sign of life.
    Life,
    /// The other side has ended the link; `finally` if it will not come back.
    Over { finally: bool },
}

/// The other side is gone, or takes nothing.
#[derive(Debug)]
pub(crate) struct Lost;

/// Why a link is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said `bye`.
    Bye,
    /// The server stops.
    Stopping,
    /// The client did what it may not.
    Refused,
    /// It is not known any more who the client is.
    Unknown,
    /// What it sent is larger than anything that is read.
    TooLarge,
    /// The client came back on another connection.
    Replaced,
}

impl End {
    /// The code of a WebSocket's close frame.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Bye => 1000,
            Self::Stopping => 1001,
            Self::Refused | Self::Unknown => 1008,
            Self::TooLarge => 1009,
            Self::Replaced => 4000,
        }
    }

    /// A word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bye => "bye",
            Self::Stopping => "stopping",
            Self::Refused => "refused",
            Self::Unknown => "unauthenticated",
            Self::TooLarge => "too large",
            Self::Replaced => "replaced",
        }
    }
}
