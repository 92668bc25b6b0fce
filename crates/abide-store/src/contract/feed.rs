//! The feed.

use std::collections::BTreeMap;

use abide_core::{
    FeedPosition, Key, Shard, StoreError,
    port::store::{Commit, FeedEntry},
};

use super::{
    Subject,
    fixture::{Owner, key, named},
};

/// Every head that moved is in the feed, in the order of commits, and each object's steps follow one
/// another. A step may span the changes of several commits.
pub async fn feed_is_gap_free_in_commit_order(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let a = key("a");
    let (shard, shards) = (a.shard(owner.store.shards()), owner.store.shards());
    let of_the_same_shard =
        (0..).map(|n| named("other", "Counter", &format!("b{n}"))).find(|b| b.shard(shards) == shard);
    let b = of_the_same_shard.expect("some id hashes to the shard");
    owner.grow(&a, 2).await;
    owner.done(vec![owner.put(&b, 0), owner.put(&a, 2), owner.put(&a, 3)]).await;
    owner.commit(vec![owner.put(&a, 99)]).await;
    owner.done(vec![owner.keep(&a, 4), owner.delete(&a, 4)]).await;
    let forgotten = Commit { keep_changes: false, ..owner.put(&b, 1) };
    owner.done(vec![forgotten]).await;
    for limit in [1, 2, 99] {
        let entries = read(&owner, Some(shard), limit).await;
        let heads = heads(&entries);
        assert_eq!(heads, BTreeMap::from([(a.clone(), 5), (b.clone(), 2)]), "limit {limit}");
        let order: Vec<_> = entries.iter().map(|e| (e.key.clone(), e.last.number())).collect();
        let place = |key: &Key, seq| order.iter().position(|(k, last)| k == key && *last >= seq).unwrap();
        assert!(place(&a, 2) < place(&b, 1));
        assert!(place(&b, 1) < place(&a, 5));
        assert!(place(&a, 5) < place(&b, 2));
    }
}

/// A page of one shard may be empty and still move on, so that a reader reaches the end.
pub async fn the_feed_of_one_shard_moves_on_past_the_others(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let shards = owner.store.shards();
    let keys: Vec<_> = (0..40).map(|n| key(&n.to_string())).collect();
    owner.done(keys.iter().map(|key| owner.put(key, 0)).collect()).await;
    for number in 0..shards.min(32) {
        let shard = Shard::new(number);
        let found = heads(&read(&owner, Some(shard), 2).await);
        let expected = keys.iter().filter(|key| key.shard(shards) == shard);
        let expected: BTreeMap<_, _> = expected.map(|key| (key.clone(), 1)).collect();
        assert_eq!(found, expected);
    }
}

/// Each shard that ever had an entry has a head: the position of its last one.
pub async fn heads_of_the_feed_are_its_last_positions(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    assert_eq!(owner.store.feed_heads().await.unwrap(), []);
    let shards = owner.store.shards();
    let keys: Vec<_> = (0..9).map(|n| key(&n.to_string())).collect();
    for round in 0..3 {
        let moved = keys.iter().step_by(round + 1);
        for key in moved {
            let head = owner.head(key).await;
            let forgotten = Commit { keep_changes: round != 1, ..owner.put(key, head) };
            owner.done(vec![forgotten]).await;
        }
        owner.commit(vec![owner.put(&key("fails"), 9)]).await;
        owner.done(vec![owner.keep(&key("does nothing"), 0)]).await;
        for key in &keys {
            let head = owner.head(key).await;
            owner.done(vec![owner.keep(key, head)]).await;
        }
        let mut expected = Vec::new();
        for shard in (0..shards).map(Shard::new) {
            let last = read(&owner, Some(shard), 99).await.last().map(|entry| entry.position);
            expected.extend(last.map(|position| (shard, position)));
        }
        assert_eq!(owner.store.feed_heads().await.unwrap(), expected);
    }
    owner.done(vec![owner.delete(&keys[0], 3)]).await;
    let heads = owner.store.feed_heads().await.unwrap();
    let last = read(&owner, Some(keys[0].shard(shards)), 99).await.last().map(|entry| entry.position);
    assert!(heads.contains(&(keys[0].shard(shards), last.expect("there are entries"))));
}

/// Without a shard, all entries come in commit order, or the store says to read by shard.
pub async fn the_feed_of_all_shards_is_whole_or_refused(subject: &mut dyn Subject) {
    let owner = Owner::open(subject).await;
    let keys: Vec<_> = (0..9).map(|n| key(&n.to_string())).collect();
    for key in &keys {
        owner.grow(key, 2).await;
    }
    match owner.store.feed(None, FeedPosition::ZERO, 5).await {
        Ok(_) => {
            let entries = read(&owner, None, 5).await;
            let order: Vec<&Key> = entries.iter().map(|entry| &entry.key).collect();
            assert_eq!(order, keys.iter().flat_map(|key| [key, key]).collect::<Vec<_>>());
        }
        Err(StoreError::Unsupported(text)) => assert!(text.contains("shard"), "{text}"),
        Err(error) => panic!("{error}"),
    }
}

/// Reads to the end, page by page.
async fn read(owner: &Owner, shard: Option<Shard>, limit: usize) -> Vec<FeedEntry> {
    let mut entries: Vec<FeedEntry> = Vec::new();
    let mut after = FeedPosition::ZERO;
    loop {
        let page = owner.store.feed(shard, after, limit).await.unwrap();
        assert!(page.entries.len() <= limit);
        assert_eq!(page.floor, FeedPosition::ZERO);
        for entry in page.entries {
            assert!(entry.position > after && entry.position <= page.next);
            after = entry.position;
            entries.push(entry);
        }
        assert!(page.next >= after);
        after = page.next;
        if !page.more {
            return entries;
        }
    }
}

/// The head each object's steps lead to; they must be dense from 1.
fn heads(entries: &[FeedEntry]) -> BTreeMap<Key, u64> {
    let mut heads = BTreeMap::new();
    for entry in entries {
        let head: &mut u64 = heads.entry(entry.key.clone()).or_default();
        assert_eq!(entry.first.number(), *head + 1, "{entry:?}");
        assert!(entry.last >= entry.first, "{entry:?}");
        *head = entry.last.number();
    }
    heads
}
