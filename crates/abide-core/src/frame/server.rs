//! What a server sends.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FrameError, Limits, Numbered, SyncFrame, body, is_zero, type_of};
use crate::{Code, Error, Json, Kind, Namespace, Seq};

/// A frame from a server to a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFrame {
    /// Answers `hello`.
    Welcome(Welcome),
    /// The result of a call.
    Result(Reply),
    /// Why a request failed, or a frame could not be read.
    Error(ErrorFrame),
    /// The state of a watched object, at the start of a watch.
    Snapshot(Snapshot),
    /// The next change of a watched object.
    Change {
        /// The watch's number.
        n: u64,
        /// The wire form of the change, `{"seq":…,"at":…,"patch":…,…}`; its fields stand in the frame.
        change: Json,
    },
    /// The changes from where the client was can no longer be given: its state starts anew from here.
    Reset(Reset),
    /// Data pushed to this client.
    Push {
        /// Its number among the pushes to this client, from 1. A gap says that some were lost.
        p: u64,
        /// The data.
        data: Json,
    },
    /// Ephemeral data from another client that watches the same object.
    Broadcast(Broadcast),
    /// Who is present beside a watched object.
    Presence(Presence),
    /// A message of the sync protocol.
    Sync(SyncFrame),
    /// The server is about to close the connection; the client connects again after this time, and goes on.
    Goaway {
        /// How long to wait, in milliseconds.
        reconnect_in_ms: u64,
    },
    /// Answers `ping`.
    Pong,
}

/// Who answers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The id of this client. Others may see it.
    pub client: String,
    /// Who the client is taken for; absent when the server asks nobody. Keys of calls belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Identity>,
    /// The token to go on as the same client after the connection is lost. It is good once, and not printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resume: String,
    /// Whether this goes on where an earlier connection ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// How many pushes were lost in between, because too many came.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
    /// For how long a lost connection may be resumed, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grace_ms: u64,
    /// The kind of this client's session object, if it has one. Its id is the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Kind>,
    /// The name of the server.
    pub server: String,
    /// The version of the vocabulary that is spoken from here on.
    pub proto: u32,
    /// What this connection may do.
    pub limits: Limits,
}

/// Who a client is taken for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name.
    pub subject: String,
    /// Its tenant.
    pub namespace: Namespace,
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The call's number.
    pub n: u64,
    /// What the handler returned.
    #[serde(default = "Json::null")]
    pub result: Json,
    /// The object's position that the result reflects.
    pub seq: Seq,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorFrame {
    /// The request's number; absent when the frame that failed could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Whether a `present` was refused: `n` is the number of its watch, which goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub present: bool,
    /// What kind of failure it was.
    pub code: Code,
    /// The sentence for people.
    pub detail: String,
    /// Whether the same request may well succeed later.
    pub retryable: bool,
    /// Whether the effect may be there all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maybe_applied: bool,
    /// How long to wait before a retry, in milliseconds, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The data of the handler's own error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// The state of a watched object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The watch's number.
    pub n: u64,
    /// The position of the state.
    pub seq: Seq,
    /// The state; `null` when the object does not exist.
    pub state: Json,
}

/// A new start of a watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reset {
    /// The watch's number.
    pub n: u64,
    /// Why the changes in between cannot be given.
    pub reason: ResetReason,
    /// The position of the state.
    pub seq: Seq,
    /// The state; `null` when the object does not exist.
    pub state: Json,
}

/// Why the changes from where a client was cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// They are no longer kept: the client was away for longer than the kind's history, or reads too slowly.
    Trimmed,
    /// The client is ahead of the log: the store was restored from an older backup.
    Ahead,
    /// The object was deleted and created again in between.
    Recreated,
    /// A reason that this version does not know.
    #[serde(other)]
    Other,
}

/// Ephemeral data from a client to those who watch the same object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Broadcast {
    /// The number of the watch it came by.
    pub n: u64,
    /// The object's kind.
    pub kind: Kind,
    /// The object's id.
    pub id: String,
    /// The client that sent it; absent when the object itself did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The data.
    pub data: Json,
}

/// Who is present beside a watched object, or what has changed about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// The number of the watch.
    pub n: u64,
    /// Whether these are all there are: others that were known have left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// What each client shows, by its id; `null` for one that has left.
    pub members: BTreeMap<String, Json>,
}

impl ServerFrame {
    /// The `type` of every frame.
    pub const TYPES: [&'static str; 12] = [
        "welcome",
        "result",
        "error",
        "snapshot",
        "change",
        "reset",
        "push",
        "broadcast",
        "presence",
        "sync",
        "goaway",
        "pong",
    ];

