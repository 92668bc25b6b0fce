//! What handles ask of the task that owns the connection.

use abide_core::{ClientFrame, Json, Kind, Result, Seq, port::Repeat};
use tokio::{sync::oneshot, time::Instant};

use crate::shelf::Put;

/// The answer to a call: what the handler returned, and the seq it reflects.
pub(crate) type Answer = Result<(Json, Seq)>;

pub(crate) enum Command {
    Call(NewCall),
    /// Whoever waited for this call waits no longer.
    Cancel(u64),
    Watch(NewWatch),
    Unwatch(u64),
    Present {
        n: u64,
        data: Option<Json>,
    },
    Send {
        kind: Kind,
        id: String,
        data: Json,
        refused: oneshot::Sender<Result<()>>,
    },
    Close(oneshot::Sender<()>),
}

/// A call, or whatever else is answered by a `result`.
pub(crate) struct NewCall {
    pub(crate) n: u64,
    pub(crate) frame: ClientFrame,
    pub(crate) repeat: Repeat,
    pub(crate) deadline: Instant,
    pub(crate) sink: oneshot::Sender<Answer>,
}

pub(crate) struct NewWatch {
    pub(crate) n: u64,
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) start: Start,
    pub(crate) presence: bool,
    pub(crate) sink: Put,
    /// Told when the watch has begun, with the seq from which on changes come.
    pub(crate) begun: oneshot::Sender<Result<Seq>>,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the state.
    State,
    /// With whatever comes after the state as it is when the watch begins.
    Now,
    /// After this seq.
    After(Seq),
}

/// A key for a call that has none: nobody else can guess it, so that nobody else's call is answered with it.
pub(crate) fn fresh_key() -> String {
    format!("{:032x}", random128())
}

#[expect(clippy::disallowed_methods, reason = "this is where randomness comes into a client")]
fn random128() -> u128 {
    rand::random()
}

/// Randomness for waits.
#[expect(clippy::disallowed_methods, reason = "this is where randomness comes into a client")]
pub(crate) fn random64() -> u64 {
    rand::random()
}
