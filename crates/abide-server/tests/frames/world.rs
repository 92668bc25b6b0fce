//! A node and its server on a free port, and clients that speak frames.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use abide::{Abide, Node, Result, Store};
use abide_server::{Server, ServerOptions};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest, http::HeaderValue},
};
use tokio_util::sync::CancellationToken;

use crate::kinds::{Book, Closed, Counter, Member, Ticker, Visitor};

/// Nothing in a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) node: Node,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<Result<()>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let abide = Abide::open("memory:")
            .register::<Counter>()
            .register::<Ticker>()
            .register::<Book>()
            .register::<Visitor>()
            .register::<Member>()
            .register::<Closed>()
            .start()
            .await
            .unwrap();
        let node = abide.node().clone();
        let store = node.store().clone();
        let mut options = ServerOptions::on("127.0.0.1:0");
        change(&mut options);
        let server = Server::bind(node.clone(), options).await.unwrap();
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let running = tokio::spawn(server.run_until(stop.clone().cancelled_owned()));
        Self { address, node, store, stop, running }
    }

    /// A socket that has not said anything yet.
    pub(crate) async fn socket(&self, headers: &[(&'static str, &str)]) -> std::result::Result<Client, WsError> {
        let mut request = format!("ws://{}/v1/socket", self.address).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let (socket, _) = timeout(PATIENCE, connect_async(request)).await.expect("no handshake in time")?;
        let packed = headers.iter().any(|(_, value)| *value == "abide.msgpack");
        Ok(Client { socket, packed })
    }

    /// A client that was let in, and what it was told.
    pub(crate) async fn hello(&self, hello: Value) -> (Client, Value) {
        let mut client = self.socket(&[]).await.unwrap();
        client.say(hello).await;
        let welcome = client.hear().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (client, welcome)
    }

    /// A client that was let in.
    pub(crate) async fn client(&self) -> Client {
        self.hello(json!({"type": "hello", "proto": 1})).await.0
    }

    /// The answer to a request without a body.
    pub(crate) async fn http(&self, request: &str) -> String {
        self.http_with(request, "").await
    }

    /// The answer to a request without a body, with more headers, each of which ends its line.
    pub(crate) async fn http_with(&self, request: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let text =
            format!("{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("no answer in time").unwrap();
        answer
    }

    /// Stops the server and waits for it.
    pub(crate) async fn stopped(self) -> Result<()> {
        self.stop.cancel();
        timeout(PATIENCE, self.running).await.expect("the server did not stop").unwrap()
    }
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    packed: bool,
}

impl Client {
    /// Sends a frame.
    pub(crate) async fn say(&mut self, frame: Value) {
        let message = match self.packed {
            true => Message::Binary(rmp_serde::to_vec_named(&frame).unwrap().into()),
            false => Message::Text(frame.to_string().into()),
        };
        self.socket.send(message).await.unwrap();
    }

    /// The next frame.
    pub(crate) async fn hear(&mut self) -> Value {
        self.next().await.unwrap_or_else(|end| panic!("the connection has ended: {end:?}"))
    }

    /// The next frame, or the code with which the connection was closed (0: without one).
    pub(crate) async fn next(&mut self) -> std::result::Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("nothing was heard in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Binary(bytes))) => return Ok(rmp_serde::from_slice(&bytes).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(0, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// Says one thing and hears the answer.
    pub(crate) async fn ask(&mut self, frame: Value) -> Value {
        self.say(frame).await;
        self.hear().await
    }

    /// Calls a handler of the counter `a`.
    pub(crate) async fn call(&mut self, n: u64, handler: &str, args: Value) -> Value {
        self.ask(json!({"type": "call", "n": n, "kind": "Counter", "id": "a", "handler": handler, "args": args})).await
    }

    /// Checks that nothing was sent before the answer to this ping.
    pub(crate) async fn silent(&mut self) {
        assert_eq!(self.ask(json!({"type": "ping"})).await, json!({"type": "pong"}));
    }
}
