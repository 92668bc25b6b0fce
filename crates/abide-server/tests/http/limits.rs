//! More than is taken, and what happens then.

use std::{io::Write, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    routing,
};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::world::{PATIENCE, Plan, World, read_all};

const NAME: &str = "/v1/objects/Counter/a/name";

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_it_comes() {
    let world = World::new().await;
    let fits = json!({ "label": "x".repeat((1 << 20) - 12) }).to_string();
    assert_eq!(fits.len(), 1 << 20);
    world.post(NAME, fits.clone()).await.ok();
    let over = fits + " ";
    for _ in 0..5 {
        world.post(NAME, over.clone()).await.problem(413, "too_large", "1048576 bytes");
        let pieces = over.as_bytes().chunks(10_000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
        let stream = futures_util::stream::iter(pieces.collect::<Vec<_>>());
        let request = world.request("POST", NAME).body(Body::from_stream(stream)).unwrap();
        world.send(request).await.problem(413, "too_large", "1048576 bytes");
    }
    let head = format!("POST {NAME} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n");
    let text = world.raw(head.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
}

#[tokio::test]
async fn a_caller_that_waits_to_be_asked_is_not_asked_for_too_much() {
    let world = World::new().await;
    let head =
        format!("POST {NAME} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2000000\r\n\r\n");
    let text = world.raw(head.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
}

#[tokio::test]
async fn a_bomb_does_not_go_off() {
    let world = World::new().await;
    let zeros = vec![b' '; 200 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&zeros).unwrap();
    let bombs = [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(&zeros[..], 3).unwrap())];
    drop(zeros);
    for (coding, bomb) in bombs {
        assert!(bomb.len() < 1 << 20);
        let answer = world.post_with(NAME, bomb, &[("content-encoding", coding)]).await;
        answer.problem(413, "too_large", "4194304 bytes once decompressed");
    }
}

#[tokio::test]
async fn what_nests_too_deep_is_refused() {
    let world = World::new().await;
    for open in ["[", "{\"a\":"] {
        let body = open.repeat(100_000);
        world.post("/v1/objects/Tree/a/plant", body).await.problem(400, "bad_request", "deeper than 100");
    }
    let tree = |depth: usize| {
        let (open, close) = (r#"{"name":"n","children":["#.repeat(depth), "]}".repeat(depth));
        format!(r#"{{"root":{open}{close}}}"#)
    };
    world.post("/v1/objects/Tree/a/plant", tree(49)).await.ok();
    world.post("/v1/objects/Tree/a/plant", tree(50)).await.problem(400, "bad_request", "deeper than 100");
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let world = World::new().await;
    let long = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    assert!(world.raw(long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let url = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(65_535));
    assert!(world.raw(url.as_bytes()).await.starts_with("HTTP/1.1 4"));
    let many = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(200));
    let text = world.raw(many.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 431") && text.contains(r#""code":"too_large""#), "{text}");
    world.get("/healthz").await.ok();
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let world = World::plan().server(|options| options.limits.body_timeout = Duration::from_millis(100)).start().await;
    let head = format!("POST {NAME} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20\r\n\r\n{{\"label\"");
    let text = world.raw(head.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("within 100ms"), "{text}");
}

#[tokio::test]
async fn a_connection_that_is_idle_or_slow_is_closed() {
    let world = World::plan().server(|options| options.limits.keep_alive = Duration::from_millis(200)).start().await;
    assert_eq!(world.raw(b"").await, "");
    assert!(!world.raw(b"GET /healthz HT").await.contains("200"));
    let text = world.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn a_connection_of_http_2_ends_when_nothing_is_under_way() {
    let world = World::plan().server(|options| {
        options.limits.keep_alive = Duration::from_millis(200);
        options.limits.heartbeat = Duration::from_millis(100);
    });
    let world = world.start().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut ask = |path: &str, accept: &str| {
        let request = Request::builder().uri(world.url(path)).header("accept", accept);
        sender.send_request(request.body(Empty::<Bytes>::new()).unwrap())
    };
    let events = timeout(PATIENCE, ask("/v1/objects/Counter/a/changes", "text/event-stream")).await.unwrap().unwrap();
    let mut events = events.into_body();
    // One each heartbeat: together they take far longer than a connection may be idle.
    for _ in 0..15 {
        timeout(PATIENCE, events.frame()).await.expect("nothing comes").unwrap().unwrap();
    }
    assert_eq!(timeout(PATIENCE, ask("/healthz", "*/*")).await.unwrap().unwrap().status(), 200);
    drop(events);
    let ended = timeout(PATIENCE, connection).await.expect("it is still there").unwrap();
    assert!(ended.is_ok(), "it was cut: {ended:?}");
    drop(sender);
}

/// A connection of HTTP/2 whose client takes so many bytes of an answer while it reads none of it.
async fn with_window(world: &World, bytes: u32) -> (http2::SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(bytes);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn get(world: &World, path: &str) -> Request<Empty<Bytes>> {
    Request::builder().uri(world.url(path)).body(Empty::new()).unwrap()
}

fn with_a_large_answer() -> Plan {
    World::plan().routes(Router::new().route("/large", routing::get(|| async { vec![b'x'; 1 << 20] })))
}

#[tokio::test]
async fn a_connection_of_http_2_that_takes_nothing_of_an_answer_is_cut() {
    let plan = with_a_large_answer().server(|options| options.limits.write_timeout = Duration::from_millis(300));
    let world = plan.start().await;
    let (mut sender, connection) = with_window(&world, 0).await;
    let large = timeout(PATIENCE, sender.send_request(get(&world, "/large"))).await.unwrap().unwrap();
    timeout(PATIENCE, connection).await.expect("it is still there").unwrap().ok();
    drop(large);
}

#[tokio::test]
async fn a_slow_reader_of_http_2_is_not_cut() {
    let plan = with_a_large_answer().server(|options| options.limits.write_timeout = Duration::from_millis(100));
    let world = plan.start().await;
    let (mut sender, connection) = with_window(&world, 32 << 10).await;
    let large = timeout(PATIENCE, sender.send_request(get(&world, "/large"))).await.unwrap().unwrap();
    let (mut large, mut taken) = (large.into_body(), 0);
    let begun = Instant::now();
    while taken < 1 << 20 {
        let frame = timeout(PATIENCE, large.frame()).await.expect("nothing comes").expect("it has ended");
        taken += frame.expect("it was cut though it is read").data_ref().unwrap().len();
        // Each piece comes soon after the one before; all of them take longer than one may.
        sleep(Duration::from_millis(250)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(11), "it was not slow");
    assert_eq!(timeout(PATIENCE, sender.send_request(get(&world, "/healthz"))).await.unwrap().unwrap().status(), 200);
    connection.abort();
}

#[tokio::test]
async fn an_answer_that_nobody_takes_does_not_end_what_others_ask_over_the_same_connection() {
    let slow = || async {
        sleep(Duration::from_secs(12)).await;
        "here"
    };
    let plan = World::plan()
        .routes(
            Router::new()
                .route("/large", routing::get(|| async { vec![b'x'; 1 << 20] }))
                .route("/slow", routing::get(slow)),
        )
        .server(|options| options.limits.write_timeout = Duration::from_millis(100));
    let world = plan.start().await;
    let (mut sender, connection) = with_window(&world, 4).await;
    let large = timeout(PATIENCE, sender.send_request(get(&world, "/large"))).await.unwrap().unwrap();
    // It takes longer than anybody waits for the other to be taken.
    let slow = timeout(PATIENCE, sender.send_request(get(&world, "/slow"))).await.unwrap();
    let slow = slow.expect("it was cut with the other").into_body().collect().await;
    assert_eq!(slow.expect("it was cut with the other").to_bytes(), "here");
    timeout(PATIENCE, connection).await.expect("it is still there").unwrap().ok();
    drop(large);
}

#[tokio::test]
async fn a_connection_of_http_2_is_not_idle_while_an_answer_is_on_its_way() {
    let plan = with_a_large_answer().server(|options| options.limits.keep_alive = Duration::from_secs(2));
    let world = plan.start().await;
    let (mut sender, connection) = with_window(&world, 65_535).await;
    let large = timeout(PATIENCE, sender.send_request(get(&world, "/large"))).await.unwrap().unwrap();
    // However long that takes: nobody is told to leave.
    sleep(Duration::from_secs(5)).await;
    let other = timeout(PATIENCE, sender.send_request(get(&world, "/healthz"))).await.unwrap();
    assert_eq!(other.expect("it was told to leave").status(), 200);
    assert_eq!(large.into_body().collect().await.unwrap().to_bytes().len(), 1 << 20);
    drop(sender);
    connection.abort();
}

#[tokio::test]
async fn a_connection_of_http_2_has_few_objects_on_their_way_at_a_time() {
    let world = World::plan().start().await;
    world.post("/v1/objects/Counter/a/increment", "[1]").await.ok();
    let (mut sender, connection) = with_window(&world, 0).await;
    let mut on_their_way = Vec::new();
    let object = NAME.rsplit_once('/').unwrap().0;
    for n in 0..16 {
        let mut request = get(&world, object);
        if n % 2 == 0 {
            // It is a state all the same.
            request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
        }
        on_their_way.push(timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap());
    }
    let mut one_more = Box::pin(sender.send_request(get(&world, object)));
    assert!(timeout(Duration::from_millis(500), &mut one_more).await.is_err(), "more are on their way");
    // What is not read is only asked for again.
    assert_eq!(timeout(PATIENCE, sender.send_request(get(&world, "/healthz"))).await.unwrap().unwrap().status(), 200);
    on_their_way.pop();
    assert_eq!(timeout(PATIENCE, one_more).await.expect("its turn does not come").unwrap().status(), 200);
    drop(on_their_way);
    connection.abort();
}

#[tokio::test]
async fn connections_over_the_limit_wait_their_turn() {
    let world = World::plan().server(|options| options.limits.connections = 2).start().await;
    let (one, two) =
        (TcpStream::connect(world.address).await.unwrap(), TcpStream::connect(world.address).await.unwrap());
    sleep(Duration::from_millis(50)).await;
    let mut third = TcpStream::connect(world.address).await.unwrap();
    third.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let answer = tokio::spawn(async move { read_all(&mut third).await });
    sleep(Duration::from_millis(100)).await;
    assert!(!answer.is_finished());
    drop((one, two));
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn garbage_on_the_line_is_answered_or_cut_and_the_server_lives() {
    let world = World::new().await;
    for bytes in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage garbage garbage",
    ] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(!read_all(&mut stream).await.contains("200 OK"));
    }
    world.get("/healthz").await.ok();
}

#[tokio::test]
async fn a_public_address_is_refused_with_a_sentence() {
    let world = World::new().await;
    let options = abide_server::ServerOptions::on("0.0.0.0:0");
    let error = abide_server::Server::bind(world.node.clone(), options).await.err().unwrap();
    assert!(error.detail().contains("127.0.0.1") && error.detail().contains("other machines"), "{error}");
    world.get("/readyz").await.ok();
}
