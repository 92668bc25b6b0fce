//! The changes of an object as a stream of events.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::world::{PATIENCE, World};

/// One event, or a comment.
#[derive(Clone, Debug, Default, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: String,
    comment: bool,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// A reader of events, as a browser is one.
struct Reader {
    body: Incoming,
    text: String,
}

impl Reader {
    async fn open(world: &World, path: &str, last: Option<&str>) -> Self {
        let mut request = world.request("GET", path).header("accept", "text/event-stream");
        // Asking for compression changes nothing: each event has to leave at once.
        request = request.header("accept-encoding", "gzip");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = world.open(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self { body: response.into_body(), text: String::new() };
        let hello = reader.block().await.unwrap();
        assert_eq!(hello, "retry: 1000");
        reader
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("no event in time")?;
            // A stream that is cut has ended, too.
            let data = frame.ok()?.into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let block = self.block().await?;
        let mut event = Event::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.into(),
                Some(("id", id)) => event.id = id.into(),
                Some(("data", data)) => event.data.push_str(data),
                _ if line.starts_with(':') => event.comment = true,
                _ => panic!("{line:?}"),
            }
        }
        Some(event)
    }

    /// The next event that is not a comment.
    async fn event(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("the stream ended");
            if !event.comment {
                return event;
            }
        }
    }
}

const CHANGES: &str = "/v1/objects/Counter/a/changes";

