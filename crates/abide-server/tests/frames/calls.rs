use serde_json::{Value, json};

use crate::{kinds::Counter, world::World};

fn call(n: u64, handler: &str, args: &Value) -> Value {
    json!({"type": "call", "n": n, "kind": "Counter", "id": "a", "handler": handler, "args": args})
}

#[tokio::test]
async fn a_client_says_hello_and_is_told_what_it_may_do() {
    let world = World::new().await;
    let (mut client, welcome) = world.hello(json!({"type": "hello", "proto": 1})).await;
    assert_eq!((&welcome["proto"], &welcome["limits"]["frame_bytes"]), (&json!(1), &json!(1 << 20)));
    assert!(welcome["resume"].as_str().unwrap().starts_with(welcome["client"].as_str().unwrap()));
    client.silent().await;
}

#[tokio::test]
async fn calls_are_answered_by_their_numbers_in_whatever_order_they_end() {
    let world = World::new().await;
    let mut client = world.client().await;
    client
        .say(json!({"type": "call", "n": 1, "kind": "Counter", "id": "slow", "handler": "wait", "args": {"ms": 300}}))
        .await;
    client.say(call(2, "increment", &json!({"amount": 5}))).await;
    client.say(call(3, "increment", &json!([2]))).await;
    assert_eq!(client.hear().await, json!({"type": "result", "n": 2, "result": 5, "seq": 1}));
    assert_eq!(client.hear().await, json!({"type": "result", "n": 3, "result": 7, "seq": 2}));
    assert_eq!(client.hear().await, json!({"type": "result", "n": 1, "result": 1, "seq": 1}));
}

