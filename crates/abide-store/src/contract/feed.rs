//! The feed.

use std::collections::BTreeMap;

use abide_core::{
    FeedPosition, Key, Shard,
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
    let (a, b) = (key("a"), named("other", "Counter", "b"));
    owner.grow(&a, 2).await;
    owner.done(vec![owner.put(&b, 0), owner.put(&a, 2), owner.put(&a, 3)]).await;
    owner.commit(vec![owner.put(&a, 99)]).await;
    owner.done(vec![owner.keep(&a, 4), owner.delete(&a, 4)]).await;
    let forgotten = Commit { keep_changes: false, ..owner.put(&b, 1) };
    owner.done(vec![forgotten]).await;
    for limit in [1, 2, 99] {
        let entries = read(&owner, None, limit).await;
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
