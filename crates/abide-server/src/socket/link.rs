use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use abide_core::{Code, Error};
use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
};
use futures_util::{Sink, SinkExt, Stream};

use super::encoding::{self, Encoding};
use crate::{
    link::{Arrived, End, Link, Lost},
    reads::Turn,
    stranger::Stranger,
};

/// A WebSocket as a link of frames.
pub(crate) struct SocketLink {
    socket: WebSocket,
    encoding: Encoding,
    stranger: Stranger,
}

/// A frame as it arrived.
pub(crate) enum Text {
    Sent(Utf8Bytes),
    Written(String),
}

impl SocketLink {
    pub(crate) fn new(socket: WebSocket, encoding: Encoding, stranger: Stranger) -> Self {
        Self { socket, encoding, stranger }
    }

    fn arrived(&self, message: Message) -> Arrived<Text> {
        match (message, self.encoding) {
            (Message::Text(text), Encoding::Json) => Arrived::Frame(Text::Sent(text)),
            (Message::Binary(bytes), Encoding::MessagePack) => match encoding::read(&bytes) {
                Ok(text) => Arrived::Frame(Text::Written(text)),
                Err(error) => Arrived::Refused(error),
            },
            (Message::Ping(_) | Message::Pong(_), _) => Arrived::Life,
            // Whoever closes normally has said all there was to say.
            (Message::Close(frame), _) => {
                Arrived::Over { finally: frame.is_some_and(|frame| frame.code == End::Bye.code()) }
            }
            (Message::Text(_), Encoding::MessagePack) => Arrived::Refused(Error::new(
                Code::UnsupportedMedia,
                "frames on this connection are binary messages of MessagePack, as its subprotocol says",
            )),
            (Message::Binary(_), Encoding::Json) => Arrived::Refused(Error::new(
                Code::UnsupportedMedia,
                "frames on this connection are text messages of JSON; for MessagePack ask for the subprotocol abide.msgpack",
            )),
        }
    }
}

impl Link for SocketLink {
    type Text = Text;

    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<Arrived<Text>> {
        Poll::Ready(match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
            None => Arrived::Over { finally: false },
            Some(Ok(message)) => self.arrived(message),
            Some(Err(error)) => broken(&error),
        })
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Pin::new(&mut self.socket).poll_ready(cx).map_err(|_| Lost)
    }

    fn put(&mut self, frame: String, _: Option<Turn>) -> Result<(), Lost> {
        let message = match self.encoding {
            Encoding::Json => Message::Text(frame.into()),
            Encoding::MessagePack => Message::Binary(encoding::write(&frame)),
        };
        Pin::new(&mut self.socket).start_send(message).map_err(|_| Lost)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(|_| Lost)
    }

    fn admitted(&mut self) {
        self.stranger.is_known();
    }

    fn probe(&mut self) -> Result<bool, Lost> {
        Pin::new(&mut self.socket).start_send(Message::Ping(Bytes::new())).map(|()| true).map_err(|_| Lost)
    }

    async fn close(&mut self, end: End) {
        let frame = CloseFrame { code: end.code(), reason: Utf8Bytes::from_static(end.as_str()) };
        // Whoever is gone does not need to be told.
        if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
            let _ = self.socket.flush().await;
        }
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        match self {
            Self::Sent(text) => text.as_str(),
            Self::Written(text) => text,
        }
    }
}

/// What cannot be read: a message far over the limit, or nothing that a WebSocket carries.
fn broken(error: &axum::Error) -> Arrived<Text> {
    use tungstenite::Error as Wrong;
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Wrong>());
    match cause {
        Some(Wrong::Capacity(what)) => {
            Arrived::Broken(Error::new(Code::TooLarge, format!("{what}; connect again")), End::TooLarge)
        }
        Some(Wrong::Io(what)) if what.kind() == io::ErrorKind::FileTooLarge => {
            Arrived::Broken(Error::new(Code::TooLarge, what.to_string()), End::TooLarge)
        }
        Some(Wrong::Utf8(_)) => {
            Arrived::Broken(Error::bad_request("a text message is not UTF-8; connect again"), End::Refused)
        }
        Some(Wrong::Protocol(what)) => {
            Arrived::Broken(Error::bad_request(format!("not the WebSocket protocol: {what}")), End::Refused)
        }
        _ => Arrived::Over { finally: false },
    }
}