#[tokio::test]
async fn a_failed_call_says_why_and_with_what_data() {
    let world = World::new().await;
    let mut client = world.client().await;
    let error = client.call(1, "refuse", json!(null)).await;
    assert_eq!(
        error,
        json!({"type": "error", "n": 1, "code": "rejected", "detail": "no", "retryable": false, "data": {"missing": 3}})
    );
    for (frame, code) in [
        (call(2, "incremnt", &json!({})), "unknown_handler"),
        (call(3, "increment", &json!({"amount": "x"})), "bad_request"),
        (call(4, "increment", &json!(7)), "bad_request"),
        (json!({"type": "call", "n": 5, "kind": "Nothing", "id": "a", "handler": "x"}), "unknown_kind"),
        (json!({"type": "call", "n": 6, "kind": "Counter", "id": "", "handler": "get"}), "bad_request"),
        (
            json!({"type": "call", "n": 7, "kind": "Counter", "id": "a", "handler": "get", "timeout_ms": 0}),
            "bad_request",
        ),
        (json!({"type": "call", "n": 8, "kind": "Counter", "id": "a", "handler": "get", "key": ""}), "bad_request"),
    ] {
        let error = client.ask(frame.clone()).await;
        assert_eq!(
            (&error["type"], &error["n"], error["code"].as_str()),
            (&json!("error"), &frame["n"], Some(code)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_keyed_call_takes_effect_once_over_two_connections() {
    let world = World::new().await;
    let mut keyed = call(1, "increment", &json!([1]));
    keyed["key"] = json!("order-77");
    let first = world.client().await.ask(keyed.clone()).await;
    let second = world.client().await.ask(keyed).await;
    assert_eq!((&first["result"], &second["result"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_watch_begins_with_the_state_and_goes_on_with_each_change() {
    let world = World::new().await;
    let (mut watcher, mut caller) = (world.client().await, world.client().await);
    let none = watcher.ask(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "a"})).await;
    assert_eq!(none, json!({"type": "snapshot", "n": 1, "seq": 0, "state": null}));
    for amount in 1..=3 {
        caller.call(amount, "increment", json!([1])).await;
        let change = watcher.hear().await;
        assert_eq!((&change["type"], &change["n"]), (&json!("change"), &json!(1)), "{change}");
        assert_eq!((&change["seq"], &change["patch"]), (&json!(amount), &json!({"count": amount})));
    }
    let late = watcher.ask(json!({"type": "watch", "n": 2, "kind": "Counter", "id": "a"})).await;
    assert_eq!(late, json!({"type": "snapshot", "n": 2, "seq": 3, "state": {"count": 3}}));
    watcher.say(json!({"type": "unwatch", "n": 1})).await;
    watcher.silent().await;
    caller.call(9, "increment", json!([1])).await;
    assert_eq!(watcher.hear().await["n"], 2);
}

#[tokio::test]
async fn a_watch_resumes_where_it_was_or_says_that_it_cannot() {
    let world = World::new().await;
    let mut client = world.client().await;
    for n in 1..=3 {
        client.call(n, "increment", json!([1])).await;
    }
    client.say(json!({"type": "watch", "n": 10, "kind": "Counter", "id": "a", "after": 1})).await;
    assert_eq!((client.hear().await["seq"].clone(), client.hear().await["seq"].clone()), (json!(2), json!(3)));
    let ahead = client.ask(json!({"type": "watch", "n": 11, "kind": "Counter", "id": "a", "after": 99})).await;
    assert_eq!(ahead, json!({"type": "reset", "n": 11, "reason": "ahead", "seq": 3, "state": {"count": 3}}));
    client.say(json!({"type": "unwatch", "n": 10})).await;
    client.say(json!({"type": "unwatch", "n": 11})).await;
    for n in 20..40 {
        client.call(n, "increment", json!([1])).await;
    }
    let trimmed = client.ask(json!({"type": "watch", "n": 12, "kind": "Counter", "id": "a", "after": 1})).await;
    assert_eq!((&trimmed["reason"], &trimmed["state"]), (&json!("trimmed"), &json!({"count": 23})));
}

#[tokio::test]
async fn a_watch_of_what_cannot_be_watched_fails_by_its_number() {
    let world = World::new().await;
    let mut client = world.client().await;
    let error = client.ask(json!({"type": "watch", "n": 1, "kind": "Nothing", "id": "a"})).await;
    assert_eq!((&error["n"], &error["code"]), (&json!(1), &json!("unknown_kind")));
    // The number is free again.
    assert_eq!(client.ask(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "a"})).await["type"], "snapshot");
}

#[tokio::test]
async fn what_is_sent_reaches_those_who_watch_and_not_the_sender() {
    let world = World::new().await;
    let (mut a, welcome) = world.hello(json!({"type": "hello", "proto": 1})).await;
    let mut b = world.client().await;
    a.ask(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "room"})).await;
    b.ask(json!({"type": "watch", "n": 7, "kind": "Counter", "id": "room"})).await;
    a.say(json!({"type": "send", "kind": "Counter", "id": "room", "data": {"typing": true}})).await;
    assert_eq!(
        b.hear().await,
        json!({"type": "broadcast", "n": 7, "kind": "Counter", "id": "room", "from": welcome["client"], "data": {"typing": true}})
    );
    a.silent().await;
    a.say(json!({"type": "call", "n": 2, "kind": "Counter", "id": "room", "handler": "shout", "args": ["hi"]})).await;
    let mut heard = [a.hear().await, a.hear().await, a.hear().await];
    heard.sort_by_key(|frame| frame["type"].to_string());
    assert_eq!(heard[0], json!({"type": "broadcast", "n": 1, "kind": "Counter", "id": "room", "data": {"word": "hi"}}));
    assert_eq!((&heard[1]["type"], &heard[2]["type"]), (&json!("change"), &json!("result")));
}

#[tokio::test]
async fn a_push_reaches_its_client_and_only_when_its_turn_has_succeeded() {
    let world = World::new().await;
    let (mut a, welcome) = world.hello(json!({"type": "hello", "proto": 1})).await;
    let (mut b, client) = (world.client().await, welcome["client"].clone());
    let told = b.call(1, "tell", json!([client, "psst"])).await;
    assert_eq!(told["type"], "result");
    assert_eq!(a.hear().await, json!({"type": "push", "p": 1, "data": {"word": "psst"}}));
    assert_eq!(b.call(2, "tell_and_fail", json!([client])).await["code"], "rejected");
    b.say(json!({"type": "call", "n": 3, "kind": "Counter", "id": "a", "handler": "tell_all", "args": ["all"]})).await;
    let mut heard = [b.hear().await, b.hear().await];
    heard.sort_by_key(|frame| frame["type"].to_string());
    assert_eq!(heard[0], json!({"type": "push", "p": 1, "data": "all"}));
    assert_eq!(a.hear().await, json!({"type": "push", "p": 2, "data": "all"}));
}

#[tokio::test]
async fn what_a_transaction_says_is_heard_only_if_it_is_committed() {
    let world = World::new().await;
    let (mut client, welcome) = world.hello(json!({"type": "hello", "proto": 1})).await;
    let me = welcome["client"].as_str().unwrap().to_owned();
    let counter = world.node.object::<Counter>("t");
    for commits in [false, true] {
        let me = me.clone();
        let said = world.node.transaction(&[&counter], |tx| async move {
            tx.object::<Counter>("t").tell(me, format!("commits: {commits}")).await?;
            if commits { Ok(()) } else { Err(abide::Error::rejected("no")) }
        });
        assert_eq!(said.await.is_ok(), commits);
    }
    assert_eq!(client.hear().await, json!({"type": "push", "p": 1, "data": {"word": "commits: true"}}));
}

#[tokio::test]
async fn those_who_are_present_are_seen_until_they_leave() {
    let world = World::new().await;
    let (mut a, welcome) = world.hello(json!({"type": "hello", "proto": 1})).await;
    let mut b = world.client().await;
    let me = welcome["client"].as_str().unwrap();
    a.say(json!({"type": "watch", "n": 1, "kind": "Counter", "id": "room", "presence": true})).await;
    assert_eq!(a.hear().await["type"], "snapshot");
    assert_eq!(a.hear().await, json!({"type": "presence", "n": 1, "whole": true, "members": {}}));
    a.say(json!({"type": "present", "n": 1, "data": {"name": "Ada"}})).await;
    assert_eq!(a.hear().await, json!({"type": "presence", "n": 1, "members": {me: {"name": "Ada"}}}));
    b.say(json!({"type": "watch", "n": 5, "kind": "Counter", "id": "room", "presence": true})).await;
    assert_eq!(b.hear().await["type"], "snapshot");
    assert_eq!(b.hear().await, json!({"type": "presence", "n": 5, "whole": true, "members": {me: {"name": "Ada"}}}));
    drop(a);
    assert_eq!(b.hear().await, json!({"type": "presence", "n": 5, "members": {me: null}}));
    let error = b.ask(json!({"type": "present", "n": 6, "data": 1})).await;
    assert_eq!((&error["n"], &error["code"]), (&json!(6), &json!("bad_request")));
}

#[tokio::test]
async fn a_server_that_stops_says_when_to_come_back_and_answers_what_is_under_way() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say(call(1, "wait", &json!([500]))).await;
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.hear().await["type"], "pong");
    world.stop.cancel();
    let goaway = client.hear().await;
    assert_eq!(goaway["type"], "goaway");
    assert!((100..3000).contains(&goaway["reconnect_in_ms"].as_u64().unwrap()), "{goaway}");
    assert_eq!(client.hear().await, json!({"type": "result", "n": 1, "result": 1, "seq": 1}));
    assert_eq!(client.next().await, Err(1001));
    world.stopped().await.unwrap();
}

