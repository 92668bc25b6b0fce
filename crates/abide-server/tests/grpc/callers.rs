//! Who calls over gRPC: known before anything of a message is read, and for as long as that holds.

use std::time::Duration;

use abide::{Abide, Node, Principal, Timestamp};
use abide_server::{ApiKeys, AuthOptions, Server, ServerOptions};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::{Code as Grpc, Request, Status, metadata::MetadataValue, transport::Channel};

use crate::{
    client::{CallReply, CallRequest, Frame, WatchRequest, abide_client::AbideClient, watch_event::Event},
    kinds::Counter,
};

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    node: Node,
    channel: Channel,
    keys: ApiKeys,
    dir: tempfile::TempDir,
    token: String,
}

impl World {
    async fn new() -> Self {
        let (dir, mut keys) = (tempfile::tempdir().unwrap(), ApiKeys::default());
        let principal = Principal { subject: "alice".into(), ..Principal::default() };
        let token = keys.issue(principal, Timestamp::EPOCH, None);
        let file = dir.path().join("keys.toml");
        keys.write(&file).unwrap();
        let abide = Abide::open("memory:").register::<Counter>().start().await.unwrap();
        let mut options = ServerOptions::on("127.0.0.1:0");
        options.auth = Some(AuthOptions { keys: Some(file), ..AuthOptions::default() });
        options.limits.body_timeout = Duration::from_millis(300);
        options.limits.write_timeout = Duration::from_millis(500);
        options.limits.session_grace = Duration::ZERO;
        let server = Server::bind(abide.node().clone(), options).await.unwrap();
        let address = server.local_addr();
        tokio::spawn(server.run_until(std::future::pending()));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { node: abide.node().clone(), channel, keys, dir, token }
    }

    fn client(&self) -> AbideClient<Channel> {
        AbideClient::new(self.channel.clone())
    }

    /// A request of somebody who is known.
    fn known<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer: MetadataValue<_> = format!("Bearer {}", self.token).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }

    fn revoke(&mut self) {
        let id = self.keys.all()[0].id.clone();
        assert!(self.keys.revoke(&id));
        self.keys.write(&self.dir.path().join("keys.toml")).unwrap();
    }

    /// Sends the head of a request to a method whose message never comes. How it ends.
    async fn silent(&self, path: &'static str, known: bool) -> Option<Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let never = stream::pending::<CallRequest>();
        let request = if known { self.known(never) } else { Request::new(never) };
        let codec = tonic_prost::ProstCodec::<CallRequest, CallReply>::default();
        let path = axum::http::uri::PathAndQuery::from_static(path);
        let answer = timeout(PATIENCE, grpc.streaming(request, path, codec)).await.expect("it waits for ever");
        match answer {
            Err(status) => Some(status),
            Ok(answer) => {
                let message = timeout(PATIENCE, answer.into_inner().message()).await.expect("it waits for ever");
                message.map(|message| assert_eq!(message, None, "it was answered")).err()
            }
        }
    }
}

fn watch() -> WatchRequest {
    WatchRequest { kind: "Counter".into(), id: "a".into(), after: None }
}

/// Frames, and then nothing more.
fn frames(all: impl IntoIterator<Item = Value>) -> impl Stream<Item = Frame> + Send + 'static {
    use futures_util::StreamExt;
    let all: Vec<Frame> = all.into_iter().map(|frame| Frame { json: frame.to_string() }).collect();
    stream::iter(all).chain(stream::pending())
}

fn hello(token: &str) -> Value {
    json!({"type": "hello", "proto": 1, "token": token})
}

#[tokio::test]
async fn callers_are_asked_who_they_are_before_their_message_is_read() {
    let world = World::new().await;
    for path in [
        "/abide.v1.Abide/Call",
        "/abide.v1.Abide/List",
        "/abide.v1.Abide/Watch",
        "/abide.v1.Admin/Status",
        "/abide.v1.Admin/Kinds",
    ] {
        let status = world.silent(path, false).await.unwrap();
        assert_eq!(status.code(), Grpc::Unauthenticated, "{path}: {status:?}");
        assert_eq!(status.metadata().get("abide-code").unwrap(), "unauthenticated");
    }
}

