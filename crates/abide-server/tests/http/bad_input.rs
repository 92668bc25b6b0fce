//! Every way to ask wrongly, and the sentence that answers it.

use axum::body::Body;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn wrong_names_and_arguments_are_told_with_what_there_is() {
    let world = World::new().await;
    for (path, body, status, code, word) in [
        ("Countr/a/increment", "[1]", 404, "unknown_kind", "Counter"),
        ("Nothing/a/increment", "[1]", 404, "unknown_kind", "no kind"),
        ("Counter/a/incremnt", "[1]", 404, "unknown_handler", "increment"),
        ("Counter/a/reminder", "", 404, "unknown_handler", "no handler"),
        ("Counter/a/increment", r#"{"amont":1}"#, 400, "bad_request", "amont"),
        ("Counter/a/increment", r#"{"amount":1,"more":2}"#, 400, "bad_request", "more"),
        ("Counter/a/increment", r#"{"amount":1,"amount":2}"#, 400, "bad_request", "duplicate"),
        ("Counter/a/increment", r#"{"amount":"5"}"#, 400, "bad_request", "amount"),
        ("Counter/a/increment", r#"{"amount":1.5}"#, 400, "bad_request", "i64"),
        ("Counter/a/increment", r#"{"amount":9223372036854775808}"#, 400, "bad_request", "i64"),
        ("Counter/a/increment", r#"{"amount":null}"#, 400, "bad_request", "null"),
        ("Counter/a/increment", "", 400, "bad_request", "missing field `amount`"),
        ("Counter/a/increment", "[]", 400, "bad_request", "amount"),
        ("Counter/a/increment", "[1,2]", 400, "bad_request", "amount"),
        ("Counter/a/increment", "5", 400, "bad_request", "named arguments"),
        ("Counter/a/increment", "\"x\"", 400, "bad_request", "named arguments"),
        ("Counter/a/increment", "{", 400, "bad_request", "line 1 column 1"),
        ("Counter/a/increment", "{\"amount\":1}]", 400, "bad_request", "column 13"),
        ("Counter/a/increment", "{amount:1}", 400, "bad_request", "column 2"),
        ("Counter/a/increment", "{\"amount\":01}", 400, "bad_request", "not JSON"),
        ("Counter/a/name", r#"{"label":"\ud800"}"#, 400, "bad_request", "hex escape"),
        ("Bad Kind/a/x", "", 400, "bad_request", "letters"),
        ("/a/x", "", 400, "bad_request", "kind in the path is empty"),
        ("Counter//increment", "[1]", 400, "bad_request", "id in the path is empty"),
        ("Counter/a/", "[1]", 400, "bad_request", "handler in the path is empty"),
        ("Counter/a/b/increment", "[1]", 400, "bad_request", "%2F"),
        ("Counter/%FF/increment", "[1]", 400, "bad_request", "UTF-8"),
        ("Counter/%2/increment", "[1]", 400, "bad_request", "%25"),
        ("Counter/a/increment?amount=5", "", 400, "bad_request", "body"),
    ] {
        let path = format!("/v1/objects/{}", path.replace(' ', "%20"));
        let problem = world.post(&path, body).await.problem(status, code, word);
        assert_eq!(problem["retryable"], json!(false), "{path} {body}");
    }
    assert_eq!(world.get("/v1/objects/Counter").await.ok()["objects"], json!([]));
}

#[tokio::test]
async fn an_id_has_1_to_512_bytes() {
    let world = World::new().await;
    let path = |bytes: usize| format!("/v1/objects/Counter/{}/step", "a".repeat(bytes));
    world.post(&path(512), "").await.ok();
    world.post(&path(513), "").await.problem(400, "bad_request", "513 bytes, the limit is 512");
    world.get(&format!("/v1/objects/Counter/{}", "a".repeat(600))).await.problem(400, "bad_request", "600 bytes");
    world.get("/v1/objects/Counter/").await.problem(400, "bad_request", "id in the path is empty");
    let kind = "K".repeat(129);
    world.post(&format!("/v1/objects/{kind}/a/b"), "").await.problem(400, "bad_request", "limit is 128");
}

#[tokio::test]
async fn headers_that_cannot_be_meant_are_refused() {
    let world = World::new().await;
    let path = "/v1/objects/Counter/a/step";
    let long = "k".repeat(257);
    for (name, value, word) in [
        ("abide-timeout", "2", "unit"),
        ("abide-timeout", "0s", "1ms to 1h"),
        ("abide-timeout", "-1s", "not a duration"),
        ("abide-timeout", "2h", "1ms to 1h"),
        ("idempotency-key", "", "1 to 256"),
        ("idempotency-key", &long, "257 bytes"),
    ] {
        world.post_with(path, "", &[(name, value)]).await.problem(400, "bad_request", word);
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    world.post_with(path, "", &twice).await.problem(400, "bad_request", "twice");
    let raw = b"POST /v1/objects/Counter/a/step HTTP/1.1\r\nhost: localhost\r\nidempotency-key: \xff\r\nconnection: close\r\n\r\n";
    let text = world.raw(raw).await;
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("is not UTF-8"), "{text}");
    assert_eq!(world.get("/v1/objects/Counter").await.ok()["objects"], json!([]));
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_by_its_media_type() {
    let world = World::new().await;
    let path = "/v1/objects/Counter/a/step";
    for media in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=latin1"]
    {
        let request = world.request("POST", path).header("content-type", media).body(Body::from("{}")).unwrap();
        let answer = world.send(request).await;
        answer.problem(415, "unsupported_media", "application/json");
        assert_eq!(answer.header("accept"), "application/json");
    }
    for coding in ["br", "deflate", "gzip, gzip"] {
        let answer = world.post_with(path, "{}", &[("content-encoding", coding)]).await;
        answer.problem(415, "unsupported_media", "gzip or zstd");
        assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
    }
    world.post_with(path, "{}", &[("content-encoding", "gzip")]).await.problem(400, "bad_request", "gzip");
    world.post_with(path, "{}", &[("content-encoding", "zstd")]).await.problem(400, "bad_request", "zstd");
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_refused_with_the_place() {
    let world = World::new().await;
    let answer = world.post("/v1/objects/Counter/a/name", &b"{\"label\":\"\xff\"}"[..]).await;
    answer.problem(400, "bad_request", "not UTF-8 at byte 10");
}

#[tokio::test]
async fn query_parameters_are_read_strictly() {
    let world = World::new().await;
    world.post("/v1/objects/Counter/a/step", "").await.ok();
    for (path, word) in [
        ("/v1/objects/Counter/a?at=x", "at is a whole number"),
        ("/v1/objects/Counter/a?at=-1", "at is a whole number"),
        ("/v1/objects/Counter/a?at=18446744073709551615", "at is a whole number"),
        ("/v1/objects/Counter/a?When=3", "there are: at"),
        ("/v1/objects/Counter?limit=0", "limit is 1 to 1000"),
        ("/v1/objects/Counter?limit=1001", "limit is 1 to 1000"),
        ("/v1/objects/Counter?limit=many", "limit is a whole number"),
        ("/v1/objects/Counter?limit=1&limit=2", "twice"),
        ("/v1/objects/Counter?cursor=zzz", "cursor"),
        ("/v1/objects/Counter?where=count%3E", "at character 7"),
        ("/v1/objects/Counter?where=%FF", "UTF-8"),
        ("/v1/objects/Counter?prefix=%G0", "hexadecimal"),
        ("/v1/objects/Counter/a/changes?after=now", "after is a whole number"),
        ("/v1/objects/Counter/a/alarms?dead=maybe", "true or false"),
        ("/v1/feed?shard=4096", "shard is 0 to 4095"),
        ("/v1/feed?after=x", "after is a whole number"),
        ("/v1/kinds?x=1", "there are: none"),
    ] {
        world.get(path).await.problem(400, "bad_request", word);
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let world = World::new().await;
    world.get("/nowhere").await.problem(404, "not_found", "/nowhere");
    world.post("/", "").await.problem(404, "not_found", "openapi");
    world.get("/v1/objects/Counter/never").await.problem(404, "not_found", "Counter/never");
    world.get("/v1/objects/Nothing/a").await.problem(404, "unknown_kind", "Nothing");
    world.get("/v1/objects/Nothing").await.problem(404, "unknown_kind", "Nothing");
    world.get("/v1/objects/Nothing/a/changes").await.problem(404, "unknown_kind", "Nothing");
    world.get("/v1/objects/Nothing/a/alarms").await.problem(404, "unknown_kind", "Nothing");
    world.delete("/v1/objects/Nothing/a").await.problem(404, "unknown_kind", "Nothing");
    world.get("/v1/kinds/Nothing").await.problem(404, "unknown_kind", "Nothing");
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_told_with_those_it_has() {
    let world = World::new().await;
    for (method, path, allowed) in [
        ("GET", "/v1/objects/Counter/a/increment", "POST"),
        ("PUT", "/v1/objects/Counter/a", "DELETE"),
        ("POST", "/v1/objects/Counter/a", "GET"),
        ("OPTIONS", "/v1/objects/Counter/a/increment", "POST"),
        ("POST", "/healthz", "GET"),
        ("DELETE", "/v1/kinds", "GET"),
    ] {
        let answer = world.send(world.request(method, path).body(Body::empty()).unwrap()).await;
        answer.problem(405, "bad_request", method);
        assert!(answer.header("allow").contains(allowed), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn no_answer_opens_the_door_to_other_origins() {
    let world = World::new().await;
    let path = "/v1/objects/Counter/a/step";
    let own = format!("http://{}", world.address);
    world.post_with(path, "", &[("origin", &own)]).await.ok();
    for origin in ["http://evil.example", "http://localhost:1", "null"] {
        let answer = world.post_with(path, "", &[("origin", origin)]).await;
        answer.problem(403, "denied", "another origin");
        let request = world.request("DELETE", "/v1/objects/Counter/a").header("origin", origin);
        world.send(request.body(Body::empty()).unwrap()).await.problem(403, "denied", "another origin");
        let request = world.request("GET", "/v1/objects/Counter/a").header("origin", origin);
        let read = world.send(request.body(Body::empty()).unwrap()).await;
        assert!(read.ok()["seq"] == 1 && !read.headers.contains_key("access-control-allow-origin"));
        let preflight = world.request("OPTIONS", path).header("origin", origin);
        let preflight = world.send(preflight.body(Body::empty()).unwrap()).await;
        assert!(preflight.status == 403 && !preflight.headers.contains_key("access-control-allow-methods"));
    }
}

#[tokio::test]
async fn a_name_that_was_pointed_at_this_machine_is_refused() {
    let world = World::plan().server(|options| options.hosts = vec!["abide.example".into()]).start().await;
    for (host, status) in [
        ("localhost", "200"),
        ("[::1]:7070", "200"),
        ("ABIDE.example", "200"),
        ("evil.example", "403"),
        ("127.0.0.1.evil.example", "403"),
        ("", "403"),
    ] {
        let text =
            world.raw(format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {text}");
    }
    let text = world.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.0 400") && text.contains("names no host"), "{text}");
}

#[tokio::test]
async fn a_filter_is_understood_as_a_person_types_it() {
    let world = World::new().await;
    world.post("/v1/objects/Counter/few/increment", "[2]").await.ok();
    world.post("/v1/objects/Counter/many/increment", "[7]").await.ok();
    for filter in ["count>5", "count > 5", "count>5 and count<\"9\" or count=7"] {
        let get = |end: &str| {
            format!("GET /v1/objects/Counter?where={filter}&limit=5 HTTP/1.1\r\nhost: localhost\r\n{end}\r\n")
        };
        let text = world.raw((get("") + &get("connection: close\r\n")).as_bytes()).await;
        assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{filter}: {text}");
        assert!(text.contains("\"many\"") && !text.contains("\"few\""), "{filter}: {text}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_told_what_to_do() {
    let world = World::new().await;
    for request in ["GET /v1/objects/Counter/a>b HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1.1\r\nbad header: x"] {
        let text = world.raw(format!("{request}\r\nhost: localhost\r\n\r\n").as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request}: {text}");
        assert!(text.contains("content-type: application/problem+json\r\n"), "{request}: {text}");
        assert!(text.contains(r#""code":"bad_request""#) && text.contains("--data-urlencode"), "{request}: {text}");
    }
    // An answer of the program's own stays as it is, whatever came before on the connection.
    let one = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let text = world.raw(format!("{one}GET /a>b HTTP/1.1\r\n\r\n").as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn a_bare_refusal_of_a_route_of_the_program_stays_bare() {
    let refuse = axum::routing::get(|| async { axum::http::StatusCode::BAD_REQUEST });
    let world = World::plan().routes(axum::Router::new().route("/refuse", refuse)).start().await;
    let request = b"GET /refuse HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let text = world.raw(request).await;
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("content-length: 0\r\n"), "{text}");
}
