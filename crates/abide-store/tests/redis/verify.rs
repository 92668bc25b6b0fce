//! Checks over everything, beside whatever else is on the server.

use std::sync::Arc;

use abide_services::Redis;
use abide_store::{
    RedisStore,
    contract::fixture::{Owner, alarm, key},
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
