use std::time::Duration;

use abide::{Abide, Error, Result};
use abide_core::{Code, frame::ErrorFrame};
use abide_server::{Server, ServerOptions};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code as Grpc, Request, Status, transport::Channel};

use crate::{
    client::{
        CallRequest, Frame, KindsRequest, ListRequest, StatusRequest, WatchRequest, abide_client::AbideClient,
        admin_client::AdminClient, watch_event::Event,
    },
    kinds::{Counter, Visitor},
};

const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    channel: Channel,
    stop: CancellationToken,
    running: JoinHandle<Result<()>>,
}

impl World {
    async fn new() -> Self {
        let abide = Abide::open("memory:").register::<Counter>().register::<Visitor>().start().await.unwrap();
        let server = Server::bind(abide.node().clone(), ServerOptions::on("127.0.0.1:0")).await.unwrap();
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let running = tokio::spawn(server.run_until(stop.clone().cancelled_owned()));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { channel, stop, running }
    }

    fn client(&self) -> AbideClient<Channel> {
        AbideClient::new(self.channel.clone())
    }
}

fn call(handler: &str, args: &Value) -> CallRequest {
    CallRequest {
        kind: "Counter".into(),
        id: "a".into(),
        handler: handler.into(),
        args: args.to_string(),
        key: String::new(),
    }
}

/// The whole error that a status carries.
fn error(status: &Status) -> Error {
    let whole = status.metadata().get_bin("abide-error-bin").unwrap().to_bytes().unwrap();
    serde_json::from_slice::<ErrorFrame>(&whole).unwrap().into()
}

#[tokio::test]
async fn calls_are_answered_and_their_errors_keep_code_and_data() {
    let world = World::new().await;
    let mut client = world.client();
    let reply = client.call(call("increment", &json!({"amount": 5}))).await.unwrap().into_inner();
    assert_eq!((reply.result.as_str(), reply.seq), ("5", 1));
    let keyed = CallRequest { key: "order-77".into(), ..call("increment", &json!([1])) };
    for _ in 0..2 {
        assert_eq!(client.call(keyed.clone()).await.unwrap().into_inner().result, "6");
    }
    let refused = client.call(call("refuse", &json!({}))).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Grpc::FailedPrecondition, "no"));
    assert_eq!(error(&refused).data(), Some(&json!({"missing": 3})));
    for (call, code, ours) in [
        (call("incremnt", &json!({})), Grpc::NotFound, Code::UnknownHandler),
        (call("increment", &json!("x")), Grpc::InvalidArgument, Code::BadRequest),
        (CallRequest { kind: "No".into(), ..call("x", &json!({})) }, Grpc::NotFound, Code::UnknownKind),
        (CallRequest { id: String::new(), ..call("x", &json!({})) }, Grpc::InvalidArgument, Code::BadRequest),
        (CallRequest { key: "k".repeat(300), ..call("get", &json!({})) }, Grpc::InvalidArgument, Code::BadRequest),
        (CallRequest { kind: "Visitor".into(), ..call("name", &json!(["x"])) }, Grpc::PermissionDenied, Code::Denied),
    ] {
        let status = client.call(call).await.unwrap_err();
        assert_eq!((status.code(), error(&status).code()), (code, ours), "{status:?}");
    }
}

#[tokio::test]
async fn a_deadline_travels_with_the_call() {
    let world = World::new().await;
    let mut request = Request::new(call("wait", &json!([10_000])));
    request.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
    let status = timeout(PATIENCE, world.client().call(request)).await.unwrap().unwrap_err();
    assert!(matches!(status.code(), Grpc::DeadlineExceeded | Grpc::Cancelled), "{status:?}");
    // The turn was undone at its deadline: the object is free again, and as it was.
    let free = timeout(Duration::from_secs(4), world.client().call(call("get", &json!([])))).await;
    assert_eq!(free.expect("the object is still busy").unwrap().into_inner().result, "0");
    let mut request = Request::new(call("get", &json!([])));
    request.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    assert_eq!(world.client().call(request).await.unwrap_err().code(), Grpc::InvalidArgument);
}

