use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use abide_core::Store;
use abide_services::{Postgres, postgres::Options, postgres::shared};
use abide_store::{
    PostgresOptions,
    contract::fixture::{Owner, key},
};
use tokio::time::timeout;

use super::world::{WELL_WITHIN, open, options, well};

/// Waits for a hint that comes within the time, while commits go on until it does.
async fn is_told(owner: &Owner, reader: &Arc<dyn Store>) {
    let a = key("a");
    let shard = a.shard(reader.shards());
    let mut head = owner.head(&a).await;
    let end = Instant::now() + WELL_WITHIN;
    loop {
        assert!(Instant::now() < end, "no hint came");
        let told = reader.feed_moved(Some(shard));
        if owner.store.commit(vec![owner.put(&a, head)]).await.is_ok() {
            head += 1;
        } else {
            head = owner.head(&a).await;
        }
        // The first commits may come before the server knows who listens.
        if timeout(Duration::from_secs(2), told).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn a_commit_of_one_process_wakes_who_reads_the_feed_in_another() {
    let schema = shared().unwrap();
    let reader = open(&schema.url(), options()).await;
    let owner = Owner::claim(open(&schema.url(), options()).await).await;
    is_told(&owner, &reader).await;
    is_told(&owner, &reader).await;
    // Nobody is told of what moved in other schemas and shards.
    let other = Owner::claim(open(&shared().unwrap().url(), options()).await).await;
    let b = (0..).map(|n| key(&n.to_string())).find(|b| b.shard(16) != key("a").shard(16)).unwrap();
    // What is still told of the commits so far is over.
    while timeout(Duration::from_millis(200), reader.feed_moved(Some(key("a").shard(16)))).await.is_ok() {}
    let told = reader.feed_moved(Some(key("a").shard(16)));
    let any = reader.feed_moved(None);
    other.grow(&key("a"), 1).await;
    owner.grow(&b, 1).await;
    timeout(WELL_WITHIN, any).await.unwrap();
    assert!(timeout(Duration::from_millis(200), told).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_come_again_after_the_server_was_away() {
    let mut server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let reader = open(&server.url(), options()).await;
    let owner = Owner::claim(open(&server.url(), options()).await).await;
    is_told(&owner, &reader).await;
    server.kill9().unwrap();
    server.start_again().unwrap();
    is_told(&owner, &reader).await;
}

#[tokio::test]
async fn a_store_that_is_told_not_to_tell_uses_no_connection_for_it() {
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    let connections =
        || server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'abide%'").unwrap();
    let quiet = open(&server.url(), PostgresOptions { notify: false, ..options() }).await;
    let owner = Owner::claim(quiet).await;
    let told = owner.store.feed_moved(None);
    owner.grow(&key("a"), 3).await;
    // Within a process nobody needs the server to know.
    timeout(WELL_WITHIN, told).await.unwrap();
    assert_eq!(connections().trim(), "1");
    owner.store.close().await;
    well("closing", async || (connections().trim() == "0").then_some(())).await;
    let owner = Owner::claim(open(&server.url(), options()).await).await;
    owner.grow(&key("b"), 3).await;
    well("telling", async || (connections().trim() == "2").then_some(())).await;
    owner.store.close().await;
    well("closing", async || (connections().trim() == "0").then_some(())).await;
}