#[tokio::test]
async fn every_change_is_an_event_with_its_seq() {
    let world = World::new().await;
    world.post("/v1/objects/Counter/a/increment", "[5]").await.ok();
    let mut reader = Reader::open(&world, CHANGES, None).await;
    let first = reader.event().await;
    assert_eq!((first.name.as_str(), first.id.as_str()), ("change", "1"));
    assert_eq!(first.json()["patch"], json!({"count": 5, "label": null}));
    world.post("/v1/objects/Counter/a/increment", "[2]").await.ok();
    let second = reader.event().await;
    assert_eq!((second.id.as_str(), &second.json()["patch"]), ("2", &json!({"count": 7})));
    world.delete("/v1/objects/Counter/a").await.ok();
    assert_eq!(reader.event().await.json()["deleted"], json!(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_has_no_gap_while_a_thousand_calls_run() {
    for world in [World::new().await, World::durable().await] {
        let mut early = Reader::open(&world, CHANGES, None).await;
        let calls = async {
            let callers = (0..20).map(|_| async {
                for _ in 0..50 {
                    world.post("/v1/objects/Counter/a/increment", "[1]").await.ok();
                }
            });
            futures_util::future::join_all(callers).await;
        };
        let early = async {
            for seq in 1..=1000_u64 {
                let event = early.event().await;
                assert_eq!((event.name.as_str(), &event.id), ("change", &seq.to_string()));
                assert_eq!(event.json()["patch"]["count"], json!(seq));
            }
        };
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut late = Reader::open(&world, &format!("{CHANGES}?after=0"), None).await;
            for seq in 1..=1000_u64 {
                assert_eq!(late.event().await.id, seq.to_string());
            }
        };
        // One comes back again and again, and goes on where it was.
        let restless = async {
            let mut seen = 0_u64;
            while seen < 1000 {
                let mut reader = Reader::open(&world, &format!("{CHANGES}?after=0"), Some(&seen.to_string())).await;
                for _ in 0..100.min(1000 - seen) {
                    seen += 1;
                    assert_eq!(reader.event().await.id, seen.to_string());
                }
            }
        };
        tokio::join!(calls, early, late, restless);
    }
}

#[tokio::test]
async fn a_reader_that_was_slow_gets_everything_from_the_log() {
    let world = World::plan().node(|node| node.watch_buffer = 4).start().await;
    let mut reader = Reader::open(&world, CHANGES, None).await;
    for i in 0..300 {
        let label = format!("{i:04}").repeat(2_000);
        world.post("/v1/objects/Counter/a/name", json!({ "label": label }).to_string()).await.ok();
    }
    for seq in 1..=300 {
        let event = reader.event().await;
        assert_eq!((event.name.as_str(), &event.id), ("change", &seq.to_string()));
    }
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_that_was_seen() {
    let world = World::new().await;
    for _ in 0..10 {
        world.post("/v1/objects/Counter/a/step", "").await.ok();
    }
    let mut reader = Reader::open(&world, CHANGES, Some("7")).await;
    assert_eq!(reader.event().await.id, "8");
    let mut reader = Reader::open(&world, &format!("{CHANGES}?after=9"), None).await;
    assert_eq!(reader.event().await.id, "10");
    let mut reader = Reader::open(&world, &format!("{CHANGES}?after=now"), None).await;
    world.post("/v1/objects/Counter/a/step", "").await.ok();
    assert_eq!(reader.event().await.id, "11");
}

#[tokio::test]
async fn a_position_that_is_not_kept_is_reset_with_the_state() {
    for world in [World::new().await, World::durable().await] {
        for _ in 0..50 {
            world.post("/v1/objects/Forgetful/a/increment", "").await.ok();
        }
        let path = "/v1/objects/Forgetful/a/changes";
        for (last, reason) in [("2", "trimmed"), ("99", "ahead")] {
            let mut reader = Reader::open(&world, path, Some(last)).await;
            let reset = reader.event().await;
            assert_eq!((reset.name.as_str(), reset.id.as_str()), ("reset", "50"));
            assert_eq!(reset.json(), json!({"seq": 50, "state": {"count": 50}, "reason": reason}));
        }
        let mut reader = Reader::open(&world, path, Some("2")).await;
        assert_eq!(reader.event().await.name, "reset");
        world.post("/v1/objects/Forgetful/a/increment", "").await.ok();
        let next = reader.event().await;
        assert_eq!((next.name.as_str(), next.id.as_str()), ("change", "51"));
    }
}

#[tokio::test]
async fn a_silent_stream_has_a_heart_that_beats() {
    let world = World::plan().server(|options| options.limits.heartbeat = Duration::from_millis(50)).start().await;
    let mut reader = Reader::open(&world, CHANGES, None).await;
    for _ in 0..3 {
        assert!(reader.next().await.unwrap().comment);
    }
    world.post("/v1/objects/Counter/a/step", "").await.ok();
    assert_eq!(reader.event().await.id, "1");
}

#[tokio::test]
async fn a_stream_that_cannot_begin_is_a_problem() {
    let world = World::new().await;
    let ask = async |path: &str, last: &str| {
        let request = world.request("GET", path).header("accept", "text/event-stream").header("last-event-id", last);
        world.send(request.body(Body::empty()).unwrap()).await
    };
    ask("/v1/objects/Nothing/a/changes", "1").await.problem(404, "unknown_kind", "Nothing");
    ask(CHANGES, "last tuesday").await.problem(400, "bad_request", "Last-Event-ID");
    ask("/v1/objects/Counter/a/changes?limit=1", "1").await.problem(400, "bad_request", "limit");
    ask("/v1/objects/Counter/a/changes?after=x", "").await.problem(400, "bad_request", "after");
}

#[tokio::test]
async fn readers_that_leave_are_not_watched_for_any_more() {
    let world = World::plan().server(|options| options.limits.heartbeat = Duration::from_millis(20)).start().await;
    let mut readers = Vec::new();
    for i in 0..10 {
        readers.push(Reader::open(&world, &format!("/v1/objects/Counter/{i}/changes"), None).await);
    }
    assert_eq!(world.node.objects_watched(), 10);
    drop(readers);
    let left = async {
        while world.node.objects_watched() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, left).await.expect("they are still watched");
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let world = World::new().await;
    let mut reader = Reader::open(&world, CHANGES, None).await;
    let (stop, begun) = (world.stop.clone(), std::time::Instant::now());
    stop.cancel();
    assert_eq!(reader.next().await, None);
    world.stopped().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
}
