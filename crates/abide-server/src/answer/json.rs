//! JSON answers, written as text: states and results are text already and are passed on as they are.

use abide_core::{Json, Timestamp};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;

/// A JSON object (or list) being written.
pub(crate) struct Text {
    bytes: Vec<u8>,
    empty: bool,
    end: u8,
}

impl Text {
    /// An object of about so many bytes.
    pub(crate) fn object(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.push(b'{');
        Self { bytes, empty: true, end: b'}' }
    }

    /// A list.
    pub(crate) fn list() -> Self {
        Self { bytes: vec![b'['], empty: true, end: b']' }
    }

    fn next(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.bytes.push(b',');
        }
    }

    /// Begins a field. Names are our own: they need no escaping.
    fn name(&mut self, name: &'static str) {
        self.next();
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"\":");
    }

    /// Adds a field whose value is JSON text.
    pub(crate) fn raw(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.name(name);
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// Adds a field whose value is written elsewhere.
    pub(crate) fn bytes(&mut self, name: &'static str, value: &[u8]) -> &mut Self {
        self.name(name);
        self.bytes.extend_from_slice(value);
        self
    }

    /// Adds a field that is text.
    pub(crate) fn text(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.value(name, value)
    }

    /// Adds a field that is a number.
    pub(crate) fn number(&mut self, name: &'static str, value: u64) -> &mut Self {
        self.value(name, &value)
    }

    /// Adds a field that is true or false.
    pub(crate) fn boolean(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// Adds a field that is a moment.
    pub(crate) fn moment(&mut self, name: &'static str, value: Timestamp) -> &mut Self {
        self.value(name, &value)
    }

    /// Adds a field. A value that cannot be written (none of ours) is `null`.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> &mut Self {
        self.name(name);
        let before = self.bytes.len();
        if serde_json::to_writer(&mut self.bytes, value).is_err() {
            self.bytes.truncate(before);
            self.bytes.extend_from_slice(b"null");
        }
        self
    }

    /// Adds an item to a list.
    pub(crate) fn item(&mut self, value: &[u8]) -> &mut Self {
        self.next();
        self.bytes.extend_from_slice(value);
        self
    }

    /// How long it is so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(self.end);
        self.bytes
    }

    /// The whole text as an answer that nobody may keep.
    pub(crate) fn respond(self) -> Response {
        fresh(self.finish())
    }
}

/// A JSON answer that is true now only.
pub(crate) fn fresh(body: impl Into<Bytes>) -> Response {
    let mut response = lasting(body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON answer.
pub(crate) fn lasting(body: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.into()).into_response()
}

/// The answer to a call.
pub(crate) fn reply(result: &Json, seq: u64) -> Response {
    let result = result.as_str();
    let mut body = Vec::with_capacity(result.len() + 40);
    body.extend_from_slice(b"{\"result\":");
    body.extend_from_slice(result.as_bytes());
    body.extend_from_slice(b",\"seq\":");
    // Writing a number into memory cannot fail.
    let _ = serde_json::to_writer(&mut body, &seq);
    body.push(b'}');
    lasting(body)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_object_reads_back_as_what_was_put_in() {
        let mut list = Text::list();
        list.item(b"1").item(b"{\"a\":2}");
        let mut text = Text::object(0);
        text.text("id", "a\"b\n\u{0}😀").number("n", 7).boolean("yes", true).raw("state", "{\"x\":1}");
        text.bytes("list", &list.finish()).moment("at", Timestamp::EPOCH);
        let read: Value = serde_json::from_slice(&text.finish()).unwrap();
        let expected = json!({
            "id": "a\"b\n\u{0}😀", "n": 7, "yes": true, "state": {"x": 1}, "list": [1, {"a": 2}],
            "at": "1970-01-01T00:00:00.000Z",
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn empty_objects_and_lists_are_json_too() {
        assert_eq!(Text::object(0).finish(), b"{}");
        assert_eq!(Text::list().finish(), b"[]");
    }
}
