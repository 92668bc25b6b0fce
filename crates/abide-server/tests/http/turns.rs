//! Whose turn is it to read? What is on its way over one HTTP/2 connection, and who waits for whom.

use std::{convert::Infallible, time::Duration};

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    tokens::Issuer,
    world::{PATIENCE, Plan, World, whole},
};

const OBJECT: &str = "/v1/objects/Counter/a";

/// So many bytes are taken of an answer only by who reads it.
const LARGE: usize = 512 << 10;

/// How many reads one caller has on their way over one connection.
const TURNS: usize = 16;

/// One HTTP/2 connection, whose client takes nothing of an answer that it does not read.
struct Connection<'w> {
    world: &'w World,
    sender: http2::SendRequest<Body>,
    running: JoinHandle<hyper::Result<()>>,
}

impl<'w> Connection<'w> {
    async fn open(world: &'w World, window: u32) -> Self {
        let stream = TcpStream::connect(world.address).await.unwrap();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        Self { world, sender, running: tokio::spawn(connection) }
    }

    /// Sends a request and waits for the head of its answer.
    async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Body) -> Response<Incoming> {
        let request = Request::builder().method(method).uri(self.world.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = self.sender.send_request(request.body(body).unwrap());
        timeout(PATIENCE, answer).await.expect("no answer in time").unwrap()
    }

    async fn get(&mut self, headers: &[(&str, &str)]) -> Response<Incoming> {
        self.ask("GET", OBJECT, headers, Body::empty()).await
    }

    /// Reads the object, and gives it up, until that is answered so.
    async fn until(&mut self, status: u16, headers: &[(&str, &str)]) -> Response<Incoming> {
        let answered = async {
            loop {
                let answer = self.get(headers).await;
                if answer.status() == status {
                    return answer;
                }
                drop(answer);
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, answered).await.unwrap_or_else(|_| panic!("it is never answered with {status}"))
    }

    async fn grpc(&mut self, method: &str, body: Body) -> Response<Incoming> {
        let headers = [("content-type", "application/grpc"), ("te", "trailers")];
        self.ask("POST", &format!("/abide.v1.Abide/{method}"), &headers, body).await
    }

    /// Checks that these have all the turns, and that one of them is free when one is given up.
    async fn have_all_turns<T>(mut self, mut on_their_way: Vec<T>) {
        assert_eq!(on_their_way.len(), TURNS);
        let refused = self.until(429, &[]).await;
        assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
        drop(refused);
        assert_eq!(self.ask("GET", "/healthz", &[], Body::empty()).await.status(), 200);
        on_their_way.pop();
        self.until(200, &[]).await;
        self.running.abort();
    }
}

/// Nobody waits long for a turn.
fn impatient() -> Plan {
    World::plan().server(|options| options.limits.request_timeout = Duration::from_secs(1))
}

/// With an object whose state is much: gRPC gathers what is little, and has sent it then.
async fn with_a_large_object(plan: Plan) -> World {
    let world = plan.start().await;
    world.post(&format!("{OBJECT}/name"), json!({"label": "x".repeat(LARGE)}).to_string()).await.ok();
    world
}

/// A message of gRPC with these texts as its first fields, and what follows them.
fn message(texts: &[&str], rest: &[u8]) -> Bytes {
    let mut fields = Vec::new();
    for (tag, text) in (1..).zip(texts) {
        let (high, low) = (text.len() >> 7, text.len() & 0x7f);
        fields.push(tag << 3 | 2);
        match u8::try_from(high).unwrap() {
            0 => fields.push(u8::try_from(low).unwrap()),
            high => fields.extend([u8::try_from(low | 0x80).unwrap(), high]),
        }
        fields.extend(text.as_bytes());
    }
    fields.extend(rest);
    let length = u32::try_from(fields.len()).unwrap().to_be_bytes();
    [&[0][..], &length, &fields].concat().into()
}

#[tokio::test]
async fn a_stream_of_events_that_begins_with_a_state_has_a_turn_until_that_is_taken() {
    let world = with_a_large_object(impatient()).await;
    let mut connection = Connection::open(&world, 0).await;
    let (events, ahead) = ([("accept", "text/event-stream")], format!("{OBJECT}/changes?after=99"));
    let mut streams = Vec::new();
    for _ in 0..TURNS {
        streams.push(connection.ask("GET", &ahead, &events, Body::empty()).await);
    }
    connection.have_all_turns(streams).await;
}

#[tokio::test]
async fn a_stream_of_events_gives_its_turn_back_when_its_state_is_taken() {
    let world = with_a_large_object(impatient()).await;
    let mut connection = Connection::open(&world, 65_535).await;
    let (events, ahead) = ([("accept", "text/event-stream")], format!("{OBJECT}/changes?after=99"));
    let mut streams = Vec::new();
    for _ in 0..3 * TURNS {
        let mut events = connection.ask("GET", &ahead, &events, Body::empty()).await.into_body();
        let mut text = String::new();
        while !text.ends_with("\"reason\":\"ahead\"}\n\n") {
            let frame = timeout(PATIENCE, events.frame()).await.expect("its turn does not come").unwrap().unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        streams.push(events);
    }
    connection.until(200, &[]).await;
    connection.running.abort();
}

#[tokio::test]
async fn a_watch_over_grpc_has_a_turn_until_its_first_state_is_taken() {
    let world = with_a_large_object(impatient()).await;
    let mut connection = Connection::open(&world, 0).await;
    let mut watches = Vec::new();
    for n in 0..TURNS {
        // From the state on, or from a position that it has not reached.
        let after: &[u8] = if n % 2 == 0 { &[] } else { &[3 << 3, 99] };
        watches.push(connection.grpc("Watch", message(&["Counter", "a"], after).into()).await);
    }
    connection.have_all_turns(watches).await;
}

#[tokio::test]
async fn frames_over_grpc_have_the_turns_of_their_connection() {
    let world = with_a_large_object(impatient()).await;
    let mut connection = Connection::open(&world, 0).await;
    let mut links = Vec::new();
    for n in 0..TURNS {
        let asks = match n % 3 {
            0 => json!({"type": "watch", "n": 1, "kind": "Counter", "id": "a"}),
            1 => json!({"type": "watch", "n": 1, "kind": "Counter", "id": "a", "after": 99}),
            _ => json!({"type": "get", "n": 1, "kind": "Counter", "id": "a"}),
        };
        let frames = [json!({"type": "hello", "proto": 1}), asks];
        let frames = frames.map(|frame| Ok::<_, Infallible>(message(&[&frame.to_string()], &[])));
        // It ends when that is dropped, and the connection of frames not before.
        let (lasts, until) = oneshot::channel::<()>();
        let end = stream::once(until).filter_map(|_| std::future::ready(None));
        let body = Body::from_stream(stream::iter(frames).chain(end));
        links.push((connection.grpc("Connect", body).await, lasts));
    }
    connection.have_all_turns(links).await;
}

#[tokio::test]
async fn a_list_over_grpc_has_a_turn_until_it_is_taken() {
    let world = with_a_large_object(impatient()).await;
    let mut connection = Connection::open(&world, 0).await;
    let mut lists = Vec::new();
    for _ in 0..TURNS {
        lists.push(connection.grpc("List", message(&["Counter"], &[]).into()).await);
    }
    let refused = connection.grpc("List", message(&["Counter"], &[]).into()).await;
    assert_eq!(refused.headers()["abide-code"], "overloaded");
    connection.have_all_turns(lists).await;
}

#[tokio::test]
async fn a_caller_that_takes_nothing_holds_up_no_other_caller_of_its_connection() {
    let issuer = Issuer::new();
    let world = World::plan().server(|options| {
        options.auth = Some(issuer.auth());
        // Whoever waited for another would wait for so long.
        options.limits.request_timeout = PATIENCE;
    });
    let world = world.start().await;
    let bearer = |name: &str| format!("Bearer {}", issuer.token(name, &[]));
    let (alice, bob) = (bearer("alice"), bearer("bob"));
    let (alice, bob) = ([("authorization", alice.as_str())], [("authorization", bob.as_str())]);
    world.send_with("POST", &format!("{OBJECT}/step"), &issuer.token("alice", &[]), &[]).await.ok();
    let mut connection = Connection::open(&world, 0).await;
    let mut on_their_way = Vec::new();
    for _ in 0..TURNS {
        on_their_way.push(connection.get(&alice).await);
    }
    let soon = Duration::from_secs(8);
    let bobs = timeout(soon, connection.get(&bob)).await.expect("bob waits for alice");
    assert_eq!(bobs.status(), 200);
    let stranger = timeout(soon, connection.get(&[])).await.expect("a stranger waits for a turn");
    assert_eq!(stranger.status(), 401);
    // Nor does she wait for ever.
    let one_more = connection.get(&alice).await;
    assert_eq!(one_more.status(), 429);
    connection.running.abort();
    drop(on_their_way);
}

#[tokio::test]
async fn who_waits_too_long_for_a_turn_is_told_why() {
    let world = with_a_large_object(impatient()).await;
    let mut connection = Connection::open(&world, 65_535).await;
    let mut on_their_way = Vec::new();
    for _ in 0..TURNS {
        on_their_way.push(connection.get(&[]).await);
    }
    let refused = whole(connection.get(&[]).await).await;
    refused.problem(429, "overloaded", "16");
    for answer in on_their_way {
        assert!(whole(answer).await.ok()["state"]["label"].as_str().is_some_and(|label| label.len() == LARGE));
    }
    connection.until(200, &[]).await;
    connection.running.abort();
}
