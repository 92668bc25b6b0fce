//! One connection: reached, encrypted, shaken hands, and greeted.

use std::fmt::Display;

use abide_core::{
    ClientFrame, Code, Error, Json, ServerFrame,
    frame::{Hello, PROTOCOL, Welcome},
};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, http::StatusCode, protocol::WebSocketConfig},
};

use crate::{
    address::Address,
    calls::error_of,
    options::{FRAME_BYTES_MAX, Options, WELCOME_WITHIN},
    tls,
};

/// Whatever carries bytes both ways.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Wire>>;

/// A connection on which the server has said welcome.
pub(crate) struct Connection {
    pub(crate) socket: Socket,
    pub(crate) welcome: Welcome,
}

/// Why there is no connection.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether trying again is of no use.
    pub(crate) for_good: bool,
}

/// The client that the connection goes on as.
#[derive(Clone)]
pub(crate) struct Resume {
    pub(crate) client: String,
    pub(crate) token: String,
    pub(crate) pushed: u64,
}

/// Connects to an address, and waits for its welcome.
pub(crate) async fn dial(
    options: Options,
    address: Address,
    resume: Option<Resume>,
) -> Result<Box<Connection>, Failure> {
    let silent = |_| Failure::passing(&address, "it did not answer in time");
    timeout(WELCOME_WITHIN, greet(&options, &address, resume)).await.map_err(silent)?
}

async fn greet(options: &Options, address: &Address, resume: Option<Resume>) -> Result<Box<Connection>, Failure> {
    let wire = reach(options, address).await?;
    let config =
        WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX));
    let shaken = client_async_with_config(address.socket_url(), wire, Some(config)).await;
    let (mut socket, _) = shaken.map_err(|error| refused(address, &error))?;
    let hello = hello(options, resume).to_json();
    socket.send(Message::text(hello)).await.map_err(|error| Failure::passing(address, error))?;
    loop {
        let message = socket.next().await.ok_or_else(|| Failure::passing(address, "it closed the connection"))?;
        let message = message.map_err(|error| Failure::passing(address, error))?;
        let Message::Text(text) = message else {
            if message.is_close() {
                return Err(Failure::passing(address, "it closed the connection"));
            }
            continue;
        };
        let frame = ServerFrame::parse(&text, FRAME_BYTES_MAX).map_err(|error| Failure::passing(address, error))?;
        match frame {
            ServerFrame::Welcome(welcome) => return Ok(Box::new(Connection { socket, welcome })),
            ServerFrame::Error(error) => return Err(Failure::said(options.renewable, &error_of(&error))),
            ServerFrame::Goaway { .. } => return Err(Failure::passing(address, "it is about to stop")),
            other => tracing::debug!(frame = ?other, "a frame before the welcome is passed over"),
        }
    }
}

async fn reach(options: &Options, address: &Address) -> Result<Box<dyn Wire>, Failure> {
    let failed = |error: std::io::Error| Failure::passing(address, error);
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    match options.tls.as_ref().filter(|_| address.secure) {
        Some(tls) => {
            let agreed = tls.agree(&address.host, stream).await;
            Ok(Box::new(agreed.map_err(|error| Failure::passing(address, tls::told(&error)))?))
        }
        None => Ok(Box::new(stream)),
    }
}

fn hello(options: &Options, resume: Option<Resume>) -> ClientFrame {
    let (client, token, pushed) = match resume {
        Some(Resume { client, token, pushed }) => (Some(client), Some(token), Some(pushed)),
        None => (None, None, None),
    };
    ClientFrame::Hello(Hello {
        proto: PROTOCOL,
        token: options.token.as_ref().map(|token| token()),
        client,
        resume: token,
        pushed,
        session: options.session.clone(),
    })
}

/// What of the body of a refusal says why.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// What the answer to the handshake says.
fn refused(address: &Address, error: &tungstenite::Error) -> Failure {
    let response = match error {
        tungstenite::Error::Http(response) => response,
        tungstenite::Error::Protocol(_) if !address.secure => {
            let why = format!("{error}; if it speaks TLS, its address begins with https://");
            return Failure::passing(address, why);
        }
        // A server looks at the client's certificate after the client takes the connection for made.
        tungstenite::Error::Io(error) => return Failure::passing(address, tls::told(error)),
        error => return Failure::passing(address, error),
    };
    let code = match response.status() {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::Denied,
        status => return Failure::passing(address, format!("it answered {status} where a WebSocket was asked for")),
    };
    let said = response.body().as_deref().and_then(|body| std::str::from_utf8(body).ok());
    let said = said.and_then(|text| Json::parse(text).ok()?.decode::<Problem>().ok());
    let why = said.map_or_else(|| response.status().to_string(), |problem| problem.detail);
    let detail = format!("{address} refuses the connection: {why}");
    Failure { error: Error::new(code, detail), for_good: true }
}

impl Failure {
    fn passing(address: &Address, why: impl Display) -> Self {
        Self { error: Error::unavailable(format!("{address} cannot be reached: {why}")), for_good: false }
    }

    /// The server's own word. It is the end only where asking again cannot help: a fresh token may, and what went
    /// wrong in the server, such as a hook that failed, may go well the next time.
    fn said(renewable: bool, error: &Error) -> Self {
        let for_good = match error.code() {
            Code::Unauthenticated => !renewable,
            Code::Denied
            | Code::BadRequest
            | Code::UnknownKind
            | Code::UnknownHandler
            | Code::Rejected
            | Code::TooLarge
            | Code::UnsupportedMedia => true,
            Code::NotFound
            | Code::Conflict
            | Code::Overloaded
            | Code::RateLimited
            | Code::Deadlock
            | Code::Unavailable
            | Code::Deadline
            | Code::Internal => false,
        };
        Self { error: error.clone(), for_good }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_ends_only_where_it_is_refused_for_good() {
        for (code, renewable, for_good) in [
            (Code::Denied, true, true),
            (Code::Rejected, true, true),
            (Code::UnknownKind, true, true),
            (Code::Unauthenticated, false, true),
            (Code::Unauthenticated, true, false),
            (Code::Internal, false, false),
            (Code::Conflict, false, false),
            (Code::Unavailable, false, false),
        ] {
            let failure = Failure::said(renewable, &Error::new(code, "why"));
            assert_eq!(failure.for_good, for_good, "{code:?}");
        }
    }
}