#[tokio::test]
async fn a_watch_begins_with_the_state_and_goes_on_with_each_change() {
    let world = World::new().await;
    let mut client = world.client();
    client.call(call("increment", &json!([1]))).await.unwrap();
    let watch = WatchRequest { kind: "Counter".into(), id: "a".into(), after: None };
    let mut events = client.watch(watch.clone()).await.unwrap().into_inner();
    let Some(Event::Snapshot(first)) = events.message().await.unwrap().unwrap().event else { panic!("a snapshot") };
    assert_eq!((first.seq, first.state.as_str()), (1, r#"{"count":1}"#));
    client.call(call("increment", &json!([1]))).await.unwrap();
    let Some(Event::Change(change)) = events.message().await.unwrap().unwrap().event else { panic!("a change") };
    assert_eq!(change.seq, 2);
    assert_eq!(serde_json::from_str::<Value>(&change.json).unwrap()["patch"], json!({"count": 2}));
    let mut ahead = client.watch(WatchRequest { after: Some(99), ..watch }).await.unwrap().into_inner();
    let Some(Event::Reset(reset)) = ahead.message().await.unwrap().unwrap().event else { panic!("a reset") };
    assert_eq!((reset.reason.as_str(), reset.seq), ("ahead", 2));
    world.stop.cancel();
    assert!(timeout(PATIENCE, events.message()).await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn frames_say_the_same_as_over_a_socket() {
    let world = World::new().await;
    let (say, said) = tokio::sync::mpsc::channel::<Value>(16);
    let frames = stream::unfold(said, |mut said| async move {
        let frame: Value = said.recv().await?;
        Some((Frame { json: frame.to_string() }, said))
    });
    say.send(json!({"type": "hello", "proto": 1, "session": "Visitor"})).await.unwrap();
    let mut heard = world.client().connect(frames).await.unwrap().into_inner();
    let mut hear = async || -> Value {
        let frame = timeout(PATIENCE, heard.message()).await.unwrap().unwrap().expect("a frame");
        serde_json::from_str(&frame.json).unwrap()
    };
    // Its session cannot write into the book, which this node does not have.
    assert_eq!(hear().await["code"], "unknown_kind");
    drop(say);

    let (say, said) = tokio::sync::mpsc::channel::<Value>(16);
    let frames = stream::unfold(said, |mut said| async move {
        let frame: Value = said.recv().await?;
        Some((Frame { json: frame.to_string() }, said))
    });
    let mut heard = {
        say.send(json!({"type": "hello", "proto": 1})).await.unwrap();
        world.client().connect(frames).await.unwrap().into_inner()
    };
    let mut hear = async || -> Value {
        let frame = timeout(PATIENCE, heard.message()).await.unwrap().unwrap().expect("a frame");
        serde_json::from_str(&frame.json).unwrap()
    };
    assert_eq!(hear().await["type"], "welcome");
    say.send(json!({"type": "call", "n": 1, "kind": "Counter", "id": "a", "handler": "increment", "args": [2]}))
        .await
        .unwrap();
    assert_eq!(hear().await, json!({"type": "result", "n": 1, "result": 2, "seq": 1}));
    say.send(json!({"type": "watch", "n": 2, "kind": "Counter", "id": "a"})).await.unwrap();
    assert_eq!(hear().await, json!({"type": "snapshot", "n": 2, "seq": 1, "state": {"count": 2}}));
    say.send(json!({"type": "bye"})).await.unwrap();
    assert!(timeout(PATIENCE, heard.message()).await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn objects_are_listed_in_pages() {
    let world = World::new().await;
    let mut client = world.client();
    for id in ["a", "b", "c"] {
        client.call(CallRequest { id: id.into(), ..call("increment", &json!([1])) }).await.unwrap();
    }
    let ask = ListRequest { kind: "Counter".into(), limit: 2, ..ListRequest::default() };
    let first = client.list(ask.clone()).await.unwrap().into_inner();
    let ids: Vec<_> = first.objects.iter().map(|object| object.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!((first.objects[0].seq, first.objects[0].state.as_str()), (1, r#"{"count":1}"#));
    let rest = client.list(ListRequest { cursor: first.cursor, ..ask }).await.unwrap().into_inner();
    assert_eq!((rest.objects.len(), rest.cursor.as_str()), (1, ""));
    let ask = ListRequest { kind: "Counter".into(), r#where: "count > > 1".into(), ..ListRequest::default() };
    assert_eq!(client.list(ask).await.unwrap_err().code(), Grpc::InvalidArgument);
}

#[tokio::test]
async fn the_node_says_what_it_is() {
    let world = World::new().await;
    world.client().call(call("increment", &json!([1]))).await.unwrap();
    let mut admin = AdminClient::new(world.channel.clone());
    let status = admin.status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.objects, status.objects_in_memory), (1, 1));
    let kinds = admin.kinds(KindsRequest {}).await.unwrap().into_inner();
    assert!(kinds.json.contains("\"kind\":\"Counter\""));
}

#[tokio::test]
async fn health_and_reflection_answer_in_their_own_protocols() {
    let world = World::new().await;
    let mut grpc = tonic::client::Grpc::new(world.channel.clone());
    grpc.ready().await.unwrap();
    let path = axum::http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let codec = tonic_prost::ProstCodec::<Service, Health>::default();
    let ask = Service { name: "abide.v1.Abide".into() };
    let health: Health = grpc.unary(Request::new(ask), path, codec).await.unwrap().into_inner();
    assert_eq!(health.status, 1, "it is not SERVING");
    let mut grpc = tonic::client::Grpc::new(world.channel.clone());
    grpc.ready().await.unwrap();
    let path = axum::http::uri::PathAndQuery::from_static("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    let codec = tonic_prost::ProstCodec::<Reflect, Reflected>::default();
    let ask = stream::iter([Reflect { list_services: String::new() }]);
    let mut answers = grpc.streaming(Request::new(ask), path, codec).await.unwrap().into_inner();
    let answer: Reflected = answers.next().await.unwrap().unwrap();
    let services = String::from_utf8_lossy(&answer.services).into_owned();
    assert!(services.contains("abide.v1.Abide") && services.contains("abide.v1.Admin"), "{services}");
}

/// Enough of the messages of health and reflection to see what they say.
#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Reflect {
    #[prost(string, required, tag = "7")]
    list_services: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Reflected {
    #[prost(bytes = "vec", tag = "6")]
    services: Vec<u8>,
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let world = World::new().await;
    let frames =
        stream::iter([Frame { json: json!({"type": "hello", "proto": 1}).to_string() }]).chain(stream::pending());
    let mut heard = world.client().connect(frames).await.unwrap().into_inner();
    assert!(heard.message().await.unwrap().unwrap().json.contains("welcome"));
    world.stop.cancel();
    assert!(heard.message().await.unwrap().unwrap().json.contains("goaway"));
    assert_eq!(heard.message().await.unwrap_err().code(), Grpc::Unavailable);
    drop(heard);
    timeout(PATIENCE, world.running).await.unwrap().unwrap().unwrap();
}
