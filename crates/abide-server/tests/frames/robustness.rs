use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, http::StatusCode, protocol::CloseFrame};

use crate::world::{Client, PATIENCE, World};

async fn text(client: &mut Client, text: impl Into<String>) {
    client.socket.send(Message::Text(text.into().into())).await.unwrap();
}

#[tokio::test]
async fn whatever_comes_before_hello_ends_the_connection_with_the_reason() {
    let world = World::new().await;
    for (sent, word) in [
        (r#"{"type":"ping"}"#, "hello"),
        (r#"{"type":"hello","proto":2}"#, "version 1"),
        (r#"{"type":"hello"}"#, "proto"),
        ("nonsense", "JSON object"),
        ("", "JSON object"),
    ] {
        let mut client = world.socket(&[]).await.unwrap();
        text(&mut client, sent).await;
        let error = client.hear().await;
        assert_eq!(error["code"], "bad_request");
        assert!(error["detail"].as_str().unwrap().contains(word), "{sent}: {error}");
        assert_eq!(client.next().await, Err(1008));
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_not_kept() {
    let world = World::with(|options| options.limits.hello_timeout = Duration::from_millis(200)).await;
    let mut client = world.socket(&[]).await.unwrap();
    assert_eq!(client.hear().await["code"], "deadline");
    assert_eq!(client.next().await, Err(1008));
}

#[tokio::test]
async fn frames_that_mean_nothing_are_refused_one_by_one_until_there_are_too_many() {
    let world = World::new().await;
    let mut client = world.client().await;
    for (sent, n) in [
        ("nonsense", None),
        ("{}", None),
        (r#"{"type":"result","n":1,"result":1,"seq":1}"#, Some(1)),
        (r#"{"type":"call","n":7}"#, Some(7)),
        (r#"{"type":"call","n":-7,"kind":"Counter","id":"a","handler":"get"}"#, None),
        (r#"{"type":"hello","proto":1}"#, None),
        (r#"{"type":"sync","n":3,"body":1}"#, Some(3)),
    ] {
        text(&mut client, sent).await;
        let error = client.hear().await;
        assert_eq!((&error["code"], error["n"].as_u64()), (&json!("bad_request"), n), "{sent}: {error}");
    }
    client.silent().await;
    let mut refused = 7;
    loop {
        text(&mut client, "nonsense").await;
        match client.next().await {
            Ok(error) => assert_eq!(error["code"], "bad_request"),
            Err(code) => break assert_eq!(code, 1008),
        }
        refused += 1;
        assert!(refused <= 100);
    }
}

#[tokio::test]
async fn a_number_in_use_is_not_used_again() {
    let world = World::new().await;
    let mut client = world.client().await;
    let wait = json!({"type": "call", "n": 1, "kind": "Counter", "id": "w", "handler": "wait", "args": [300]});
    client.say(wait.clone()).await;
    client.say(wait).await;
    client.say(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "w"})).await;
    for _ in 0..2 {
        let error = client.hear().await;
        assert!(error.get("n").is_none() && error["detail"].as_str().unwrap().contains("in use"), "{error}");
    }
    assert_eq!(client.hear().await, json!({"type": "result", "n": 1, "result": 1, "seq": 1}));
    client.say(json!({"type": "cancel", "n": 99})).await;
    client.say(json!({"type": "unwatch", "n": 99})).await;
    client.silent().await;
}

#[tokio::test]
async fn a_cancelled_call_has_no_answer_and_frees_its_place() {
    let world = World::with(|options| options.limits.calls_per_connection = 1).await;
    let mut client = world.client().await;
    let call = |n: u64, id: &str| json!({"type": "call", "n": n, "kind": "Counter", "id": id, "handler": "wait", "args": [600]});
    client.say(call(1, "x")).await;
    assert_eq!(client.ask(call(2, "y")).await["code"], "overloaded");
    client.say(json!({"type": "cancel", "n": 1})).await;
    assert_eq!(
        client.ask(json!({"type": "call", "n": 3, "kind": "Counter", "id": "z", "handler": "get"})).await["n"],
        3
    );
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_refused_and_one_that_is_far_too_long_ends_the_connection() {
    let world = World::with(|options| options.limits.frame_bytes = 1000).await;
    let mut client = world.client().await;
    let send = |bytes: usize| json!({"type": "send", "kind": "Counter", "id": "a", "data": "x".repeat(bytes)});
    assert_eq!(client.ask(send(2000)).await["code"], "too_large");
    client.silent().await;
    client.say(send(10_000)).await;
    assert_eq!(client.hear().await["code"], "too_large");
    assert_eq!(client.next().await, Err(1009));
}

#[tokio::test]
async fn a_message_of_the_wrong_encoding_is_refused() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.socket.send(Message::Binary(vec![0xc0].into())).await.unwrap();
    assert_eq!(client.hear().await["code"], "unsupported_media");
    let mut packed = world.socket(&[("sec-websocket-protocol", "abide.msgpack")]).await.unwrap();
    assert_eq!(packed.ask(json!({"type": "hello", "proto": 1})).await["type"], "welcome");
    text(&mut packed, r#"{"type":"ping"}"#).await;
    assert_eq!(packed.hear().await["code"], "unsupported_media");
    packed.socket.send(Message::Binary(vec![0xc1, 1, 2].into())).await.unwrap();
    assert_eq!(packed.hear().await["code"], "bad_request");
    packed.silent().await;
}

#[tokio::test]
async fn more_watches_than_the_limit_are_refused() {
    let world = World::with(|options| options.limits.watches_per_connection = 2).await;
    let mut client = world.client().await;
    let watch = |n: u64| json!({"type": "watch", "n": n, "kind": "Counter", "id": "a"});
    assert_eq!(client.ask(watch(1)).await["type"], "snapshot");
    assert_eq!(client.ask(watch(2)).await["type"], "snapshot");
    assert_eq!(client.ask(watch(3)).await["code"], "overloaded");
    client.say(json!({"type": "unwatch", "n": 1})).await;
    assert_eq!(client.ask(watch(3)).await["type"], "snapshot");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_and_takes_no_memory_meanwhile() {
    let world = World::with(|options| options.limits.write_timeout = Duration::from_millis(500)).await;
    let mut slow = world.client().await;
    let began = Instant::now();
    // Each answer is large, and none is read: the server stops reading before it holds many of them.
    let mut sent = 0;
    loop {
        let call =
            json!({"type": "call", "n": sent, "kind": "Counter", "id": "a", "handler": "fill", "args": [100_000]});
        let send = tokio::time::timeout(PATIENCE, slow.socket.send(Message::Text(call.to_string().into())));
        if send.await.expect("the server neither reads nor cuts").is_err() {
            break;
        }
        sent += 1;
        assert!(began.elapsed() < PATIENCE, "the connection was not cut after {sent} calls");
    }
    world.client().await.silent().await;
}

#[tokio::test]
async fn a_slow_reader_gets_every_change_that_is_kept_or_is_told_of_a_reset() {
    let world = World::new().await;
    let (mut slow, mut caller) = (world.client().await, world.client().await);
    assert_eq!(slow.ask(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "a"})).await["type"], "snapshot");
    for n in 0..1000 {
        caller.call(n, "increment", json!([1])).await;
    }
    let (mut at, mut count) = (0, 0);
    while at < 1000 {
        let frame = slow.hear().await;
        let seq = frame["seq"].as_u64().unwrap();
        match frame["type"].as_str().unwrap() {
            "change" => {
                assert_eq!(seq, at + 1);
                count = frame["patch"]["count"].as_u64().unwrap();
            }
            "reset" => count = frame["state"]["count"].as_u64().unwrap(),
            other => panic!("{other}"),
        }
        at = seq;
    }
    assert_eq!(count, 1000);
}

#[tokio::test]
async fn a_connection_that_is_half_open_is_found_out() {
    let world = World::with(|options| options.limits.heartbeat = Duration::from_millis(200)).await;
    let (mut dead, welcome) = world.hello(json!({"type": "hello", "proto": 1})).await;
    let mut watcher = world.client().await;
    dead.say(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "room"})).await;
    assert_eq!(dead.hear().await["type"], "snapshot");
    dead.say(json!({"type": "present", "n": 1, "data": 1})).await;
    dead.silent().await;
    watcher.say(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "room", "presence": true})).await;
    assert_eq!(watcher.hear().await["type"], "snapshot");
    let me = welcome["client"].as_str().unwrap();
    assert_eq!(watcher.hear().await["members"], json!({me: 1}));
    // It neither reads nor answers, and nobody closes it.
    assert_eq!(watcher.hear().await["members"], json!({me: null}));
    drop(dead);
    // Whoever answers pings stays, however little it says.
    watcher.silent().await;
}

#[tokio::test]
async fn no_conversation_whatever_its_order_breaks_the_connection_or_the_node() {
    let abide = abide::Abide::open("memory:").register::<crate::kinds::Counter>().start().await.unwrap();
    let frames = [
        r#"{"type":"call","n":1,"kind":"Counter","id":"a","handler":"increment","args":[1]}"#,
        r#"{"type":"get","n":3,"kind":"Counter","id":"a"}"#,
        r#"{"type":"delete","n":3,"kind":"Counter","id":"a"}"#,
        r#"{"type":"list","n":4,"kind":"Counter","where":"count > 0"}"#,
        r#"{"type":"watch","n":1,"kind":"Counter","id":"a"}"#,
        r#"{"type":"watch","n":2,"kind":"Counter","id":"a","after":9,"presence":true}"#,
        r#"{"type":"present","n":2,"data":{"x":1}}"#,
        r#"{"type":"unwatch","n":2}"#,
        r#"{"type":"cancel","n":1}"#,
        r#"{"type":"send","kind":"Counter","id":"a","data":null}"#,
        r#"{"type":"hello","proto":1}"#,
        r#"{"type":"ping"}"#,
        "nonsense",
        r#"{"type":"bye"}"#,
    ];
    let mut seed = 1_u64;
    let mut draw = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..300 {
        let some = (0..draw(30)).map(|_| frames[draw(frames.len())].as_bytes().to_vec());
        let script = std::iter::once(br#"{"type":"hello","proto":1}"#.to_vec()).chain(some.collect::<Vec<_>>());
        let said = abide_server::parsers::converse(abide.node().clone(), script.collect(), false).await.unwrap();
        assert!(said[0].contains("welcome"));
        for frame in said {
            abide_core::ServerFrame::parse(&frame, 1 << 20).unwrap_or_else(|error| panic!("{frame}: {error}"));
        }
    }
    assert_eq!((abide.node().clients(), abide.node().objects_watched()), (0, 0));
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_connect() {
    let world = World::new().await;
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        match world.socket(&[("origin", origin)]).await {
            Err(WsError::Http(refused)) => assert_eq!(refused.status(), StatusCode::FORBIDDEN),
            other => panic!("{origin}: {:?}", other.map(|_| ()).err()),
        }
    }
    let own = format!("http://{}", world.address);
    let mut client = world.socket(&[("origin", &own)]).await.unwrap();
    assert_eq!(client.ask(json!({"type": "hello", "proto": 1})).await["type"], "welcome");
}

#[tokio::test]
async fn a_flood_of_frames_is_answered_in_order_and_holds_up_nobody() {
    let world = World::new().await;
    let client = world.client().await;
    let (mut say, mut hear) = client.socket.split();
    let flood = tokio::spawn(async move {
        for n in 0..20_000 {
            let call = json!({"type": "call", "n": n, "kind": "Ticker", "id": "t", "handler": "tick"});
            say.feed(Message::Text(call.to_string().into())).await.unwrap();
        }
        say.flush().await.unwrap();
        say
    });
    let mut other = world.client().await;
    assert_eq!(other.call(1, "increment", json!([1])).await["result"], 1);
    let (mut done, mut refused) = (0, 0);
    while done + refused < 20_000 {
        let Some(Ok(Message::Text(text))) = hear.next().await else { panic!("it ended after {done}") };
        match text.contains("\"code\":\"overloaded\"") {
            true => refused += 1,
            false => done += 1,
        }
    }
    assert!(done >= 256, "{done}");
    drop(flood.await.unwrap());
}

#[tokio::test]
async fn a_client_that_closes_hears_its_close_answered() {
    let world = World::new().await;
    for code in [1000, 1001, 3000] {
        let close = Some(CloseFrame { code: code.into(), reason: "done".into() });
        let mut stranger = world.socket(&[]).await.unwrap();
        stranger.socket.close(close.clone()).await.unwrap();
        assert_eq!(stranger.next().await, Err(code), "before its hello");
        let (mut client, _) = world.hello(json!({"type": "hello", "proto": 1, "session": "Visitor"})).await;
        client.say(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "a"})).await;
        client.socket.close(close).await.unwrap();
        let answered = loop {
            if let Err(code) = client.next().await {
                break code;
            }
        };
        assert_eq!(answered, code);
        let over = timeout(PATIENCE, client.socket.next()).await.expect("the connection stays");
        assert!(over.is_none(), "{over:?}");
    }
    let mut silent = world.client().await;
    silent.socket.close(None).await.unwrap();
    let answered = timeout(PATIENCE, silent.socket.next()).await.unwrap();
    assert!(matches!(answered, Some(Ok(Message::Close(_)))), "{answered:?}");
}
