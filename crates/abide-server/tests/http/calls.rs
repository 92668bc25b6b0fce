//! Calling handlers.

use std::{io::Write, time::Duration};

use axum::body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

use crate::world::{World, whole};

#[tokio::test]
async fn a_call_answers_with_its_result_and_the_seq_it_reflects() {
    for world in [World::new().await, World::durable().await] {
        let path = "/v1/objects/Counter/a/increment";
        assert_eq!(world.post(path, r#"{"amount":5}"#).await.ok(), json!({"result": 5, "seq": 1}));
        assert_eq!(world.post(path, r#"{"amount":2}"#).await.ok(), json!({"result": 7, "seq": 2}));
        let read = world.post("/v1/objects/Counter/a/get", "").await;
        assert_eq!(read.ok(), json!({"result": 7, "seq": 2}));
        assert_eq!(read.header("content-type"), "application/json");
        world.stopped().await.unwrap();
    }
}

#[tokio::test]
async fn arguments_are_named_or_positional_or_absent() {
    let world = World::new().await;
    let path = "/v1/objects/Counter/a/step";
    for (body, count) in [
        ("", 1),
        ("{}", 2),
        ("null", 3),
        ("[]", 4),
        (r#"{"by":2}"#, 6),
        ("[4]", 10),
        (r#"[10,"ten"]"#, 20),
        (r#" {"label":"x","by":-20} "#, 0),
    ] {
        assert_eq!(world.post(path, body).await.ok()["result"], json!(count), "{body}");
    }
    // A body needs no media type, and nothing needs none.
    let request = world.request("POST", path).body(Body::from("[1]")).unwrap();
    assert_eq!(world.send(request).await.ok()["result"], json!(1));
    let request = world.request("POST", path).body(Body::empty()).unwrap();
    assert_eq!(world.send(request).await.ok()["result"], json!(2));
}

#[tokio::test]
async fn a_result_may_be_nothing() {
    let world = World::new().await;
    let answer = world.post("/v1/objects/Counter/a/name", r#"{"label":"a\u0000\ud83d\ude00"}"#).await;
    assert_eq!(answer.ok(), json!({"result": null, "seq": 1}));
    assert_eq!(world.get("/v1/objects/Counter/a").await.ok()["state"]["label"], "a\0😀");
}

#[tokio::test]
async fn a_call_with_a_key_takes_effect_once() {
    for world in [World::new().await, World::durable().await] {
        let path = "/v1/objects/Counter/a/increment";
        let key = [("idempotency-key", "order-77")];
        let first = world.post_with(path, r#"{"amount":5}"#, &key).await.ok();
        for _ in 0..3 {
            assert_eq!(world.post_with(path, r#"{"amount":5}"#, &key).await.ok(), first);
        }
        world.post_with(path, r#"{"amount":6}"#, &key).await.problem(409, "conflict", "");
        assert_eq!(world.post("/v1/objects/Counter/a/get", "").await.ok()["result"], json!(5));
        let changes = world.get("/v1/objects/Counter/a/changes").await.ok();
        assert_eq!(changes["changes"][0]["cause"]["key"], "order-77");
    }
}

#[tokio::test]
async fn an_id_may_have_any_character() {
    for world in [World::new().await, World::durable().await] {
        let long = "é".repeat(256);
        let ids =
            ["a/b", "a%2Fb", "nul\0nul", "😀", "ä ö", "a+b", "a b?c#d", "a\\b", "\r\n", "\"quoted\"", "ä/../x", &long];
        for id in ids {
            let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let answer = world.post(&format!("/v1/objects/Counter/{encoded}/increment"), r#"{"amount":1}"#).await;
            assert_eq!(answer.ok()["result"], json!(1), "{id:?}");
            let object = world.get(&format!("/v1/objects/Counter/{encoded}")).await.ok();
            assert_eq!((&object["id"], &object["seq"]), (&json!(id), &json!(1)));
        }
        let mut listed: Vec<Value> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = world.get(&format!("/v1/objects/Counter?limit=5{cursor}")).await.ok();
            listed.extend(page["objects"].as_array().unwrap().iter().map(|object| object["id"].clone()));
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let mut expected: Vec<&str> = ids.to_vec();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }
}

#[tokio::test]
async fn a_plus_in_a_path_is_a_plus() {
    let world = World::new().await;
    world.post("/v1/objects/Counter/a+b/step", "").await.ok();
    assert_eq!(world.get("/v1/objects/Counter/a%2Bb").await.ok()["id"], "a+b");
}

#[tokio::test]
async fn http2_is_spoken_on_the_same_port() {
    let world = World::new().await;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let calls = (0..50).map(|_| {
        let request = world.request("POST", "/v1/objects/Counter/a%2Fb/increment").body(Body::from("[1]")).unwrap();
        let client = client.clone();
        tokio::spawn(
            async move { whole(client.request(request).await.unwrap()).await.ok()["result"].as_i64().unwrap() },
        )
    });
    let mut results = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        results.push(call.await.unwrap());
    }
    results.sort_unstable();
    assert_eq!(results, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn bodies_may_be_compressed_both_ways() {
    let world = World::new().await;
    let label = "x".repeat(100_000);
    let body = json!({ "label": label }).to_string();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body.as_bytes()).unwrap();
    let sent = [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(body.as_bytes(), 3).unwrap())];
    for (coding, bytes) in sent {
        world.post_with("/v1/objects/Counter/a/name", bytes, &[("content-encoding", coding)]).await.ok();
        let request = world.request("GET", "/v1/objects/Counter/a").header("accept-encoding", coding);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (coding, "accept-encoding"));
        assert!(answer.bytes.len() < 2000);
        let text = match coding {
            "gzip" => std::io::read_to_string(flate2::read::GzDecoder::new(&answer.bytes[..])).unwrap(),
            _ => String::from_utf8(zstd::decode_all(&answer.bytes[..]).unwrap()).unwrap(),
        };
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["state"]["label"], json!(label));
    }
}

#[tokio::test]
async fn a_long_result_is_compressed_and_a_short_one_is_not() {
    let world = World::new().await;
    let accept = [("accept-encoding", "gzip")];
    let long = world.post_with("/v1/objects/Counter/a/long", "[100000]", &accept).await;
    assert_eq!(long.header("content-encoding"), "gzip");
    let short = world.post_with("/v1/objects/Counter/a/long", "[10]", &accept).await;
    assert_eq!((short.header("content-encoding"), short.ok()["result"].as_str()), ("", Some("xxxxxxxxxx")));
}

#[tokio::test]
async fn a_refusal_carries_its_data_and_rolls_back() {
    let world = World::new().await;
    world.post("/v1/objects/Counter/a/increment", "[5]").await.ok();
    let problem = world.post("/v1/objects/Counter/a/take", "[8]").await.problem(422, "rejected", "3 are missing");
    assert_eq!(problem["data"], json!({"missing": 3}));
    assert_eq!(problem["retryable"], json!(false));
    assert_eq!(world.post("/v1/objects/Counter/a/get", "").await.ok(), json!({"result": 5, "seq": 1}));
}

#[tokio::test]
async fn a_panic_is_an_internal_problem_with_an_id_and_the_object_lives_on() {
    let world = World::new().await;
    for _ in 0..3 {
        let answer = world.post("/v1/objects/Counter/a/explode", "").await;
        let problem = answer.problem(500, "internal", "log");
        assert_eq!(problem["id"].as_str().unwrap().len(), 26);
        assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret"));
    }
    assert_eq!(world.post("/v1/objects/Counter/a/increment", "[1]").await.ok()["result"], json!(1));
}

#[tokio::test]
async fn an_internal_error_never_shows_what_is_inside() {
    let world = World::new().await;
    let answer = world.post("/v1/objects/Counter/a/fault", "").await;
    let problem = answer.problem(500, "internal", "log");
    let text = problem.to_string();
    assert!(!text.contains("hunter2") && problem["id"].is_string(), "{text}");
}

#[tokio::test]
async fn a_handler_that_never_ends_meets_its_deadline() {
    let world = World::new().await;
    let begun = std::time::Instant::now();
    let answer = world.post_with("/v1/objects/Counter/a/hang", "", &[("abide-timeout", "100ms")]).await;
    let problem = answer.problem(504, "deadline", "");
    assert_eq!((&problem["maybe_applied"], &problem["retryable"]), (&json!(false), &json!(true)));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(5), "{took:?}");
    // Nothing of it was kept, and the object answers again.
    assert_eq!(world.post("/v1/objects/Counter/a/get", "").await.ok(), json!({"result": 0, "seq": 0}));
}

#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody() {
    let world = World::new().await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let head = "POST /v1/objects/Counter/a/slowly HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\n[20]";
        stream.write_all(head.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    let after = world.post("/v1/objects/Counter/a/slowly", "[1]").await.ok();
    // Those whose turn had not begun never ran; each that ran is a change.
    let (count, seq) = (after["result"].as_u64().unwrap(), after["seq"].as_u64().unwrap());
    assert!((1..=21).contains(&count) && count == seq, "{after}");
    assert!(count < 21, "calls whose callers had gone were run all the same");
}

#[tokio::test]
async fn a_full_mailbox_sends_callers_away_for_a_moment() {
    let world = World::new().await;
    let calls = (0..20).map(|_| async { world.post("/v1/objects/Narrow/a/slowly", "[100]").await });
    let answers = futures_util::future::join_all(calls).await;
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(!served.is_empty() && !refused.is_empty());
    for answer in refused {
        let problem = answer.problem(429, "overloaded", "");
        assert_eq!(problem["retryable"], json!(true));
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    let seq = world.post("/v1/objects/Narrow/a/slowly", "[0]").await.ok()["seq"].as_u64().unwrap();
    assert_eq!(seq, served.len() as u64 + 1);
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_read_whole() {
    let world = World::new().await;
    let pieces = ["{\"amo", "unt\"", ": 4", "2}"].map(|piece| Ok::<_, std::io::Error>(piece.to_owned()));
    let stream = futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async {
        sleep(Duration::from_millis(20)).await;
        pieces.next().map(|piece| (piece, pieces))
    });
    let request = world.request("POST", "/v1/objects/Counter/a/increment").body(Body::from_stream(stream)).unwrap();
    assert_eq!(world.send(request).await.ok()["result"], json!(42));
}

#[tokio::test]
async fn a_trace_parent_is_welcome_and_a_broken_one_is_ignored() {
    let world = World::new().await;
    for parent in ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "nonsense"] {
        world.post_with("/v1/objects/Counter/a/step", "", &[("traceparent", parent)]).await.ok();
    }
}

#[tokio::test]
async fn a_head_request_has_the_headers_of_a_get() {
    let world = World::new().await;
    world.post("/v1/objects/Counter/a/step", "").await.ok();
    let head = world.send(world.request("HEAD", "/v1/objects/Counter/a").body(Body::empty()).unwrap()).await;
    let get = world.get("/v1/objects/Counter/a").await;
    assert_eq!((head.status, head.bytes.len()), (get.status, 0));
    assert_eq!(head.header("content-length"), get.bytes.len().to_string());
}

#[tokio::test]
async fn empty_frames_of_a_body_do_no_harm() {
    let world = World::new().await;
    let body = Full::new(bytes::Bytes::new()).map_err(|never| match never {}).boxed();
    let request = world.request("POST", "/v1/objects/Counter/a/step").body(Body::new(body)).unwrap();
    world.send(request).await.ok();
}
