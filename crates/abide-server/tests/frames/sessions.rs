use std::time::Duration;

use abide::{Principal, Timestamp};
use abide_server::{ApiKeys, AuthOptions};
use serde_json::{Value, json};

use crate::world::{Client, World};

fn visitor() -> Value {
    json!({"type": "hello", "proto": 1, "session": "Visitor"})
}

/// The guest book, as another client sees it.
async fn book(client: &mut Client, n: u64) -> Value {
    client.ask(json!({"type": "call", "n": n, "kind": "Book", "id": "all", "handler": "read"})).await["result"].clone()
}

/// Watches the guest book and waits until it has this many entries.
async fn entries(client: &mut Client, many: usize) -> Vec<Value> {
    client.say(json!({"type": "watch", "n": 900 + many, "kind": "Book", "id": "all"})).await;
    loop {
        let frame = client.hear().await;
        let state = frame.get("state").or(frame.get("patch"));
        if let Some(entries) = state.and_then(|state| state["entries"].as_array())
            && entries.len() >= many
        {
            client.say(json!({"type": "unwatch", "n": 900 + many})).await;
            return entries.clone();
        }
    }
}

#[tokio::test]
async fn a_session_lives_from_connect_to_bye_and_calls_others_on_its_clients_behalf() {
    let world = World::new().await;
    let (mut client, welcome) = world.hello(visitor()).await;
    let me = welcome["client"].as_str().unwrap().to_owned();
    assert_eq!(welcome["session"], "Visitor");
    let mut other = world.client().await;
    assert_eq!(book(&mut other, 1).await, json!([format!("{me} came")]));
    let named = json!({"type": "call", "n": 1, "kind": "Visitor", "id": me, "handler": "name", "args": ["Ada"]});
    assert_eq!(client.ask(named.clone()).await["result"], "Ada");
    // It is nobody else's.
    assert_eq!(other.ask(named).await["code"], "denied");
    let watch = json!({"type": "watch", "n": 2, "kind": "Visitor", "id": me});
    assert_eq!(other.ask(watch).await["code"], "denied");
    for request in [format!("GET /v1/objects/Visitor/{me}"), format!("POST /v1/objects/Visitor/{me}/name")] {
        assert!(world.http(&request).await.starts_with("HTTP/1.1 403 "), "{request}");
    }
    client.say(json!({"type": "bye"})).await;
    assert_eq!(client.next().await, Err(1000));
    assert_eq!(entries(&mut other, 2).await[1], json!(format!("Ada {me} left")));
}

#[tokio::test]
async fn a_lost_connection_loses_no_push_and_no_session_within_the_grace_time() {
    let world = World::new().await;
    let (client, welcome) = world.hello(visitor()).await;
    let me = welcome["client"].as_str().unwrap().to_owned();
    let mut other = world.client().await;
    other.call(1, "tell", json!([me, "one"])).await;
    drop(client);
    other.call(2, "tell", json!([me, "two"])).await;
    other.call(3, "tell", json!([me, "three"])).await;
    let resume = json!({"type": "hello", "proto": 1, "resume": welcome["resume"], "pushed": 1, "session": "Visitor"});
    let (mut back, again) = world.hello(resume.clone()).await;
    assert_eq!((&again["client"], &again["resumed"], again.get("missed")), (&json!(me), &json!(true), None));
    assert_eq!(back.hear().await, json!({"type": "push", "p": 2, "data": {"word": "two"}}));
    assert_eq!(back.hear().await, json!({"type": "push", "p": 3, "data": {"word": "three"}}));
    assert_eq!(book(&mut other, 4).await, json!([format!("{me} came")]));
    // The token was good once.
    let (_stranger, fresh) = world.hello(resume).await;
    assert_eq!(fresh.get("resumed"), None);
    assert_ne!(fresh["client"], json!(me));
    back.silent().await;
}

#[tokio::test]
async fn more_pushes_than_are_kept_are_told_as_missed() {
    let world = World::new().await;
    let (client, welcome) = world.hello(json!({"type": "hello", "proto": 1})).await;
    drop(client);
    let mut other = world.client().await;
    for n in 0..300 {
        other.call(n, "tell", json!([welcome["client"], "x"])).await;
    }
    let resume = json!({"type": "hello", "proto": 1, "resume": welcome["resume"], "pushed": 0});
    let (mut back, again) = world.hello(resume).await;
    assert_eq!(again["missed"], 44);
    for p in 45..=300 {
        assert_eq!(back.hear().await["p"], p);
    }
}

