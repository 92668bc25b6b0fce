//! Opening, and what is written where.

use std::time::Duration;

use abide_core::{
    Json, Store,
    port::store::{Alarm, Commit, Write},
};
use abide_services::Redis;
use abide_store::{
    RedisOptions, RedisStore,
    contract::fixture::{Owner, alarm, at, json, key},
};

async fn refusal(url: &str) -> String {
    RedisStore::open(url).await.map(|store| store.name()).unwrap_err().to_string()
}

#[tokio::test]
async fn a_server_that_would_forget_is_refused_unless_the_url_says_so() {
    let redis = Redis::start_with(&[("appendonly", "no")]).unwrap();
    for query in ["", "?durability=everysec"] {
        let sentence = refusal(&format!("{}{query}", redis.url())).await;
        assert!(sentence.contains("durability=memory") && sentence.contains("appendfsync always"), "{sentence}");
    }
    RedisStore::open(&format!("{}?durability=memory", redis.url())).await.unwrap();
    redis.ask(&["CONFIG", "SET", "appendonly", "yes"]).unwrap();
    for query in ["", "?durability=everysec"] {
        RedisStore::open(&format!("{}{query}", redis.url())).await.unwrap();
    }
}

#[tokio::test]
async fn what_stands_in_the_way_of_opening_is_said_in_a_sentence() {
    let redis = Redis::start().unwrap();
    let url = redis.url();
    RedisStore::open(&format!("{url}?shards=8")).await.unwrap();
    let same = RedisStore::open(&url).await.unwrap();
    assert_eq!(same.shards(), 8);
    assert!(refusal(&format!("{url}?shards=9")).await.contains("created with 8 shards"));
    redis.ask(&["HSET", "{abide}:meta", "schema", "99"]).unwrap();
    assert!(refusal(&url).await.contains("schema version 99"));
    assert!(refusal("redis://127.0.0.1:1").await.contains("cannot be reached"));
    assert!(refusal(&format!("{url}?nonsense=1")).await.contains("no option"));
    redis.ask(&["CONFIG", "SET", "requirepass", "secret"]).unwrap();
    let unauthenticated = refusal(&url).await;
    assert!(unauthenticated.contains("NOAUTH"), "{unauthenticated}");
    let inside = url.replace("redis://", "redis://:secret@");
    RedisStore::open(&format!("{inside}?prefix=other")).await.unwrap();
}

#[tokio::test]
async fn a_prefix_that_a_part_of_another_store_has_is_refused() {
    let redis = Redis::start().unwrap();
    let store = RedisStore::open(&redis.url()).await.unwrap();
    let owner = Owner::claim(std::sync::Arc::new(store)).await;
    for prefix in ["abide:0", "abide:7"] {
        let sentence = refusal(&format!("{}?prefix={prefix}", redis.url())).await;
        assert!(sentence.contains("write into each other"), "{sentence}");
        let options = RedisOptions { prefix: prefix.into(), ..RedisOptions::default() };
        let refused = RedisStore::open_with(&redis.url(), options).await.map(|store| store.name());
        assert!(refused.unwrap_err().to_string().contains("write into each other"));
    }
    RedisStore::open(&format!("{}?prefix=abide:0:eu", redis.url())).await.unwrap();
    owner.done(vec![owner.put(&key("a"), 0)]).await;
    assert_eq!(redis.ask(&["HKEYS", "{abide:0}:meta"]).unwrap(), "changes");
}

fn put(owner: &Owner, id: &str, expected: u64, state: &str) -> Commit {
    let write = Write::Put { state: json(state), version: 1, created_at: at(0), updated_at: at(0) };
    Commit { write, ..owner.put(&key(id), expected) }
}

