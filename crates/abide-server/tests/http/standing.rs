//! Connections that outlive what their caller has shown, and callers who take nothing.

use std::{path::PathBuf, time::Duration};

use abide::{Principal, Timestamp};
use abide_server::{ApiKeys, AuthOptions, install_metrics};
use axum::body::Body;
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jsonwebtoken::get_current_timestamp;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    tokens::{Issuer, claims},
    world::{PATIENCE, World},
};

const CHANGES: &str = "/v1/objects/Counter/a/changes";

/// API keys of two callers, in a file.
struct Keys {
    dir: tempfile::TempDir,
    keys: ApiKeys,
    alice: String,
    bob: String,
}

impl Keys {
    fn new() -> Self {
        let (dir, mut keys) = (tempfile::tempdir().unwrap(), ApiKeys::default());
        let mut issue = |subject: &str| {
            let principal = Principal { subject: subject.into(), roles: vec!["admin".into()], ..Principal::default() };
            keys.issue(principal, Timestamp::EPOCH, None)
        };
        let (alice, bob) = (issue("alice"), issue("bob"));
        let keys = Self { dir, keys, alice, bob };
        keys.keys.write(&keys.file()).unwrap();
        keys
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("keys.toml")
    }

    fn auth(&self) -> AuthOptions {
        AuthOptions { keys: Some(self.file()), ..AuthOptions::default() }
    }

    fn revoke(&mut self, subject: &str) {
        let id = self.keys.all().iter().find(|key| key.subject == subject).unwrap().id.clone();
        assert!(self.keys.revoke(&id));
        self.keys.write(&self.file()).unwrap();
    }
}

