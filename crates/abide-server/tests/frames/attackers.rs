//! Clients that mean no good, or do not know better.

use abide_server::{Anonymous, AuthOptions, Rate, ServerOptions};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::world::{Client, World};

fn hello() -> Value {
    json!({"type": "hello", "proto": 1})
}

fn watch(n: u64) -> Value {
    json!({"type": "watch", "n": n, "kind": "Counter", "id": "room"})
}

fn send(data: Value) -> Value {
    json!({"type": "send", "n": 9, "kind": "Counter", "id": "room", "data": data})
}

/// A list in a list, so many times.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

/// A server where nobody has to say a name.
fn anonymous(options: &mut ServerOptions) {
    let auth = AuthOptions { anonymous: Some(Anonymous::default()), ..AuthOptions::default() };
    options.auth = Some(auth);
}

fn share(frames: u32) -> Option<Rate> {
    Some("1/h".parse::<Rate>().unwrap().burst(frames.try_into().unwrap()))
}

#[tokio::test]
async fn what_is_shown_right_after_a_watch_began_is_seen() {
    let world = World::new().await;
    for round in 0..50 {
        let (mut shows, welcome) = world.hello(hello()).await;
        let id = format!("room-{round}");
        let frames = [
            json!({"type": "watch", "n": 1, "kind": "Counter", "id": id}),
            json!({"type": "present", "n": 1, "data": {"round": round}}),
            json!({"type": "ping"}),
        ];
        for frame in &frames {
            shows.socket.feed(Message::Text(frame.to_string().into())).await.unwrap();
        }
        shows.socket.flush().await.unwrap();
        while shows.hear().await["type"] != "pong" {}
        let mut looks = world.client().await;
        looks.say(json!({"type": "watch", "n": 1, "kind": "Counter", "id": id, "presence": true})).await;
        assert_eq!(looks.hear().await["type"], "snapshot");
        let me = welcome["client"].as_str().unwrap();
        assert_eq!(looks.hear().await["members"], json!({me: {"round": round}}), "round {round}");
    }
}

#[tokio::test]
async fn a_watch_of_what_cannot_be_watched_shows_nobody() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(json!({"type": "watch", "n": 1, "kind": "Nothing", "id": "a"})).await;
    client.say(json!({"type": "present", "n": 1, "data": 1})).await;
    assert_eq!(client.hear().await["code"], "unknown_kind");
    assert_eq!(client.hear().await["code"], "bad_request");
    client.silent().await;
}

#[tokio::test]
async fn data_that_nests_too_deep_for_others_to_read_is_refused_where_it_comes_in() {
    let world = World::new().await;
    let mut packed = world.socket(&[("sec-websocket-protocol", "abide.msgpack")]).await.unwrap();
    packed.ask(hello()).await;
    packed.say(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "room", "presence": true})).await;
    assert_eq!(packed.hear().await["type"], "snapshot");
    assert_eq!(packed.hear().await["whole"], true);
    let mut client = world.client().await;
    assert_eq!(client.ask(watch(1)).await["type"], "snapshot");
    for depth in [101, 126, 200, 500] {
        for frame in [send(nested(depth)), json!({"type": "present", "n": 1, "data": nested(depth)})] {
            let present = frame["type"] == "present";
            let error = client.ask(frame).await;
            assert_eq!(
                (&error["code"], error["present"] == true),
                (&json!("bad_request"), present),
                "{depth}: {error}"
            );
            assert!(error["detail"].as_str().unwrap().contains("deeper than 100"), "{error}");
        }
    }
    client.say(send(nested(100))).await;
    assert_eq!(packed.hear().await["data"], nested(100));
    client.say(json!({"type": "present", "n": 1, "data": nested(100)})).await;
    let shown = packed.hear().await;
    assert_eq!(shown["members"].as_object().unwrap().values().next(), Some(&nested(100)));
}

#[tokio::test]
async fn what_is_sent_to_watchers_is_short() {
    let world = World::new().await;
    let (mut hears, mut says) = (world.client().await, world.client().await);
    assert_eq!(hears.ask(watch(1)).await["type"], "snapshot");
    let text = |bytes: usize| json!("x".repeat(bytes - 2));
    assert_eq!(says.ask(send(text((64 << 10) + 1))).await["code"], "too_large");
    says.say(send(text(64 << 10))).await;
    assert_eq!(hears.hear().await["data"], text(64 << 10));
    let shout = |bytes: usize| json!({"type": "call", "n": 3, "kind": "Counter", "id": "room", "handler": "shout", "args": ["x".repeat(bytes)]});
    let error = says.ask(shout(64 << 10)).await;
    assert_eq!(error["code"], "too_large", "{error}");
    assert!(error["detail"].as_str().unwrap().contains("rolled back"), "{error}");
    assert_eq!(says.ask(shout(10)).await["type"], "result");
    let mut heard = hears.hear().await;
    while heard["type"] != "broadcast" {
        heard = hears.hear().await;
    }
    assert_eq!(heard["data"]["word"], "x".repeat(10));
}

