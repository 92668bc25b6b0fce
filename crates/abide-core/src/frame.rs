//! The frames that a client and a server exchange over one connection.
//!
//! A frame is a JSON object whose `type` names it: `{"type":"call","n":1,"kind":"Counter","id":"a",
//! "handler":"increment","args":{"amount":5}}`. `n` is the client's own number for a request; every answer
//! to it carries the same `n`. Fields that are not known are passed over, so that newer peers can add some.
//! Arguments, states and data stay JSON text on their way through.

mod client;
mod server;

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Code, Error, Json};

pub use client::{Call, ClientFrame, Delete, Ephemeral, Get, Hello, List, Present, Watch};
pub use server::{
    Broadcast, ErrorFrame, Identity, Presence, Reply, Reset, ResetReason, ServerFrame, Snapshot, Welcome,
};

/// The version of the frame vocabulary.
pub const PROTOCOL: u32 = 1;

/// The longest frame, in bytes, unless configured otherwise.
pub const FRAME_BYTES_MAX_DEFAULT: usize = 1024 * 1024;

/// How much a client may show beside an object, in bytes.
pub const SHOWN_BYTES_MAX: usize = 4096;

/// The longest data that is sent to whoever watches an object, in bytes: it is held for the slow among them.
pub const BROADCAST_BYTES_MAX: usize = 64 << 10;

/// Refuses what is too long to be sent to whoever watches.
///
/// # Errors
/// `too_large` over [`BROADCAST_BYTES_MAX`].
pub fn fits_broadcast(data: &Json) -> crate::Result<()> {
    let bytes = data.as_str().len();
    if bytes <= BROADCAST_BYTES_MAX {
        return Ok(());
    }
    let detail = format!(
        "what is sent to those who watch has at most {BROADCAST_BYTES_MAX} bytes, this has {bytes}; nothing was \
         sent; put it into the state, or send where it is"
    );
    Err(Error::new(Code::TooLarge, detail))
}

/// How much of what was sent an error repeats, in characters.
const QUOTED_MAX: usize = 200;

/// One message of the sync protocol, in either direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncFrame {
    /// The request's number.
    pub n: u64,
    /// The message.
    pub body: Json,
}

/// What a server lets one connection do; a client that stays within is never refused for its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest frame that is read, in bytes.
    pub frame_bytes: u64,
    /// How many calls may wait for their result at a time.
    pub calls: u64,
    /// How many objects may be watched at a time.
    pub watches: u64,
    /// The longest that a call may wait, in milliseconds; 0 if the server does not say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout_ms: u64,
}

/// Why a text is not a frame. Nothing was done for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame is longer than the limit; it was not looked at.
    #[error("the frame has {bytes} bytes, the limit is {max}")]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// It is not a JSON object with a `type`.
    #[error("a frame is a JSON object with a \"type\": {detail}")]
    NoFrame {
        /// What is wrong with it.
        detail: String,
    },
    /// Its `type` is none that is known here.
    #[error("there is no frame {name:?}; the frames are {known}")]
    UnknownType {
        /// The type as it was given, shortened when it is very long.
        name: String,
        /// The types there are.
        known: String,
    },
    /// A field is missing or holds what it may not.
    #[error("the {name} frame cannot be read: {detail}")]
    Malformed {
        /// The frame's type.
        name: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl From<FrameError> for Error {
    fn from(error: FrameError) -> Self {
        let code = match error {
            FrameError::TooLarge { .. } => Code::TooLarge,
            FrameError::NoFrame { .. } | FrameError::UnknownType { .. } | FrameError::Malformed { .. } => {
                Code::BadRequest
            }
        };
        Self::new(code, error.to_string())
    }
}

/// A frame that has only its number.
#[derive(Deserialize)]
struct Numbered {
    n: u64,
}

/// Checks the length of a frame and finds its type among those that are known.
fn type_of(text: &str, bytes_max: usize, known: &[&'static str]) -> Result<&'static str, FrameError> {
    #[derive(Deserialize)]
    struct Head<'t> {
        #[serde(rename = "type", borrow)]
        name: Cow<'t, str>,
    }
    if text.len() > bytes_max {
        return Err(FrameError::TooLarge { bytes: text.len(), max: bytes_max });
    }
    let head: Head<'_> =
        serde_json::from_str(text).map_err(|error| FrameError::NoFrame { detail: quoted(&error.to_string()) })?;
    known
        .iter()
        .find(|known| **known == head.name)
        .copied()
        .ok_or_else(|| FrameError::UnknownType { name: quoted(&head.name), known: known.join(", ") })
}

/// Reads the fields of a frame whose type is known.
fn body<T: DeserializeOwned>(name: &'static str, text: &str) -> Result<T, FrameError> {
    serde_json::from_str(text).map_err(|error| FrameError::Malformed { name, detail: quoted(&error.to_string()) })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_MAX).collect()
}

#[cfg(test)]
mod tests;