    /// Reads a frame of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`FrameError`] when it is too long, is no frame, is of a type that servers do not send, or has a
    /// field that cannot be read.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Self, FrameError> {
        let name = type_of(text, bytes_max, &Self::TYPES)?;
        match name {
            "welcome" => body(name, text).map(Self::Welcome),
            "result" => body(name, text).map(Self::Result),
            "error" => body(name, text).map(Self::Error),
            "snapshot" => body(name, text).map(Self::Snapshot),
            "change" => change(name, text),
            "reset" => body(name, text).map(Self::Reset),
            "push" => body(name, text).map(|Pushed { p, data }| Self::Push { p, data }),
            "broadcast" => body(name, text).map(Self::Broadcast),
            "presence" => body(name, text).map(Self::Presence),
            "sync" => body(name, text).map(Self::Sync),
            "goaway" => body(name, text).map(|Later { reconnect_in_ms }| Self::Goaway { reconnect_in_ms }),
            _ => Ok(Self::Pong),
        }
    }

    /// The frame as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Welcome(welcome) => tagged("welcome", welcome),
            Self::Result(reply) => tagged("result", reply),
            Self::Error(error) => tagged("error", error),
            Self::Snapshot(snapshot) => tagged("snapshot", snapshot),
            Self::Change { n, change } => change_text(*n, change),
            Self::Reset(reset) => tagged("reset", reset),
            Self::Push { p, data } => tagged("push", &Pushed { p: *p, data: data.clone() }),
            Self::Broadcast(broadcast) => tagged("broadcast", broadcast),
            Self::Presence(presence) => tagged("presence", presence),
            Self::Sync(sync) => tagged("sync", sync),
            Self::Goaway { reconnect_in_ms } => tagged("goaway", &Later { reconnect_in_ms: *reconnect_in_ms }),
            Self::Pong => r#"{"type":"pong"}"#.to_owned(),
        }
    }

    /// The number of the request this frame answers, if it answers one.
    #[must_use]
    pub fn n(&self) -> Option<u64> {
        match self {
            Self::Result(Reply { n, .. })
            | Self::Snapshot(Snapshot { n, .. })
            | Self::Change { n, .. }
            | Self::Reset(Reset { n, .. })
            | Self::Broadcast(Broadcast { n, .. })
            | Self::Presence(Presence { n, .. })
            | Self::Sync(SyncFrame { n, .. }) => Some(*n),
            Self::Error(error) => error.n,
            Self::Welcome(_) | Self::Push { .. } | Self::Goaway { .. } | Self::Pong => None,
        }
    }
}

impl ErrorFrame {
    /// The frame that tells the sender of request `n` about an error.
    #[must_use]
    pub fn new(n: Option<u64>, error: &Error) -> Self {
        Self {
            n,
            present: false,
            code: error.code(),
            detail: error.detail().to_owned(),
            retryable: error.retryable(),
            maybe_applied: error.is_maybe_applied(),
            retry_after_ms: error.wait().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            data: error.data().cloned(),
        }
    }

    /// The frame that tells a client why it is not shown beside what it watches as `n`.
    #[must_use]
    pub fn of_present(n: u64, error: &Error) -> Self {
        Self { present: true, ..Self::new(Some(n), error) }
    }
}

impl From<ErrorFrame> for Error {
    fn from(frame: ErrorFrame) -> Self {
        let mut error = Self::new(frame.code, frame.detail).maybe_applied(frame.maybe_applied);
        if let Some(millis) = frame.retry_after_ms {
            error = error.retry_after(Duration::from_millis(millis));
        }
        match frame.data {
            Some(data) => error.with_data(data),
            None => error,
        }
    }
}

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome")
            .field("client", &self.client)
            .field("principal", &self.principal)
            .field("resume", &"…")
            .field("resumed", &self.resumed)
            .field("missed", &self.missed)
            .field("grace_ms", &self.grace_ms)
            .field("session", &self.session)
            .field("server", &self.server)
            .field("proto", &self.proto)
            .field("limits", &self.limits)
            .finish()
    }
}

#[derive(Serialize, Deserialize)]
struct Pushed {
    p: u64,
    data: Json,
}

#[derive(Serialize, Deserialize)]
struct Later {
    reconnect_in_ms: u64,
}

/// A frame with `type` and the fields of its body.
fn tagged<T: Serialize>(name: &'static str, body: &T) -> String {
    #[derive(Serialize)]
    struct Tagged<'b, T> {
        #[serde(rename = "type")]
        name: &'static str,
        #[serde(flatten)]
        body: &'b T,
    }
    serde_json::to_string(&Tagged { name, body }).expect("BUG: a frame has only text keys and well-formed JSON")
}

/// A change frame: the fields of the change after `type` and `n`, without decoding the change.
fn change_text(n: u64, change: &Json) -> String {
    let fields = change.as_str().trim().trim_start_matches('{');
    let comma = if fields.trim_start().starts_with('}') { "" } else { "," };
    format!(r#"{{"type":"change","n":{n}{comma}{fields}"#)
}

/// Reads a change frame: what is neither `type` nor `n` is the change.
fn change(name: &'static str, text: &str) -> Result<ServerFrame, FrameError> {
    let Numbered { n } = body(name, text)?;
    let mut fields: Map<String, Value> = body(name, text)?;
    fields.remove("type");
    fields.remove("n");
    let change =
        Json::of(&fields).map_err(|error| FrameError::Malformed { name, detail: super::quoted(&error.to_string()) })?;
    Ok(ServerFrame::Change { n, change })
}