#[tokio::test]
async fn frames_in_message_pack_say_the_same() {
    let world = World::new().await;
    let mut client = world.socket(&[("sec-websocket-protocol", "abide.msgpack")]).await.unwrap();
    assert_eq!(client.ask(json!({"type": "hello", "proto": 1})).await["type"], "welcome");
    let answer = client.call(1, "increment", json!({"amount": 5})).await;
    assert_eq!(answer, json!({"type": "result", "n": 1, "result": 5, "seq": 1}));
}

#[tokio::test]
async fn objects_are_read_listed_and_deleted_as_over_http() {
    let world = World::new().await;
    let mut client = world.client().await;
    let get = |n: u64, id: &str| json!({"type": "get", "n": n, "kind": "Counter", "id": id});
    assert_eq!(client.ask(get(1, "a")).await, json!({"type": "result", "n": 1, "result": null, "seq": 0}));
    client.call(2, "increment", json!([5])).await;
    client.call(3, "increment", json!([2])).await;
    let now = client.ask(get(4, "a")).await;
    assert_eq!(
        (&now["seq"], &now["result"]["seq"], &now["result"]["state"]),
        (&json!(2), &json!(2), &json!({"count": 7}))
    );
    let then = client.ask(json!({"type": "get", "n": 5, "kind": "Counter", "id": "a", "at": 1})).await;
    assert_eq!((&then["seq"], &then["result"]["state"]), (&json!(1), &json!({"count": 5})));

    let mut list = json!({"type": "list", "n": 6, "kind": "Counter", "where": "count > 5", "limit": 1});
    client
        .ask(json!({"type": "call", "n": 7, "kind": "Counter", "id": "b", "handler": "increment", "args": [9]}))
        .await;
    let first = client.ask(list.clone()).await["result"].clone();
    assert_eq!((&first["objects"][0]["id"], &first["objects"][0]["state"]["count"]), (&json!("a"), &json!(7)));
    assert_eq!(first["more"], json!(true));
    (list["n"], list["cursor"]) = (json!(8), first["cursor"].clone());
    assert_eq!(client.ask(list).await["result"]["objects"][0]["id"], json!("b"));

    let delete = |n: u64| json!({"type": "delete", "n": n, "kind": "Counter", "id": "a"});
    assert_eq!(client.ask(delete(9)).await["result"], json!({"deleted": true}));
    assert_eq!(client.ask(delete(10)).await["result"], json!({"deleted": false}));
    assert_eq!(client.ask(get(11, "a")).await["result"], json!(null));
}