#[tokio::test]
async fn a_message_that_does_not_come_is_not_waited_for() {
    let world = World::new().await;
    for path in ["/abide.v1.Abide/Call", "/abide.v1.Admin/Status", "/grpc.health.v1.Health/Check"] {
        let status = world.silent(path, true).await.unwrap();
        assert_eq!(status.code(), Grpc::DeadlineExceeded, "{path}: {status:?}");
    }
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    // It only has to end.
    world.silent(path, false).await;
}

#[tokio::test]
async fn strangers_send_little() {
    let world = World::new().await;
    let long = "x".repeat(200_000);
    let mut heard = world.client().connect(frames([json!({"type": "ping", "x": long})])).await.unwrap().into_inner();
    let first = timeout(PATIENCE, heard.message()).await.unwrap();
    assert!(first.map(|frame| frame.is_none_or(|frame| !frame.json.contains("welcome"))).unwrap_or(true));
    // Whoever is known sends what it likes, also right behind its `hello`.
    let call = json!({"type": "call", "n": 1, "kind": "Counter", "id": "a", "handler": "shout", "args": {"word": "x".repeat(60_000), "y": long}});
    let all = [hello(&world.token), call.clone(), call];
    let mut heard = world.client().connect(frames(all)).await.unwrap().into_inner();
    let welcome = timeout(PATIENCE, heard.message()).await.unwrap().unwrap().unwrap().json;
    assert!(welcome.contains("welcome"), "{welcome}");
    let answer = timeout(PATIENCE, heard.message()).await.unwrap().unwrap().unwrap().json;
    assert!(answer.contains("\"n\":1"), "{answer}");
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_watches_and_connections() {
    let mut world = World::new().await;
    let mut events = world.client().watch(world.known(watch())).await.unwrap().into_inner();
    assert!(matches!(events.message().await.unwrap().unwrap().event, Some(Event::Snapshot(_))));
    let mut heard = world.client().connect(frames([hello(&world.token)])).await.unwrap().into_inner();
    assert!(heard.message().await.unwrap().unwrap().json.contains("welcome"));
    world.revoke();
    let status = timeout(PATIENCE, events.message()).await.expect("it goes on").unwrap_err();
    assert_eq!(status.code(), Grpc::Unauthenticated, "{status:?}");
    let error = timeout(PATIENCE, heard.message()).await.expect("it goes on").unwrap().unwrap().json;
    assert!(error.contains("\"unauthenticated\""), "{error}");
    let status = timeout(PATIENCE, heard.message()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Grpc::Unauthenticated, "{status:?}");
}

#[tokio::test]
async fn a_connection_of_which_nothing_is_taken_is_cut() {
    let world = World::new().await;
    let fill =
        |n: u64| json!({"type": "call", "n": n, "kind": "Counter", "id": "a", "handler": "fill", "args": [500_000]});
    let all = [hello(&world.token)].into_iter().chain((0..50).map(fill));
    let mut heard = world.client().connect(frames(all)).await.unwrap().into_inner();
    assert!(heard.message().await.unwrap().unwrap().json.contains("welcome"));
    let gone = async {
        while world.node.clients() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("it is still held");
    drop(heard);
}

#[tokio::test]
async fn a_watch_of_which_nothing_is_taken_is_cut() {
    let world = World::new().await;
    let mut events = world.client().watch(world.known(watch())).await.unwrap().into_inner();
    assert!(matches!(events.message().await.unwrap().unwrap().event, Some(Event::Snapshot(_))));
    let shout = CallRequest {
        kind: "Counter".into(),
        id: "a".into(),
        handler: "shout".into(),
        args: json!(["x".repeat(60_000)]).to_string(),
        key: String::new(),
    };
    // Another connection has a window of its own.
    let mut caller = world.client();
    let calls = async {
        while world.node.objects_watched() > 0 {
            caller.call(world.known(shout.clone())).await.unwrap();
        }
    };
    timeout(PATIENCE * 2, calls).await.expect("it is still watched");
    let end = async {
        loop {
            match events.message().await {
                Ok(event) => assert!(event.is_some(), "it ended without a word"),
                Err(status) => return status,
            }
        }
    };
    let status = timeout(PATIENCE, end).await.unwrap();
    assert_eq!(status.code(), Grpc::Unavailable, "{status:?}");
}
