//! Checks over everything, beside whatever else is on the server.

use std::sync::Arc;

use abide_core::port::store::Commit;
use abide_services::Redis;
use abide_store::{
    RedisStore,
    contract::fixture::{Owner, alarm, json, key, message, outcome},
};
use tokio::task::JoinSet;

async fn owner(redis: &Redis, query: &str) -> Owner {
    let store = RedisStore::open(&format!("{}?shards=16{query}", redis.url())).await.unwrap();
    Owner::claim(Arc::new(store)).await
}

#[tokio::test]
async fn a_store_with_a_longer_prefix_and_ids_of_any_kind_are_no_faults() {
    let redis = Redis::start().unwrap();
    let (own, other) = (owner(&redis, "&prefix=abide").await, owner(&redis, "&prefix=abide:eu").await);
    for owner in [&own, &other] {
        owner.done(vec![owner.put(&key("visits"), 0), owner.put(&key("x}:o:y"), 0)]).await;
    }
    for owner in [&own, &other] {
        assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    }
    redis.ask(&["ZREM", "{abide:0}:k:default:Counter", "x}:o:y"]).unwrap();
    redis.ask(&["DEL", "{abide:0}:c:default:Counter:visits"]).unwrap();
    let mut faults = own.store.verify(9).await.unwrap();
    faults.sort();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("visits: its log is not dense"), "{faults:?}");
    assert!(faults[1].contains("x}:o:y: it is missing in its kind's list"), "{faults:?}");
    assert_eq!(other.store.verify(9).await.unwrap(), Vec::<String>::new());
}

/// Members of sets as `docs/format/redis.md` says; the first of 2026 is so many milliseconds after the year 0.
const FIRST: &str = "063934444800001";

