//! Against a server that says what a test wants it to.

use abide_core::{
    Json, Seq,
    frame::{Limits, PROTOCOL, Reply, Welcome},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;
use crate::client::Client;

/// A connection that was accepted and greeted.
struct Guest(WebSocketStream<TcpStream>);

impl Guest {
    async fn greet(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut guest = Self(accept_async(stream).await.unwrap());
        let ClientFrame::Hello(_) = guest.hear().await else { panic!("the first frame is no hello") };
        let welcome = Welcome {
            client: "c".into(),
            principal: None,
            resume: "c.secret".into(),
            resumed: false,
            missed: 0,
            grace_ms: 0,
            session: None,
            server: "test".into(),
            proto: PROTOCOL,
            limits: Limits { frame_bytes: 1 << 20, calls: 256, watches: 1, timeout_ms: 0 },
        };
        guest.say(ServerFrame::Welcome(welcome)).await;
        guest
    }

    async fn say(&mut self, frame: ServerFrame) {
        self.0.send(Message::text(frame.to_json())).await.unwrap();
    }

    async fn hear(&mut self) -> ClientFrame {
        loop {
            if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                return ClientFrame::parse(&text, 1 << 20).unwrap();
            }
        }
    }

    async fn call(&mut self) -> u64 {
        match self.hear().await {
            ClientFrame::Call(call) => call.n,
            other => panic!("{other:?} is no call"),
        }
    }
}

#[tokio::test]
async fn one_long_call_does_not_keep_the_others_at_a_server_that_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder().address(address).start().unwrap();
    let call = |id: &'static str| client.call::<u64>("Counter", id, "increment", ()).timeout(Duration::from_secs(60));
    let (stops, stopping) = oneshot::channel();
    let server = async {
        let mut first = Guest::greet(&listener).await;
        let long = first.call().await;
        first.say(ServerFrame::Goaway { reconnect_in_ms: 10 }).await;
        stops.send(()).unwrap();
        let mut second = Guest::greet(&listener).await;
        let calls = [second.call().await, second.call().await];
        for n in calls {
            second.say(ServerFrame::Result(Reply { n, result: Json::of(&n).unwrap(), seq: Seq::ZERO })).await;
        }
        (long, calls)
    };
    let other = async {
        stopping.await.unwrap();
        call("other").await
    };
    let ((sent, again), long, other) = tokio::join!(server, call("long").into_future(), other);
    // The long one is sent again, with its key; the other is not kept for as long as that takes.
    let (long, other) = (long.unwrap(), other.unwrap());
    assert_eq!(long, sent);
    assert!(again.contains(&long) && again.contains(&other) && long != other);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_own_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        let body = r#"{"code":"denied","detail":"this server is not called so; add the name to its `hosts`"}"#;
        let head = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        stream
    };
    let (client, _stream) = tokio::join!(Client::builder().address(address).connect(), server);
    let error = client.unwrap_err();
    assert_eq!(error.code(), Code::Denied);
    assert!(error.detail().contains("add the name to its `hosts`"), "{error}");
}

#[tokio::test]
async fn a_long_call_is_waited_for_at_a_server_that_stops_while_nothing_else_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder().address(address).timeout(Duration::from_secs(60)).start().unwrap();
    let long = client.call::<Option<u64>>("Counter", "1", "crawl", ()).at_most_once().into_future();
    let server = async {
        let mut guest = Guest::greet(&listener).await;
        let n = guest.call().await;
        guest.say(ServerFrame::Goaway { reconnect_in_ms: 0 }).await;
        tokio::time::sleep(LEAVE_WITHIN + 10 * LEAVE_AGAIN).await;
        guest.say(ServerFrame::Result(Reply { n, result: Json::null(), seq: Seq::new(1) })).await;
        guest
    };
    let (answer, _guest) = tokio::join!(timeout(Duration::from_secs(60), long), server);
    let answer = answer.unwrap();
    assert!(answer.is_ok(), "{answer:?}");
}
