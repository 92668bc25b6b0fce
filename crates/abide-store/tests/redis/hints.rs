//! Hints that a feed moved.

use std::{sync::Arc, time::Duration};

use abide_core::{FeedPosition, Store};
use abide_services::Redis;
use abide_store::{
    RedisStore,
    contract::fixture::{Owner, key},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Commits until whoever waits is told: the first subscription may come after the first commits.
async fn told(owner: &Owner, from: u64, reader: &RedisStore) -> u64 {
    let shard = key("a").shard(16);
    let mut told = reader.feed_moved(Some(shard));
    for head in from.. {
        owner.done(vec![owner.put(&key("a"), head)]).await;
        if tokio::time::timeout(Duration::from_millis(20), &mut told).await.is_ok() {
            return head + 1;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_reader_in_another_process_is_told_of_commits_also_after_its_connection_was_cut() {
    let redis = Redis::start().unwrap();
    let url = format!("{}?shards=16", redis.url());
    let owner = Owner::claim(Arc::new(RedisStore::open(&url).await.unwrap())).await;
    let reader = RedisStore::open(&url).await.unwrap();
    let head = tokio::time::timeout(PATIENCE, told(&owner, 0, &reader)).await.unwrap();
    redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    let head = tokio::time::timeout(PATIENCE, told(&owner, head, &reader)).await.unwrap();
    let page = reader.feed(Some(key("a").shard(16)), FeedPosition::ZERO, 10_000).await.unwrap();
    assert_eq!(page.entries.len() as u64, head, "what was told is there");
}