/// What is done to a good store, and what is said of it.
fn faults() -> Vec<(Vec<String>, &'static str)> {
    let due = |id: &str, name: &str| format!("{FIRST}default\0Counter\0{id}\0{name}");
    let sent = |n: u64| format!("default\0Counter\0b\0{n:020}");
    let of = |letter: char, id: &str| format!("{{abide:0}}:{letter}:default:Counter:{id}");
    let part = |name: &str| format!("{{abide:0}}:{name}");
    let plants: [(&str, String, Vec<String>, &'static str); 22] = [
        ("LSET", of('c', "a"), vec!["4".into(), "1 {".into()], "Counter/a: its change 5 is no JSON"),
        ("LSET", of('c', "a"), vec!["5".into(), "{}".into()], "Counter/a: its change 6: "),
        (
            "LSET",
            of('c', "a"),
            vec!["6".into(), "1 {\"seq\":8}".into()],
            "Counter/a: its change 7 says of itself that it is 8",
        ),
        ("ZADD", of('n', "a"), vec!["3".into(), "3:{bad".into()], "Counter/a: its snapshot of 3 is no JSON"),
        ("ZADD", of('n', "a"), vec!["4".into(), "{}".into()], "Counter/a: it has a snapshot of no seq"),
        ("HSET", of('o', "c"), vec!["@alarm:x".into(), "x".into()], "Counter/c: an alarm cannot be read: "),
        ("HSET", of('o', "d"), vec!["@order".into(), "[\"nothing\"]".into()], "Counter/d: "),
        ("HSET", of('o', "e"), vec!["@head".into(), "x".into()], "Counter/e: "),
        ("SET", of('o', "f"), vec!["text".into()], "Counter/f: the Redis server said WRONGTYPE"),
        ("SET", of('c', "g"), vec!["text".into()], "Counter/g, its changes: the Redis server said WRONGTYPE"),
        ("SET", of('q', "g"), vec!["text".into()], "{abide:0}:q:default:Counter:g: the Redis server said WRONGTYPE"),
        ("DEL", of('o', "h"), vec![], "Counter/h: it stands in the list of all, and is not there"),
        ("HDEL", of('o', "i"), vec!["@order".into()], "Counter/i: it stands in its kind's list, and is not there"),
        (
            "ZADD",
            part("due"),
            vec!["0".into(), due("a", "gone")],
            "Counter/a, its alarm \"gone\": it stands in the due alarms, and is not there",
        ),
        (
            "ZADD",
            part("dead"),
            vec!["0".into(), due("b", "x")],
            "Counter/b, its alarm \"x\": it stands in the dead alarms, and is something else",
        ),
        (
            "ZADD",
            part("due"),
            vec!["0".into(), "nonsense".into()],
            "\"nonsense\": it stands in the due alarms, and names nothing",
        ),
        (
            "ZADD",
            part("outbox"),
            vec!["0".into(), sent(9)],
            "Counter/b, its message 9: it stands in the messages under way, and is not there",
        ),
        ("ZREM", part("outbox"), vec![sent(1)], "Counter/b, its message 1: it is missing in the messages under way"),
        (
            "HSET",
            part("messages"),
            vec![sent(2), "{".into()],
            "Counter/b, its message 2: it stands in the messages under way, and is something else",
        ),
        (
            "HSET",
            of('q', "b"),
            vec!["me\0k".into(), "{".into()],
            "Counter/b, its outcome of the call \"k\" of \"me\" cannot be read",
        ),
        (
            "ZREM",
            part("expire"),
            vec!["default\0Counter\0b\0me\0l".into()],
            "Counter/b, its outcome of the call \"l\" of \"me\": it is missing in",
        ),
        (
            "HDEL",
            of('q', "b"),
            vec!["me\0m".into()],
            "Counter/b, its outcome of the call \"m\" of \"me\": it stands in the outcomes that expire, and is not there",
        ),
    ];
    let command =
        |(name, key, rest, said): (&str, _, Vec<String>, _)| ([vec![name.to_owned(), key], rest].concat(), said);
    plants.into_iter().map(command).collect()
}

#[tokio::test]
async fn verify_names_each_fault_and_goes_on_to_the_next() {
    let redis = Redis::start().unwrap();
    let good = owner(&redis, "").await;
    let (a, b) = (key("a"), key("b"));
    good.grow(&a, 9).await;
    let mut snapped = good.put(&a, 9);
    snapped.changes[0].snapshot = Some(json("{}"));
    let outbox = (1..=3).map(|n| message(&b, n, &a)).collect();
    let outcomes = ["k", "l", "m", "n"].map(|call_key| outcome("me", call_key, 1)).to_vec();
    good.done(vec![snapped, Commit { outbox, outcomes, ..good.alarms(&b, 0, vec![alarm("x", 1)]) }]).await;
    for id in ["c", "d", "e", "f", "g", "h", "i"] {
        good.done(vec![good.put(&key(id), 0)]).await;
    }
    assert_eq!(good.store.verify(99).await.unwrap(), Vec::<String>::new());
    for (command, _) in faults() {
        if command[0] == "SET" {
            redis.ask(&["DEL", &command[1]]).unwrap();
        }
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        redis.ask(&command).unwrap();
    }
    let found = good.store.verify(99).await.unwrap();
    for (command, said) in faults() {
        assert!(found.iter().any(|fault| fault.contains(said)), "{command:?}: {found:#?}");
    }
    assert!(!found.iter().any(|fault| fault.contains("abide store verify")), "{found:#?}");
    assert_eq!(good.store.verify(3).await.unwrap().len(), 3);
    redis.ask(&["SET", "{abide:0}:due", "text"]).unwrap();
    let found = good.store.verify(99).await.unwrap();
    assert!(
        found.iter().any(|fault| fault.starts_with("{abide:0}:due: the Redis server said WRONGTYPE")),
        "{found:#?}"
    );
    assert!(found.iter().any(|fault| fault.starts_with("Counter/b: it is missing in the due alarms")), "{found:#?}");
}

/// Objects come, get alarms and go, until told to stop.
async fn come_and_go(owner: Arc<Owner>, id: String, stop: Arc<std::sync::atomic::AtomicBool>) {
    let key = key(&id);
    let mut head = 0;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        owner.done(vec![owner.put(&key, head)]).await;
        owner.done(vec![owner.alarms(&key, head + 1, vec![alarm("ring", 1)])]).await;
        head = owner.head(&key).await;
        owner.done(vec![owner.delete(&key, head)]).await;
        head = owner.head(&key).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_come_and_go_meanwhile_are_no_faults() {
    let redis = Redis::start().unwrap();
    let owner = Arc::new(owner(&redis, "").await);
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut busy = JoinSet::new();
    for n in 0..6 {
        busy.spawn(come_and_go(owner.clone(), n.to_string(), stop.clone()));
    }
    for _ in 0..60 {
        assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    while let Some(ended) = busy.join_next().await {
        ended.unwrap();
    }
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}