#[tokio::test]
async fn a_state_is_a_field_for_each_field_and_only_what_changed_is_written() {
    let redis = Redis::start().unwrap();
    let store = RedisStore::open(&format!("{}?shards=16", redis.url())).await.unwrap();
    let owner = Owner::claim(std::sync::Arc::new(store)).await;
    owner.done(vec![put(&owner, "a", 0, r#"{"name":"Alice","visits":1,"@head":[2]}"#)]).await;
    let field = |field: &str| redis.ask(&["HGET", "{abide:0}:o:default:Counter:a", field]).unwrap();
    assert_eq!((field("name"), field("visits"), field("@@head")), ("\"Alice\"".into(), "1".into(), "[2]".into()));

    let client = redis::Client::open(redis.url()).unwrap();
    let monitor = client.get_async_monitor().await.unwrap();
    owner.done(vec![put(&owner, "a", 1, r#"{"name":"Alice","visits":2,"@head":[2]}"#)]).await;
    assert_eq!(field("visits"), "2");
    let mut heard = monitor.into_on_message::<String>();
    let written = loop {
        let line = futures_util::StreamExt::next(&mut heard).await.unwrap();
        if line.contains(r#"lua] "HSET""#) {
            break line;
        }
    };
    assert!(written.contains(r#""visits" "2""#) && !written.contains("Alice"), "{written}");
    owner.done(vec![put(&owner, "a", 2, r#"{"name":"Bob"}"#)]).await;
    assert_eq!((field("name"), field("visits"), field("@@head")), ("\"Bob\"".into(), String::new(), String::new()));
    owner.done(vec![put(&owner, "a", 3, r#"{ "spaced": 1 }"#)]).await;
    assert_eq!((field("name"), field("@state")), (String::new(), r#"{ "spaced": 1 }"#.into()));
    owner.done(vec![put(&owner, "a", 4, "{}")]).await;
    assert_eq!(owner.load(&key("a")).await.state, Some(Json::trusted("{}")));
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_alarm_from_before_they_had_principals_fires_on_behalf_of_nobody_until_set_again() {
    let redis = Redis::start().unwrap();
    let store = RedisStore::open(&format!("{}?shards=16", redis.url())).await.unwrap();
    let owner = Owner::claim(std::sync::Arc::new(store)).await;
    let a = key("a");
    let theirs = Alarm { principal: Some(json(r#"{"subject":"alice"}"#)), ..alarm("ring", 1) };
    owner.done(vec![owner.alarms(&a, 0, vec![theirs.clone()])]).await;
    let hash = "{abide:0}:o:default:Counter:a";
    let stored = redis.ask(&["HGET", hash, "@alarm:ring"]).unwrap();
    let before = stored.replace(r#""principal":{"subject":"alice"},"#, "");
    assert_ne!(before, stored);
    redis.ask(&["HSET", hash, "@alarm:ring", &before]).unwrap();
    assert_eq!(owner.load(&a).await.alarms, [Alarm { principal: None, ..theirs.clone() }]);
    owner.done(vec![owner.alarms(&a, 1, vec![theirs.clone()])]).await;
    assert_eq!(owner.load(&a).await.alarms, [theirs]);
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_state_of_thousands_of_fields_is_kept() {
    let redis = Redis::start().unwrap();
    let store = RedisStore::open(&redis.url()).await.unwrap();
    let owner = Owner::claim(std::sync::Arc::new(store)).await;
    let state = |add: u32| {
        let fields: Vec<_> = (0..9_000).map(|n| format!("\"f{n}\":{}", n + add)).collect();
        format!("{{{}}}", fields.join(","))
    };
    for (expected, state) in [state(0), state(1), "{}".into(), state(2)].iter().enumerate() {
        owner.done(vec![put(&owner, "a", expected as u64, state)]).await;
        assert_eq!(owner.load(&key("a")).await.state.as_ref().map(Json::as_str), Some(state.as_str()));
    }
    owner.done(vec![owner.delete(&key("a"), 4)]).await;
    assert_eq!(owner.load(&key("a")).await.state, None);
}

#[tokio::test]
async fn every_change_is_published_on_its_objects_channel() {
    let redis = Redis::start().unwrap();
    let store = RedisStore::open(&redis.url()).await.unwrap();
    let owner = Owner::claim(std::sync::Arc::new(store)).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut listener = client.get_async_pubsub().await.unwrap();
    listener.psubscribe("abide:default:Counter:*").await.unwrap();
    owner.commit(vec![owner.put(&key("a"), 0), owner.put(&key("b"), 0), owner.put(&key("a"), 9)]).await;
    let (sink, mut heard) = listener.split();
    for id in ["a", "b"] {
        let next = futures_util::StreamExt::next(&mut heard);
        let message = tokio::time::timeout(Duration::from_secs(5), next).await.unwrap().unwrap();
        assert_eq!(message.get_channel_name(), format!("abide:default:Counter:{id}"));
        let change: serde_json::Value = serde_json::from_slice(message.get_payload_bytes()).unwrap();
        assert_eq!((&change["seq"], &change["patch"]["count"]), (&1.into(), &1.into()));
    }
    let nothing = futures_util::StreamExt::next(&mut heard);
    assert!(tokio::time::timeout(Duration::from_millis(100), nothing).await.is_err());
    drop(sink);
}

#[tokio::test]
async fn looking_for_a_store_makes_none() {
    let redis = Redis::start().unwrap();
    let error = abide_store::open_existing(&redis.url()).await.map(|store| store.name()).unwrap_err();
    assert!(matches!(error, abide_store::OpenError::NotThere { .. }), "{error}");
    assert!(error.to_string().contains("abide store init"), "{error}");
    assert_eq!(redis.ask(&["DBSIZE"]).unwrap(), "0");
    RedisStore::open(&format!("{}?shards=16", redis.url())).await.unwrap();
    assert_eq!(abide_store::open_existing(&redis.url()).await.unwrap().shards(), 16);
}
