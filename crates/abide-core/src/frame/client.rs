//! What a client sends.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{FrameError, Numbered, SyncFrame, body, type_of};
use crate::{Json, Kind, Seq};

/// A frame from a client to a server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Opens the connection: the first frame.
    Hello(Hello),
    /// Calls a handler; answered by `result` or `error`.
    Call(Call),
    /// Gives up waiting for a call. The call may take effect all the same.
    Cancel {
        /// The call's number.
        n: u64,
    },
    /// Reads an object's state, now or then; answered by `result`.
    Get(Get),
    /// Deletes an object; answered by `result`.
    Delete(Delete),
    /// Lists objects of a kind; answered by `result`.
    List(List),
    /// Asks for the changes of an object; answered by `snapshot`, `change` and `reset` frames.
    Watch(Watch),
    /// Ends a watch.
    Unwatch {
        /// The watch's number.
        n: u64,
    },
    /// Sends ephemeral data to everyone who watches an object.
    Send(Ephemeral),
    /// Says, or takes back, what others see of this client beside an object that it watches.
    Present(Present),
    /// A message of the sync protocol.
    Sync(SyncFrame),
    /// Asks for a `pong`.
    Ping,
    /// Ends the session: its object is destroyed now, and its resume token is void.
    Bye,
}

/// Who opens the connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the vocabulary the client speaks: [`PROTOCOL`](super::PROTOCOL).
    pub proto: u32,
    /// A token that says who is calling, where the connection itself does not. It is not printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The client id an earlier `welcome` gave. It counts only beside the token in `resume`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The resume token of the last `welcome`, to go on as the same client. It is not printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// The number of the last push that arrived: those after it are sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<u64>,
    /// The kind of the session object that is created for this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Kind>,
}

/// A call of a handler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The request's number.
    pub n: u64,
    /// The object's kind.
    pub kind: Kind,
    /// The object's id.
    pub id: String,
    /// The handler's name.
    pub handler: String,
    /// An object of named arguments, an array of positional ones, or `null` for none.
    #[serde(default = "Json::null")]
    pub args: Json,
    /// The idempotency key: a call with the same key takes effect once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long the client waits, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// A look at an object's durable state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// The request's number.
    pub n: u64,
    /// The object's kind.
    pub kind: Kind,
    /// The object's id.
    pub id: String,
    /// The state at this seq instead of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Seq>,
}

/// The end of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// The request's number.
    pub n: u64,
    /// The object's kind.
    pub kind: Kind,
    /// The object's id.
    pub id: String,
}

/// Which objects of a kind to list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The request's number.
    pub n: u64,
    /// The kind.
    pub kind: Kind,
    /// Only ids that begin with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only objects whose state matches, for example `count > 5`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// By a field, `count` or `-count`, instead of by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Goes on where this earlier page of the same list ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// A watch of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The request's number.
    pub n: u64,
    /// The object's kind.
    pub kind: Kind,
    /// The object's id.
    pub id: String,
    /// The last change the client has; without it the watch starts with a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Whether to hear who else is present.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub presence: bool,
}

/// Ephemeral data for everyone who watches an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ephemeral {
    /// A number that an `error` about this frame carries. Nothing is sent when it succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// The object's kind.
    pub kind: Kind,
    /// The object's id.
    pub id: String,
    /// The data.
    pub data: Json,
}

/// What others see of this client, beside an object that it watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Present {
    /// The number of the watch. The client is present for as long as the watch lasts.
    pub n: u64,
    /// What others see; `null` takes it back.
    #[serde(default = "Json::null")]
    pub data: Json,
}

impl ClientFrame {
    /// The `type` of every frame.
    pub const TYPES: [&'static str; 13] = [
        "hello", "call", "cancel", "get", "delete", "list", "watch", "unwatch", "send", "present", "sync", "ping",
        "bye",
    ];

    /// Reads a frame of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`FrameError`] when it is too long, is no frame, is of a type that clients do not send, or has a
    /// field that cannot be read.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Self, FrameError> {
        if text.len() <= bytes_max
            && let Some(call) = Call::at_once(text)
        {
            return Ok(Self::Call(call));
        }
        let name = type_of(text, bytes_max, &Self::TYPES)?;
        match name {
            "hello" => body(name, text).map(Self::Hello),
            "call" => body(name, text).map(Self::Call),
            "cancel" => body(name, text).map(|Numbered { n }| Self::Cancel { n }),
            "get" => body(name, text).map(Self::Get),
            "delete" => body(name, text).map(Self::Delete),
            "list" => body(name, text).map(Self::List),
            "watch" => body(name, text).map(Self::Watch),
            "unwatch" => body(name, text).map(|Numbered { n }| Self::Unwatch { n }),
            "send" => body(name, text).map(Self::Send),
            "present" => body(name, text).map(Self::Present),
            "sync" => body(name, text).map(Self::Sync),
            "bye" => Ok(Self::Bye),
            _ => Ok(Self::Ping),
        }
    }

    /// The frame as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("BUG: a frame has only text keys and well-formed JSON")
    }

    /// The frame's `type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Call(_) => "call",
            Self::Cancel { .. } => "cancel",
            Self::Get(_) => "get",
            Self::Delete(_) => "delete",
            Self::List(_) => "list",
            Self::Watch(_) => "watch",
            Self::Unwatch { .. } => "unwatch",
            Self::Send(_) => "send",
            Self::Present(_) => "present",
            Self::Sync(_) => "sync",
            Self::Ping => "ping",
            Self::Bye => "bye",
        }
    }

    /// The number of the request this frame makes or is about, if it has one.
    #[must_use]
    pub fn n(&self) -> Option<u64> {
        match self {
            Self::Call(Call { n, .. })
            | Self::Cancel { n }
            | Self::Get(Get { n, .. })
            | Self::Delete(Delete { n, .. })
            | Self::List(List { n, .. })
            | Self::Watch(Watch { n, .. })
            | Self::Unwatch { n }
            | Self::Present(Present { n, .. })
            | Self::Sync(SyncFrame { n, .. }) => Some(*n),
            Self::Send(Ephemeral { n, .. }) => *n,
            Self::Hello(_) | Self::Ping | Self::Bye => None,
        }
    }

    /// The number in a text that is not a frame, if there is one: who sent it may wait for an answer.
    #[must_use]
    pub fn number_in(text: &str) -> Option<u64> {
        serde_json::from_str::<Numbered>(text).ok().map(|Numbered { n }| n)
    }
}

impl Call {
    /// A call in the form that almost every client writes, read in one pass. `None` says nothing about the
    /// frame: it is then read as any other, and that finds the words for what is wrong with it.
    fn at_once(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Written<'t> {
            #[serde(rename = "type")]
            name: &'t str,
            n: u64,
            kind: Kind,
            id: String,
            handler: String,
            #[serde(default, borrow)]
            args: Option<&'t RawValue>,
            #[serde(default)]
            key: Option<String>,
            #[serde(default)]
            timeout_ms: Option<u64>,
        }
        if !text.starts_with(r#"{"type":"call","#) {
            return None;
        }
        let Written { name, n, kind, id, handler, args, key, timeout_ms } = serde_json::from_str(text).ok()?;
        let args = args.map_or_else(Json::null, |args| Json::trusted(args.get()));
        (name == "call").then_some(Self { n, kind, id, handler, args, key, timeout_ms })
    }
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("proto", &self.proto)
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("client", &self.client)
            .field("resume", &self.resume.as_ref().map(|_| "…"))
            .field("pushed", &self.pushed)
            .field("session", &self.session)
            .finish()
    }
}
