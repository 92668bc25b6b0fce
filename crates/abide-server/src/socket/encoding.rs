//! How frames are written on a socket.

use abide_core::{ClientFrame, Error, Result, ServerFrame, frame::ErrorFrame};
use axum::{body::Bytes, http::HeaderValue};
use serde::Deserialize as _;
use serde_json::Value;

/// The subprotocols.
const JSON: &str = "abide.json";
const MESSAGE_PACK: &str = "abide.msgpack";

/// How deep lists and objects may stand in one another, as in JSON.
const DEPTH_MAX: usize = 128;

/// How frames are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// JSON in text messages.
    #[default]
    Json,
    /// MessagePack in binary messages.
    MessagePack,
}

impl Encoding {
    /// The first that a client offers and that we know; `None` if it offers none of ours.
    pub(super) fn chosen(offered: &[HeaderValue]) -> Option<Self> {
        offered.iter().find_map(|offered| match offered.to_str() {
            Ok(JSON) => Some(Self::Json),
            Ok(MESSAGE_PACK) => Some(Self::MessagePack),
            _ => None,
        })
    }

    /// Its name in the handshake.
    pub(super) const fn protocol(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::MessagePack => MESSAGE_PACK,
        }
    }
}

/// MessagePack as the JSON text it stands for.
pub(crate) fn read(bytes: &[u8]) -> Result<String> {
    let refused = |error: &dyn std::fmt::Display| {
        let shown: String = error.to_string().chars().take(200).collect();
        Error::bad_request(format!("the message is not a frame in MessagePack: {shown}; nothing was changed"))
    };
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    // Deeper ones would take the stack they are read on.
    reader.set_max_depth(DEPTH_MAX);
    let value = Value::deserialize(&mut reader).map_err(|error| refused(&error))?;
    serde_json::to_string(&value).map_err(|error| refused(&error))
}

/// A frame of JSON text as MessagePack. One that nests too deep for whoever reads it becomes an error of the
/// same number: what comes in is not that deep, so a handler has made it.
pub(super) fn write(text: &str) -> Bytes {
    packed(text).unwrap_or_else(|why| {
        tracing::warn!(%why, "a frame could not be written as MessagePack");
        let detail = "what there is to say nests too deep for MessagePack; connect with JSON to hear it";
        let error = ErrorFrame::new(ClientFrame::number_in(text), &Error::internal(detail));
        packed(&ServerFrame::Error(error).to_json()).unwrap_or_default()
    })
}

fn packed(text: &str) -> Result<Bytes, Box<dyn std::error::Error>> {
    let value: Value = serde_json::from_str(text)?;
    Ok(rmp_serde::to_vec_named(&value)?.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_frame_survives_the_way_through_message_pack() {
        let frame = json!({"type": "call", "n": 1, "args": {"a": [1.5, -3, null, true, "ü"], "b": 18_446_744_073_709_551_615_u64}});
        let read: Value = serde_json::from_str(&read(&write(&frame.to_string())).unwrap()).unwrap();
        assert_eq!(read, frame);
    }

    #[test]
    fn a_frame_that_is_too_deep_becomes_an_error_of_its_number() {
        let deep = format!(r#"{{"type":"result","n":7,"result":{}1{},"seq":1}}"#, "[".repeat(500), "]".repeat(500));
        let read: Value = serde_json::from_str(&read(&write(&deep)).unwrap()).unwrap();
        assert_eq!((&read["type"], &read["n"], &read["code"]), (&json!("error"), &json!(7), &json!("internal")));
    }

    #[test]
    fn what_is_no_message_pack_is_refused() {
        for bytes in [&b""[..], b"\xc1", b"\x81", &[0x91; 5000]] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn the_first_known_subprotocol_is_chosen() {
        let offer = |names: &[&'static str]| {
            let offered: Vec<_> = names.iter().map(|name| HeaderValue::from_static(name)).collect();
            Encoding::chosen(&offered)
        };
        assert_eq!(offer(&[]), None);
        assert_eq!(offer(&["graphql-ws"]), None);
        assert_eq!(offer(&["graphql-ws", "abide.msgpack", "abide.json"]), Some(Encoding::MessagePack));
        assert_eq!(offer(&["abide.json"]), Some(Encoding::Json));
    }
}
