//! Server-sent events, read as the HTML standard says.

use std::collections::VecDeque;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Connection;
use crate::failure::{Failure, Outcome};

/// The longest line of an event stream, in bytes.
const LINE_BYTES_MAX: usize = 64 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; `message` if it has none.
    pub(crate) name: String,
    /// The stream's last id so far.
    pub(crate) id: String,
    /// Its data.
    pub(crate) data: String,
}

/// An open stream of events.
pub(crate) struct EventStream {
    _connection: Connection,
    body: Incoming,
    parser: Parser,
}

impl EventStream {
    pub(super) fn new(connection: Connection, body: Incoming) -> Self {
        Self { _connection: connection, body, parser: Parser::default() }
    }

    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Outcome<Option<Event>> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Failure::new("unavailable", format!("the stream broke off: {error}"))),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.parser.feed(bytes)?;
                    }
                }
            }
        }
    }
}

/// Turns bytes into events.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    name: String,
    id: String,
    data: Option<String>,
    ready: VecDeque<Event>,
}

impl Parser {
    /// Takes the next bytes of the stream.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Outcome {
        for &byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    self.end_line();
                }
                _ => {
                    self.after_return = false;
                    self.line.push(byte);
                }
            }
        }
        match self.line.len() {
            ..=LINE_BYTES_MAX => Ok(()),
            _ => Err(Failure::new("answer", "an event of the stream is larger than 64 MiB")),
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.into(),
            "id" if !value.contains('\0') => self.id = value.into(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.into()),
            },
            _ => {}
        }
    }

    fn end_event(&mut self) {
        let name = std::mem::take(&mut self.name);
        if let Some(data) = self.data.take() {
            let name = if name.is_empty() { "message".into() } else { name };
            self.ready.push_back(Event { name, id: self.id.clone(), data });
        }
    }
}

impl Iterator for Parser {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let stream =
            ": heartbeat\n\nevent: change\r\nid: 12\r\ndata: {\"a\":\ndata:1}\n\ndata: ü\rid:13\r\revent: none\n\n";
        let expected = [
            Event { name: "change".into(), id: "12".into(), data: "{\"a\":\n1}".into() },
            Event { name: "message".into(), id: "13".into(), data: "ü".into() },
        ];
        for size in 1..=stream.len() {
            let mut parser = Parser::default();
            for piece in stream.as_bytes().chunks(size) {
                parser.feed(piece).unwrap();
            }
            assert_eq!(parser.collect::<Vec<_>>(), expected, "pieces of {size}");
        }
    }
}