#[tokio::test]
async fn what_cannot_be_read_listed_or_deleted_is_an_error_with_its_number() {
    let world = World::new().await;
    let mut client = world.client().await;
    for (frame, code) in [
        (json!({"type": "get", "n": 1, "kind": "Nothing", "id": "a"}), "unknown_kind"),
        (json!({"type": "get", "n": 2, "kind": "Counter", "id": ""}), "bad_request"),
        (json!({"type": "delete", "n": 3, "kind": "Nothing", "id": "a"}), "unknown_kind"),
        (json!({"type": "list", "n": 4, "kind": "Counter", "where": "count >"}), "bad_request"),
        (json!({"type": "list", "n": 5, "kind": "Counter", "limit": 0}), "bad_request"),
        (json!({"type": "list", "n": 6, "kind": "Counter", "cursor": "x"}), "bad_request"),
        (json!({"type": "list", "n": 7, "kind": "Nothing"}), "unknown_kind"),
    ] {
        let error = client.ask(frame.clone()).await;
        let said = (&error["type"], &error["n"], error["code"].as_str());
        assert_eq!(said, (&json!("error"), &frame["n"], Some(code)), "{error}");
    }
    // The session object of another client can neither be read nor deleted.
    for kind in ["get", "delete"] {
        let error = client.ask(json!({"type": kind, "n": 8, "kind": "Visitor", "id": "somebody"})).await;
        assert_eq!(error["code"], json!("denied"), "{error}");
    }
}