/// Opens a stream of events.
async fn stream(world: &World, path: &str, token: &str) -> Incoming {
    let request = world.request("GET", path).header("accept", "text/event-stream");
    let request = request.header("authorization", format!("Bearer {token}"));
    let response = world.open(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    response.into_body()
}

/// All that comes until the stream ends.
async fn rest(body: Incoming) -> String {
    let bytes = timeout(PATIENCE, body.collect()).await.expect("the stream goes on").unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the last event says.
fn last(text: &str) -> Value {
    let (_, event) = text.rsplit_once("event: error\ndata: ").unwrap_or_else(|| panic!("no error in {text:?}"));
    serde_json::from_str(event.trim()).unwrap()
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A socket whose `hello` has a token.
async fn socket(world: &World, token: &str) -> Socket {
    let request = format!("ws://{}/v1/socket", world.address).into_client_request().unwrap();
    let (mut socket, _) = connect_async(request).await.unwrap();
    let hello = json!({"type": "hello", "proto": 1, "token": token});
    socket.send(Message::Text(hello.to_string().into())).await.unwrap();
    assert_eq!(hear(&mut socket).await.unwrap()["type"], "welcome");
    socket
}

/// The next frame, or the code with which the socket was closed.
async fn hear(socket: &mut Socket) -> Result<Value, u16> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("nothing was heard") {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => return Err(frame.map_or(0, |frame| frame.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(0),
        }
    }
}

/// Checks that a socket ends, since it is not known any more who is there.
async fn ends(socket: &mut Socket, why: &str) {
    let error = hear(socket).await.unwrap();
    assert_eq!((&error["code"], &error["data"]["token"]), (&json!("unauthenticated"), &json!(why)), "{error}");
    assert_eq!(hear(socket).await, Err(1008));
}

async fn lives(socket: &mut Socket) {
    socket.send(Message::Text(json!({"type": "ping"}).to_string().into())).await.unwrap();
    assert_eq!(hear(socket).await, Ok(json!({"type": "pong"})));
}

#[tokio::test]
async fn a_stream_and_a_socket_end_with_the_token_that_opened_them() {
    let issuer = Issuer::new();
    let mut auth = issuer.auth();
    auth.jwt.as_mut().unwrap().leeway = Duration::ZERO;
    let world = World::plan().server(|server| server.auth = Some(auth)).start().await;
    let mut short = claims("alice", &["admin"]);
    short["exp"] = json!(get_current_timestamp() + 4);
    let (short, long) = (issuer.sign("es", &short), issuer.token("alice", &["admin"]));
    let mut ending = socket(&world, &short).await;
    let mut lasting = socket(&world, &long).await;
    let streams = [stream(&world, CHANGES, &short).await, stream(&world, "/v1/inspect/changes", &short).await];
    ends(&mut ending, "expired").await;
    for stream in streams {
        let problem = last(&rest(stream).await);
        assert_eq!((&problem["code"], &problem["data"]["token"]), (&json!("unauthenticated"), &json!("expired")));
    }
    lives(&mut lasting).await;
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_what_it_has_opened_and_nothing_else() {
    let mut keys = Keys::new();
    let world = World::plan().server(|server| server.auth = Some(keys.auth())).start().await;
    let (mut ending, mut lasting) = (socket(&world, &keys.alice).await, socket(&world, &keys.bob).await);
    let streams =
        [stream(&world, CHANGES, &keys.alice).await, stream(&world, "/v1/inspect/changes", &keys.alice).await];
    keys.revoke("alice");
    ends(&mut ending, "unknown").await;
    for stream in streams {
        let problem = last(&rest(stream).await);
        assert_eq!((&problem["code"], &problem["data"]["token"]), (&json!("unauthenticated"), &json!("unknown")));
    }
    lives(&mut lasting).await;
}

#[tokio::test]
async fn an_issuers_key_that_is_taken_back_ends_what_its_tokens_have_opened() {
    let issuer = Issuer::new();
    let world = World::plan().server(|server| server.auth = Some(issuer.auth())).start().await;
    let by = |key: &str| issuer.sign(key, &claims("alice", &["admin"]));
    let (mut ending, mut lasting) = (socket(&world, &by("es")).await, socket(&world, &by("ed")).await);
    let body = stream(&world, CHANGES, &by("es")).await;
    let keys: Vec<Value> = issuer.keys().into_iter().filter(|key| key["kid"] != "es").collect();
    issuer.publish(&keys);
    assert_eq!(hear(&mut ending).await.unwrap()["code"], "unauthenticated");
    assert_eq!(hear(&mut ending).await, Err(1008));
    assert_eq!(last(&rest(body).await)["code"], "unauthenticated");
    lives(&mut lasting).await;
}

#[tokio::test]
async fn a_stream_of_which_nothing_is_taken_is_cut() {
    let world = World::plan()
        .server(|server| {
            server.limits.write_timeout = Duration::from_millis(500);
            server.limits.heartbeat = Duration::from_secs(3600);
        })
        .start()
        .await;
    let mut deaf = TcpStream::connect(world.address).await.unwrap();
    let request = format!("GET {CHANGES} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
    deaf.write_all(request.as_bytes()).await.unwrap();
    let watched = async {
        while world.node.objects_watched() == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, watched).await.expect("nobody watches");
    // More than the network holds for somebody who reads nothing.
    let mut label = "x".repeat(500_000);
    let calls = async {
        while world.node.objects_watched() > 0 {
            label.push('x');
            let args = json!({"by": 1, "label": label}).to_string();
            world.post("/v1/objects/Counter/a/step", args).await.ok();
            assert!(world.node.bytes_unheard() <= world.node.options().watch_bytes);
        }
    };
    timeout(PATIENCE * 3, calls).await.expect("it is still watched");
    drop(deaf);
}

#[tokio::test]
async fn whoever_is_refused_is_counted() {
    let metrics = install_metrics();
    let issuer = Issuer::new();
    let rule = |allow: &str| abide_server::Rule { allow: vec![allow.into()], ..abide_server::Rule::default() };
    let plan = World::plan().server(|server| {
        server.auth = Some(issuer.auth());
        server.access = vec![rule("call"), rule("watch")];
    });
    let world = plan.start().await;
    let refused = |code: &str| -> u64 {
        let (text, name) = (metrics.render(), format!("abide_refused_total{{code=\"{code}\"}} "));
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    };
    let (alice, bob) = (issuer.token("alice", &[]), issuer.token("bob", &[]));
    let path = "/v1/objects/Counter/new/increment";
    world.send_with("POST", path, &alice, &[("host", "evil.example")]).await.problem(403, "denied", "hosts");
    assert_eq!(refused("denied"), 1, "a foreign host");
    world.send_with("POST", path, &alice, &[("origin", "https://evil.example")]).await.problem(403, "denied", "origin");
    assert_eq!(refused("denied"), 2, "a foreign origin");
    let bearer = format!("Bearer {alice}");
    world.post_with(path, "[1]", &[("authorization", &bearer)]).await.problem(403, "denied", "create");
    assert_eq!(refused("denied"), 3, "a call that would have made its object");

    let mut socket = socket(&world, &alice).await;
    let call = json!({"type": "call", "n": 1, "kind": "Counter", "id": "new", "handler": "increment", "args": [1]});
    socket.send(Message::Text(call.to_string().into())).await.unwrap();
    assert_eq!(hear(&mut socket).await.unwrap()["code"], "denied");
    assert_eq!(refused("denied"), 4, "the same over a socket");

    let request = format!("ws://{}/v1/socket", world.address).into_client_request().unwrap();
    let (mut thief, _) = connect_async(request.clone()).await.unwrap();
    let hello = json!({"type": "hello", "proto": 1, "token": alice});
    thief.send(Message::Text(hello.to_string().into())).await.unwrap();
    let resume = hear(&mut thief).await.unwrap()["resume"].clone();
    let (mut other, _) = connect_async(request).await.unwrap();
    let hello = json!({"type": "hello", "proto": 1, "token": bob, "resume": resume});
    other.send(Message::Text(hello.to_string().into())).await.unwrap();
    assert_eq!(hear(&mut other).await.unwrap()["code"], "denied");
    assert_eq!(refused("denied"), 5, "another's resume token");
}
