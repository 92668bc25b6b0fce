//! All that a store holds, out of a server that is written to meanwhile.

use std::sync::Arc;

use abide_core::{
    Key, Seq, Store, StoreError,
    port::store::{Commit, Row},
};
use abide_services::{Redis, SharedRedis};
use abide_store::{
    MemoryStore, RedisStore,
    contract::{
        fixture::{Owner, key, message},
        full::{rows, same, sorted},
    },
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

/// A server of a store in four parts, into which a backup is being restored.
struct Restoring {
    redis: Redis,
    store: RedisStore,
    memory: MemoryStore,
    rows: Vec<Row>,
}

impl Restoring {
    async fn begin() -> Self {
        let redis = Redis::start().unwrap();
        let store = RedisStore::open(&format!("{}?shards=16&parts=4", redis.url())).await.unwrap();
        let memory = MemoryStore::new(16);
        let owner = Owner::claim(Arc::new(memory.clone())).await;
        owner.done((0..200).map(|n| owner.put(&key(&n.to_string()), 0)).collect()).await;
        let rows = rows(&memory, 100).await;
        let restoring = Self { redis, store, memory, rows };
        assert_eq!(restoring.again().await, 0);
        restoring
    }

    /// Begins, or goes on.
    async fn again(&self) -> usize {
        usize::try_from(self.store.import_begin("a backup".into(), false).await.unwrap()).unwrap()
    }

    async fn take(&self, from: usize, to: usize) -> Result<(), StoreError> {
        for first in (from..to).step_by(50) {
            self.store.import(first as u64, self.rows[first..to.min(first + 50)].to_vec()).await?;
        }
        Ok(())
    }

    /// What becomes of the part 2 when its server comes back as it was just after the beginning.
    fn lose(&self) {
        let found = self.redis.ask(&["KEYS", "{abide:2}:*"]).unwrap();
        let rows = found.split_whitespace().filter(|name| !name.ends_with(":meta") && !name.ends_with(":epochs"));
        let rows: Vec<&str> = rows.collect();
        assert!(rows.len() > 2, "{found}");
        self.redis.ask(&[&["DEL"], &rows[..]].concat()).unwrap();
        self.redis.ask(&["HSET", "{abide:2}:meta", "imported", "0", "changes", "0"]).unwrap();
    }

    /// An end that reaches the parts 0, 1 and 3, and not 2, which can only be read meanwhile.
    async fn end_for_some(&self) {
        let only = ["resetkeys", "~{abide}*", "~{abide:[013]}*", "%R~{abide:2}*"];
        self.redis.ask(&[&["ACL", "SETUSER", "default"], &only[..]].concat()).unwrap();
        self.store.import_done(self.rows.len() as u64).await.unwrap_err();
        self.redis.ask(&["ACL", "SETUSER", "default", "allkeys"]).unwrap();
        let told = |part: u32| self.redis.ask(&["HGET", &format!("{{abide:{part}}}:meta"), "import"]).unwrap();
        assert_eq!([0, 1, 3].map(|part| told(part).trim().to_owned()), ["", "", ""]);
        assert_ne!(told(2).trim(), "");
    }

    async fn ends_well(&self) {
        self.store.import_done(self.rows.len() as u64).await.unwrap();
        same(&sorted(&self.store).await, &sorted(&self.memory).await);
        assert_eq!(self.store.verify(9).await.unwrap(), Vec::<String>::new());
        let left = self.redis.ask(&["HKEYS", "{abide}:meta"]).unwrap();
        assert!(!left.contains("import"), "{left}");
    }
}

fn gone(answer: &Result<(), StoreError>) {
    assert!(matches!(answer, Err(StoreError::Unsupported(text)) if text.contains("are gone")), "{answer:?}");
}

#[tokio::test]
async fn a_restore_begins_again_when_the_server_of_a_part_lost_rows_that_were_in() {
    let restoring = Restoring::begin().await;
    let all = restoring.rows.len();
    // Between two commands.
    restoring.take(0, 150).await.unwrap();
    restoring.lose();
    assert_eq!(restoring.again().await, 0);
    // Between two pages of one.
    restoring.take(0, 150).await.unwrap();
    assert_eq!(restoring.again().await, 150);
    restoring.lose();
    gone(&restoring.take(150, all).await);
    assert_eq!(restoring.again().await, 0);
    // After the last page.
    restoring.take(0, all).await.unwrap();
    restoring.lose();
    gone(&restoring.store.import_done(all as u64).await);
    assert_eq!(restoring.again().await, 0);
    restoring.take(0, all).await.unwrap();
    restoring.ends_well().await;
}

#[tokio::test]
async fn an_end_of_a_restore_that_reached_some_parts_goes_on() {
    let restoring = Restoring::begin().await;
    let all = restoring.rows.len();
    restoring.take(0, all).await.unwrap();
    restoring.end_for_some().await;
    assert_eq!(restoring.again().await, all);
    restoring.ends_well().await;
    restoring.store.claim().await.unwrap();
}

#[tokio::test]
async fn a_part_that_lost_all_of_a_restore_is_not_one_that_was_told_of_its_end() {
    let restoring = Restoring::begin().await;
    let all = restoring.rows.len();
    let lose_all = || {
        restoring.lose();
        restoring.redis.ask(&["HDEL", "{abide:2}:meta", "import", "imported"]).unwrap();
    };
    restoring.take(0, all).await.unwrap();
    restoring.end_for_some().await;
    lose_all();
    gone(&restoring.store.import_done(all as u64).await);
    assert_eq!(restoring.again().await, 0);
    // What it was told of an import before that one says nothing of this one.
    restoring.take(0, all).await.unwrap();
    restoring.ends_well().await;
    let begun = restoring.store.import_begin("a backup".into(), true).await;
    assert_eq!(begun, Ok(0));
    restoring.take(0, all).await.unwrap();
    restoring.end_for_some().await;
    lose_all();
    assert_eq!(restoring.again().await, 0);
    restoring.take(0, all).await.unwrap();
    restoring.ends_well().await;
}
