//! What the server says of itself.

use abide_server::install_metrics;
use axum::{Router, body::Body, routing::get};
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn kinds_are_described_with_their_schemas_and_options() {
    let world = World::new().await;
    let kinds = world.get("/v1/kinds").await.ok();
    let names: Vec<_> = kinds["kinds"].as_array().unwrap().iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
    assert_eq!(names, ["Counter", "Forgetful", "Narrow", "Tree"]);
    let counter = world.get("/v1/kinds/Counter").await.ok();
    assert_eq!(counter, kinds["kinds"][0]);
    assert_eq!(counter["options"]["history"], json!("all"));
    assert_eq!(counter["options"]["durability"], json!("commit"));
    assert_eq!(kinds["kinds"][1]["options"]["history"], json!(5));
    assert_eq!(kinds["kinds"][2]["options"]["mailbox"], json!(2));
    let handlers = counter["handlers"].as_array().unwrap();
    let find = |name: &str| handlers.iter().find(|handler| handler["name"] == name).unwrap();
    let increment = find("increment");
    assert_eq!((&increment["description"], &increment["reads"]), (&json!("Adds to the count."), &json!(false)));
    assert_eq!(increment["arguments"]["required"], json!(["amount"]));
    assert_eq!(increment["arguments"]["properties"]["amount"]["type"], json!("integer"));
    assert_eq!(find("get")["reads"], json!(true));
    assert_eq!(find("step")["arguments"]["required"], json!([]));
    assert_eq!(counter["alarms"][0]["name"], json!("reminder"));
    assert!(counter["state"]["properties"]["count"].is_object());
}

fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_openapi_document_describes_every_handler_and_every_problem() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    for to in found {
        let target = document.pointer(to.trim_start_matches('#'));
        assert!(target.is_some(), "{to} leads nowhere");
    }
    let increment = &document["paths"]["/v1/objects/Counter/{id}/increment"]["post"];
    assert_eq!(
        (&increment["operationId"], &increment["summary"]),
        (&json!("Counter.increment"), &json!("Adds to the count."))
    );
    for status in ["200", "400", "404", "413", "415", "422", "429", "503", "504"] {
        assert!(increment["responses"][status].is_object(), "{status}");
    }
    for path in ["/v1/objects/{kind}", "/v1/feed", "/metrics", "/readyz", "/v1/objects/Tree/{id}/plant"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

#[tokio::test]
async fn every_path_of_the_document_is_there() {
    install_metrics();
    let world = World::new().await;
    world.post("/v1/objects/Counter/a/step", "").await.ok();
    let document = world.get("/openapi.json").await.ok();
    for (path, item) in document["paths"].as_object().unwrap() {
        let real = path.replace("{kind}", "Counter").replace("{id}", "a").replace("{handler}", "step");
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let method = method.to_uppercase();
            // A call and a stream that never end.
            if real.ends_with("/hang") || real == "/v1/inspect/changes" || method == "DELETE" {
                continue;
            }
            let request = world.request(&method, &real).body(Body::empty()).unwrap();
            let answer = world.send(request).await;
            // Of what is named, only the kind and the object are really there.
            let missing = answer.status == 404 && answer.json()["code"] == "not_found";
            let there = answer.status != 405 && (!missing || real.contains("{name}"));
            assert!(there, "{method} {real}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn metrics_count_calls_when_the_node_is_metered() {
    let first = install_metrics();
    let world = World::plan().node(|node| node.metered = true).start().await;
    world.post("/v1/objects/Counter/metered/step", "").await.ok();
    world.post("/v1/objects/Counter/metered/take", "[100]").await.problem(422, "rejected", "");
    let answer = world.get("/metrics").await;
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
    for line in [
        r#"abide_calls_total{kind="Counter",handler="step",outcome="ok"}"#,
        r#"abide_calls_total{kind="Counter",handler="take",outcome="rejected"}"#,
        r#"abide_call_seconds_bucket{kind="Counter",handler="step",le="0.001"}"#,
        "abide_clients_connected",
        "# TYPE abide_commit_seconds histogram",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!install_metrics().render().is_empty() && !first.render().is_empty());
}

#[tokio::test]
async fn a_program_may_add_routes_of_its_own() {
    let routes = Router::new()
        .route("/", get(async || "hello"))
        .route("/broken", get(async || -> &'static str { panic!("inside") }));
    let world = World::plan().routes(routes).start().await;
    assert_eq!(&world.get("/").await.bytes[..], b"hello");
    world.get("/elsewhere").await.problem(404, "not_found", "/elsewhere");
    world.post("/", "").await.problem(405, "bad_request", "POST");
    let problem = world.get("/broken").await.problem(500, "internal", "log");
    assert!(!problem.to_string().contains("inside"));
    world.get("/healthz").await.ok();
    let request = world.request("POST", "/").header("origin", "http://evil.example").body(Body::empty()).unwrap();
    world.send(request).await.problem(403, "denied", "origin");
}
