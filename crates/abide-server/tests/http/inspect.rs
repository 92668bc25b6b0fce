//! What the inspector looks at.

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::world::{PATIENCE, World};

async fn metered() -> World {
    World::plan().node(|node| node.metered = true).start().await
}

/// Reads a stream of events until it holds `word`.
async fn until(body: &mut Incoming, text: &mut String, word: &str) {
    while !text.contains(word) {
        let frame =
            timeout(PATIENCE, body.frame()).await.expect("no event in time").expect("the stream ended").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn the_graph_shows_who_calls_whom_the_busiest_first() {
    let world = metered().await;
    for _ in 0..3 {
        world.post("/v1/objects/Counter/a/increment", "[1]").await.ok();
    }
    world.post("/v1/objects/Counter/b/get", "").await.ok();
    let graph = world.get("/v1/inspect/graph").await.ok();
    let edge = &graph["edges"][0];
    assert_eq!((&edge["from"], &edge["to"]), (&Value::Null, &json!({"kind": "Counter", "id": "a"})));
    assert_eq!((&edge["per_minute"], &edge["way"], &edge["handler"]), (&json!(3), &json!("call"), &json!("increment")));
    assert_eq!((&graph["active"], &graph["limit"], &graph["forgotten"]), (&json!(2), &json!(4096), &json!(0)));

    let near = world.get("/v1/inspect/graph?kind=Counter&id=b").await.ok();
    assert_eq!((near["edges"].as_array().unwrap().len(), &near["edges"][0]["to"]["id"]), (1, &json!("b")));
    assert_eq!(world.get("/v1/inspect/graph?limit=1").await.ok()["edges"].as_array().unwrap().len(), 1);
    world.get("/v1/inspect/graph?kind=Counter").await.problem(400, "bad_request", "together");
    world.get("/v1/inspect/graph?limit=100000").await.problem(400, "bad_request", "limit");
}

#[tokio::test]
async fn calls_that_are_not_timed_leave_no_trace_in_the_graph() {
    let world = World::new().await;
    world.post("/v1/objects/Counter/a/increment", "[1]").await.ok();
    let graph = world.get("/v1/inspect/graph").await.ok();
    assert_eq!((&graph["edges"], &graph["limit"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn the_node_says_what_it_is_and_what_its_limits_are() {
    let world = World::plan().node(|node| node.mailbox = 77).start().await;
    world.post("/v1/objects/Counter/a/increment", "[1]").await.ok();
    let node = world.get("/v1/inspect/node").await.ok();
    assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&node["objects_in_memory"], &node["running"]), (&json!(1), &json!(true)));
    assert_eq!(
        (&node["limits"]["node"]["mailbox"], &node["limits"]["server"]["page_items"]),
        (&json!(77), &json!(1000))
    );
    let store = world.get("/v1/inspect/store").await.ok();
    assert_eq!((&store["store"], &store["objects"]), (&json!("memory"), &json!({"Counter": 1})));
    world.get("/v1/inspect/node?x=1").await.problem(400, "bad_request", "x");
}

#[tokio::test]
async fn what_the_store_holds_is_counted_once_for_all_who_ask() {
    let world = World::new().await;
    assert_eq!(world.get("/v1/inspect/store").await.ok()["changes"], 0);
    world.post("/v1/objects/Counter/a/increment", "[1]").await.ok();
    assert_eq!(world.get("/v1/inspect/store").await.ok()["changes"], 0);
}

#[tokio::test]
async fn asking_what_an_object_does_brings_nothing_into_memory() {
    let world = World::new().await;
    let idle = world.get("/v1/inspect/activity?kind=Counter&id=a").await.ok();
    assert_eq!((&idle["in_memory"], &idle["watchers"]), (&json!(false), &json!(0)));
    assert_eq!(world.node.objects_in_memory(), 0);

    world.post("/v1/objects/Counter/a/increment", "[1]").await.ok();
    let watch = world.request("GET", "/v1/objects/Counter/a/changes").header("accept", "text/event-stream");
    let mut watcher = world.open(watch.body(Body::empty()).unwrap()).await.into_body();
    until(&mut watcher, &mut String::new(), "event: change").await;
    let busy = world.get("/v1/inspect/activity?kind=Counter&id=a").await.ok();
    assert_eq!((&busy["in_memory"], &busy["watchers"], &busy["waiting"]), (&json!(true), &json!(1), &json!(0)));
    world.get("/v1/inspect/activity").await.problem(400, "bad_request", "kind");
}

#[tokio::test]
async fn the_changes_of_all_objects_are_heard_as_they_happen() {
    let world = World::new().await;
    let request = world.request("GET", "/v1/inspect/changes").body(Body::empty()).unwrap();
    let mut body = world.open(request).await.into_body();
    let mut text = String::new();
    until(&mut body, &mut text, "retry:").await;
    world.post("/v1/objects/Counter/a/increment", "[2]").await.ok();
    world.post("/v1/objects/Forgetful/b/increment", "").await.ok();
    until(&mut body, &mut text, "Forgetful").await;
    let changes: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!((&changes[0]["kind"], &changes[0]["id"]), (&json!("Counter"), &json!("a")));
    assert_eq!((&changes[0]["change"]["seq"], &changes[0]["change"]["patch"]["count"]), (&json!(1), &json!(2)));

    let request = world.request("GET", "/v1/inspect/changes?kind=Forgetful").body(Body::empty()).unwrap();
    let mut body = world.open(request).await.into_body();
    let mut text = String::new();
    until(&mut body, &mut text, "retry:").await;
    world.post("/v1/objects/Counter/hidden/increment", "[2]").await.ok();
    world.post("/v1/objects/Forgetful/shown/increment", "").await.ok();
    until(&mut body, &mut text, "shown").await;
    assert!(!text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn the_inspector_is_served_under_a_strict_policy_and_sent_once() {
    let world = World::new().await;
    let page = world.get("/inspector/").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    for file in ["app.js", "index.css", "drawing.js", "chart.js"] {
        assert_eq!(world.get(&format!("/inspector/{file}")).await.status, 200, "{file}");
    }
    assert_eq!(world.get("/inspector").await.header("location"), "/inspector/");
    world.get("/inspector/nothing.js").await.problem(404, "not_found", "nothing.js");
    let tag = page.header("etag").to_owned();
    let again = world.request("GET", "/inspector/").header("if-none-match", tag).body(Body::empty()).unwrap();
    assert_eq!(world.send(again).await.status, 304);
}