#[tokio::test]
async fn a_flood_of_broadcasts_takes_little_memory_for_those_who_do_not_listen_and_reaches_those_who_do() {
    let world = World::new().await;
    let (mut deaf, mut hears) = (world.client().await, world.client().await);
    let mut says = world.client().await;
    assert_eq!(deaf.ask(watch(1)).await["type"], "snapshot");
    assert_eq!(hears.ask(watch(1)).await["type"], "snapshot");
    let (most, mut held) = (world.node.options().watch_bytes, 0);
    for n in 0..500 {
        says.say(send(json!({"n": n, "x": "x".repeat(60_000)}))).await;
        assert_eq!(hears.hear().await["data"]["n"], n);
        held = held.max(world.node.bytes_unheard());
        assert!(held <= most, "{held} bytes wait after {n} broadcasts, {most} may");
    }
    assert!(held > 60_000, "the network held all of it: only {held} bytes waited");
    drop(deaf);
}

#[tokio::test]
async fn strangers_send_little_and_whoever_has_said_hello_what_it_likes() {
    let world = World::new().await;
    let long = "x".repeat(500_000);
    let get = json!({"type": "call", "n": 1, "kind": "Counter", "id": "a", "handler": "get", "pad": long});
    let mut stranger = world.socket(&[]).await.unwrap();
    // The server need not take all of it.
    let _ = stranger.socket.send(Message::Text(get.to_string().into())).await;
    match stranger.next().await {
        Ok(error) => assert_eq!(error["code"], "too_large", "{error}"),
        Err(code) => assert_ne!(code, 1000),
    }
    let mut client = world.socket(&[]).await.unwrap();
    for frame in [&hello(), &get] {
        client.socket.feed(Message::Text(frame.to_string().into())).await.unwrap();
    }
    client.socket.flush().await.unwrap();
    assert_eq!(client.hear().await["type"], "welcome");
    assert_eq!(client.hear().await["type"], "result");
}

async fn limited(client: &mut Client, frame: Value, n: Option<u64>) {
    let error = client.ask(frame).await;
    assert_eq!((&error["code"], error["n"].as_u64()), (&json!("rate_limited"), n), "{error}");
    assert!(error["retry_after_ms"].as_u64().unwrap() > 1_000_000, "{error}");
}

#[tokio::test]
async fn clients_without_a_name_have_one_share_at_their_address_and_hello_counts() {
    let world = World::with(|options| {
        anonymous(options);
        options.rates.per_principal = share(4);
    })
    .await;
    let mut first = world.client().await;
    assert_eq!(first.call(1, "get", json!([])).await["type"], "result");
    let mut second = world.client().await;
    assert_eq!(second.call(1, "get", json!([])).await["type"], "result");
    for client in [&mut first, &mut second] {
        let get = json!({"type": "call", "n": 2, "kind": "Counter", "id": "a", "handler": "get"});
        limited(client, get, Some(2)).await;
        limited(client, watch(3), Some(3)).await;
        limited(client, send(json!(1)), Some(9)).await;
        limited(client, json!({"type": "ping"}), None).await;
        // What gives something back is heard all the same.
        client.say(json!({"type": "cancel", "n": 1})).await;
    }
    let mut third = world.socket(&[]).await.unwrap();
    assert_eq!(third.ask(hello()).await["code"], "rate_limited");
    assert_eq!(third.next().await, Err(1008));
    first.say(json!({"type": "bye"})).await;
    assert_eq!(first.next().await, Err(1000));
}

#[tokio::test]
async fn what_a_client_shows_counts_in_its_share() {
    let world = World::with(|options| {
        anonymous(options);
        options.rates.per_principal = share(3);
    })
    .await;
    let mut client = world.client().await;
    assert_eq!(client.ask(watch(1)).await["type"], "snapshot");
    client.say(json!({"type": "present", "n": 1, "data": 1})).await;
    let error = client.ask(json!({"type": "present", "n": 1, "data": 2})).await;
    assert_eq!((&error["code"], &error["n"], &error["present"]), (&json!("rate_limited"), &json!(1), &json!(true)));
}

#[tokio::test]
async fn frames_count_in_the_share_of_their_address_as_requests_do() {
    let world = World::with(|options| options.rates.per_address = share(3)).await;
    // The handshake is the first.
    let mut client = world.client().await;
    assert_eq!(client.call(1, "get", json!([])).await["type"], "result");
    assert_eq!(client.call(2, "get", json!([])).await["type"], "result");
    limited(&mut client, json!({"type": "ping"}), None).await;
    assert!(world.http("GET /healthz").await.starts_with("HTTP/1.1 429 "));
}
