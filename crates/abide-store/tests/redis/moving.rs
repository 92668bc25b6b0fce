//! All that a store holds, out of a server that is written to meanwhile.

use std::sync::Arc;

use abide_core::{
    Key, Seq,
    port::store::{Commit, Row},
};
use abide_services::SharedRedis;
use abide_store::{
    RedisStore,
    contract::fixture::{Owner, key, message},
};

/// How many objects are surely read after the first ones.
const OBJECTS: u64 = 1_200;

#[tokio::test]
async fn a_backup_while_nodes_run_knows_of_no_message_that_its_sender_has_not_sent() {
    let redis = SharedRedis::open().unwrap();
    let url = format!("{}?prefix={}&shards=16&parts=1", redis.url(), redis.prefix());
    let owner = Owner::claim(Arc::new(RedisStore::open(&url).await.unwrap())).await;
    let [early, fresh, late] = ["a", "b", "z"].map(key);
    let fillers: Vec<Key> = (0..OBJECTS).map(|n| key(&format!("m{n:05}"))).collect();
    owner.done(fillers.iter().map(|key| owner.put(key, 0)).collect()).await;
    owner.grow(&late, 1).await;
    let send = |head: u64, n: u64| Commit { outbox: vec![message(&early, n, &late)], ..owner.put(&early, head) };
    owner.done(vec![send(0, 1 << 16)]).await;

    let mut export = owner.store.export().await.unwrap();
    let mut rows = export.next(1).await.unwrap();
    // One turn of the sender is not in it, nor is another sender; what they sent has come to who is read later.
    owner.done(vec![send(1, 2 << 16), owner.put(&fresh, 0)]).await;
    let received = vec![(early.clone(), 2 << 16), (fresh.clone(), 1 << 16), (late.clone(), 1 << 16)];
    owner.done(vec![Commit { received, ..owner.put(&late, 1) }]).await;
    loop {
        let page = export.next(100).await.unwrap();
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    let (mut heads, mut received, mut messages) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row {
            Row::Object(object) if !fillers.contains(&object.key) => heads.push((object.key, object.head)),
            Row::Received { sender, n, .. } => received.push((sender, n)),
            Row::Message(message) => messages.push(message.id.n),
            _ => {}
        }
    }
    received.sort();
    assert_eq!(heads, [(early.clone(), Seq::new(1)), (late.clone(), Seq::new(2))]);
    assert_eq!(received, [(early, 1 << 16 | 0xffff), (fresh, 0xffff), (late, 1 << 16)]);
    assert_eq!(messages, [1 << 16]);
}
