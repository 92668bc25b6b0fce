//! What becomes of commits when the server is hurt.

use std::{sync::Arc, time::Duration};

use abide_core::{
    Key, Store, StoreError,
    port::{
        BoxFuture,
        store::{Commit, Committed},
    },
};
use abide_services::{Proxy, Redis, redis::DURABLE};
use abide_store::{
    RedisOptions, RedisStore,
    contract::{
        Subject,
        fixture::{Owner, key},
    },
};
use futures_util::future::join_all;
use tokio::time::Instant;

struct OnServer {
    url: String,
    options: RedisOptions,
}

impl Subject for OnServer {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let (url, options) = (self.url.clone(), self.options.clone());
        Box::pin(async move { Arc::new(RedisStore::open_with(&url, options).await.unwrap()) as Arc<dyn Store> })
    }
}

async fn owner(redis: &Redis) -> Owner {
    owner_at(redis.url()).await
}

async fn owner_at(url: String) -> Owner {
    let options =
        RedisOptions { shards: Some(16), answer_within: Duration::from_millis(700), ..RedisOptions::default() };
    Owner::open(&mut OnServer { url, options }).await
}

/// Tries again until the server is back.
async fn done_at_last(owner: &Owner, commit: impl Fn(u64) -> Commit, key: &Key) {
    for _ in 0..100 {
        if let Ok(loaded) = owner.store.load(key).await {
            let head = loaded.map_or(0, |loaded| loaded.head.number());
            if owner.store.commit(vec![commit(head)]).await == Ok(vec![Committed::Done]) {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the store did not come back");
}

/// Commits one after the other until the server is gone. Returns the last head that was acknowledged.
async fn grow_until_it_fails(owner: &Owner, key: &Key, mut head: u64) -> u64 {
    loop {
        match owner.store.commit(vec![owner.put(key, head)]).await {
            Ok(answers) => assert_eq!(answers, [Committed::Done]),
            Err(StoreError::Unknown(_) | StoreError::Unavailable(_)) => return head,
            Err(other) => panic!("{other:?}"),
        }
        head += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    let mut redis = Redis::start().unwrap();
    let keys: Vec<_> = (0..16).map(|n| key(&n.to_string())).collect();
    let mut heads = vec![0; keys.len()];
    for round in 0..4 {
        let owner = Arc::new(owner(&redis).await);
        let mut growing = tokio::task::JoinSet::new();
        for (place, (key, head)) in keys.iter().zip(&heads).enumerate() {
            let (owner, key, head) = (owner.clone(), key.clone(), *head);
            growing.spawn(async move { (place, grow_until_it_fails(&owner, &key, head).await) });
        }
        tokio::time::sleep(Duration::from_millis(150 + 40 * round)).await;
        redis.kill9().unwrap();
        let acknowledged = growing.join_all().await;
        redis.start_again().unwrap();
        let after = self::owner(&redis).await;
        for (place, acknowledged) in acknowledged {
            let found = after.head(&keys[place]).await;
            assert!(found == acknowledged || found == acknowledged + 1, "{found} of {acknowledged}");
            assert!(acknowledged > heads[place], "nothing was done in round {round}");
            heads[place] = found;
        }
        assert_eq!(after.store.verify(9).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_reading_back_settles_it() {
    let redis = Redis::start().unwrap();
    let owner = owner(&redis).await;
    let a = key("a");
    owner.grow(&a, 1).await;
    redis.pause().unwrap();
    let commit = owner.put(&a, 1);
    let id = commit.id;
    let lost = owner.store.commit(vec![commit]).await;
    assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
    redis.resume().unwrap();
    done_at_last(&owner, |head| owner.put(&a, head), &a).await;
    let page = owner.store.changes(&a, abide_core::Seq::ZERO, 9).await.unwrap();
    assert_eq!(page.head.number(), 3, "commit {id} was under way and was done");
}

#[tokio::test]
async fn what_a_lost_connection_still_carries_comes_too_late() {
    const LATE: Duration = Duration::from_secs(4);
    let redis = Redis::start().unwrap();
    let proxy = Proxy::start(redis.port()).unwrap();
    let owner = owner_at(redis.url().replace(&redis.port().to_string(), &proxy.port().to_string())).await;
    let a = key("a");
    owner.grow(&a, 1).await;
    proxy.delay(LATE);
    let begun = Instant::now();
    // Two that build on one another, as two rounds; and two more in one batch.
    let b = key("b");
    let apart = [owner.put(&a, 1), owner.put(&a, 2)].map(|commit| owner.store.commit(vec![commit]));
    let together = owner.store.commit(vec![owner.put(&b, 0), owner.put(&b, 1)]);
    for lost in join_all(apart.into_iter().chain([together])).await {
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
    }
    proxy.delay(Duration::ZERO);
    let (ours, other) = (owner.put(&a, 1), owner.put(&b, 0));
    let ids = (ours.id, other.id);
    let done = vec![Committed::Done, Committed::Done];
    while owner.store.commit(vec![ours.clone(), other.clone()]).await != Ok(done.clone()) {
        assert!(begun.elapsed() < LATE, "the connection did not come back in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() < LATE, "what was to come late came before");
    tokio::time::sleep_until(begun + LATE + Duration::from_secs(1)).await;
    for (key, head, id) in [(&a, 2, ids.0), (&b, 1, ids.1)] {
        let found = owner.store.load(key).await.unwrap().unwrap();
        assert_eq!((found.head.number(), found.commit_id), (head, id), "an acknowledged commit was written over");
    }
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_is_away_is_told_from_a_lost_answer_and_found_again() {
    let mut redis = Redis::start().unwrap();
    let owner = owner(&redis).await;
    let a = key("a");
    owner.grow(&a, 1).await;
    redis.kill9().unwrap();
    // The first may notice the end of the connection only now.
    let _ = owner.store.commit(vec![owner.put(&a, 1)]).await;
    for _ in 0..5 {
        let away = owner.store.commit(vec![owner.put(&a, 1)]).await;
        assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
        let away = owner.store.load(&a).await;
        assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
    }
    redis.start_again().unwrap();
    done_at_last(&owner, |head| owner.put(&a, head), &a).await;
    assert_eq!(owner.head(&a).await, 2);
}

#[tokio::test]
async fn cut_connections_are_made_again() {
    let redis = Redis::start().unwrap();
    let owner = owner(&redis).await;
    let a = key("a");
    for _ in 0..5 {
        done_at_last(&owner, |head| owner.put(&a, head), &a).await;
        redis.ask(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
    }
    done_at_last(&owner, |head| owner.put(&a, head), &a).await;
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_is_taught_them_again() {
    let redis = Redis::start().unwrap();
    let owner = owner(&redis).await;
    owner.grow(&key("a"), 1).await;
    redis.ask(&["SCRIPT", "FLUSH"]).unwrap();
    let batch: Vec<_> = (1..20).map(|head| owner.put(&key("a"), head)).collect();
    let calls: Vec<_> = batch.into_iter().map(|commit| owner.store.commit(vec![commit])).collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), [Committed::Done]);
    }
}

#[tokio::test]
async fn a_replica_and_a_full_server_take_no_writes_and_change_nothing() {
    let redis = Redis::start().unwrap();
    let owner = owner(&redis).await;
    let a = key("a");
    owner.grow(&a, 1).await;
    for (hurt, heal) in [
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
        (["REPLICAOF", "127.0.0.1", "1", ""], ["REPLICAOF", "NO", "ONE", ""]),
    ] {
        let command = |words: [&'static str; 4]| words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>();
        let before = owner.load(&a).await;
        redis.ask(&command(hurt)).unwrap();
        let full = owner.store.commit(vec![owner.put(&a, before.head.number())]).await;
        assert!(matches!(full, Err(StoreError::Full(_))), "{hurt:?}: {full:?}");
        assert_eq!(owner.load(&a).await, before);
        redis.ask(&command(heal)).unwrap();
        owner.done(vec![owner.put(&a, before.head.number())]).await;
    }
}

#[tokio::test]
async fn a_closed_store_says_so_after_it_did_what_was_asked() {
    let redis = Redis::start_with(&DURABLE).unwrap();
    let owner = owner(&redis).await;
    let waiting = owner.store.commit(vec![owner.put(&key("a"), 0)]);
    owner.store.close().await;
    assert_eq!(waiting.await, Ok(vec![Committed::Done]));
    assert_eq!(owner.store.commit(Vec::new()).await, Err(StoreError::Closed));
    assert_eq!(owner.store.load(&key("a")).await, Err(StoreError::Closed));
}