#[tokio::test]
async fn a_client_that_comes_back_takes_the_place_of_a_connection_that_still_seems_to_live() {
    let world = World::new().await;
    let (mut old, welcome) = world.hello(visitor()).await;
    let resume = json!({"type": "hello", "proto": 1, "resume": welcome["resume"]});
    let (mut new, again) = world.hello(resume).await;
    assert_eq!(again["client"], welcome["client"]);
    assert_eq!(old.next().await, Err(4000));
    new.silent().await;
}

#[tokio::test]
async fn a_token_is_void_after_bye_and_guessing_one_makes_a_new_client() {
    let world = World::new().await;
    let (mut client, welcome) = world.hello(visitor()).await;
    client.say(json!({"type": "bye"})).await;
    assert_eq!(client.next().await, Err(1000));
    let id = welcome["client"].as_str().unwrap();
    for stolen in [welcome["resume"].as_str().unwrap(), &format!("{id}."), id, "", &format!("{id}.{}", "0".repeat(40))]
    {
        let (_other, again) = world.hello(json!({"type": "hello", "proto": 1, "resume": stolen})).await;
        assert_eq!(again.get("resumed"), None, "{stolen}");
        assert_ne!(again["client"], welcome["client"]);
    }
}

#[tokio::test]
async fn a_session_ends_when_its_grace_time_is_over() {
    let world = World::with(|options| options.limits.session_grace = Duration::from_millis(200)).await;
    let (client, welcome) = world.hello(visitor()).await;
    let me = welcome["client"].as_str().unwrap().to_owned();
    drop(client);
    let mut other = world.client().await;
    assert_eq!(entries(&mut other, 2).await[1], json!(format!(" {me} left")));
    let resume = json!({"type": "hello", "proto": 1, "resume": welcome["resume"]});
    assert_eq!(world.hello(resume).await.1.get("resumed"), None);
}

#[tokio::test]
async fn a_session_that_refuses_its_client_or_is_none_ends_the_connection() {
    let world = World::new().await;
    for (kind, code) in [("Closed", "rejected"), ("Counter", "bad_request"), ("Nothing", "unknown_kind")] {
        let mut client = world.socket(&[]).await.unwrap();
        let error = client.ask(json!({"type": "hello", "proto": 1, "session": kind})).await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
        assert_eq!(client.next().await, Err(1008));
    }
}

#[tokio::test]
async fn sessions_end_before_the_node_does() {
    let world = World::new().await;
    let (_client, welcome) = world.hello(visitor()).await;
    let me = welcome["client"].as_str().unwrap().to_owned();
    let store = world.store.clone();
    world.stopped().await.unwrap();
    let key = abide_core::Key::parse("default", "Book", "all").unwrap();
    let book = abide_core::Store::load(&*store, &key).await.unwrap().unwrap();
    assert_eq!(book.state.unwrap().value()["entries"], json!([format!("{me} came"), format!(" {me} left")]));
}

#[tokio::test]
async fn sessions_are_listed_for_who_looks_after_the_node_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let mut keys = ApiKeys::default();
    let mut key = |subject: &str, role: &str| {
        let principal = Principal { subject: subject.into(), roles: vec![role.into()], ..Principal::default() };
        keys.issue(principal, Timestamp::EPOCH, None)
    };
    let (alice, root) = (key("alice", "user"), key("root", "admin"));
    keys.write(&file).unwrap();
    let auth = AuthOptions { keys: Some(file), ..AuthOptions::default() };
    let world = World::with(|server| server.auth = Some(auth)).await;
    let hello = json!({"type": "hello", "proto": 1, "session": "Member", "token": alice});
    let (_client, welcome) = world.hello(hello).await;
    assert_eq!(welcome["principal"], json!({"subject": "alice", "namespace": "default"}));
    let me = welcome["client"].as_str().unwrap();
    let get = async |path: &str, key: &str| {
        world.http_with(&format!("GET {path}"), &format!("authorization: Bearer {key}\r\n")).await
    };
    let refused = get("/v1/objects/Member", &alice).await;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("sessions of clients"), "{refused}");
    assert!(!get("/v1/feed", &alice).await.contains(me));
    assert!(get("/v1/objects/Book", &alice).await.starts_with("HTTP/1.1 200"), "other kinds are listed as before");
    for path in ["/v1/objects/Member", "/v1/feed"] {
        let shown = get(path, &root).await;
        assert!(shown.starts_with("HTTP/1.1 200") && shown.contains(me), "{path}: {shown}");
    }
}
